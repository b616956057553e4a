/* SPDX-License-Identifier: Apache-2.0 */
#include "pieces.h"

#include <stdlib.h>
#include <string.h>

void fuzz_pieces(peer_feeder feed, void *parser, tool_buf *notes,
                 opamp_bytes bytes, size_t size) {
  bool more = true;
  for (size_t at = 0, i = 0; more && at < bytes.len; i++) {
    size_t left = bytes.len - at;
    size_t n = size == 0 ? left : 1 + (size + 256 - i % 256) % size;
    if (n > left) n = left;
    uint8_t *piece = fuzz_exact((opamp_bytes){bytes.ptr + at, n});
    more = feed(parser, notes, piece, n);
    free(piece);
    at += n;
  }
}

void fuzz_same(tool_buf *a, tool_buf *b) {
  FUZZ_CHECK(!a->failed && !b->failed);
  FUZZ_CHECK(a->len == b->len);
  FUZZ_CHECK(a->len == 0 || memcmp(a->ptr, b->ptr, a->len) == 0);
  tool_buf_free(a);
  tool_buf_free(b);
}
