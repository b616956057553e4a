/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <string.h>

opamp_str opamp__str(const char *z) {
  opamp_str s = {z, z != NULL ? strlen(z) : 0};
  return s;
}

bool opamp__str_eq(opamp_str a, opamp_str b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static unsigned lower(char c) {
  return c >= 'A' && c <= 'Z' ? (unsigned)c + 32u : (unsigned char)c;
}

bool opamp__str_case_eq(opamp_str a, opamp_str b) {
  if (a.len != b.len) return false;
  for (size_t i = 0; i < a.len; i++)
    if (lower(a.ptr[i]) != lower(b.ptr[i])) return false;
  return true;
}

int opamp__str_cmp(opamp_str a, opamp_str b) {
  size_t n = a.len < b.len ? a.len : b.len;
  int order = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;
  return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

bool opamp__bytes_eq(opamp_bytes a, opamp_bytes b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* The length of the well-formed sequence at p (Unicode, table 3-7), 0 for
 * none. */
static size_t sequence(const uint8_t *p, size_t n) {
  uint8_t lead = p[0], low = 0x80, high = 0xbf;
  size_t len = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (lead < 0xc2 || lead > 0xf4 || n < len) return 0;
  if (lead == 0xe0) low = 0xa0;  /* overlong */
  if (lead == 0xed) high = 0x9f; /* surrogates */
  if (lead == 0xf0) low = 0x90;  /* overlong */
  if (lead == 0xf4) high = 0x8f; /* beyond U+10FFFF */
  if (p[1] < low || p[1] > high) return 0;
  for (size_t i = 2; i < len; i++)
    if ((p[i] & 0xc0) != 0x80) return 0;
  return len;
}

bool opamp__utf8_valid(const uint8_t *p, size_t n) {
  while (n > 0) {
    uint64_t eight;
    if (n >= sizeof eight) {
      memcpy(&eight, p, sizeof eight);
      if ((eight & UINT64_C(0x8080808080808080)) == 0) {
        p += sizeof eight;
        n -= sizeof eight;
        continue;
      }
    }
    size_t len = *p < 0x80 ? 1 : sequence(p, n);
    if (len == 0) return false;
    p += len;
    n -= len;
  }
  return true;
}

void opamp__utf8_mend(uint8_t *p, size_t n) {
  while (n > 0) {
    size_t len = *p < 0x80 ? 1 : sequence(p, n);
    if (len == 0) *p = '?';
    if (len == 0) len = 1;
    p += len;
    n -= len;
  }
}

bool opamp__str_to_u64(opamp_str s, uint64_t *out) {
  uint64_t v = 0;
  if (s.len == 0) return false;
  for (size_t i = 0; i < s.len; i++) {
    if (s.ptr[i] < '0' || s.ptr[i] > '9') return false;
    uint64_t digit = (uint64_t)(s.ptr[i] - '0');
    if (v > (UINT64_MAX - digit) / 10) return false;
    v = v * 10 + digit;
  }
  *out = v;
  return true;
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

opamp_str opamp__str_trim(opamp_str s) {
  while (s.len > 0 && is_blank(s.ptr[0])) {
    s.ptr++;
    s.len--;
  }
  while (s.len > 0 && is_blank(s.ptr[s.len - 1])) s.len--;
  return s;
}
