/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"
#include "base/mem.h"
#include "harness.h"

enum { COUNT = 500 };

static void check_order(const opamp__heap *h) {
  for (size_t i = 1; i <= h->len; i++) {
    CHECK_EQ(h->nodes[i]->pos, i);
    CHECK(i == 1 || h->nodes[i / 2]->at <= h->nodes[i]->at);
  }
}

static uint64_t next_random(uint64_t *seed) {
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  return *seed >> 33;
}

TEST(the_earliest_comes_first_whatever_happens) {
  static opamp__heap_node nodes[COUNT];
  opamp__heap h = {0};
  uint64_t seed = 1;
  for (int step = 0; step < 5000; step++) {
    opamp__heap_node *n = &nodes[next_random(&seed) % COUNT];
    if (next_random(&seed) % 4 == 0)
      opamp__heap_remove(&h, n);
    else
      CHECK(opamp__heap_set(&h, n, next_random(&seed) % 1000));
    check_order(&h);
  }
  uint64_t last = 0;
  while (h.len > 0) {
    opamp__heap_node *n = opamp__heap_first(&h);
    CHECK(n->at >= last);
    last = n->at;
    opamp__heap_remove(&h, n);
    CHECK_EQ(n->pos, 0);
  }
  CHECK(opamp__heap_first(&h) == NULL);
  opamp__heap_free(&h);
}

TEST(never_is_not_in_the_heap) {
  opamp__heap h = {0};
  opamp__heap_node n = {0};
  CHECK(opamp__heap_set(&h, &n, 5));
  CHECK(opamp__heap_set(&h, &n, UINT64_MAX));
  CHECK(n.pos == 0 && opamp__heap_first(&h) == NULL);
  opamp__heap_remove(&h, &n);
  opamp__heap_free(&h);
}

TEST(moving_a_node_needs_no_memory) {
  opamp__heap h = {0};
  opamp__heap_node a = {0}, b = {0};
  opamp__mem_fail_after(1);
  bool failed = !opamp__heap_set(&h, &a, 5);
  opamp__mem_fail_after(0);
  CHECK(failed && a.pos == 0);
  CHECK(opamp__heap_set(&h, &a, 5) && opamp__heap_set(&h, &b, 6));
  opamp__mem_fail_after(1);
  bool moved = opamp__heap_set(&h, &b, 4);
  opamp__mem_fail_after(0);
  CHECK(moved && opamp__heap_first(&h) == &b);
  opamp__heap_free(&h);
}
