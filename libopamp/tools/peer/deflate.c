/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/deflate.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

enum { PIECE = 64 * 1024, GZIP = 16 };

/* What ends every message of permessage-deflate and is not sent. */
static const uint8_t tail[4] = {0x00, 0x00, 0xff, 0xff};

deflate_result deflate_pack(tool_buf *out, deflate_form form, int bits,
                            opamp_bytes in) {
  z_stream z = {0};
  int window = form == DEFLATE_GZIP ? MAX_WBITS + GZIP : -bits;
  if (in.len > UINT_MAX) return DEFLATE_LARGE;
  if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, window, 8,
                   Z_DEFAULT_STRATEGY) != Z_OK)
    return DEFLATE_NOMEM;
  z.next_in = (Bytef *)(uintptr_t)in.ptr;
  z.avail_in = (uInt)in.len;
  int flush = form == DEFLATE_GZIP ? Z_FINISH : Z_SYNC_FLUSH;
  do {
    uint8_t *to = tool_buf_reserve(out, PIECE);
    if (to == NULL) break;
    z.next_out = to;
    z.avail_out = PIECE;
    deflate(&z, flush);
    out->len += PIECE - z.avail_out;
  } while (z.avail_out == 0);
  deflateEnd(&z);
  if (form == DEFLATE_RAW && !out->failed) out->len -= sizeof tail;
  return out->failed ? DEFLATE_NOMEM : DEFLATE_OK;
}

/* Feeds one span; *end is set when the stream says that it is complete. */
static deflate_result inflate_span(z_stream *z, tool_buf *out, opamp_bytes in,
                                   size_t limit, bool *end) {
  z->next_in = (Bytef *)(uintptr_t)in.ptr;
  z->avail_in = (uInt)in.len;
  do {
    uint8_t *to = tool_buf_reserve(out, PIECE);
    if (to == NULL) return DEFLATE_NOMEM;
    z->next_out = to;
    z->avail_out = PIECE;
    int rc = inflate(z, Z_SYNC_FLUSH);
    out->len += PIECE - z->avail_out;
    if (out->len > limit) return DEFLATE_LARGE;
    if (rc == Z_MEM_ERROR) return DEFLATE_NOMEM;
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
      return DEFLATE_BAD;
    *end = rc == Z_STREAM_END;
  } while (!*end && z->avail_out == 0);
  return DEFLATE_OK;
}

deflate_result deflate_unpack(tool_buf *out, deflate_form form, opamp_bytes in,
                              size_t max) {
  z_stream z = {0};
  bool end = false;
  size_t limit = out->len + max;
  if (in.len > UINT_MAX) return DEFLATE_LARGE;
  if (inflateInit2(&z, form == DEFLATE_GZIP ? MAX_WBITS + GZIP : -MAX_WBITS) !=
      Z_OK)
    return DEFLATE_NOMEM;
  deflate_result r = inflate_span(&z, out, in, limit, &end);
  if (r == DEFLATE_OK && form == DEFLATE_RAW && !end) {
    r = inflate_span(&z, out, (opamp_bytes){tail, sizeof tail}, limit, &end);
    if (r == DEFLATE_OK && z.avail_in > 0) r = DEFLATE_BAD;
  }
  if (r == DEFLATE_OK && form == DEFLATE_GZIP && (!end || z.avail_in > 0))
    r = DEFLATE_BAD;
  inflateEnd(&z);
  return r;
}
