/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* By copy, so that a buffer that moves leaves nothing behind. */
static uint8_t *move(const opamp__buf *b, size_t cap) {
  uint8_t *ptr = opamp__alloc(cap);
  if (ptr == NULL) return NULL;
  if (b->len > 0) memcpy(ptr, b->ptr, b->len);
  opamp__wipe(b->ptr, b->cap);
  opamp__free(b->ptr);
  return ptr;
}

static bool reserve(opamp__buf *b, size_t more, size_t copied_up_to) {
  if (more <= b->cap - b->len) return true;
  if (more > SIZE_MAX / 2 - b->len) return false;
  size_t want = b->len + more;
  /* Doubling, but an announced size is taken as it is. */
  size_t cap = b->cap * 2 > want ? b->cap * 2 : want;
  if (cap < 32) cap = 32;
  uint8_t *ptr =
      b->cap > copied_up_to ? opamp__realloc(b->ptr, cap) : move(b, cap);
  if (ptr == NULL) return false;
  b->ptr = ptr;
  b->cap = cap;
  return true;
}

/* Keys and tokens are small, and what is large is moved by the kernel. */
bool opamp__buf_reserve(opamp__buf *b, size_t more) {
  return reserve(b, more, (size_t)64 * 1024);
}

bool opamp__buf_reserve_secret(opamp__buf *b, size_t more) {
  return reserve(b, more, SIZE_MAX);
}

bool opamp__buf_append(opamp__buf *b, const void *p, size_t n) {
  if (n == 0) return true;
  if (!opamp__buf_reserve(b, n)) return false;
  memcpy(b->ptr + b->len, p, n);
  b->len += n;
  return true;
}

bool opamp__buf_byte(opamp__buf *b, uint8_t c) {
  return opamp__buf_append(b, &c, 1);
}

bool opamp__buf_set(opamp__buf *b, const void *p, size_t n) {
  if (n > b->len && !opamp__buf_reserve(b, n - b->len)) return false;
  if (n > 0) memmove(b->ptr, p, n);
  b->len = n;
  return true;
}

bool opamp__buf_vprintf(opamp__buf *b, const char *fmt, va_list args) {
  va_list again;
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, fmt, args);
  bool ok = n >= 0 && opamp__buf_reserve(b, (size_t)n + 1);
  if (ok) {
    vsnprintf((char *)b->ptr + b->len, (size_t)n + 1, fmt, again);
    b->len += (size_t)n;
  }
  va_end(again);
  return ok;
}

bool opamp__buf_printf(opamp__buf *b, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  bool ok = opamp__buf_vprintf(b, fmt, args);
  va_end(args);
  return ok;
}

void opamp__buf_clear(opamp__buf *b) {
  b->len = 0;
}

void opamp__buf_free(opamp__buf *b) {
  opamp__free(b->ptr);
  *b = (opamp__buf){0};
}

void opamp__buf_wipe_free(opamp__buf *b) {
  opamp__wipe(b->ptr, b->cap);
  opamp__buf_free(b);
}
