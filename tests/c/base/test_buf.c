/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/mem.h"
#include "harness.h"

TEST(appending_keeps_everything) {
  opamp__buf b = {0};
  for (int i = 0; i < 1000; i++) CHECK(opamp__buf_byte(&b, (uint8_t)i));
  CHECK_EQ(b.len, 1000);
  for (size_t i = 0; i < 1000; i++) CHECK_EQ(b.ptr[i], (uint8_t)i);
  CHECK(opamp__buf_append(&b, NULL, 0));
  CHECK_EQ(b.len, 1000);
  opamp__buf_free(&b);
  CHECK(b.ptr == NULL && b.len == 0 && b.cap == 0);
}

TEST(appending_allocates_a_logarithmic_number_of_times) {
  opamp__buf b = {0};
  size_t before = opamp__mem_count();
  for (int i = 0; i < 100000; i++) CHECK(opamp__buf_byte(&b, 0));
  CHECK(opamp__mem_count() - before < 20);
  opamp__buf_free(&b);
}

TEST(setting_replaces) {
  opamp__buf b = {0};
  CHECK(opamp__buf_set(&b, "longer", 6));
  CHECK(opamp__buf_set(&b, "abc", 3));
  CHECK_MEM(b.ptr, b.len, "abc", 3);
  CHECK(opamp__buf_set(&b, "longer again", 12));
  CHECK_MEM(b.ptr, b.len, "longer again", 12);
  opamp__buf_clear(&b);
  CHECK(b.len == 0 && b.cap > 0);
  opamp__buf_wipe_free(&b);
  CHECK(b.ptr == NULL);
}

TEST(formatting_appends) {
  opamp__buf b = {0};
  CHECK(opamp__buf_printf(&b, "%d-", 12));
  CHECK(opamp__buf_printf(&b, "%s", "x"));
  CHECK_MEM(b.ptr, b.len, "12-x", 4);
  opamp__buf_free(&b);
}

TEST(out_of_memory_leaves_the_content) {
  opamp__buf b = {0};
  CHECK(opamp__buf_set(&b, "abc", 3));
  opamp__mem_fail_after(1);
  bool reserved = opamp__buf_reserve(&b, 1000);
  bool appended = opamp__buf_append(&b, b.ptr, SIZE_MAX / 4);
  bool printed = opamp__buf_printf(&b, "%0*d", 500, 1);
  opamp__mem_fail_after(0);
  CHECK(!reserved && !appended && !printed);
  CHECK(!opamp__buf_reserve(&b, SIZE_MAX - 1));
  CHECK_MEM(b.ptr, b.len, "abc", 3);
  opamp__buf_free(&b);
}
