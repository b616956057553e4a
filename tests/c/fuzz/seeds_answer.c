/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "seeds.h"

/* --- one input ------------------------------------------------------------ */

static void put(opamp__buf *b, const void *p, size_t n) {
  if (n > 0 && !opamp__buf_append(b, p, n)) abort();
}

static void put_byte(opamp__buf *b, size_t v) {
  if (!opamp__buf_byte(b, (uint8_t)v)) abort();
}

/* A piece, as rig_say_pieces reads it. */
static void put_piece(opamp__buf *b, const void *p, size_t len) {
  size_t n = len;
  for (; n >= 0x80; n >>= 7) put_byte(b, (n & 0x7f) | 0x80);
  put_byte(b, n);
  put(b, p, len);
}

/* One with a piece alone; frees that. */
static void write_input(const char *target, unsigned how, opamp__buf *piece) {
  opamp__buf b = {NULL, 0, 0};
  put_byte(&b, how);
  put_piece(&b, piece->ptr, piece->len);
  seeds_write(target, b.ptr, b.len);
  opamp__buf_free(piece);
  opamp__buf_free(&b);
}

/* --- of a transcript ------------------------------------------------------ */

static void put_head(opamp__buf *b, int status, size_t body) {
  char text[128];
  int n = snprintf(text, sizeof text,
                   "HTTP/1.1 %d Status\r\nContent-Type: "
                   "application/x-protobuf\r\nContent-Length: %zu\r\n",
                   status, body);
  put(b, text, (size_t)n);
}

static void put_header(opamp__buf *b, const char *name, opamp_str value) {
  if (value.len == 0) return;
  put(b, name, strlen(name));
  put(b, value.ptr, value.len);
  put(b, "\r\n", 2);
}

static void put_frame(opamp__buf *b, uint8_t first, const void *p, size_t n) {
  put_byte(b, first);
  if (n > 125) {
    put_byte(b, 126);
    put_byte(b, n >> 8 & 0xff);
    put_byte(b, n & 0xff);
  } else {
    put_byte(b, n);
  }
  put(b, p, n);
}

void seeds_frame(const uint8_t *p, size_t n, bool websocket) {
  opamp__buf b = {NULL, 0, 0};
  if (n > 2000) return; /* the fuzzer's inputs end at 4096 bytes */
  if (websocket) {
    put_frame(&b, 0x82, p, n);
    write_input("ws_answer", RIG_NOTHING, &b);
    return;
  }
  put_head(&b, 200, n);
  put(&b, "\r\n", 2);
  put(&b, p, n);
  write_input("http_answer", RIG_NOTHING, &b);
}

static void close_frame(const opamp__in_closed *c) {
  opamp__buf b = {NULL, 0, 0};
  const uint8_t code[] = {(uint8_t)(c->close_code >> 8),
                          (uint8_t)c->close_code};
  put_frame(&b, 0x88, code, sizeof code);
  write_input("ws_answer", RIG_NOTHING, &b);
}

void seeds_closed(const opamp__in_closed *c, bool websocket) {
  opamp__buf b = {NULL, 0, 0};
  char seconds[32];
  if (websocket && c->close_code != 0) close_frame(c);
  if (c->http_status == 0) return;
  int n =
      snprintf(seconds, sizeof seconds, "%" PRId64, c->retry_after_ms / 1000);
  put_head(&b, c->http_status, c->body.len);
  put_header(&b, "Location: ", c->location);
  if (c->retry_after_ms >= 0)
    put_header(&b, "Retry-After: ", (opamp_str){seconds, (size_t)n});
  put(&b, "\r\n", 2);
  put(&b, c->body.ptr, c->body.len);
  write_input(websocket ? "ws_answer" : "http_answer",
              websocket ? RIG_RAW : RIG_NOTHING, &b);
}

/* --- what transcripts do not show ----------------------------------------- */

typedef struct wild {
  const char *target;
  unsigned how;
  const char *pieces[3];
  size_t n[3];
} wild;

#define PIECE(text) sizeof(text) - 1
#define ONE(target, how, a) \
  {                         \
    target, how, {a}, {     \
      PIECE(a)              \
    }                       \
  }
#define TWO(target, how, a, b) \
  {                            \
    target, how, {a, b}, {     \
      PIECE(a), PIECE(b)       \
    }                          \
  }
#define THREE(target, how, a, b, c) \
  {                                 \
    target, how, {a, b, c}, {       \
      PIECE(a), PIECE(b), PIECE(c)  \
    }                               \
  }

#define UPGRADED                                               \
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" \
  "Connection: Upgrade\r\nSec-WebSocket-Accept: \1\r\n"

static const wild wilds[] = {
    THREE("http_answer", RIG_NOTHING,
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc",
          "\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    /* Twelve bytes, compressed. */
    ONE("http_answer", RIG_COMPRESS,
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 26\r\n"
        "\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xe3\x62\x4a\x4c\xe2\x82"
        "\x62\x00\x08\xca\x58\x10\x0c\x00\x00\x00"),
    TWO("http_answer", RIG_CLOSE_ALIVE,
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: "
        "</a>\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nup to the end"),
    ONE("http_answer", RIG_RESET | RIG_SMALL,
        "HTTP/1.1 307 T\r\nLocation: //h/x\r\nContent-Length: 9\r\n\r\nabc"),
    TWO("http_answer", RIG_ABORT_FRAME,
        "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", "surplus"),
    ONE("http_answer", RIG_NOTHING,
        "HTTP/1.1 429 T\r\nRetry-After: Sun, 06 Nov 2094 08:49:37 GMT\r\n"
        "Content-Length: 4\r\n\r\na\x01\xff b"),
    TWO("ws_answer", RIG_PING_FRAME, "\x02\x03one\x89\x02pi",
        "\x80\x03two\x8a\x00\x88\x04\x03\xe8ok"),
    ONE("ws_answer", RIG_COMPRESS,
        "\xc2\x07\xcaH\xcd\xc9\xc9\x07\x00\x42\x03\xcaH\xcd\x80\x04\xc9\xc9"
        "\x07\x00"),
    ONE("ws_answer", RIG_COMPRESS | RIG_EXTRA | RIG_SMALL,
        "\xc2\x07\xcaH\xcd\xc9\xc9\x07\x00\xc2\x05\xcaH\x07\x00\x00"),
    ONE("ws_answer", RIG_CLOSE_FRAME, "\x81\x04text"),
    ONE("ws_answer", RIG_SMALL | RIG_RESET,
        "\x82\x7f\x00\x00\x00\x00\x00\x00\x01\x00long"),
    TWO("ws_answer", RIG_RAW, UPGRADED "\r\n", "\x82\x02\x00\x00"),
    TWO("ws_answer", RIG_RAW | RIG_COMPRESS,
        UPGRADED "Sec-WebSocket-Extensions: permessage-deflate; "
                 "server_max_window_bits=10; client_max_window_bits=9\r\n\r\n",
        "\xc2\x07\xcaH\xcd\xc9\xc9\x07\x00"),
    ONE("ws_answer", RIG_RAW,
        "HTTP/1.1 302 Found\r\nLocation: wss://h/x\r\nContent-Length: 0\r\n"
        "\r\n"),
};

void seeds_wild_answers(void) {
  for (size_t i = 0; i < sizeof wilds / sizeof *wilds; i++) {
    opamp__buf b = {NULL, 0, 0};
    put_byte(&b, wilds[i].how);
    for (size_t k = 0; k < 3 && wilds[i].pieces[k] != NULL; k++)
      put_piece(&b, wilds[i].pieces[k], wilds[i].n[k]);
    seeds_write(wilds[i].target, b.ptr, b.len);
    opamp__buf_free(&b);
  }
}
