/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "harness.h"
#include "wire/arena.h"

TEST(a_piece_knows_its_arena_and_size) {
  opamp__arena *a = opamp__arena_new(100, SIZE_MAX);
  static const size_t sizes[] = {0, 1, 8, 9, 100, 1000, 1017, 1024, 100000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    void *p = opamp__arena_alloc(a, sizes[i]);
    CHECK(p != NULL && (uintptr_t)p % 8 == 0);
    CHECK(opamp__arena_of(p) == a);
    CHECK_EQ(opamp__arena_size(p), (sizes[i] + 7) / 8 * 8);
    memset(p, 0xff, sizes[i]);
  }
  opamp__arena_free(a);
}

TEST(the_hint_makes_one_allocation_enough) {
  size_t before = opamp__mem_count();
  opamp__arena *a = opamp__arena_new(4 * opamp__arena_cost(24), SIZE_MAX);
  for (int i = 0; i < 4; i++) CHECK(opamp__arena_alloc(a, 24) != NULL);
  CHECK_EQ(opamp__mem_count() - before, 1);
  opamp__arena_free(a);
}

/* Appending one by one must be linear. */
TEST(growing_doubles_and_keeps) {
  opamp__arena *a = opamp__arena_new(0, SIZE_MAX);
  uint32_t *p = NULL;
  size_t before = opamp__mem_count();
  for (uint32_t i = 0; i < 100000; i++) {
    p = opamp__arena_grow(a, p, (i + 1) * sizeof *p);
    CHECK(p != NULL && opamp__arena_of(p) == a);
    p[i] = i;
  }
  for (uint32_t i = 0; i < 100000; i++) CHECK_EQ(p[i], i);
  CHECK(opamp__mem_count() - before < 30);
  CHECK(a->used < 4 * 100000 * sizeof *p);
  opamp__arena_free(a);
}

TEST(a_large_piece_goes_back_at_once) {
  opamp__arena *a = opamp__arena_new(0, SIZE_MAX);
  void *small = opamp__arena_alloc(a, 8);
  size_t before = a->used;
  void *first = opamp__arena_alloc(a, 5000);
  void *second = opamp__arena_alloc(a, 5000);
  CHECK(a->used >= before + 10000);
  opamp__arena_drop(a, first);
  opamp__arena_drop(a, second);
  opamp__arena_drop(a, small);
  opamp__arena_drop(a, NULL);
  CHECK_EQ(a->used, before);
  opamp__arena_free(a);
}

/* Covers: WIRE-4 */
TEST(the_cap_holds) {
  opamp__arena *a = opamp__arena_new(0, 10000);
  size_t n = 0;
  while (opamp__arena_alloc(a, 100) != NULL) n++;
  CHECK(n > 20 && n < 100);
  CHECK(a->over && !a->starved && a->used <= 10000);
  CHECK(opamp__arena_alloc(a, SIZE_MAX - 100) == NULL);
  CHECK(opamp__arena_grow(a, opamp__arena_alloc(a, 1), SIZE_MAX / 2) == NULL);
  opamp__arena_free(a);
}

/* Sizes whose sums do not fit in a size_t, also where that has 32 bits. */
TEST(an_absurd_size_is_refused) {
  opamp__arena *a = opamp__arena_new(0, SIZE_MAX);
  void *p = opamp__arena_alloc(a, 1);
  for (size_t less = 0; less < 100; less++) {
    CHECK(opamp__arena_alloc(a, SIZE_MAX - less) == NULL);
    CHECK(opamp__arena_grow(a, p, SIZE_MAX - less) == NULL);
  }
  CHECK(a->over && !a->starved);
  opamp__arena_free(a);
}

TEST(out_of_memory_is_told_apart) {
  opamp__arena *a = opamp__arena_new(0, SIZE_MAX);
  opamp__mem_fail_after(1);
  void *p = opamp__arena_alloc(a, 5000);
  opamp__arena *b = opamp__arena_new(0, SIZE_MAX);
  opamp__mem_fail_after(0);
  CHECK(p == NULL && b == NULL && a->starved && !a->over);
  opamp__arena_free(a);
}
