/* SPDX-License-Identifier: Apache-2.0 */
#include "core/core.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "core/state.h"
#include "harness.h"
#include "wire/wire.h"

/* What a transcript cannot say: clocks that step back, inputs that fail,
 * actions nobody took. */

static uint64_t numbers[OPAMP__NUMBERS];
static opamp__url url;

static uint64_t no_random(void *ctx) {
  (void)ctx;
  return 0;
}

static void no_sha256(opamp_bytes in, uint8_t out[32]) {
  memset(out, (int)in.len, 32);
}

static opamp__core_config config = {
    .numbers = numbers,
    .url = &url,
    .uid = "0123456789abcde",
    .env = {.random = no_random, .sha256 = no_sha256}};

static opamp__core *new_core(void) {
  opamp__core *c;
  opamp__numbers_default(numbers);
  opamp__url_free(&url);
  CHECK_EQ(opamp__url_parse(&url, opamp__str("ws://server")), OPAMP_OK);
  CHECK_EQ(opamp__core_new(&c, &config), OPAMP_OK);
  return c;
}

static void done(opamp__core *c) {
  opamp__core_free(c);
  opamp__url_free(&url);
}

static opamp_status feed(opamp__core *c, opamp__in_kind kind, uint64_t now) {
  opamp__input in = {.kind = kind};
  return opamp__core_feed(c, &in, now);
}

/* Takes all actions; counts those of one kind. */
static int drain(opamp__core *c, opamp__act_kind kind) {
  opamp__action a;
  int n = 0;
  while (opamp__core_next(c, &a)) {
    if (a.kind == kind) n++;
    if (a.kind == OPAMP__DO_EMIT) opamp__event_destroy(a.event);
  }
  return n;
}

static opamp_status feed_custom(opamp__core *c, opamp__buf *value) {
  opamp__input in = {.kind = OPAMP__IN_CUSTOM, .value = value};
  return opamp__core_feed(c, &in, 0);
}

/* Covers: CONN-12 */
TEST(a_clock_that_steps_back_moves_no_deadline) {
  opamp__core *c = new_core();
  opamp__in_closed why = {.why = OPAMP_ERR_TRANSPORT, .retry_after_ms = -1};
  opamp__input closed = {.kind = OPAMP__IN_CLOSED, .closed = &why};
  CHECK_EQ(feed(c, OPAMP__IN_START, 100000), OPAMP_OK);
  CHECK_EQ(drain(c, OPAMP__DO_OPEN), 1);
  CHECK_EQ(opamp__core_feed(c, &closed, 5), OPAMP_OK);
  CHECK_EQ(drain(c, OPAMP__DO_OPEN), 0);
  CHECK_EQ(opamp__core_deadline(c), 101000);
  CHECK_EQ(feed(c, OPAMP__IN_TICK, 10), OPAMP_OK);
  CHECK_EQ(drain(c, OPAMP__DO_OPEN), 0);
  CHECK_EQ(feed(c, OPAMP__IN_TICK, 101000), OPAMP_OK);
  CHECK_EQ(drain(c, OPAMP__DO_OPEN), 1);
  done(c);
}

TEST(a_core_that_is_not_started_needs_no_tick) {
  opamp__core *c = new_core();
  CHECK(opamp__core_deadline(c) == UINT64_MAX);
  CHECK_EQ(feed(c, OPAMP__IN_TICK, 1000000), OPAMP_OK);
  CHECK_EQ(drain(c, OPAMP__DO_EMIT), 0);
  done(c);
}

TEST(actions_nobody_took_are_freed_with_the_core) {
  opamp__core *c = new_core();
  for (int i = 0; i < 20; i++) {
    CHECK_EQ(feed(c, OPAMP__IN_START, 0), OPAMP_OK);
    CHECK_EQ(feed(c, OPAMP__IN_STOP, 0), OPAMP_OK);
  }
  done(c);
}

/* Covers: STATE-14 */
TEST(a_message_that_cannot_be_kept_stays_the_callers) {
  opamp__core *c = new_core();
  opamp__buf value = {NULL, 0, 0};
  opamp_status s;
  CHECK(opamp__put_bytes(&value, OPAMP_CUSTOM_MESSAGE_TYPE,
                         (opamp_bytes){(const uint8_t *)"t", 1}));
  opamp__mem_fail_after(1);
  s = feed_custom(c, &value);
  opamp__mem_fail_after(0);
  CHECK_EQ(s, OPAMP_ERR_NOMEM);
  CHECK_EQ(value.len, 3);
  CHECK_EQ(opamp__core_look(c)->customs, 0);
  CHECK_EQ(feed_custom(c, &value), OPAMP_OK);
  CHECK_EQ(value.len, 0);
  CHECK_EQ(opamp__core_look(c)->customs, 1);
  done(c);
}

TEST(a_field_that_is_no_row_is_refused) {
  opamp__core *c = new_core();
  opamp__buf value = {NULL, 0, 0};
  opamp__input in = {.kind = OPAMP__IN_SET,
                     .field = OPAMP_AGENT_TO_SERVER_CUSTOM_MESSAGE,
                     .value = &value};
  CHECK_EQ(opamp__core_feed(c, &in, 0), OPAMP_ERR_INVALID);
  CHECK_EQ(opamp__core_look(c)->undelivered, 0);
  done(c);
}

/* Covers: SEC-3 */
TEST(without_capabilities_there_is_still_the_status) {
  opamp__core *c = new_core();
  CHECK_EQ(opamp__core_look(c)->capabilities,
           OPAMP_AGENT_CAPABILITIES_REPORTS_STATUS);
  done(c);
}

/* --- looking into packed values ------------------------------------------- */

static opamp_bytes find(const char *packed, size_t len, int field, size_t i) {
  opamp_bytes b = {(const uint8_t *)packed, len};
  return opamp__packed_find(b, field, i);
}

TEST(packed_values_are_found_by_field_and_place) {
  /* 1: "ab", 2: 300 (varint), 3: fixed64, 4: fixed32, 1: "c" */
  static const char packed[] =
      "\x0a\x02"
      "ab\x10\xac\x02\x19"
      "12345678\x25"
      "1234\x0a\x01"
      "c";
  size_t len = sizeof packed - 1;
  CHECK_EQ(find(packed, len, 1, 0).len, 2);
  CHECK_EQ(find(packed, len, 1, 1).ptr[0], 'c');
  CHECK(find(packed, len, 1, 2).ptr == NULL);
  CHECK(find(packed, len, 2, 0).ptr == NULL); /* not length-delimited */
  CHECK(find(packed, 0, 1, 0).ptr == NULL);
}

TEST(packed_values_that_are_cut_off_are_not_found) {
  static const char packed[] =
      "\x0a\x05"
      "abcde";
  for (size_t len = 0; len < 7; len++)
    CHECK(find(packed, len, 1, 0).ptr == NULL);
  CHECK_EQ(find(packed, 7, 1, 0).len, 5);
  CHECK(find("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, 1, 0).ptr ==
        NULL);
  CHECK(find("\x0b", 1, 1, 0).ptr == NULL); /* a group */
}
