/* SPDX-License-Identifier: Apache-2.0 */
#include "common/text.h"

#include <string.h>

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char hex_digits[] = "0123456789abcdef";

void tool_base64_format(tool_buf *out, opamp_bytes b) {
  size_t text_len = b.len / 3 * 4 + (b.len % 3 != 0 ? 4 : 0);
  uint8_t *to = tool_buf_reserve(out, text_len);
  if (to == NULL) return;
  for (size_t i = 0; i < b.len; i += 3) {
    size_t n = b.len - i < 3 ? b.len - i : 3;
    uint32_t v = (uint32_t)b.ptr[i] << 16;
    if (n > 1) v |= (uint32_t)b.ptr[i + 1] << 8;
    if (n > 2) v |= b.ptr[i + 2];
    for (size_t k = 0; k < 4; k++)
      *to++ = (uint8_t)(k <= n ? base64_digits[v >> (18 - 6 * k) & 63] : '=');
  }
  out->len += text_len;
}

static int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool tool_base64_parse(tool_buf *out, const char *text, size_t len) {
  if (len % 4 != 0) return false;
  size_t pad = 0;
  while (pad < 2 && pad < len && text[len - 1 - pad] == '=') pad++;
  for (size_t i = 0; i < len; i += 4) {
    uint32_t v = 0;
    size_t digits = i + 4 == len ? 4 - pad : 4;
    for (size_t k = 0; k < 4; k++) {
      int d = k < digits ? base64_value(text[i + k]) : 0;
      if (d < 0) return false;
      v = v << 6 | (uint32_t)d;
    }
    size_t n = digits - 1;
    // Bits that carry no byte must be zero, or two texts would mean the same.
    if ((v & ((1U << (8 * (3 - n))) - 1)) != 0) return false;
    uint8_t bytes[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    tool_buf_add(out, bytes, n);
  }
  return true;
}

void tool_hex_format(tool_buf *out, opamp_bytes b) {
  uint8_t *to = tool_buf_reserve(out, 2 * b.len);
  if (to == NULL) return;
  for (size_t i = 0; i < b.len; i++) {
    to[2 * i] = (uint8_t)hex_digits[b.ptr[i] >> 4];
    to[2 * i + 1] = (uint8_t)hex_digits[b.ptr[i] & 15];
  }
  out->len += 2 * b.len;
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

static bool hex_byte(uint8_t *out, const char *text) {
  int high = hex_value(text[0]);
  int low = high < 0 ? -1 : hex_value(text[1]);
  if (low < 0) return false;
  *out = (uint8_t)(high << 4 | low);
  return true;
}

bool tool_hex_parse(tool_buf *out, const char *text, size_t len) {
  if (len % 2 != 0) return false;
  for (size_t i = 0; i < len; i += 2) {
    uint8_t byte;
    if (!hex_byte(&byte, text + i)) return false;
    tool_buf_add(out, &byte, 1);
  }
  return true;
}
