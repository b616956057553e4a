/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"
#include "opamp/opamp.h"

/* What no other test uses of typed.h, through the public headers alone. */

static opamp_client *client_new(void) {
  opamp_options *o;
  opamp_client *c;
  CHECK_EQ(opamp_options_new(&o), OPAMP_OK);
  CHECK_EQ(opamp_options_set_text(o, OPAMP_TEXT_URL, "ws://127.0.0.1:1"),
           OPAMP_OK);
  CHECK_EQ(opamp_client_new(&c, NULL, o), OPAMP_OK);
  opamp_options_free(o);
  return c;
}

TEST(capabilities_default_is_what_options_begin_with) {
  opamp_client *c = client_new();
  CHECK_EQ(opamp_client_capabilities(c), OPAMP_CAPABILITIES_DEFAULT);
  opamp_client_free(c);
}

TEST(an_absent_text_is_printed_as_an_empty_one) {
  opamp_str absent = {NULL, 0};
  CHECK_STR(opamp_str_z(absent), "");
  CHECK_STR(opamp_str_z(opamp_str_of("a b")), "a b");
}

TEST(reports_say_what_is_wrong_with_a_text) {
  opamp_client *c = client_new();
  CHECK_EQ(opamp_client_report_service(c, "name", "\xff"), OPAMP_ERR_UTF8);
  CHECK_EQ(opamp_client_report_service(c, "\xff", NULL), OPAMP_ERR_UTF8);
  CHECK_EQ(opamp_client_report_health(c, true, "\xff", NULL), OPAMP_ERR_UTF8);
  CHECK_EQ(opamp_client_report_health(c, true, NULL, "\xff"), OPAMP_ERR_UTF8);
  CHECK_EQ(opamp_client_report_service(c, "name", "1.0"), OPAMP_OK);
  CHECK_EQ(opamp_client_report_health(c, true, NULL, NULL), OPAMP_OK);
  opamp_client_free(c);
}
