/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include "base/mem.h"

static void place(opamp__heap *h, opamp__heap_node *n, size_t pos) {
  h->nodes[pos] = n;
  n->pos = pos;
}

static void sift_up(opamp__heap *h, opamp__heap_node *n, size_t pos) {
  for (; pos > 1 && h->nodes[pos / 2]->at > n->at; pos /= 2)
    place(h, h->nodes[pos / 2], pos);
  place(h, n, pos);
}

static void sift_down(opamp__heap *h, opamp__heap_node *n, size_t pos) {
  for (size_t child; (child = pos * 2) <= h->len; pos = child) {
    if (child < h->len && h->nodes[child + 1]->at < h->nodes[child]->at)
      child++;
    if (h->nodes[child]->at >= n->at) break;
    place(h, h->nodes[child], pos);
  }
  place(h, n, pos);
}

/* Puts `n` where its deadline belongs, seen from `pos`. */
static void settle(opamp__heap *h, opamp__heap_node *n, size_t pos) {
  if (pos > 1 && h->nodes[pos / 2]->at > n->at)
    sift_up(h, n, pos);
  else
    sift_down(h, n, pos);
}

static bool grow(opamp__heap *h) {
  size_t cap = h->cap > 0 ? h->cap * 2 : 8;
  if (cap > SIZE_MAX / sizeof *h->nodes) return false;
  opamp__heap_node **nodes = opamp__realloc(h->nodes, cap * sizeof *nodes);
  if (nodes == NULL) return false;
  h->nodes = nodes;
  h->cap = cap;
  return true;
}

bool opamp__heap_set(opamp__heap *h, opamp__heap_node *n, uint64_t at) {
  if (at == UINT64_MAX) {
    opamp__heap_remove(h, n);
    n->at = at;
    return true;
  }
  if (n->pos == 0) {
    if (h->len + 1 >= h->cap && !grow(h)) return false;
    n->pos = ++h->len;
    h->nodes[n->pos] = n;
  }
  n->at = at;
  settle(h, n, n->pos);
  return true;
}

void opamp__heap_remove(opamp__heap *h, opamp__heap_node *n) {
  if (n->pos == 0) return;
  size_t pos = n->pos;
  opamp__heap_node *last = h->nodes[h->len--];
  n->pos = 0;
  if (last != n) settle(h, last, pos);
}

opamp__heap_node *opamp__heap_first(const opamp__heap *h) {
  return h->len > 0 ? h->nodes[1] : NULL;
}

void opamp__heap_free(opamp__heap *h) {
  opamp__free(h->nodes);
  *h = (opamp__heap){0};
}
