/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that are made to kill the receiver. */
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "gen.h"

static opamp_status parse_with(int type, opamp__buf wire,
                               const opamp__limits *limits) {
  opamp_msg *m = (opamp_msg *)&m;
  opamp_status s = opamp__msg_parse(&m, type, opamp__buf_bytes(&wire), limits);
  CHECK((m != NULL) == (s == OPAMP_OK));
  opamp_msg_free(m);
  return s;
}

static opamp_status parse(int type, opamp__buf wire) {
  return parse_with(type, wire, &opamp__limits_default);
}

static opamp_status parse_literal(int type, const char *bytes, size_t n) {
  opamp__buf copy = {0}; /* exactly as long, so that a sanitizer sees more */
  CHECK(opamp__buf_append(&copy, bytes, n));
  uint8_t *exact = malloc(n > 0 ? n : 1);
  CHECK(exact != NULL);
  if (n > 0) memcpy(exact, copy.ptr, n);
  opamp__buf_free(&copy);
  opamp_status s = parse(type, (opamp__buf){exact, n, n});
  free(exact);
  return s;
}

#define PARSE(type, bytes) parse_literal(type, bytes, sizeof(bytes) - 1)

/* `n` messages within each other: `outer` then `inner` in turn are the fields
 * that hold the next one. */
static opamp__buf nested(size_t n, int outer, int inner) {
  opamp__buf b = {0};
  for (size_t i = 1; i < n; i++) {
    opamp__buf next = {0};
    int field = (n - i) % 2 == 1 ? outer : inner;
    CHECK(opamp__put_bytes(&next, field, opamp__buf_bytes(&b)));
    opamp__buf_free(&b);
    b = next;
  }
  return b;
}

/* --- depth ---------------------------------------------------------------- */

/* AnyValue.array_value.values.array_value…: the root is level 1. */
/* Covers: WIRE-4 */
TEST(sixty_four_levels_are_the_most) {
  for (size_t n = 62; n <= 66; n++) {
    opamp__buf b =
        nested(n, OPAMP_ANY_VALUE_ARRAY_VALUE, OPAMP_ARRAY_VALUE_VALUES);
    CHECK_EQ(parse(OPAMP_MSG_ANY_VALUE, b),
             n <= 64 ? OPAMP_OK : OPAMP_ERR_DEPTH);
    opamp__buf_free(&b);
  }
}

/* Covers: WIRE-4 */
TEST(thousands_of_levels_are_refused) {
  opamp__buf values =
      nested(4000, OPAMP_ANY_VALUE_ARRAY_VALUE, OPAMP_ARRAY_VALUE_VALUES);
  CHECK_EQ(parse(OPAMP_MSG_ANY_VALUE, values), OPAMP_ERR_DEPTH);
  /* Through map entries, whose field 2 is the value. */
  opamp__buf health =
      nested(4000, OPAMP_COMPONENT_HEALTH_COMPONENT_HEALTH_MAP, 2);
  CHECK_EQ(parse(OPAMP_MSG_COMPONENT_HEALTH, health), OPAMP_ERR_DEPTH);
  opamp__buf_free(&values);
  opamp__buf_free(&health);
}

/* Covers: WIRE-4 */
TEST(a_limit_beyond_the_stack_is_no_limit_beyond_it) {
  opamp__limits limits = opamp__limits_default;
  opamp__buf b =
      nested(80, OPAMP_ANY_VALUE_ARRAY_VALUE, OPAMP_ARRAY_VALUE_VALUES);
  limits.depth = 1000;
  CHECK_EQ(parse_with(OPAMP_MSG_ANY_VALUE, b, &limits), OPAMP_ERR_DEPTH);
  opamp__buf_free(&b);
}

/* --- repetition ----------------------------------------------------------- */

static opamp__buf repeated(size_t n, const char *field, size_t len) {
  opamp__buf b = {0};
  CHECK(opamp__buf_reserve(&b, n * len));
  for (size_t i = 0; i < n; i++) CHECK(opamp__buf_append(&b, field, len));
  return b;
}

/* Covers: WIRE-4 */
TEST(a_singular_sub_message_may_come_sixteen_times) {
  for (size_t n = 15; n <= 18; n++) {
    opamp__buf b = repeated(n, "\x2a\x02\x08\x01", 4);
    CHECK_EQ(parse(OPAMP_MSG_AGENT_TO_SERVER, b),
             n <= 16 ? OPAMP_OK : OPAMP_ERR_LIMIT);
    opamp__buf_free(&b);
  }
}

/* Covers: WIRE-4 */
TEST(merge_bombs) {
  /* health again and again; health and effective_config in turn; and one
   * key-value pair with many values, as one of many pairs. */
  opamp__buf plain = repeated(200000, "\x2a\x04\x3a\x02\x12\x00", 6);
  opamp__buf turns = repeated(100000, "\x2a\x00\x32\x00", 4);
  opamp__buf pairs = repeated(1000, "\x3a\x06\x12\x00\x12\x00\x12\x00", 8);
  CHECK_EQ(parse(OPAMP_MSG_AGENT_TO_SERVER, plain), OPAMP_ERR_LIMIT);
  CHECK_EQ(parse(OPAMP_MSG_AGENT_TO_SERVER, turns), OPAMP_ERR_LIMIT);
  CHECK_EQ(parse(OPAMP_MSG_COMPONENT_HEALTH, pairs), OPAMP_ERR_LIMIT);
  opamp__buf_free(&plain);
  opamp__buf_free(&turns);
  opamp__buf_free(&pairs);
}

TEST(what_is_repeated_is_merged) {
  opamp_msg *m;
  opamp__buf b = repeated(3, "\x2a\x04\x3a\x02\x0a\x00", 6);
  CHECK(opamp__buf_append(&b, "\x2a\x02\x08\x01", 4));
  m = gen_parse(OPAMP_MSG_AGENT_TO_SERVER, b);
  const opamp_msg *health = opamp_msg_sub(m, OPAMP_AGENT_TO_SERVER_HEALTH, 0);
  CHECK_EQ(opamp_msg_count(m, OPAMP_AGENT_TO_SERVER_HEALTH), 1);
  CHECK_EQ(opamp_msg_count(health, OPAMP_COMPONENT_HEALTH_ATTRIBUTES), 3);
  CHECK(opamp_msg_bool(health, OPAMP_COMPONENT_HEALTH_HEALTHY, 0));
  opamp_msg_free(m);
  opamp__buf_free(&b);
}

/* --- numbers of fields ---------------------------------------------------- */

/* Covers: WIRE-4, WIRE-5 */
TEST(sixty_four_mebibytes_of_unknown_fields) {
  opamp__buf b = repeated((size_t)16 << 20, "\xa0\x06\x00\x28", 4);
  b.len = (size_t)64 << 20;
  for (size_t i = 0; i < b.len; i += 4) memcpy(b.ptr + i, "\xa2\x06\x01x", 4);
  size_t before = opamp__mem_count();
  clock_t start = clock();
  CHECK_EQ(parse(OPAMP_MSG_AGENT_TO_SERVER, b), OPAMP_ERR_LIMIT);
  /* It ends at field 10,001 and takes no memory at all. */
  CHECK((double)(clock() - start) / CLOCKS_PER_SEC < 0.5);
  CHECK_EQ(opamp__mem_count(), before);
  opamp__buf_free(&b);
}

/* Covers: WIRE-4 */
TEST(ten_thousand_unknown_fields_are_the_most) {
  opamp__buf b = repeated(10001, "\xa0\x06\x00", 3);
  CHECK_EQ(parse(OPAMP_MSG_AGENT_TO_SERVER, b), OPAMP_ERR_LIMIT);
  b.len -= 3;
  CHECK_EQ(parse(OPAMP_MSG_AGENT_TO_SERVER, b), OPAMP_OK);
  opamp__buf_free(&b);
}

/* Covers: WIRE-4 */
TEST(a_million_fields_are_the_most) {
  opamp__buf b = repeated(1000001, "\x20\x01", 2);
  CHECK_EQ(parse(OPAMP_MSG_AGENT_TO_SERVER, b), OPAMP_ERR_LIMIT);
  b.len -= 2;
  CHECK_EQ(parse(OPAMP_MSG_AGENT_TO_SERVER, b), OPAMP_OK);
  opamp__buf_free(&b);
}

/* --- sizes ---------------------------------------------------------------- */

/* Covers: WIRE-5 */
TEST(too_many_bytes) {
  opamp__limits limits = opamp__limits_default;
  opamp__buf b = repeated(50, "\x20\x01", 2);
  limits.bytes = 100;
  CHECK_EQ(parse_with(OPAMP_MSG_AGENT_TO_SERVER, b, &limits), OPAMP_OK);
  limits.bytes = 99;
  CHECK_EQ(parse_with(OPAMP_MSG_AGENT_TO_SERVER, b, &limits), OPAMP_ERR_LIMIT);
  opamp__buf_free(&b);
}

/* Covers: WIRE-4 */
TEST(memory_is_bounded_before_it_is_taken) {
  opamp__limits limits = opamp__limits_default;
  opamp__buf b = repeated(10000, "\x0a\x00", 2);
  limits.heap = 100 * 1000;
  size_t before = opamp__mem_count();
  CHECK_EQ(parse_with(OPAMP_MSG_KEY_VALUE_LIST, b, &limits), OPAMP_ERR_LIMIT);
  CHECK_EQ(opamp__mem_count(), before);
  CHECK_EQ(parse(OPAMP_MSG_KEY_VALUE_LIST, b), OPAMP_OK);
  opamp__buf_free(&b);
}

/* --- malformed ------------------------------------------------------------ */

/* Covers: WIRE-4 */
TEST(lengths_that_lie) {
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\x0a\x01"), OPAMP_ERR_DECODE);
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\x0a\xff\xff\xff\xff\x0f"),
           OPAMP_ERR_DECODE);
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\x0a\xff\xff\xff\xff\xff\x0f"),
           OPAMP_ERR_DECODE);
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER,
                 "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
           OPAMP_ERR_DECODE);
  /* A sub-message that would go on beyond its own end. */
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\x2a\x03\x22\x05xyyyyy"),
           OPAMP_ERR_DECODE);
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\x2a\x02\x08\x80\x01"),
           OPAMP_ERR_DECODE);
  CHECK_EQ(PARSE(1,
                 "\x2a\x04\x11\x01\x02\x03"
                 "aaaaaaaa"),
           OPAMP_ERR_DECODE);
}

/* Covers: WIRE-4 */
TEST(varints) {
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER,
                 "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
           OPAMP_OK);
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER,
                 "\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"),
           OPAMP_OK);
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER,
                 "\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"),
           OPAMP_ERR_DECODE);
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\x10\x80"), OPAMP_ERR_DECODE);
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\x10"), OPAMP_ERR_DECODE);
}

/* Covers: WIRE-4 */
TEST(tags) {
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\x00\x00"),
           OPAMP_ERR_DECODE); /* field 0 */
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\x02\x00"), OPAMP_ERR_DECODE);
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\x80\x80\x80\x80\x80\x01\x00"),
           OPAMP_ERR_DECODE);
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\xf8\xff\xff\xff\x1f\x00"),
           OPAMP_ERR_DECODE);
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\xf8\xff\xff\xff\x0f\x00"),
           OPAMP_OK); /* the largest */
}

/* Covers: WIRE-4 */
TEST(wire_types_without_a_meaning) {
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\x0b\x0c"),
           OPAMP_ERR_DECODE); /* a group */
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\xa3\x06\xa4\x06"),
           OPAMP_ERR_DECODE);
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\x0e\x00"), OPAMP_ERR_DECODE);
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\x0f\x00"), OPAMP_ERR_DECODE);
}

/* Covers: WIRE-4 */
TEST(known_fields_of_another_wire_type) {
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\x08\x01"),
           OPAMP_ERR_DECODE); /* bytes as varint */
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\x12\x00"),
           OPAMP_ERR_DECODE); /* uint64 as bytes */
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_TO_SERVER, "\x28\x01"),
           OPAMP_ERR_DECODE); /* message as varint */
  CHECK_EQ(PARSE(OPAMP_MSG_COMPONENT_HEALTH, "\x10\x01"), OPAMP_ERR_DECODE);
  CHECK_EQ(PARSE(OPAMP_MSG_COMPONENT_HEALTH, "\x15\x01\x01\x01\x01"),
           OPAMP_ERR_DECODE);
}

/* Covers: WIRE-4 */
TEST(truncation_at_every_byte) {
  opamp_msg *m = gen_new(OPAMP_MSG_AGENT_TO_SERVER);
  CHECK_EQ(gen_fill(m, 3, 0), OPAMP_OK);
  opamp__buf wire = gen_pack(m);
  size_t whole = 0;
  CHECK(wire.len > 1000);
  for (size_t n = 0; n < wire.len; n++) {
    opamp_status s =
        parse_literal(OPAMP_MSG_AGENT_TO_SERVER, (char *)wire.ptr, n);
    CHECK(s == OPAMP_OK || s == OPAMP_ERR_DECODE);
    whole += s == OPAMP_OK;
  }
  /* It is whole only where one of the fields of the root ends. */
  CHECK(whole <= opamp_msg_field_count(OPAMP_MSG_AGENT_TO_SERVER));
  opamp__buf_free(&wire);
  opamp_msg_free(m);
}

/* Any single byte changed: nothing but a status comes of it. */
/* Covers: WIRE-4 */
TEST(every_byte_changed) {
  opamp_msg *m = gen_new(OPAMP_MSG_SERVER_TO_AGENT);
  CHECK_EQ(gen_fill(m, 3, 0), OPAMP_OK);
  opamp__buf wire = gen_pack(m);
  for (size_t i = 0; i < wire.len; i++) {
    for (unsigned bit = 0; bit < 8; bit++) {
      wire.ptr[i] ^= (uint8_t)(1u << bit);
      opamp_status s = parse(OPAMP_MSG_SERVER_TO_AGENT, wire);
      CHECK(s == OPAMP_OK || (s <= OPAMP_ERR_DECODE && s >= OPAMP_ERR_DEPTH));
      wire.ptr[i] ^= (uint8_t)(1u << bit);
    }
  }
  opamp__buf_free(&wire);
  opamp_msg_free(m);
}

/* --- texts ---------------------------------------------------------------- */

/* Covers: WIRE-4 */
TEST(texts_must_be_utf8) {
  CHECK_EQ(PARSE(OPAMP_MSG_HEADER, "\x0a\x02\xc3\xa9"), OPAMP_OK);
  CHECK_EQ(PARSE(OPAMP_MSG_HEADER, "\x0a\x01\xc3"), OPAMP_ERR_UTF8);
  CHECK_EQ(PARSE(OPAMP_MSG_HEADER, "\x0a\x02\xc3\x28"), OPAMP_ERR_UTF8);
  CHECK_EQ(PARSE(OPAMP_MSG_CUSTOM_CAPABILITIES,
                 "\x0a\x01"
                 "a\x0a\x01\xff"),
           OPAMP_ERR_UTF8);
  /* A oneof, a map's key, a map's value. */
  CHECK_EQ(PARSE(OPAMP_MSG_ANY_VALUE, "\x0a\x01\xff"), OPAMP_ERR_UTF8);
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_CONFIG_MAP, "\x0a\x03\x0a\x01\xff"),
           OPAMP_ERR_UTF8);
  CHECK_EQ(PARSE(OPAMP_MSG_OTHER_CONNECTION_SETTINGS,
                 "\x22\x06\x0a\x01k\x12\x01\xff"),
           OPAMP_ERR_UTF8);
  /* Bytes may be anything. */
  CHECK_EQ(PARSE(OPAMP_MSG_CUSTOM_MESSAGE, "\x1a\x02\xff\x00"), OPAMP_OK);
}

/* Covers: WIRE-4 */
TEST(texts_hold_no_nul) {
  CHECK_EQ(PARSE(OPAMP_MSG_HEADER,
                 "\x0a\x03"
                 "a\0b"),
           OPAMP_ERR_UTF8);
  CHECK_EQ(PARSE(OPAMP_MSG_AGENT_CONFIG_MAP, "\x0a\x03\x0a\x01\x00"),
           OPAMP_ERR_UTF8);
}

/* --- the way in ----------------------------------------------------------- */

TEST(no_such_type) {
  CHECK_EQ(PARSE(0, ""), OPAMP_ERR_INVALID);
  CHECK_EQ(PARSE(-1, ""), OPAMP_ERR_INVALID);
  CHECK_EQ(PARSE(1000, ""), OPAMP_ERR_INVALID);
}
