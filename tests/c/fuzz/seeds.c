/* SPDX-License-Identifier: Apache-2.0 */
#include "seeds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* make_seeds DIR TRANSCRIPTS */

static const char *out_dir;

static void die(const char *path) {
  perror(path);
  exit(1);
}

void seeds_write(const char *target, const void *bytes, size_t n) {
  char path[4096];
  const uint8_t *p = bytes;
  uint64_t h = 1469598103934665603u;
  FILE *f;
  for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 1099511628211u;
  snprintf(path, sizeof path, "%s/%s", out_dir, target);
  (void)mkdir(path, 0777);
  snprintf(path, sizeof path, "%s/%s/%016" PRIx64, out_dir, target, h);
  f = fopen(path, "wb");
  if (f == NULL) die(path);
  if (fwrite(bytes, 1, n, f) != n || fclose(f) != 0) die(path);
}

#define SEED(target, bytes) \
  { target, bytes, sizeof(bytes) - 1 }

static const struct seed {
  const char *target, *bytes;
  size_t n;
} texts[] = {
    SEED("ws_header", "\0\x0a\x01x"),
    SEED("ws_header", "\x80\x80\0\x0a\x01x"),
    SEED("ws_header", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\0"),
    SEED("ws_header", "\x81\0"),
    SEED("url", "ws://host\n/other?x=1\n30\nX-Key\nsecret"),
    SEED("url",
         "wss://[2001:db8::1]:8443/v1/opamp?a=b\nhttps://b.example/x\n"
         "Wed, 21 Oct 2037 07:28:00 GMT\nAuthorization\nBearer abc"),
    SEED("url",
         "http://h:80/a/b/../c/./d\n../e?q#f\n"
         "Wednesday, 21-Oct-37 07:28:00 GMT\nx y\na\tb"),
    SEED("url",
         "https://user:pass@h/%41\n//other:1/x\n"
         "Wed Oct 21 07:28:00 2037\nHost\na\r\nb"),
    SEED("url", "HTTP://HOST\n?only=query\n-1\n\n"),
    SEED("redact",
         "*password*,api?key\npassword: x\nuser: 'y'\napi_key: |\n"
         "  several\n  lines\nlast: 1\n"),
    SEED("redact",
         "*token*\n{\"token\": {\"a\": [1, \"]\"]}, \"b\": \"\\\"\"}"),
    SEED("redact",
         "secret\n[part]\nsecret = \"\"\"a\nb\"\"\"\nEXPORT=1\n"
         "export secret=$X # why\n"),
    SEED("redact", "a*,?b\na.b=c\\\n  d\nab:e\r\n- ab: {f: g}\n"),
    SEED("http1",
         "\x07GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
         "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world"),
    SEED("http1",
         "\0POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
         "3;a=b\r\nabc\r\n1e\r\n0123456789abcdefghij0123456789\r\n0\r\nT: t\r\n"
         "\r\nGET /z HTTP/1.0\r\n\r\n"),
    SEED("http1",
         "\1POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
         "Connection: close\r\nContent-Length: 2\r\n\r\nok"),
    SEED("websocket",
         "\x82\x82\x85\0\0\0\0hello\x02\x83\0\0\0\0one"
         "\x89\x82\0\0\0\0pi\x80\x83\0\0\0\0two"),
    SEED("websocket",
         "\x81\xc2\x87\0\0\0\0\xcaH\xcd\xc9\xc9\x07\x00"
         "\x8a\x80\x01\x02\x03\x04\x88\x84\0\0\0\0\x03\xe8ok"),
    SEED("websocket", "\x03\x82\xfe\x00\x80\1\2\3\4"),
    SEED("websocket",
         "\0permessage-deflate; client_max_window_bits=\"12\"; "
         "server_max_window_bits=10, permessage-deflate"),
};

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: make_seeds DIR TRANSCRIPTS\n");
    return 2;
  }
  out_dir = argv[1];
  if (mkdir(out_dir, 0777) != 0 && access(out_dir, W_OK) != 0) die(out_dir);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    seeds_write(texts[i].target, texts[i].bytes, texts[i].n);
  return seeds_of_transcripts(argv[2]) ? 0 : 1;
}
