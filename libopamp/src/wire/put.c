/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/wire.h"

enum { VARINT_MAX = 10 };

static size_t write_varint(uint8_t out[VARINT_MAX], uint64_t v) {
  size_t n = 0;
  for (; v >= 0x80; v >>= 7) out[n++] = (uint8_t)(v | 0x80);
  out[n++] = (uint8_t)v;
  return n;
}

static size_t write_tag(uint8_t out[VARINT_MAX], int field, unsigned type) {
  return write_varint(out, (uint64_t)field << 3 | type);
}

bool opamp__put_varint(opamp__buf *b, int field, uint64_t v) {
  uint8_t head[2 * VARINT_MAX];
  size_t n = write_tag(head, field, 0);
  n += write_varint(head + n, v);
  return opamp__buf_append(b, head, n);
}

bool opamp__put_head(opamp__buf *b, int field, size_t len) {
  uint8_t head[2 * VARINT_MAX];
  size_t n = write_tag(head, field, 2);
  n += write_varint(head + n, len);
  return opamp__buf_append(b, head, n);
}

bool opamp__put_bytes(opamp__buf *b, int field, opamp_bytes v) {
  return opamp__buf_reserve(b, opamp__bytes_field_size(field, v.len)) &&
         opamp__put_head(b, field, v.len) && opamp__buf_append(b, v.ptr, v.len);
}

size_t opamp__bytes_field_size(int field, size_t len) {
  uint8_t head[VARINT_MAX];
  return write_tag(head, field, 2) + write_varint(head, len) + len;
}

size_t opamp__ws_header(const uint8_t *p, size_t n) {
  for (size_t i = 0; i < n && i < VARINT_MAX; i++) {
    if (p[i] == 0) return i + 1;
    if (p[i] != 0x80) return 0;
  }
  return 0;
}
