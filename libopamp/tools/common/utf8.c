/* SPDX-License-Identifier: Apache-2.0 */
#include "common/utf8.h"

#include <stdint.h>
#include <string.h>

/* The length of the character at the start of n bytes, 0 when there is none
 * (RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF). */
static size_t character(const char *text, size_t n) {
  const uint8_t *p = (const uint8_t *)text;
  if (p[0] < 0x80) return 1;
  size_t len = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
  if (p[0] < 0xC2 || p[0] > 0xF4 || len > n) return 0;
  uint8_t low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;
  uint8_t high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
  if (p[1] < low || p[1] > high) return 0;
  for (size_t i = 2; i < len; i++)
    if ((p[i] & 0xC0) != 0x80) return 0;
  return len;
}

bool utf8_valid(const char *text, size_t n) {
  while (n > 0) {
    size_t len = character(text, n);
    if (len == 0 || *text == '\0') return false;
    text += len;
    n -= len;
  }
  return true;
}

void utf8_clean(char *buf, size_t room, const char *bytes, size_t n) {
  if (n > room - 1) {
    bytes += n - (room - 1);
    n = room - 1;
    /* Not from the middle of a character on. */
    while (n > 0 && ((uint8_t)*bytes & 0xC0) == 0x80) bytes++, n--;
  }
  while (n > 0) {
    size_t len = character(bytes, n);
    uint8_t c = (uint8_t)*bytes;
    if (len == 0 || c == 0x7F || (c < 0x20 && c != '\t' && c != '\n')) {
      *buf++ = '?';
      len = 1;
    } else {
      memcpy(buf, bytes, len);
      buf += len;
    }
    bytes += len;
    n -= len;
  }
  *buf = '\0';
}
