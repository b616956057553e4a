/* SPDX-License-Identifier: Apache-2.0 */
#include "base/handle.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"

/* Two numbers unlikely in any other memory, to which the kind is added. */
enum { ALIVE = 0x4f70414d, ENDED = 0x2e646561 };

static const char *const names[OPAMP__HANDLE_KINDS] = {
    [OPAMP__HANDLE_LOOP] = "loop",
    [OPAMP__HANDLE_CLIENT] = "client",
    [OPAMP__HANDLE_OPTIONS] = "options object",
    [OPAMP__HANDLE_EVENT] = "event",
    [OPAMP__HANDLE_CONFIGDIR] = "configdir"};

/* The name of a kind, NULL when the number does not stand for one. */
static const char *name_of(unsigned kind) {
  return kind > 0 && kind < OPAMP__HANDLE_KINDS ? names[kind] : NULL;
}

static const char *article(const char *name) {
  return strchr("aeiou", *name) != NULL ? "an" : "a";
}

void opamp__handle_begin(opamp__handle *h, opamp__handle_kind kind) {
  atomic_init(&h->number, ALIVE + (unsigned)kind);
}

void opamp__handle_end(opamp__handle *h) {
  unsigned kind = atomic_load(&h->number) - ALIVE;
  if (name_of(kind) != NULL) atomic_store(&h->number, ENDED + kind);
}

bool opamp__handle_ended(const opamp__handle *h) {
  return name_of(atomic_load(&h->number) - ALIVE) == NULL;
}

opamp_status opamp__handle_check(const void *handle, opamp__handle_kind kind,
                                 const char *function) {
  const opamp__handle *h = handle;
  const char *name = names[kind], *other;
  unsigned number;
  if (h == NULL)
    return opamp__fail(OPAMP_ERR_INVALID, "%s: the %s is NULL", function, name);
  number = atomic_load(&h->number);
  if (number == ALIVE + (unsigned)kind) return OPAMP_OK;
  if (number == ENDED + (unsigned)kind)
    return opamp__fail(OPAMP_ERR_INVALID, "%s: the %s was freed", function,
                       name);
  other = name_of(number - ALIVE);
  if (other == NULL) other = name_of(number - ENDED);
  if (other == NULL)
    return opamp__fail(OPAMP_ERR_INVALID, "%s: this is no %s", function, name);
  return opamp__fail(OPAMP_ERR_INVALID, "%s: %s %s is needed, this is %s %s",
                     function, article(name), name, article(other), other);
}

/* --- the end -------------------------------------------------------------- */

#ifdef NDEBUG

void opamp__bury(void *memory, size_t size, size_t readable) {
  (void)size;
  (void)readable;
  opamp__free(memory);
}

#else

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#endif

/* So that it still sees what is used after it was freed: only the checks may
 * read there. Memory is given back to it as it is. */
#ifdef HAVE_ASAN
void __asan_poison_memory_region(void const volatile *addr, size_t size);
static void forbid(void *memory, size_t size) {
  __asan_poison_memory_region(memory, size);
}
#else
static void forbid(void *memory, size_t size) {
  (void)memory;
  (void)size;
}
#endif

enum { GRAVES = 64 };

void opamp__bury(void *memory, size_t size, size_t readable) {
  static _Atomic(void *) graves[GRAVES];
  static atomic_uint next;
  unsigned i = atomic_fetch_add(&next, 1) % GRAVES;
  if (size > readable) forbid((char *)memory + readable, size - readable);
  opamp__free(atomic_exchange(&graves[i], memory));
}

#endif

void opamp__handle_free(opamp__handle *h, size_t size) {
  opamp__handle_end(h);
  opamp__bury(h, size, sizeof *h);
}
