/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/handle.h"
#include "base/mem.h"
#include "harness.h"

typedef struct thing {
  opamp__handle handle;
  char rest[100];
} thing;

static opamp_status check(const void *h) {
  return opamp__handle_check(h, OPAMP__HANDLE_LOOP, "f");
}

TEST(a_living_handle_is_good) {
  thing t;
  opamp__handle_begin(&t.handle, OPAMP__HANDLE_LOOP);
  CHECK_EQ(check(&t), OPAMP_OK);
  CHECK(!opamp__handle_ended(&t.handle));
}

TEST(what_is_wrong_is_told) {
  static const long long words[2] = {42};
  thing t = {.rest = ""};
  CHECK_EQ(check(NULL), OPAMP_ERR_INVALID);
  CHECK_STR(opamp_errmsg(), "f: the loop is NULL");
  opamp__handle_begin(&t.handle, OPAMP__HANDLE_EVENT);
  CHECK_EQ(check(&t), OPAMP_ERR_INVALID);
  CHECK_STR(opamp_errmsg(), "f: a loop is needed, this is an event");
  opamp__handle_end(&t.handle);
  CHECK_EQ(check(&t), OPAMP_ERR_INVALID);
  CHECK_STR(opamp_errmsg(), "f: a loop is needed, this is an event");
  opamp__handle_begin(&t.handle, OPAMP__HANDLE_LOOP);
  opamp__handle_end(&t.handle);
  CHECK_EQ(check(&t), OPAMP_ERR_INVALID);
  CHECK_STR(opamp_errmsg(), "f: the loop was freed");
  CHECK_EQ(check(words), OPAMP_ERR_INVALID);
  CHECK_STR(opamp_errmsg(), "f: this is no loop");
}

TEST(the_end_comes_once) {
  thing t;
  opamp__handle_begin(&t.handle, OPAMP__HANDLE_CLIENT);
  opamp__handle_end(&t.handle);
  opamp__handle_end(&t.handle);
  CHECK(opamp__handle_ended(&t.handle));
  CHECK_EQ(check(&t), OPAMP_ERR_INVALID);
  CHECK_STR(opamp_errmsg(), "f: a loop is needed, this is a client");
}

/* The many before it are given back; AddressSanitizer sees that none is lost,
 * and none given back twice. */
TEST(what_was_freed_stays_for_a_while) {
  thing *t = NULL;
  for (int i = 0; i < 1000; i++) {
    t = opamp__calloc(1, sizeof *t);
    CHECK(t != NULL);
    opamp__handle_begin(&t->handle, OPAMP__HANDLE_LOOP);
    opamp__handle_free(&t->handle, sizeof *t);
  }
#ifndef NDEBUG
  CHECK_EQ(check(t), OPAMP_ERR_INVALID);
  CHECK_STR(opamp_errmsg(), "f: the loop was freed");
#endif
}
