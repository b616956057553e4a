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
    SEED("url", "ws://host\n/other?x=1"),
    SEED("url", "wss://[2001:db8::1]:8443/v1/opamp?a=b\nhttps://b.example/x"),
    SEED("url", "http://h:80/a/b/../c/./d\n../e?q#f"),
    SEED("url", "https://user:pass@h/%41\n//other:1/x"),
    SEED("url", "HTTP://HOST\n?only=query"),
    SEED("url", "socks5h://u%40x:p@w@Proxy:1080/\n"),
    SEED("headers", "\0 30\t"),
    SEED("headers", "\0-1"),
    SEED("headers", "\0Wed, 21 Oct 2037 07:28:00 GMT"),
    SEED("headers", "\0Wednesday, 21-Oct-37 07:28:00 GMT"),
    SEED("headers", "\0Wed Oct 21 07:28:00 2037"),
    SEED("headers", "\0Sun Nov  6 08:49:60 1994"),
    SEED("headers", "\1\xc0\xfc\xf4\xb0\x08"),
    SEED("headers", "\2X-Key\nsecret\nAuthorization\nBearer abc\nx y\na\tb"),
    SEED("headers", "\2Host\na\r\nb\nSec-WebSocket-Key\nx\n\n"),
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
    /* Each command, as --help describes it. */
    SEED("peer_command",
         "\2{\"command\":\"send\",\"id\":1,\"message\":{\"flags\":1,"
         "\"capabilities\":[\"AcceptsStatus\",\"0x10000\"],\"command\":{"
         "\"type\":\"Restart\"}}}\n\n{\"command\":\"offer_config\",\"files\":{"
         "\"a.yaml\":{\"body\":\"x: 1\",\"content_type\":\"text/yaml\"},\"b\":{"
         "\"body_base64\":\"AAE=\",\"role\":\"r\"}}}"),
    SEED("peer_command",
         "\1{\"command\":\"error\",\"type\":\"Unavailable\",\"message\":\"no\","
         "\"retry_after_ms\":30}\n{\"command\":\"respond\",\"http_status\":503,"
         "\"headers\":{\"Retry-After\":\"1\"},\"body_base64\":\"AA==\","
         "\"times\":2}\n{\"command\":\"close\",\"connection\":2}"),
    SEED("peer_command",
         "\2{\"command\":\"fragment\",\"bytes\":1}\n{\"command\":\"text\","
         "\"text\":\"t\"}\n{\"command\":\"garbage\",\"base64\":\"gn8=\","
         "\"raw\":true}\n{\"command\":\"stall\",\"ms\":0}\n{\"command\":"
         "\"close\",\"code\":1001,\"reason\":\"why\"}\n{\"command\":\"reset\","
         "\"connection\":2}"),
    SEED("peer_command",
         "\0{\"command\":\"auto_reply\",\"off\":true}\n{\"command\":\"accept\","
         "\"on\":false}\n{\"command\":\"accept\",\"on\":true}\nno JSON\n"
         "{\"command\":\"stop\",\"id\":{\"a\":[]}}"),
    SEED("peer_command",
         "\2{\"command\":\"offer_settings\",\"opamp\":{"
         "\"destination_endpoint\":\"wss://x\",\"headers\":{\"A\":\"b\","
         "\"C\":[\"d\",\"e\"]},\"certificate\":{\"cert\":\"c\","
         "\"private_key\":\"k\",\"ca_cert_file\":\"/\"},\"tls\":{"
         "\"ca_pem_contents_file\":\"/dev/null\",\"min_version\":\"1.2\","
         "\"cipher_suites\":[\"X\"]},\"proxy\":{\"url\":\"http://p\","
         "\"connect_headers\":{}},\"heartbeat_interval_seconds\":9}}\n"
         "{\"command\":\"offer_settings\",\"own_metrics\":{},"
         "\"own_traces\":{},\"own_logs\":{},\"other_connections\":{\"o\":{"
         "\"other_settings\":{\"k\":\"v\"}}},\"hash\":\"00ff\"}"),
    SEED("agent_command",
         "{\"command\":\"set_health\",\"id\":1,\"health\":{\"healthy\":true,"
         "\"status\":\"s\",\"last_error\":\"e\",\"start_time_unix_nano\":1,"
         "\"attributes\":{\"a\":1.5,\"b\":[true,null]},\"components\":{\"c\":{"
         "\"healthy\":false}}}}\n{\"command\":\"state\"}"),
    SEED("agent_command",
         "{\"command\":\"set_description\",\"identifying\":{\"a\":\"b\"},"
         "\"non_identifying\":{\"c\":{\"d\":1}}}\n{\"command\":"
         "\"set_effective_config\",\"files\":{\"a\":{\"body\":\"x\"}}}\n"
         "{\"command\":\"config_status\",\"hash\":\"00ff\",\"status\":"
         "\"FAILED\",\"error\":\"e\"}"),
    SEED("agent_command",
         "{\"command\":\"set_components\",\"components\":{\"c\":{\"metadata\":{"
         "\"k\":\"v\"},\"components\":{\"d\":{}}}}}\n{\"command\":"
         "\"set_capabilities\",\"capabilities\":[\"ReportsStatus\"]}\n"
         "{\"command\":\"set_header\",\"name\":\"X\",\"value\":null}"),
    SEED(
        "agent_command",
        "{\"command\":\"batch\",\"commands\":[{\"command\":"
        "\"set_custom_capabilities\",\"capabilities\":[\"c\"]},{\"command\":"
        "\"send_custom\",\"capability\":\"c\",\"type\":\"t\",\"data\":"
        "\"AAE=\"},{\"command\":\"set_heartbeat\",\"ms\":1000}]}\n{\"command\":"
        "\"stop\",\"disconnect\":false}"),
    SEED("agent_command",
         "{\"command\":\"set_package_statuses\",\"packages\":{\"p\":{\"name\":"
         "\"p\",\"status\":\"Installed\"}},"
         "\"server_provided_all_packages_hash\":\"00\"}\n{\"command\":"
         "\"settings_status\",\"hash\":\"\",\"status\":\"APPLIED\"}\n"
         "{\"command\":\"request_certificate\"}"),
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
  seeds_wild_answers();
  return seeds_of_transcripts(argv[2]) ? 0 : 1;
}
