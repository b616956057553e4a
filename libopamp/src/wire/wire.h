/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_WIRE_WIRE_H
#define OPAMP_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "opamp/message.h"

/* What the layers above need of the wire format beside opamp/message.h.
 * protobuf-c is not visible here. */

/* OPAMP_OK, or OPAMP_ERR_INVALID when `m` is NULL or was freed, with a text that
 * begins with the public function's name. */
opamp_status opamp__msg_check(const opamp_msg *m, const char *function);

/* --- reading -------------------------------------------------------------- */

/* Bounds on one message, whatever its bytes say (requirements WIRE-4). */
typedef struct opamp__limits {
  size_t bytes;      /* 64 MiB */
  unsigned depth;    /* 64 */
  size_t fields;     /* 1,000,000 */
  size_t unknown;    /* 10,000 */
  unsigned repeats;  /* 16: of one singular sub-message */
  size_t heap;       /* what unpacking may take */
} opamp__limits;

extern const opamp__limits opamp__limits_default;

/* opamp_msg_parse under other bounds. */
opamp_status opamp__msg_parse(opamp_msg **out, int type, opamp_bytes wire,
                              const opamp__limits *limits);

/* The same, in `size` bytes of the caller's memory, aligned to 8, as far as
 * they reach: a small message takes no allocation. They must outlive it. */
opamp_status opamp__msg_parse_in(void *memory, size_t size, opamp_msg **out,
                                 int type, opamp_bytes wire,
                                 const opamp__limits *limits);

/* --- writing -------------------------------------------------------------- */

/* Appends the canonical encoding of `m`: map entries and lists of KeyValue
 * sorted by key, recursively. Two messages that mean the same have the same
 * canonical bytes (STATE-6). NULL appends nothing. */
opamp_status opamp__msg_pack_canonical(const opamp_msg *m, opamp__buf *out);

/* A field of a message put together by hand: varint, fixed bytes. False when
 * out of memory. */
bool opamp__put_varint(opamp__buf *b, int field, uint64_t v);
bool opamp__put_bytes(opamp__buf *b, int field, opamp_bytes v);
/* Of the latter, what comes before the bytes; and the size. */
bool opamp__put_head(opamp__buf *b, int field, size_t len);
size_t opamp__bytes_field_size(int field, size_t len);

/* The version of protobuf-c that was loaded. */
const char *opamp__protobuf_version(void);

/* --- the WebSocket message header ----------------------------------------- */

/* The length of the header of a received message (WIRE-2: any varint encoding
 * of 0, 1 to 10 bytes), or 0 when it is malformed or not 0. */
size_t opamp__ws_header(const uint8_t *p, size_t n);

#endif
