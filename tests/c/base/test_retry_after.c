/* SPDX-License-Identifier: Apache-2.0 */
#include "base/retry_after.h"
#include "base/str.h"
#include "harness.h"

enum { RFC_EXAMPLE = 784111777 }; /* 1994-11-06 08:49:37 */

static int64_t ms(const char *value, int64_t now_s) {
  return opamp__retry_after_ms(opamp__str(value), now_s);
}

/* Covers: HTTP-6 */
TEST(seconds) {
  CHECK_EQ(ms("0", 0), 0);
  CHECK_EQ(ms("120", 0), 120000);
  CHECK_EQ(ms(" 5\t", 0), 5000);
}

/* Covers: HTTP-6 */
TEST(all_three_forms_of_a_date) {
  int64_t before = RFC_EXAMPLE - 10;
  CHECK_EQ(ms("Sun, 06 Nov 1994 08:49:37 GMT", before), 10000);
  CHECK_EQ(ms("Sunday, 06-Nov-94 08:49:37 GMT", before), 10000);
  CHECK_EQ(ms("Sun Nov  6 08:49:37 1994", before), 10000);
  CHECK_EQ(ms("Wed Nov 16 08:49:37 1994", RFC_EXAMPLE), 864000000);
}

TEST(leap_days) {
  int64_t feb28 = 1709078400; /* 2024-02-28 */
  CHECK_EQ(ms("Thu, 29 Feb 2024 00:00:00 GMT", feb28), 86400000);
  CHECK_EQ(ms("Fri, 01 Mar 2024 00:00:00 GMT", feb28), 2 * 86400000);
  CHECK_EQ(ms("Tue, 29 Feb 2000 00:00:00 GMT", 951782399), 1000);
  CHECK_EQ(ms("Wed, 29 Feb 2023 00:00:00 GMT", 0), -1);
  CHECK_EQ(ms("Thu, 29 Feb 2100 00:00:00 GMT", 0), -1);
}

TEST(a_year_of_two_digits_is_near_now) {
  CHECK_EQ(ms("Friday, 01-Jan-27 00:00:00 GMT", 1798761600 - 1), 1000);
  CHECK_EQ(ms("Sunday, 06-Nov-94 08:49:37 GMT", 1798761600), 0);
}

/* Covers: HTTP-6 */
TEST(a_date_in_the_past_means_now) {
  CHECK_EQ(ms("Sun, 06 Nov 1994 08:49:37 GMT", RFC_EXAMPLE + 5), 0);
  CHECK_EQ(ms("Thu, 01 Jan 1970 00:00:00 GMT", 1700000000), 0);
}

/* Covers: HTTP-6 */
TEST(absurd_numbers_are_the_largest) {
  CHECK_EQ(ms("99999999999999999999999999", 0), INT64_MAX);
  CHECK_EQ(ms("9223372036854775807", 0), INT64_MAX);
}

/* Covers: HTTP-6 */
TEST(garbage) {
  static const char *const bad[] = {"",
                                    " ",
                                    "-1",
                                    "+1",
                                    "1.5",
                                    "5s",
                                    "soon",
                                    "0x10",
                                    "Sun, 06 Nov 1994",
                                    "Xxx, 06 Nov 1994 08:49:37 GMT",
                                    "Sun, 06 Foo 1994 08:49:37 GMT",
                                    "Sun, 00 Nov 1994 08:49:37 GMT",
                                    "Sun, 31 Nov 1994 08:49:37 GMT",
                                    "Sun, 06 Nov 1994 24:49:37 GMT",
                                    "Sun, 06 Nov 1994 08:60:37 GMT",
                                    "Sun, 06 Nov 1994 08:49:37 UTC",
                                    "Sun, 06 Nov 1994 08:49:37 GMT!",
                                    "Sunday, 06-Nov-94 08:49:37",
                                    "Sun Nov 6 08:49:37 1994",
                                    "Sun Nov  6 08:49:37 94"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK_EQ(ms(bad[i], 0), -1);
  CHECK_EQ(ms(NULL, 0), -1);
}
