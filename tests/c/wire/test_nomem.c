/* SPDX-License-Identifier: Apache-2.0 */
/* The n-th allocation fails, for every n. */
#include "base/mem.h"
#include "gen.h"
#include "opamp/typed.h"

enum { TYPE = OPAMP_MSG_AGENT_TO_SERVER };

static opamp_msg *rich(void) {
  opamp_msg *m = gen_new(TYPE);
  CHECK_EQ(gen_fill(m, 3, 0), OPAMP_OK);
  return m;
}

TEST(building) {
  for (size_t n = 1;; n++) {
    opamp_msg *m;
    opamp__mem_fail_after(n);
    opamp_status s = opamp_msg_new(&m, TYPE);
    if (s == OPAMP_OK) s = gen_fill(m, 3, 0);
    opamp__mem_fail_after(0);
    CHECK(s == OPAMP_OK || s == OPAMP_ERR_NOMEM);
    /* Whatever was built so far is a whole message. */
    if (m != NULL) {
      opamp__buf b = gen_pack(m);
      opamp_msg *copy = gen_parse(TYPE, b);
      gen_check_equal(m, copy);
      opamp_msg_free(copy);
      opamp__buf_free(&b);
    }
    opamp_msg_free(m);
    if (s == OPAMP_OK) break;
    CHECK(n < 10000);
  }
}

TEST(parsing) {
  opamp_msg *m = rich();
  opamp__buf wire = gen_pack(m);
  for (size_t n = 1;; n++) {
    opamp_msg *copy;
    opamp__mem_fail_after(n);
    opamp_status s = opamp_msg_parse(&copy, TYPE, opamp__buf_bytes(&wire));
    opamp__mem_fail_after(0);
    CHECK(s == OPAMP_OK || (s == OPAMP_ERR_NOMEM && copy == NULL));
    opamp_msg_free(copy);
    if (s == OPAMP_OK) break;
    CHECK(n < 10000);
  }
  opamp__buf_free(&wire);
  opamp_msg_free(m);
}

TEST(packing_and_copying) {
  opamp_msg *m = rich();
  for (size_t n = 1;; n++) {
    opamp__buf b = {0};
    opamp_msg *copy;
    opamp__mem_fail_after(n);
    opamp_status s = opamp__msg_pack_canonical(m, &b);
    opamp_status c = opamp_msg_dup(&copy, m);
    opamp__mem_fail_after(0);
    CHECK(s == OPAMP_OK || (s == OPAMP_ERR_NOMEM && b.len == 0));
    CHECK(c == OPAMP_OK || (c == OPAMP_ERR_NOMEM && copy == NULL));
    opamp__buf_free(&b);
    opamp_msg_free(copy);
    if (s == OPAMP_OK && c == OPAMP_OK) break;
    CHECK(n < 10000);
  }
  opamp_msg_free(m);
}

/* Sorting a map that came in disorder takes memory of its own. */
TEST(maps_in_disorder) {
  opamp__buf wire = {0};
  for (int i = 999; i >= 0; i--) {
    uint8_t entry[] = {0x32,
                       5,
                       0x0a,
                       3,
                       (uint8_t)('0' + i / 100),
                       (uint8_t)('0' + i / 10 % 10),
                       (uint8_t)('0' + i % 10)};
    CHECK(opamp__buf_append(&wire, entry, sizeof entry));
  }
  for (size_t n = 1;; n++) {
    opamp_msg *m;
    opamp__mem_fail_after(n);
    opamp_status s = opamp_msg_parse(&m, OPAMP_MSG_COMPONENT_HEALTH,
                                     opamp__buf_bytes(&wire));
    opamp__mem_fail_after(0);
    CHECK(s == OPAMP_OK || s == OPAMP_ERR_NOMEM);
    opamp_msg_free(m);
    if (s == OPAMP_OK) break;
    CHECK(n < 10000);
  }
  opamp__buf_free(&wire);
}

TEST(a_setter_that_fails_changes_nothing) {
  opamp_msg *m = gen_new(OPAMP_MSG_COMPONENT_HEALTH), *c;
  char large[2000];
  memset(large, 'x', sizeof large);
  opamp_str text = {large, sizeof large};
  CHECK_EQ(
      opamp_msg_set_str(m, OPAMP_COMPONENT_HEALTH_STATUS, OPAMP_STR("was")),
      OPAMP_OK);
  opamp__mem_fail_after(1);
  opamp_status s = opamp_msg_set_str(m, OPAMP_COMPONENT_HEALTH_STATUS, text);
  opamp_status p =
      opamp_msg_put(&c, m, OPAMP_COMPONENT_HEALTH_COMPONENT_HEALTH_MAP, text);
  opamp__mem_fail_after(0);
  CHECK(s == OPAMP_ERR_NOMEM && p == OPAMP_ERR_NOMEM && c == NULL);
  CHECK_STR(opamp_msg_str(m, OPAMP_COMPONENT_HEALTH_STATUS, 0).ptr, "was");
  CHECK_EQ(opamp_msg_count(m, OPAMP_COMPONENT_HEALTH_COMPONENT_HEALTH_MAP), 0);
  opamp_msg_free(m);
}
