/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_BASE_BUF_H
#define OPAMP_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "opamp/types.h"

/* A growable row of bytes. Zero-initialise it; opamp__buf_free gives back the
 * memory. Every function that can run out of memory returns false then, and
 * leaves the content as it was. */
typedef struct opamp__buf {
  uint8_t *ptr;
  size_t len;
  size_t cap;
} opamp__buf;

bool opamp__buf_reserve(opamp__buf *b, size_t more);
/* Of a buffer that has to move, nothing stays where it was; the other functions
 * promise that only below 64 KiB. */
bool opamp__buf_reserve_secret(opamp__buf *b, size_t more);
bool opamp__buf_append(opamp__buf *b, const void *p, size_t n);
bool opamp__buf_byte(opamp__buf *b, uint8_t c);
bool opamp__buf_set(opamp__buf *b, const void *p, size_t n);
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
bool opamp__buf_printf(opamp__buf *b, const char *fmt, ...);
bool opamp__buf_vprintf(opamp__buf *b, const char *fmt, va_list args);
void opamp__buf_clear(opamp__buf *b); /* length 0, memory kept */
void opamp__buf_free(opamp__buf *b);
void opamp__buf_wipe_free(opamp__buf *b); /* for secrets */

static inline opamp_bytes opamp__buf_bytes(const opamp__buf *b) {
  opamp_bytes s = {b->ptr, b->len};
  return s;
}

#endif
