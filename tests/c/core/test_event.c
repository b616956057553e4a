/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "core/event.h"
#include "harness.h"

/* Events as the core makes them. */

static int64_t number_of(const opamp_event *e, int num) {
  for (int i = 0; i < OPAMP__EVENT_NUMBERS; i++)
    if (e->keys[i] == num) return e->values[i];
  return -1;
}

TEST(a_text_ends_with_a_nul_that_does_not_count) {
  opamp_event *e = opamp__event_new(OPAMP_EVENT_LOG);
  CHECK(e != NULL);
  CHECK(opamp__event_set_text(e, opamp__str("why")));
  CHECK_EQ(e->text.len, 3);
  CHECK(strcmp((const char *)e->text.ptr, "why") == 0);
  opamp__event_destroy(e);
}

TEST(a_text_that_cannot_be_kept_leaves_the_event_as_it_was) {
  opamp_event *e = opamp__event_new(OPAMP_EVENT_LOG);
  bool ok;
  CHECK(e != NULL);
  CHECK(opamp__event_set_text(e, opamp__str("a")));
  opamp__mem_fail_after(1);
  ok = opamp__event_set_text(
      e,
      opamp__str("a text that is longer than what there is room for, whatever "
                 "the first one was rounded up to"));
  opamp__mem_fail_after(0);
  CHECK(!ok);
  CHECK_EQ(e->text.len, 1);
  CHECK(strcmp((const char *)e->text.ptr, "a") == 0);
  opamp__event_destroy(e);
}

TEST(an_event_that_cannot_be_made_is_null) {
  opamp_event *e;
  opamp__mem_fail_after(1);
  e = opamp__event_new(OPAMP_EVENT_LOG);
  opamp__mem_fail_after(0);
  CHECK(e == NULL);
  opamp__event_destroy(e); /* NULL is fine */
}

TEST(numbers_are_found_by_their_name) {
  opamp_event *e = opamp__event_new(OPAMP_EVENT_DISCONNECTED);
  CHECK(e != NULL);
  opamp__event_set_number(e, OPAMP_NUM_CLOSE_CODE, 1001);
  opamp__event_set_number(e, OPAMP_NUM_RETRY_IN_MS, -1);
  CHECK_EQ(number_of(e, OPAMP_NUM_CLOSE_CODE), 1001);
  CHECK_EQ(number_of(e, OPAMP_NUM_RETRY_IN_MS), -1);
  opamp__event_destroy(e);
}

/* Every kind has a name of its own, and the table has no hole. */
TEST(kinds_have_names) {
  int n = 0;
  for (int kind = 1; kind < 100; kind++) {
    const char *name = opamp_event_kind_name(kind);
    if (name == NULL) continue;
    CHECK_EQ(kind, ++n);
    for (int k = 1; k < kind; k++)
      CHECK(strcmp(opamp_event_kind_name(k), name) != 0);
  }
  CHECK(n >= OPAMP_EVENT_LOG);
  CHECK(opamp_event_kind_name(0) == NULL);
  CHECK(opamp_event_kind_name(-1) == NULL);
}

/* Covers: OFFER-4 */
TEST(questions_are_the_offers_with_a_status) {
  CHECK(opamp__event_is_question(OPAMP_EVENT_REMOTE_CONFIG));
  CHECK(opamp__event_is_question(OPAMP_EVENT_CONNECTION_SETTINGS));
  CHECK(!opamp__event_is_question(OPAMP_EVENT_PACKAGES));
  CHECK(!opamp__event_is_question(OPAMP_EVENT_COMMAND));
  CHECK(!opamp__event_is_question(OPAMP_EVENT_DELIVERED));
}

/* What counts one by one is never replaced by a newer one that waits. */
TEST(what_counts_one_by_one_is_kept) {
  CHECK(!opamp__event_replaces(OPAMP_EVENT_CUSTOM_MESSAGE));
  CHECK(!opamp__event_replaces(OPAMP_EVENT_COMMAND));
  CHECK(!opamp__event_replaces(OPAMP_EVENT_IDENTITY));
  CHECK(!opamp__event_replaces(OPAMP_EVENT_PARKED));
  CHECK(!opamp__event_replaces(OPAMP_EVENT_LOG));
  CHECK(!opamp__event_replaces(OPAMP_EVENT_STOPPED));
  CHECK(opamp__event_replaces(OPAMP_EVENT_REMOTE_CONFIG));
  CHECK(opamp__event_replaces(OPAMP_EVENT_DELIVERED));
}
