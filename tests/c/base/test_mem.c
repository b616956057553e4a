/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "harness.h"

TEST(no_bytes_are_still_an_allocation) {
  void *a = opamp__alloc(0), *b = opamp__calloc(0, 8);
  CHECK(a != NULL && b != NULL);
  a = opamp__realloc(a, 0);
  CHECK(a != NULL);
  opamp__free(a);
  opamp__free(b);
}

TEST(a_size_that_overflows_is_refused) {
  CHECK(opamp__calloc(SIZE_MAX / 2, 4) == NULL);
  CHECK(opamp__strndup("x", SIZE_MAX) == NULL);
}

TEST(the_nth_allocation_and_all_after_it_fail) {
  opamp__mem_fail_after(2);
  void *first = opamp__alloc(8);
  void *second = opamp__alloc(8);
  void *third = opamp__calloc(1, 8);
  void *fourth = opamp__realloc(first, 16);
  opamp__mem_fail_after(0);
  CHECK(first != NULL);
  CHECK(second == NULL && third == NULL && fourth == NULL);
  opamp__free(first);
  void *fifth = opamp__alloc(8);
  CHECK(fifth != NULL);
  opamp__free(fifth);
}

TEST(allocations_are_counted) {
  size_t before = opamp__mem_count();
  opamp__free(opamp__alloc(8));
  CHECK_EQ(opamp__mem_count() - before, 1);
}

TEST(a_copy_ends_with_a_nul) {
  char *s = opamp__strndup("secret", 3), *empty = opamp__strndup(NULL, 0);
  CHECK_STR(s, "sec");
  CHECK_STR(empty, "");
  opamp__free(s);
  opamp__free(empty);
}

/* Covers: SEC-2 */
TEST(wiping_leaves_zeros) {
  char key[16] = "a private key", zero[16] = {0};
  opamp__wipe(key, sizeof key);
  CHECK_MEM(key, sizeof key, zero, sizeof zero);
  opamp__wipe(NULL, 0);
}
