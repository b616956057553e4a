/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_BASE_HEAP_H
#define OPAMP_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A binary heap of deadlines. A node lives inside its owner, which must remove
 * it before it goes away; `pos` is 0 while it is not in the heap. */
typedef struct opamp__heap_node {
  uint64_t at;
  size_t pos;
} opamp__heap_node;

typedef struct opamp__heap {
  opamp__heap_node **nodes; /* nodes[1] is the earliest */
  size_t len;
  size_t cap;
} opamp__heap;

/* Puts the node at `at`, wherever it was. False when out of memory (only for a
 * node that was not in it). UINT64_MAX removes it. */
bool opamp__heap_set(opamp__heap *h, opamp__heap_node *n, uint64_t at);
void opamp__heap_remove(opamp__heap *h, opamp__heap_node *n);
/* The earliest, NULL when empty. */
opamp__heap_node *opamp__heap_first(const opamp__heap *h);
void opamp__heap_free(opamp__heap *h);

#endif
