/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_WIRE_ARENA_H
#define OPAMP_WIRE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The memory of one message tree. Small pieces are cut from blocks that grow
 * geometrically and are only given back together; large ones have a block of
 * their own and are given back at once.
 *
 * Every piece is preceded by 8 bytes that lead to its arena and tell its size.
 * So a sub-message needs no wrapper to be built on, and a list has a capacity
 * although protobuf-c keeps only its length. */
typedef struct opamp__arena_block opamp__arena_block;

typedef struct opamp__arena {
  /* The first is the one pieces are cut from, which follow the arena itself. */
  _Alignas(8) opamp__arena_block *blocks;
  void *root;                 /* the piece whose owner frees the arena */
  size_t used;                /* bytes in blocks */
  size_t cap;                 /* of `used` */
  bool over;                  /* the cap was reached */
  bool starved;               /* memory could not be had */
  bool borrowed;              /* its first block is the caller's memory */
} opamp__arena;

/* An arena whose first block holds `hint` bytes of pieces; NULL when out of
 * memory. */
opamp__arena *opamp__arena_new(size_t hint, size_t cap);
/* An arena that begins in `size` bytes of the caller, aligned to 8, and goes on
 * in blocks of its own. NULL when they are too few to begin. */
opamp__arena *opamp__arena_on(void *memory, size_t size, size_t cap);
void opamp__arena_free(opamp__arena *a);

/* A piece, aligned to 8; NULL when out of memory or over the cap. */
void *opamp__arena_alloc(opamp__arena *a, size_t n);
/* What a piece has become when it must hold n bytes: at least doubled, so that
 * appending one by one is linear. NULL leaves it as it was. */
void *opamp__arena_grow(opamp__arena *a, void *p, size_t n);
/* Gives a large piece back; a small one waits for the arena. */
void opamp__arena_drop(opamp__arena *a, void *p);

/* What is known from the piece alone. */
opamp__arena *opamp__arena_of(const void *p);
size_t opamp__arena_size(const void *p);

/* What a piece of n bytes takes. */
static inline size_t opamp__arena_cost(size_t n) {
  return (n + 7) / 8 * 8 + 8;
}

#endif
