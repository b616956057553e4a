/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "harness.h"

static bool utf8(const char *s) {
  return opamp__utf8_valid((const uint8_t *)s, strlen(s));
}

TEST(spans_of_texts) {
  opamp_str s = opamp__str("abc"), none = opamp__str(NULL);
  CHECK_EQ(s.len, 3);
  CHECK(none.ptr == NULL && none.len == 0);
  CHECK_EQ(OPAMP__LIT("four").len, 4);
}

TEST(equality) {
  opamp_bytes empty = {(const uint8_t *)"", 0}, absent = {NULL, 0};
  CHECK(opamp__str_eq(OPAMP__LIT("a"), opamp__str("a")));
  CHECK(!opamp__str_eq(OPAMP__LIT("a"), OPAMP__LIT("A")));
  CHECK(!opamp__str_eq(OPAMP__LIT("a"), OPAMP__LIT("ab")));
  CHECK(opamp__str_case_eq(OPAMP__LIT("Host-1"), OPAMP__LIT("hOST-1")));
  CHECK(!opamp__str_case_eq(OPAMP__LIT("a@"), OPAMP__LIT("a`")));
  CHECK(opamp__bytes_eq(empty, absent));
}

TEST(order_is_by_bytes_and_then_by_length) {
  CHECK(opamp__str_cmp(OPAMP__LIT("a"), OPAMP__LIT("b")) < 0);
  CHECK(opamp__str_cmp(OPAMP__LIT("ab"), OPAMP__LIT("a")) > 0);
  CHECK(opamp__str_cmp(OPAMP__LIT("\xc3\xa9"), OPAMP__LIT("z")) > 0);
  CHECK_EQ(opamp__str_cmp(OPAMP__LIT(""), opamp__str(NULL)), 0);
}

/* Covers: WIRE-4 */
TEST(utf8_that_is_well_formed) {
  CHECK(utf8(""));
  CHECK(utf8("plain text of more than eight bytes"));
  CHECK(utf8("\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80"));
  CHECK(utf8("\xef\xbf\xbf \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf"));
  CHECK(utf8("eight by\xc3\xa9te words"));
}

/* Covers: WIRE-4 */
TEST(utf8_that_is_not) {
  CHECK(!utf8("\x80"));
  CHECK(!utf8("\xc0\x80"));         /* overlong NUL */
  CHECK(!utf8("\xc1\xbf"));         /* overlong */
  CHECK(!utf8("\xe0\x9f\xbf"));     /* overlong */
  CHECK(!utf8("\xf0\x8f\xbf\xbf")); /* overlong */
  CHECK(!utf8("\xed\xa0\x80"));     /* a surrogate */
  CHECK(!utf8("\xf4\x90\x80\x80")); /* beyond the last character */
  CHECK(!utf8("\xf8\x88\x80\x80\x80"));
  CHECK(!utf8("1234567\xff"));
  CHECK(!utf8("12345678\xc3")); /* cut short */
  CHECK(!utf8("\xe2\x82"));
  CHECK(!utf8("\xe2\x28\xa1"));
  CHECK(!utf8("\xf0\x90\x80\x41"));
}

TEST(utf8_is_mended) {
  char text[] = "a\xff\xc3\xa9\xe2\x82";
  opamp__utf8_mend((uint8_t *)text, strlen(text));
  CHECK(strcmp(text, "a?\xc3\xa9??") == 0);
}

TEST(numbers) {
  uint64_t v = 7;
  CHECK(opamp__str_to_u64(OPAMP__LIT("18446744073709551615"), &v));
  CHECK(v == UINT64_MAX);
  CHECK(opamp__str_to_u64(OPAMP__LIT("0"), &v) && v == 0);
  v = 7;
  CHECK(!opamp__str_to_u64(OPAMP__LIT("18446744073709551616"), &v));
  CHECK(!opamp__str_to_u64(OPAMP__LIT(""), &v));
  CHECK(!opamp__str_to_u64(OPAMP__LIT("-1"), &v));
  CHECK(!opamp__str_to_u64(OPAMP__LIT("1 "), &v));
  CHECK_EQ(v, 7);
}

TEST(trimming) {
  CHECK(opamp__str_eq(opamp__str_trim(OPAMP__LIT(" \ta b\t ")),
                      OPAMP__LIT("a b")));
  CHECK_EQ(opamp__str_trim(OPAMP__LIT(" \t ")).len, 0);
}
