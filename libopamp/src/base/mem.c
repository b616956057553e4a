/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local size_t made;
static _Thread_local size_t fail_at = SIZE_MAX;

static bool may_allocate(void) {
  return ++made < fail_at;
}

void opamp__mem_fail_after(size_t n) {
  fail_at = n == 0 ? SIZE_MAX : made + n;
}

size_t opamp__mem_count(void) {
  return made;
}

/* malloc(0) may return NULL, which here always means out of memory. */
void *opamp__alloc(size_t n) {
  return may_allocate() ? malloc(n > 0 ? n : 1) : NULL;
}

void *opamp__calloc(size_t count, size_t size) {
  if (!may_allocate() || (size > 0 && count > SIZE_MAX / size)) return NULL;
  return count > 0 && size > 0 ? calloc(count, size) : calloc(1, 1);
}

void *opamp__realloc(void *p, size_t n) {
  return may_allocate() ? realloc(p, n > 0 ? n : 1) : NULL;
}

void opamp__free(void *p) {
  free(p);
}

void opamp__wipe(void *p, size_t n) {
  if (n == 0) return;
  memset(p, 0, n);
  /* The compiler must assume that the bytes are looked at here. */
  __asm__ __volatile__("" : : "r"(p) : "memory");
}

char *opamp__strndup(const char *s, size_t n) {
  char *copy = n < SIZE_MAX ? opamp__alloc(n + 1) : NULL;
  if (copy == NULL) return NULL;
  if (n > 0) memcpy(copy, s, n);
  copy[n] = '\0';
  return copy;
}
