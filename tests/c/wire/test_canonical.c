/* SPDX-License-Identifier: Apache-2.0 */
/* The order of maps and of attributes says nothing; that of values does. */
#include "gen.h"
#include "opamp/typed.h"

enum { ATTRIBUTES = OPAMP_COMPONENT_HEALTH_ATTRIBUTES };

static void check_same(const opamp_msg *a, const opamp_msg *b, bool same) {
  opamp__buf x = gen_canonical(a), y = gen_canonical(b);
  bool equal = x.len == y.len && memcmp(x.ptr, y.ptr, x.len) == 0;
  opamp__buf_free(&x);
  opamp__buf_free(&y);
  CHECK_EQ(equal, same);
}

/* A health with attributes and parts in the given order, each with one nested
 * list of pairs in that order. */
static opamp_msg *health(const char *const keys[3]) {
  opamp_msg *m = gen_new(OPAMP_MSG_COMPONENT_HEALTH);
  for (int i = 0; i < 3; i++) {
    opamp_msg *any, *list, *part;
    CHECK_EQ(opamp_attr_add(&any, m, ATTRIBUTES, keys[i]), OPAMP_OK);
    CHECK_EQ(opamp_msg_add(&list, any, OPAMP_ANY_VALUE_KVLIST_VALUE), 0);
    CHECK_EQ(opamp_health_part(&part, m, keys[i]), OPAMP_OK);
    for (int k = 0; k < 3; k++) {
      CHECK_EQ(
          opamp_attr_str(list, OPAMP_KEY_VALUE_LIST_VALUES, keys[k], keys[k]),
          OPAMP_OK);
      CHECK_EQ(opamp_attr_str(part, ATTRIBUTES, keys[k], keys[i]), OPAMP_OK);
    }
  }
  return m;
}

/* Covers: STATE-6 */
TEST(permuted_maps_and_attributes_are_equal) {
  static const char *const orders[6][3] = {{"a", "b", "c"}, {"a", "c", "b"},
                                           {"b", "a", "c"}, {"b", "c", "a"},
                                           {"c", "a", "b"}, {"c", "b", "a"}};
  opamp_msg *first = health(orders[0]);
  for (int i = 1; i < 6; i++) {
    opamp_msg *other = health(orders[i]);
    check_same(first, other, true);
    opamp__buf plain = gen_pack(other), one = gen_pack(first);
    CHECK(memcmp(plain.ptr, one.ptr, one.len) != 0);
    opamp__buf_free(&plain);
    opamp__buf_free(&one);
    opamp_msg_free(other);
  }
  opamp_msg_free(first);
}

/* Covers: STATE-6 */
TEST(the_order_of_an_array_counts) {
  opamp_msg *a = gen_new(OPAMP_MSG_ARRAY_VALUE), *v;
  opamp_msg *b = gen_new(OPAMP_MSG_ARRAY_VALUE);
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(opamp_msg_add(&v, a, OPAMP_ARRAY_VALUE_VALUES), OPAMP_OK);
    CHECK_EQ(opamp_any_set_int(v, i), OPAMP_OK);
    CHECK_EQ(opamp_msg_add(&v, b, OPAMP_ARRAY_VALUE_VALUES), OPAMP_OK);
    CHECK_EQ(opamp_any_set_int(v, 2 - i), OPAMP_OK);
  }
  check_same(a, b, false);
  opamp_msg_free(a);
  opamp_msg_free(b);
}

/* Covers: STATE-6 */
TEST(equal_keys_keep_their_order) {
  opamp_msg *a = gen_new(OPAMP_MSG_COMPONENT_HEALTH);
  opamp_msg *b = gen_new(OPAMP_MSG_COMPONENT_HEALTH);
  CHECK_EQ(opamp_attr_int(a, ATTRIBUTES, "k", 1), OPAMP_OK);
  CHECK_EQ(opamp_attr_int(a, ATTRIBUTES, "k", 2), OPAMP_OK);
  CHECK_EQ(opamp_attr_int(b, ATTRIBUTES, "k", 2), OPAMP_OK);
  CHECK_EQ(opamp_attr_int(b, ATTRIBUTES, "k", 1), OPAMP_OK);
  check_same(a, b, false);
  opamp_msg_free(a);
  opamp_msg_free(b);
}

/* Other threads may be reading it. */
/* Covers: STATE-6 */
TEST(the_message_itself_stays_as_it_is) {
  static const char *const order[3] = {"c", "a", "b"};
  opamp_msg *m = health(order);
  opamp__buf before = gen_pack(m), sorted = gen_canonical(m);
  opamp__buf after = gen_pack(m);
  CHECK_MEM(after.ptr, after.len, before.ptr, before.len);
  CHECK_EQ(sorted.len, before.len);
  const opamp_msg *first = opamp_msg_sub(m, ATTRIBUTES, 0);
  CHECK_STR(opamp_msg_str(first, OPAMP_KEY_VALUE_KEY, 0).ptr, "c");
  opamp__buf_free(&before);
  opamp__buf_free(&sorted);
  opamp__buf_free(&after);
  opamp_msg_free(m);
}

TEST(it_is_appended) {
  opamp_msg *m = gen_new(OPAMP_MSG_HEADER);
  opamp__buf b = {0};
  CHECK_EQ(opamp_msg_set_str(m, OPAMP_HEADER_KEY, OPAMP_STR("k")), OPAMP_OK);
  CHECK(opamp__buf_byte(&b, 'x'));
  CHECK_EQ(opamp__msg_pack_canonical(m, &b), OPAMP_OK);
  CHECK_EQ(opamp__msg_pack_canonical(NULL, &b), OPAMP_OK);
  CHECK_MEM(b.ptr, b.len, "x\x0a\x01k", 4);
  opamp__buf_free(&b);
  opamp_msg_free(m);
}
