/* SPDX-License-Identifier: Apache-2.0 */
#include <zlib.h>

#include "base/mem.h"
#include "transport/ws_conn.h"

/* The receiving half of permessage-deflate (RFC 7692 §7.2.2). libwebsockets has
 * one, whose assertion ends the process when the last byte of a message stands
 * for more than it has room for, as any long run of equal bytes may. */

enum { ROOM = 4096, AT_BLOCK_END = 128 /* in zlib's data_type */ };

static bool begin(ws_conn *c) {
  if (c->inflater != NULL) return true;
  c->inflater = (z_stream *)opamp__calloc(1, sizeof *c->inflater);
  if (c->inflater == NULL) return false;
  /* No header, the largest window. */
  if (inflateInit2(c->inflater, -15) == Z_OK) return true;
  opamp__free(c->inflater);
  c->inflater = NULL;
  return false;
}

void opamp__ws_inflate_end(ws_conn *c) {
  if (c->inflater == NULL) return;
  (void)inflateEnd(c->inflater);
  opamp__free(c->inflater);
  c->inflater = NULL;
}

/* Up to the end of the input, and of what it stands for. */
static opamp_status pump(ws_conn *c, const uint8_t *p, size_t n) {
  z_stream *z = c->inflater;
  opamp__buf *out = &c->message;
  z->next_in = (Bytef *)p;
  z->avail_in = (uInt)n;
  do {
    if (!opamp__buf_reserve(out, ROOM)) return OPAMP_ERR_NOMEM;
    z->next_out = out->ptr + out->len;
    z->avail_out = ROOM;
    int err = inflate(z, Z_SYNC_FLUSH);
    out->len += ROOM - z->avail_out;
    if (out->len > c->max_receive) return OPAMP_ERR_LIMIT;
    if (err == Z_BUF_ERROR) return OPAMP_OK;
    if (err == Z_MEM_ERROR) return OPAMP_ERR_NOMEM;
    /* Blocks may follow one that calls itself the last. */
    if (err == Z_STREAM_END) err = inflateReset(z);
    if (err != Z_OK) return OPAMP_ERR_FRAME;
  } while (z->avail_in > 0 || z->avail_out == 0);
  return OPAMP_OK;
}

opamp_status opamp__ws_inflate(ws_conn *c, const uint8_t *p, size_t n,
                               bool last) {
  /* What the sender has left out. */
  static const uint8_t tail[] = {0x00, 0x00, 0xff, 0xff};
  if (!begin(c)) return OPAMP_ERR_NOMEM;
  opamp_status st = pump(c, p, n);
  if (st != OPAMP_OK || !last) return st;
  st = pump(c, tail, sizeof tail);
  if (st == OPAMP_OK && (c->inflater->data_type & AT_BLOCK_END) == 0)
    st = OPAMP_ERR_FRAME;
  return st;
}
