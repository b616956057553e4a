/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "base/uuid.h"
#include "harness.h"

static const uint8_t example[OPAMP_UID_LEN] = {
    0x01, 0x7f, 0x22, 0xe2, 0x79, 0xb0, 0x7c, 0xc3,
    0x98, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f};

/* The example of RFC 9562, appendix A.6. */
/* Covers: STATE-16 */
TEST(version_7_as_the_rfc_has_it) {
  static const uint8_t random[10] = {0x0c, 0xc3, 0x18, 0xc4, 0xdc,
                                     0x0c, 0x0c, 0x07, 0x39, 0x8f};
  uint8_t uid[OPAMP_UID_LEN];
  char text[OPAMP_UID_TEXT_LEN + 1];
  opamp__uuid7(uid, 0x017F22E279B0, random);
  CHECK_MEM(uid, sizeof uid, example, sizeof example);
  opamp_uid_format(uid, text);
  CHECK_STR(text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
}

/* Covers: STATE-16 */
TEST(version_and_variant_whatever_the_random_bytes) {
  uint8_t ones[10], uid[OPAMP_UID_LEN];
  memset(ones, 0xff, sizeof ones);
  opamp__uuid7(uid, 0, ones);
  CHECK_EQ(uid[6], 0x7f);
  CHECK_EQ(uid[8], 0xbf);
}

TEST(parsing_takes_either_case) {
  uint8_t uid[OPAMP_UID_LEN];
  CHECK_EQ(
      opamp_uid_parse(uid, OPAMP__LIT("017F22E2-79B0-7cc3-98C4-dc0c0c07398f")),
      OPAMP_OK);
  CHECK_MEM(uid, sizeof uid, example, sizeof example);
}

TEST(parsing_takes_nothing_else) {
  static const char *const bad[] = {"",
                                    "017f22e2",
                                    "017f22e279b07cc398c4dc0c0c07398f",
                                    "{017f22e2-79b0-7cc3-98c4-dc0c0c07398f}",
                                    "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
                                    "017f22e2-79b0-7cc3-98c4+dc0c0c07398f",
                                    "017f22e27-9b0-7cc3-98c4-dc0c0c07398f"};
  uint8_t uid[OPAMP_UID_LEN] = {0};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK_EQ(opamp_uid_parse(uid, opamp__str(bad[i])), OPAMP_ERR_INVALID);
  CHECK(opamp__uuid_is_zero(uid));
  CHECK(!opamp__uuid_is_zero(example));
}
