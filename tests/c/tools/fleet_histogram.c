/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/histogram.h"

#include "harness.h"

TEST(an_empty_one_says_zero) {
  histogram h = {0};
  CHECK_EQ(histogram_at(&h, 50), 0);
  CHECK_EQ(histogram_at(&h, 100), 0);
}

TEST(one_value_is_every_percentile) {
  histogram h = {0};
  histogram_add(&h, 1234567);
  CHECK_EQ(histogram_at(&h, 0), 1234567);
  CHECK_EQ(histogram_at(&h, 50), 1234567);
  CHECK_EQ(histogram_at(&h, 100), 1234567);
}

TEST(small_values_are_exact) {
  histogram h = {0};
  for (uint64_t v = 1; v <= 50; v++) histogram_add(&h, v);
  CHECK_EQ(histogram_at(&h, 2), 1);
  CHECK_EQ(histogram_at(&h, 50), 25);
  CHECK_EQ(histogram_at(&h, 98), 49);
  CHECK_EQ(h.count, 50);
  CHECK_EQ(h.max, 50);
}

/* Never below what was added, and above it by 1 part in 32 at the most. */
TEST(large_values_are_near) {
  for (uint64_t v = 1; v < UINT64_C(1) << 34; v = v * 3 + 1) {
    histogram h = {0};
    histogram_add(&h, v);
    histogram_add(&h, UINT64_C(1) << 35); /* so that the maximum is another */
    uint64_t got = histogram_at(&h, 50);
    CHECK(got >= v);
    CHECK(got - v <= v / 32);
  }
}

TEST(percentiles_of_many) {
  histogram h = {0};
  for (uint64_t v = 0; v < 100000; v++) histogram_add(&h, v);
  CHECK(histogram_at(&h, 50) >= 49999 && histogram_at(&h, 50) < 52000);
  CHECK(histogram_at(&h, 99) >= 98999 && histogram_at(&h, 99) < 100000);
  CHECK_EQ(histogram_at(&h, 100), 99999);
}

TEST(what_is_beyond_counts_as_the_largest) {
  histogram h = {0};
  histogram_add(&h, UINT64_MAX);
  CHECK(histogram_at(&h, 50) > UINT64_C(1) << 35);
  CHECK_EQ(h.max, UINT64_MAX);
}
