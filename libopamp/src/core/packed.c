/* SPDX-License-Identifier: Apache-2.0 */
#include "core/state.h"

/* Rows are kept packed; the few things the core must know of their content are
 * read from the bytes, which we packed ourselves. */

static bool read_varint(opamp_bytes b, size_t *at, uint64_t *out) {
  uint64_t v = 0;
  for (unsigned shift = 0; shift < 64 && *at < b.len; shift += 7) {
    uint8_t byte = b.ptr[(*at)++];
    v |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *out = v;
      return true;
    }
  }
  return false;
}

/* Steps over a field; `value` is empty unless it is length-delimited. */
static bool read_field(opamp_bytes b, size_t *at, uint64_t *tag,
                       opamp_bytes *value) {
  uint64_t n;
  *value = (opamp_bytes){NULL, 0};
  if (!read_varint(b, at, tag)) return false;
  switch (*tag & 7) {
    case 0:
      return read_varint(b, at, &n);
    case 1:
      n = 8;
      break;
    case 5:
      n = 4;
      break;
    case 2:
      if (!read_varint(b, at, &n) || n > b.len - *at) return false;
      *value = (opamp_bytes){b.ptr + *at, (size_t)n};
      break;
    default:
      return false;
  }
  if (n > b.len - *at) return false;
  *at += (size_t)n;
  return true;
}

opamp_bytes opamp__packed_find(opamp_bytes packed, int field, size_t i) {
  static const opamp_bytes none = {NULL, 0};
  uint64_t wanted = (uint64_t)field << 3 | 2, tag;
  opamp_bytes value;
  size_t at = 0;
  while (at < packed.len && read_field(packed, &at, &tag, &value))
    if (tag == wanted && i-- == 0) return value;
  return none;
}

bool opamp__packed_copy(opamp__buf *out, opamp_bytes packed, int field) {
  uint64_t tag;
  opamp_bytes value;
  for (size_t at = 0, from = 0; at < packed.len; from = at) {
    if (!read_field(packed, &at, &tag, &value)) return true;
    if (tag >> 3 == (uint64_t)field &&
        !opamp__buf_append(out, packed.ptr + from, at - from))
      return false;
  }
  return true;
}
