/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "harness.h"
#include "opamp/status.h"

TEST(each_status_has_its_own_name) {
  CHECK_STR(opamp_status_name(OPAMP_OK), "OPAMP_OK");
  CHECK_STR(opamp_status_name(OPAMP_ERR_TLS), "OPAMP_ERR_TLS");
  CHECK_STR(opamp_status_name(OPAMP_ERR_REFUSED), "OPAMP_ERR_REFUSED");
  static const int first_last[][2] = {{-11, 0}, {-107, -100}, {-207, -200}};
  for (size_t r = 0; r < 3; r++) {
    for (int s = first_last[r][0]; s <= first_last[r][1]; s++) {
      CHECK(strcmp(opamp_status_name(s), "OPAMP_ERR_UNKNOWN") != 0);
      for (int o = first_last[r][0]; o < s; o++)
        CHECK(strcmp(opamp_status_name(s), opamp_status_name(o)) != 0);
    }
  }
}

TEST(other_numbers_are_unknown) {
  CHECK_STR(opamp_status_name(1), "OPAMP_ERR_UNKNOWN");
  CHECK_STR(opamp_status_name(-9999), "OPAMP_ERR_UNKNOWN");
}

TEST(versions_agree) {
  uint32_t v = opamp_version();
  char text[32];
  snprintf(text, sizeof text, "%u.%u.%u", v >> 16, v >> 8 & 255, v & 255);
  CHECK_STR(opamp_version_text(), text);
  CHECK_STR(opamp_spec_version(), "0.20.0");
}
