/* SPDX-License-Identifier: Apache-2.0 */
#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint8_t *tool_buf_reserve(tool_buf *b, size_t n) {
  if (b->failed || n > SIZE_MAX / 2 - b->len) {
    b->failed = true;
    return NULL;
  }
  if (b->room - b->len < n || b->ptr == NULL) {
    size_t room = b->room < 64 ? 64 : b->room;
    while (room - b->len < n) room *= 2;
    uint8_t *p = realloc(b->ptr, room);
    if (p == NULL) {
      b->failed = true;
      return NULL;
    }
    b->ptr = p;
    b->room = room;
  }
  return b->ptr + b->len;
}

void tool_buf_add(tool_buf *b, const void *bytes, size_t n) {
  if (n == 0) return;
  uint8_t *to = tool_buf_reserve(b, n);
  if (to == NULL) return;
  memcpy(to, bytes, n);
  b->len += n;
}

void tool_buf_text(tool_buf *b, const char *text) {
  tool_buf_add(b, text, strlen(text));
}

void tool_buf_printf(tool_buf *b, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  int n = vsnprintf(NULL, 0, fmt, args);
  va_end(args);
  if (n < 0) b->failed = true;
  // vsnprintf writes a NUL behind the text; it gets room but is not counted.
  char *to = n < 0 ? NULL : (char *)tool_buf_reserve(b, (size_t)n + 1);
  if (to == NULL) return;
  va_start(args, fmt);
  vsnprintf(to, (size_t)n + 1, fmt, args);
  va_end(args);
  b->len += (size_t)n;
}

void tool_buf_drop(tool_buf *b, size_t n) {
  if (n >= b->len) {
    b->len = 0;
    return;
  }
  memmove(b->ptr, b->ptr + n, b->len - n);
  b->len -= n;
}

void tool_buf_clear(tool_buf *b) {
  b->len = 0;
  b->failed = false;
}

void tool_buf_free(tool_buf *b) {
  free(b->ptr);
  *b = (tool_buf){0};
}
