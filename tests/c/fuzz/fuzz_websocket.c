/* SPDX-License-Identifier: Apache-2.0 */
/* Frames to opamp-peer: a byte for the size of the pieces and whether they may
 * be compressed, then the bytes. They mean the same however they are cut. */
#include "peer/websocket.h"
#include "pieces.h"

enum { MESSAGE_MAX = 200 };

static bool feed(void *parser, tool_buf *notes, const uint8_t *bytes,
                 size_t n) {
  const ws_reader *r = parser;
  bool more = peer_feed_ws(parser, notes, bytes, n);
  FUZZ_CHECK(!more || r->payload.len <= MESSAGE_MAX);
  return more;
}

static tool_buf notes_of(opamp_bytes bytes, size_t size, bool deflate) {
  tool_buf notes = {0};
  ws_reader r = {.max = MESSAGE_MAX, .deflate = deflate};
  fuzz_pieces(feed, &r, &notes, bytes, size);
  ws_reader_free(&r);
  return notes;
}

/* Text that a client may offer as extensions. */
static void negotiate(opamp_bytes offers) {
  tool_buf text = {0}, answer = {0};
  tool_buf_add(&text, offers.ptr, offers.len);
  tool_buf_add(&text, "", 1);
  int bits = ws_negotiate_deflate(&answer, (const char *)text.ptr);
  FUZZ_CHECK(bits == 0 || (bits >= 9 && bits <= 15));
  FUZZ_CHECK((bits == 0) == (answer.len == 0));
  tool_buf_free(&text);
  tool_buf_free(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  fuzz_in in = {bytes, bytes + n};
  uint8_t how = fuzz_byte(&in);
  opamp_bytes rest = fuzz_rest(&in);
  size_t size = 1 + how % 64u;
  tool_buf whole = notes_of(rest, 0, how >= 128);
  tool_buf cut = notes_of(rest, size, how >= 128);
  fuzz_same(&whole, &cut);
  negotiate(rest);
  return 0;
}
