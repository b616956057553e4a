/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/arena.h"

#include <string.h>

#include "base/handle.h"
#include "base/mem.h"

enum {
  LARGE = 1024, /* from here on a piece has its own block */
  BLOCK_MAX = 16 * 1024,
  BLOCK_MIN = 64,
  /* How much of a first block a late look at the root may read. */
  ROOT = sizeof(opamp__arena) + 128
};

struct opamp__arena_block {
  /* What follows a block is counted in units of 8, with pointers of 4, too. */
  _Alignas(8) opamp__arena *arena;
  opamp__arena_block *prev;
  opamp__arena_block *next;
  size_t size; /* of what follows */
  size_t used;
};

/* In front of each piece, both in units of 8 bytes. `size` overflows at 32 GiB,
 * which alloc refuses. */
typedef struct prefix {
  uint32_t offset; /* of the piece in its block, from the block's beginning */
  uint32_t size;
} prefix;

static prefix *prefix_of(const void *p) {
  return (prefix *)(uintptr_t)p - 1;
}

static opamp__arena_block *block_of(const void *p) {
  return (opamp__arena_block *)((uint64_t *)(uintptr_t)p -
                                prefix_of(p)->offset);
}

opamp__arena *opamp__arena_of(const void *p) {
  return block_of(p)->arena;
}

size_t opamp__arena_size(const void *p) {
  return (size_t)prefix_of(p)->size * 8;
}

static bool is_large(const void *p) {
  return opamp__arena_size(p) >= LARGE;
}

/* --- blocks --------------------------------------------------------------- */

static bool admit(opamp__arena *a, size_t n) {
  bool fits = n <= a->cap && a->used <= a->cap - n;
  if (!fits) a->over = true;
  return fits;
}

/* What a prefix, or the sums made of n, could not hold. */
static bool is_absurd(size_t n) {
  return n > SIZE_MAX / 4 || n / 8 >= UINT32_MAX - LARGE;
}

/* Messages carry keys and tokens. */
static void free_block(opamp__arena_block *b) {
  opamp__wipe(b + 1, b->used);
  opamp__free(b);
}

/* The block that pieces are cut from stays at the head; others go behind. */
static void link_block(opamp__arena *a, opamp__arena_block *b, bool head) {
  opamp__arena_block *prev = head ? NULL : a->blocks;
  b->arena = a;
  b->prev = prev;
  b->next = prev != NULL ? prev->next : a->blocks;
  if (b->next != NULL) b->next->prev = b;
  if (prev != NULL)
    prev->next = b;
  else
    a->blocks = b;
}

static opamp__arena_block *new_block(opamp__arena *a, size_t size, bool head) {
  size_t total = sizeof(opamp__arena_block) + size;
  if (!admit(a, total)) return NULL;
  opamp__arena_block *b = opamp__alloc(total);
  if (b == NULL) {
    a->starved = true;
    return NULL;
  }
  b->size = size;
  b->used = 0;
  a->used += total;
  link_block(a, b, head);
  return b;
}

/* The arena itself is the first thing in its first block. */
static opamp__arena *begin(opamp__arena_block *b, size_t size, size_t cap) {
  opamp__arena *a = (opamp__arena *)(b + 1);
  *b = (opamp__arena_block){a, NULL, NULL, size, sizeof *a};
  *a = (opamp__arena){.blocks = b, .used = sizeof *b + size, .cap = cap};
  return a;
}

opamp__arena *opamp__arena_new(size_t hint, size_t cap) {
  size_t size = sizeof(opamp__arena) + (hint + 7) / 8 * 8;
  opamp__arena_block *b = opamp__alloc(sizeof *b + size);
  return b != NULL ? begin(b, size, cap) : NULL;
}

opamp__arena *opamp__arena_on(void *memory, size_t size, size_t cap) {
  opamp__arena_block *b = memory;
  opamp__arena *a;
  if (size < sizeof *b + sizeof *a) return NULL;
  a = begin(b, (size - sizeof *b) / 8 * 8, cap);
  a->borrowed = true;
  return a;
}

void opamp__arena_free(opamp__arena *a) {
  opamp__arena_block *b = a->blocks, *first = (opamp__arena_block *)a - 1;
  opamp__arena_block *keep = a->borrowed ? first : NULL;
  while (b != NULL) {
    opamp__arena_block *next = b->next;
    opamp__wipe(b + 1, b->used); /* messages carry keys and tokens */
    if (b == first && b != keep)
      opamp__bury(b, sizeof *b + b->size, b->used < ROOT ? b->used : ROOT);
    else if (b != keep)
      opamp__free(b);
    b = next;
  }
}

/* --- pieces --------------------------------------------------------------- */

static void *cut(opamp__arena_block *b, size_t n) {
  prefix *p = (prefix *)((uint8_t *)(b + 1) + b->used);
  b->used += opamp__arena_cost(n);
  p->offset = (uint32_t)((uint64_t *)(p + 1) - (uint64_t *)b);
  p->size = (uint32_t)((n + 7) / 8);
  return p + 1;
}

void *opamp__arena_alloc(opamp__arena *a, size_t n) {
  opamp__arena_block *b = a->blocks;
  if (is_absurd(n)) {
    a->over = true;
    return NULL;
  }
  size_t cost = opamp__arena_cost(n);
  if (cost - 8 >= LARGE) {
    b = new_block(a, cost, false);
  } else if (cost > b->size - b->used) {
    size_t size = b->size * 2 < BLOCK_MAX ? b->size * 2 : BLOCK_MAX;
    if (size < BLOCK_MIN) size = BLOCK_MIN;
    b = new_block(a, size > cost ? size : cost, true);
  }
  return b != NULL ? cut(b, n) : NULL;
}

/* A large piece moves together with its block. */
static void *grow_large(opamp__arena *a, void *p, size_t n) {
  opamp__arena_block *b = block_of(p), *prev = b->prev, *next = b->next;
  size_t old = b->size, cost = opamp__arena_cost(n);
  if (!admit(a, cost - old)) return NULL;
  b = opamp__realloc(b, sizeof *b + cost);
  if (b == NULL) return NULL;
  if (prev != NULL) prev->next = b;
  if (next != NULL) next->prev = b;
  a->used += cost - old;
  b->size = cost;
  b->used = 0;
  return cut(b, n);
}

void *opamp__arena_grow(opamp__arena *a, void *p, size_t n) {
  size_t have = p != NULL ? opamp__arena_size(p) : 0;
  if (n <= have) return p;
  if (n < have * 2) n = have * 2;
  if (is_absurd(n)) return NULL;
  if (p != NULL && is_large(p)) return grow_large(a, p, n);
  void *bigger = opamp__arena_alloc(a, n);
  if (bigger != NULL && have > 0) memcpy(bigger, p, have);
  return bigger;
}

void opamp__arena_drop(opamp__arena *a, void *p) {
  if (p == NULL || !is_large(p)) return;
  opamp__arena_block *b = block_of(p);
  if (b->prev != NULL) b->prev->next = b->next;
  if (b->next != NULL) b->next->prev = b->prev;
  a->used -= sizeof *b + b->size;
  free_block(b);
}
