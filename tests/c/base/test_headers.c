/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/headers.h"
#include "base/mem.h"
#include "base/str.h"
#include "harness.h"

static opamp_status add(opamp__headers *h, const char *name,
                        const char *value) {
  return opamp__headers_add(h, opamp__str(name), opamp__str(value));
}

TEST(headers_keep_their_order_and_may_repeat) {
  opamp__headers h = {0}, copy;
  CHECK_EQ(add(&h, "Authorization", "Bearer x"), OPAMP_OK);
  CHECK_EQ(add(&h, "X-A", ""), OPAMP_OK);
  CHECK_EQ(add(&h, "X-A", "a\tb"), OPAMP_OK);
  CHECK_EQ(opamp__headers_copy(&copy, &h), OPAMP_OK);
  opamp__headers_free(&h);
  CHECK_EQ(copy.len, 3);
  CHECK_STR(copy.list[0].name, "Authorization");
  CHECK_STR(copy.list[1].value, "");
  CHECK_STR(copy.list[2].value, "a\tb");
  opamp__headers_free(&copy);
  CHECK(copy.list == NULL && copy.len == 0);
}

/* Covers: SEC-2 */
TEST(line_feeds_are_refused_without_printing_the_value) {
  static const char *const values[] = {"secret\r\nX: y", "secret\n", "secret\r",
                                       "secret\x01", "secret\x7f"};
  opamp__headers h = {0};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    CHECK_EQ(add(&h, "X-Token", values[i]), OPAMP_ERR_INVALID);
    CHECK(strstr(opamp_errmsg(), "X-Token") != NULL);
    CHECK(strstr(opamp_errmsg(), "secret") == NULL);
  }
  opamp_str nul = {"secret\0x", 8};
  CHECK_EQ(opamp__headers_add(&h, OPAMP__LIT("X-Token"), nul),
           OPAMP_ERR_INVALID);
  CHECK_EQ(h.len, 0);
}

TEST(names_are_tokens) {
  static const char *const names[] = {"",         "X Y", "X:", "X\r\n",
                                      "\xc3\xa9", "X\"", "(x)"};
  opamp__headers h = {0};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    CHECK_EQ(add(&h, names[i], "v"), OPAMP_ERR_INVALID);
  CHECK_EQ(add(&h, "x!#$%&'*+-.^_`|~9", "v"), OPAMP_OK);
  opamp__headers_free(&h);
}

TEST(what_the_protocol_sets_is_refused) {
  static const char *const names[] = {"content-type",
                                      "Content-Length",
                                      "CONTENT-ENCODING",
                                      "Transfer-Encoding",
                                      "Connection",
                                      "Upgrade",
                                      "host",
                                      "opamp-instance-uid",
                                      "Sec-WebSocket-Key",
                                      "sec-websocket-anything"};
  opamp__headers h = {0};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    CHECK_EQ(add(&h, names[i], "v"), OPAMP_ERR_INVALID);
  CHECK_EQ(add(&h, "Sec-WebSocke", "v"), OPAMP_OK);
  opamp__headers_free(&h);
}

TEST(out_of_memory_changes_nothing) {
  for (size_t n = 1;; n++) {
    opamp__headers h = {0}, copy = {0};
    opamp__mem_fail_after(n);
    opamp_status s = add(&h, "X-A", "b");
    if (s == OPAMP_OK) s = opamp__headers_copy(&copy, &h);
    opamp__mem_fail_after(0);
    CHECK(s == OPAMP_OK || s == OPAMP_ERR_NOMEM);
    CHECK(copy.len == (s == OPAMP_OK));
    opamp__headers_free(&h);
    opamp__headers_free(&copy);
    if (s == OPAMP_OK) break;
    CHECK(n < 20);
  }
}
