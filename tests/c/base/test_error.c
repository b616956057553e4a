/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "harness.h"

TEST(a_failure_sets_the_text_and_passes_the_status) {
  CHECK_EQ(opamp__fail(OPAMP_ERR_TLS, "cert %d: %s", 3, "bad"), OPAMP_ERR_TLS);
  CHECK_STR(opamp_errmsg(), "cert 3: bad");
  CHECK_EQ(opamp__nomem(), OPAMP_ERR_NOMEM);
  CHECK_STR(opamp_errmsg(), "out of memory");
}

TEST(the_text_is_one_line) {
  opamp__fail(OPAMP_ERR_IO, "a\nb\rc\x7f");
  CHECK_STR(opamp_errmsg(), "a b c ");
}

TEST(the_text_is_utf8_wherever_it_is_cut) {
  char name[600];
  opamp__fail(OPAMP_ERR_IO, "caf\xc3\xa9 \xff\xc3 a\x80 \xe6\x97");
  CHECK_STR(opamp_errmsg(), "caf\xc3\xa9 ?? a? ??");
  for (size_t i = 0; i + 3 < sizeof name; i += 3)
    memcpy(name + i, "\xe6\x97\xa5", 4);
  for (int pad = 1; pad < 4; pad++) {
    opamp__fail(OPAMP_ERR_IO, "%*s%s", pad, "", name);
    CHECK(opamp__utf8_valid((const uint8_t *)opamp_errmsg(),
                            strlen(opamp_errmsg())));
  }
}

TEST(the_present_text_may_be_an_argument) {
  opamp__fail(OPAMP_ERR_IO, "inner");
  opamp__fail(OPAMP_ERR_IO, "outer: %s", opamp_errmsg());
  CHECK_STR(opamp_errmsg(), "outer: inner");
}

TEST(a_long_text_is_cut) {
  opamp__fail(OPAMP_ERR_IO, "%0*d", 5000, 7);
  CHECK(strlen(opamp_errmsg()) < 1000);
}
