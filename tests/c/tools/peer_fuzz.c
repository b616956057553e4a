/* SPDX-License-Identifier: Apache-2.0 */
/* The parsers of opamp-peer under broken input in random pieces, from a fixed
 * seed. Beside not crashing they must come to the same end however the bytes
 * are cut. */
#include "harness.h"
#include "peer/http1.h"
#include "peer/websocket.h"
#include "peer_feed.h"

enum { ROUNDS = 20000, INPUT_MAX = 600 };

static uint32_t state;

static uint32_t below(uint32_t n) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state % n;
}

/* Changes, removes, doubles or inserts a few bytes. */
static size_t mutate(uint8_t *bytes, size_t n) {
  static const uint8_t spice[] = "\r\n :;,=0fF\x00\x7e\x7f\x80\xfe\xff";
  for (uint32_t k = below(6); k > 0 && n > 1; k--) {
    size_t at = below((uint32_t)n);
    size_t len = 1 + below(8);
    if (len > n - at) len = n - at;
    switch (below(4)) {
      case 0:
        bytes[at] = (uint8_t)below(256);
        break;
      case 1:
        bytes[at] = spice[below(sizeof spice - 1)];
        break;
      case 2:
        memmove(bytes + at, bytes + at + len, n - at - len);
        n -= len;
        break;
      default:
        if (n + len > INPUT_MAX) break;
        memmove(bytes + at + len, bytes + at, n - at);
        n += len;
        break;
    }
  }
  return n;
}

/* The pieces are exact copies, so that a sanitizer sees reads beyond them. */
static void feed_pieces(peer_feeder feed, void *parser, tool_buf *notes,
                        const uint8_t *bytes, size_t n) {
  size_t at = 0;
  while (at < n) {
    size_t k = 1 + below(below(2) != 0 ? 4 : (uint32_t)n);
    if (k > n - at) k = n - at;
    tool_buf piece = {0};
    tool_buf_add(&piece, bytes + at, k);
    bool more = feed(parser, notes, piece.ptr, k);
    tool_buf_free(&piece);
    if (!more) return;
    at += k;
  }
}

static void http_end(tool_buf *notes, const uint8_t *bytes, size_t n) {
  static const http1_limits limits = {100, 5, 50};
  http1 p;
  http1_init(&p, &limits);
  feed_pieces(peer_feed_http, &p, notes, bytes, n);
  http1_free(&p);
}

static void ws_end(tool_buf *notes, const uint8_t *bytes, size_t n) {
  ws_reader r = {.max = 60, .deflate = true};
  feed_pieces(peer_feed_ws, &r, notes, bytes, n);
  ws_reader_free(&r);
}

static void fuzz(const void *seed, size_t seed_len,
                 void (*end)(tool_buf *notes, const uint8_t *bytes, size_t n)) {
  size_t told = 0;
  state = 0x9e3779b9;
  for (int i = 0; i < ROUNDS; i++) {
    uint8_t bytes[INPUT_MAX];
    tool_buf one = {0}, other = {0};
    memcpy(bytes, seed, seed_len);
    size_t n = mutate(bytes, seed_len);
    end(&one, bytes, n);
    end(&other, bytes, n);
    CHECK(!one.failed && !other.failed);
    CHECK_MEM(one.ptr, one.len, other.ptr, other.len);
    if (one.len > 0) told++;
    tool_buf_free(&one);
    tool_buf_free(&other);
  }
  CHECK(told > ROUNDS / 2);
}

TEST(http) {
  static const char seed[] =
      "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world"
      "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;a=b\r\nabc\r\n1e\r\n0123456789abcdefghij0123456789\r\n0\r\nT: t\r\n"
      "\r\n"
      "GET /z HTTP/1.0\r\n\r\n";
  fuzz(seed, sizeof seed - 1, http_end);
}

TEST(websocket) {
  /* A message; one in two frames around a ping; a compressed one ("hello");
   * an empty pong; a Close. Mask 0 leaves the payloads readable. */
  static const char seed[] =
      "\x82\x85\0\0\0\0hello"
      "\x02\x83\0\0\0\0one"
      "\x89\x82\0\0\0\0pi"
      "\x80\x83\0\0\0\0two"
      "\xc2\x87\0\0\0\0\xcaH\xcd\xc9\xc9\x07\x00"
      "\x8a\x80\x01\x02\x03\x04"
      "\x88\x84\0\0\0\0\x03\xe8ok";
  fuzz(seed, sizeof seed - 1, ws_end);
}

TEST(extension_offers) {
  static const char seed[] =
      "permessage-deflate; client_max_window_bits=\"12\"; "
      "server_max_window_bits=10, permessage-deflate";
  state = 1;
  for (int i = 0; i < ROUNDS; i++) {
    uint8_t bytes[INPUT_MAX];
    tool_buf text = {0}, answer = {0};
    memcpy(bytes, seed, sizeof seed - 1);
    tool_buf_add(&text, bytes, mutate(bytes, sizeof seed - 1));
    tool_buf_add(&text, "", 1);
    int bits = ws_negotiate_deflate(&answer, (const char *)text.ptr);
    CHECK(bits == 0 || (bits >= 9 && bits <= 15));
    CHECK((bits == 0) == (answer.len == 0));
    tool_buf_free(&text);
    tool_buf_free(&answer);
  }
}
