/* SPDX-License-Identifier: Apache-2.0 */
/* What a server sends to a WebSocket client, through the transport on
 * libwebsockets: how the client behaves (rig.h), then the bytes in pieces, each
 * behind its length. They follow a good answer to the upgrade; with RIG_RAW
 * they are the answer, in which the byte 1 stands for the accepted key. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "rig.h"

enum { ACCEPT_LEN = 28, KEY_LEN = 24 };

/* RFC 6455 §4.2.2. */
static void accept_key(const rig *r, char out[ACCEPT_LEN + 1]) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  static const char name[] = "Sec-WebSocket-Key: ";
  const char *key = strcasestr(r->request, name);
  char text[KEY_LEN + sizeof guid];
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  FUZZ_CHECK(key != NULL && strlen(key) > sizeof name + KEY_LEN);
  snprintf(text, sizeof text, "%.*s%s", KEY_LEN, key + sizeof name - 1, guid);
  FUZZ_CHECK(EVP_Digest(text, strlen(text), digest, &n, EVP_sha1(), NULL) == 1);
  FUZZ_CHECK(EVP_EncodeBlock((unsigned char *)out, digest, (int)n) ==
             ACCEPT_LEN);
}

static void answer(rig *r) {
  char key[ACCEPT_LEN + 1], text[400];
  const char *extension = "";
  if ((r->how & RIG_COMPRESS) != 0)
    extension = (r->how & RIG_EXTRA) != 0
                    ? "Sec-WebSocket-Extensions: permessage-deflate\r\n"
                    : "Sec-WebSocket-Extensions: permessage-deflate; "
                      "server_no_context_takeover; "
                      "client_no_context_takeover\r\n";
  accept_key(r, key);
  snprintf(text, sizeof text,
           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
           "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
           key, extension);
  rig_say(r, text, strlen(text));
  r->said = 0;
}

/* The piece with the key in it. */
static void say_raw(rig *r, opamp_bytes piece) {
  char key[ACCEPT_LEN + 1];
  opamp__buf b = {NULL, 0, 0};
  accept_key(r, key);
  for (size_t i = 0; i < piece.len; i++) {
    if (piece.ptr[i] == 1)
      FUZZ_CHECK(opamp__buf_append(&b, (const uint8_t *)key, ACCEPT_LEN));
    else
      FUZZ_CHECK(opamp__buf_byte(&b, piece.ptr[i]));
  }
  rig_say(r, b.ptr, b.len);
  opamp__buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  fuzz_in in = {bytes, bytes + n};
  rig r;
  rig_open(&r, "ws", fuzz_byte(&in));
  if (rig_request(&r)) {
    if ((r.how & RIG_RAW) == 0)
      answer(&r);
    else
      say_raw(&r, fuzz_bytes(&in));
    rig_say_pieces(&r, &in);
  }
  rig_close(&r);
  return 0;
}
