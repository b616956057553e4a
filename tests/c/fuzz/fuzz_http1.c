/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to opamp-peer: a byte for the size of the pieces, then the bytes of
 * a connection. They mean the same however they are cut. */
#include "peer/http1.h"
#include "pieces.h"

static tool_buf notes_of(opamp_bytes bytes, size_t size) {
  static const http1_limits limits = {100, 5, 50};
  tool_buf notes = {0};
  http1 p;
  http1_init(&p, &limits);
  fuzz_pieces(peer_feed_http, &p, &notes, bytes, size);
  FUZZ_CHECK(p.request.body.len <= limits.body);
  FUZZ_CHECK(p.request.header_count <= limits.headers);
  http1_free(&p);
  return notes;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  fuzz_in in = {bytes, bytes + n};
  size_t size = 1 + fuzz_byte(&in) % 64u;
  opamp_bytes rest = fuzz_rest(&in);
  tool_buf whole = notes_of(rest, 0), cut = notes_of(rest, size);
  fuzz_same(&whole, &cut);
  return 0;
}
