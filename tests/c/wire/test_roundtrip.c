/* SPDX-License-Identifier: Apache-2.0 */
/* Every field of every message, by introspection. */
#include "gen.h"

enum { DEPTH = 4, MEMBERS = 7 };

static int last_type(void) {
  int n = 0;
  while (opamp_msg_type_name(n + 1) != NULL) n++;
  return n;
}

static opamp_msg *filled(int type, unsigned pick) {
  opamp_msg *m = gen_new(type);
  CHECK_EQ(gen_fill(m, DEPTH, pick), OPAMP_OK);
  return m;
}

/* Covers: WIRE-1 */
TEST(what_is_packed_is_parsed) {
  for (int type = 1; type <= last_type(); type++) {
    for (unsigned pick = 0; pick < MEMBERS; pick++) {
      opamp_msg *m = filled(type, pick);
      opamp__buf wire = gen_pack(m);
      opamp_msg *copy = gen_parse(type, wire);
      gen_check_equal(m, copy);
      opamp__buf again = gen_pack(copy);
      CHECK_MEM(again.ptr, again.len, wire.ptr, wire.len);
      opamp__buf_free(&again);
      opamp__buf_free(&wire);
      opamp_msg_free(copy);
      opamp_msg_free(m);
    }
  }
}

TEST(every_field_is_filled) {
  for (int type = 1; type <= last_type(); type++) {
    opamp_msg *m = filled(type, 0);
    for (size_t i = 0; i < opamp_msg_field_count(type); i++) {
      int field = opamp_msg_field_at(type, i);
      if (opamp_msg_field_flags(type, field) & OPAMP_FIELD_ONEOF) continue;
      CHECK(opamp_msg_count(m, field) > 0);
    }
    opamp_msg_free(m);
  }
}

/* Covers: STATE-6 */
TEST(the_canonical_form_is_stable_and_means_the_same) {
  for (int type = 1; type <= last_type(); type++) {
    opamp_msg *m = filled(type, 5);
    opamp__buf first = gen_canonical(m);
    opamp_msg *copy = gen_parse(type, first);
    opamp__buf second = gen_canonical(copy);
    CHECK_MEM(second.ptr, second.len, first.ptr, first.len);
    opamp__buf_free(&first);
    opamp__buf_free(&second);
    opamp_msg_free(copy);
    opamp_msg_free(m);
  }
}

TEST(a_copy_is_equal_and_independent) {
  opamp_msg *m = filled(OPAMP_MSG_AGENT_TO_SERVER, 0), *copy, *part;
  CHECK_EQ(opamp_msg_dup(&copy, m), OPAMP_OK);
  gen_check_equal(m, copy);
  CHECK_EQ(
      opamp_msg_dup(&part, opamp_msg_sub(m, OPAMP_AGENT_TO_SERVER_HEALTH, 0)),
      OPAMP_OK);
  CHECK_EQ(opamp_msg_clear(m, OPAMP_AGENT_TO_SERVER_HEALTH), OPAMP_OK);
  CHECK_EQ(opamp_msg_count(m, OPAMP_AGENT_TO_SERVER_HEALTH), 0);
  opamp_msg_free(m);
  gen_check_equal(part, opamp_msg_sub(copy, OPAMP_AGENT_TO_SERVER_HEALTH, 0));
  opamp_msg_free(part);
  opamp_msg_free(copy);
}

TEST(clearing_every_field_leaves_nothing) {
  for (int type = 1; type <= last_type(); type++) {
    for (unsigned pick = 0; pick < MEMBERS; pick++) {
      opamp_msg *m = filled(type, pick);
      for (size_t i = 0; i < opamp_msg_field_count(type); i++)
        CHECK_EQ(opamp_msg_clear(m, opamp_msg_field_at(type, i)), OPAMP_OK);
      size_t len = 0;
      CHECK_EQ(opamp_msg_pack(m, NULL, &len), OPAMP_OK);
      CHECK_EQ(len, 0);
      CHECK_EQ(gen_fill(m, 1, pick), OPAMP_OK);
      opamp_msg_free(m);
    }
  }
}
