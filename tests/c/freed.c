/* SPDX-License-Identifier: Apache-2.0 */
#include "freed.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__has_feature) /* clang */
#if __has_feature(address_sanitizer)
#define FREED_POISON 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define FREED_POISON 1
#endif
#if defined(FREED_POISON)
#include <sanitizer/asan_interface.h>
#endif

static const char *_Atomic watched;
static atomic_size_t count, leaks;

void freed_watch(const char *secret) {
  watched = secret;
  count = leaks = 0;
}

size_t freed_count(void) {
  return count;
}

size_t freed_leaks(void) {
  return leaks;
}

void *__real_opamp__alloc(size_t n);
void __real_opamp__free(void *p);
void *__wrap_opamp__alloc(size_t n);
void *__wrap_opamp__realloc(void *p, size_t n);
void __wrap_opamp__free(void *p);

void *__wrap_opamp__alloc(size_t n) {
  void *p = __real_opamp__alloc(n);
  if (p != NULL) memset(p, 0, malloc_usable_size(p));
  return p;
}

void *__wrap_opamp__realloc(void *p, size_t n) {
  size_t had = p != NULL ? malloc_usable_size(p) : 0;
  void *q = __wrap_opamp__alloc(n);
  if (q == NULL || p == NULL) return q;
  memcpy(q, p, had < n ? had : n);
  __wrap_opamp__free(p);
  return q;
}

/* A handle that is kept back for a while (base/handle.c) may not be read. */
static bool may_look(const void *p, size_t n) {
#if defined(FREED_POISON)
  return __asan_region_is_poisoned((void *)(uintptr_t)p, n) == NULL;
#else
  return p != NULL && n > 0;
#endif
}

void __wrap_opamp__free(void *p) {
  const char *secret = watched;
  size_t n = p != NULL ? malloc_usable_size(p) : 0;
  if (p != NULL && secret != NULL) {
    count++;
    if (may_look(p, n) && memmem(p, n, secret, strlen(secret)) != NULL) leaks++;
  }
  __real_opamp__free(p);
}
