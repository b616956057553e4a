/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"
#include "gen.h"
#include "opamp/typed.h"

enum {
  MANY = 10000,
  HEALTH = OPAMP_MSG_COMPONENT_HEALTH,
  PARTS = OPAMP_COMPONENT_HEALTH_COMPONENT_HEALTH_MAP,
  STATUS = OPAMP_COMPONENT_HEALTH_STATUS
};

/* --- reading what is not there -------------------------------------------- */

TEST(getters_of_nothing) {
  opamp_msg *m = gen_new(OPAMP_MSG_AGENT_TO_SERVER);
  const opamp_msg *messages[] = {NULL, m};
  int fields[] = {-1, 0, 1, 2, 5, 99};
  for (size_t i = 0; i < 2; i++) {
    for (size_t k = 0; k < sizeof fields / sizeof *fields; k++) {
      const opamp_msg *a = messages[i];
      int f = fields[k];
      CHECK_EQ(opamp_msg_count(a, f), 0);
      CHECK(opamp_msg_u64(a, f, 0) == 0 && opamp_msg_i64(a, f, 0) == 0);
      CHECK(opamp_msg_f64(a, f, 0) == 0 && !opamp_msg_bool(a, f, 0));
      CHECK(opamp_msg_str(a, f, 0).ptr == NULL);
      CHECK(opamp_msg_bytes(a, f, 0).ptr == NULL);
      CHECK(opamp_msg_sub(a, f, 0) == NULL);
      CHECK(opamp_msg_key(a, f, 0).ptr == NULL);
      CHECK(opamp_msg_find(a, f, OPAMP_STR("x")) == NULL);
      CHECK(opamp_msg_find_str(a, f, OPAMP_STR("x")).ptr == NULL);
    }
  }
  CHECK_EQ(opamp_msg_type(NULL), 0);
  opamp_msg_free(m);
  opamp_msg_free(NULL);
}

TEST(getters_of_another_kind) {
  opamp_msg *m = gen_new(HEALTH), *part;
  CHECK_EQ(opamp_msg_set_bool(m, OPAMP_COMPONENT_HEALTH_HEALTHY, true), 0);
  CHECK_EQ(opamp_msg_set_str(m, STATUS, OPAMP_STR("ok")), 0);
  CHECK_EQ(opamp_msg_put(&part, m, PARTS, OPAMP_STR("a")), 0);
  for (int f = 1; f <= 7; f++) {
    CHECK(opamp_msg_u64(m, f, 0) == 0 && opamp_msg_i64(m, f, 0) == 0);
    CHECK(opamp_msg_f64(m, f, 0) == 0 && opamp_msg_bytes(m, f, 0).len == 0);
    CHECK(opamp_msg_bool(m, f, 0) == (f == OPAMP_COMPONENT_HEALTH_HEALTHY));
    CHECK((opamp_msg_str(m, f, 0).ptr != NULL) == (f == STATUS));
    CHECK((opamp_msg_sub(m, f, 0) != NULL) == (f == PARTS));
    CHECK((opamp_msg_key(m, f, 0).ptr != NULL) == (f == PARTS));
  }
  CHECK(opamp_msg_sub(m, PARTS, 1) == NULL);
  CHECK(opamp_msg_str(m, STATUS, 1).ptr == NULL);
  opamp_msg_free(m);
}

/* --- setters -------------------------------------------------------------- */

TEST(setters_refuse_what_does_not_fit) {
  opamp_msg *m = gen_new(HEALTH), *c = m;
  CHECK_EQ(opamp_msg_set_u64(m, 99, 1), OPAMP_ERR_TYPE);
  CHECK_EQ(opamp_msg_set_u64(m, -1, 1), OPAMP_ERR_TYPE);
  CHECK_EQ(opamp_msg_set_u64(m, STATUS, 1), OPAMP_ERR_TYPE);
  CHECK_EQ(opamp_msg_set_i64(m, 2, 1), OPAMP_ERR_TYPE);
  CHECK_EQ(opamp_msg_set_f64(m, 1, 1), OPAMP_ERR_TYPE);
  CHECK_EQ(opamp_msg_set_bool(m, 2, true), OPAMP_ERR_TYPE);
  CHECK_EQ(opamp_msg_set_str(m, 1, OPAMP_STR("x")), OPAMP_ERR_TYPE);
  CHECK_EQ(opamp_msg_set_bytes(m, STATUS, opamp_bytes_of("x", 1)),
           OPAMP_ERR_TYPE);
  CHECK_EQ(opamp_msg_add(&c, m, STATUS), OPAMP_ERR_TYPE);
  CHECK(c == NULL);
  CHECK_EQ(opamp_msg_add(&c, m, PARTS), OPAMP_ERR_TYPE);
  CHECK_EQ(
      opamp_msg_put(&c, m, OPAMP_COMPONENT_HEALTH_ATTRIBUTES, OPAMP_STR("k")),
      OPAMP_ERR_TYPE);
  CHECK_EQ(opamp_msg_put_str(m, PARTS, OPAMP_STR("k"), OPAMP_STR("v")),
           OPAMP_ERR_TYPE);
  CHECK_EQ(opamp_msg_clear(m, 99), OPAMP_ERR_TYPE);
  CHECK_EQ(opamp_msg_set_u64(NULL, 1, 1), OPAMP_ERR_INVALID);
  size_t len = 0;
  CHECK_EQ(opamp_msg_pack(m, NULL, &len), OPAMP_OK);
  CHECK_EQ(len, 0);
  opamp_msg_free(m);
}

TEST(texts_are_checked_when_they_are_set) {
  opamp_msg *m = gen_new(HEALTH), *c;
  opamp_str nul = {"a\0b", 3};
  CHECK_EQ(opamp_msg_set_str(m, STATUS, OPAMP_STR("was")), OPAMP_OK);
  CHECK_EQ(opamp_msg_set_str(m, STATUS, OPAMP_STR("\xff")), OPAMP_ERR_UTF8);
  CHECK_EQ(opamp_msg_set_str(m, STATUS, nul), OPAMP_ERR_UTF8);
  CHECK_EQ(opamp_msg_put(&c, m, PARTS, nul), OPAMP_ERR_UTF8);
  CHECK_STR(opamp_msg_str(m, STATUS, 0).ptr, "was");
  CHECK_EQ(opamp_msg_count(m, PARTS), 0);
  opamp_msg_free(m);
}

TEST(an_enumeration_has_32_bits) {
  opamp_msg *m = gen_new(OPAMP_MSG_REMOTE_CONFIG_STATUS);
  int f = OPAMP_REMOTE_CONFIG_STATUS_STATUS;
  CHECK_EQ(opamp_msg_set_u64(m, f, 2), OPAMP_OK);
  CHECK_EQ(opamp_msg_set_u64(m, f, UINT64_C(1) << 31), OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_msg_u64(m, f, 0), 2);
  opamp_msg_free(m);
}

TEST(a_field_set_again_and_again_does_not_grow_the_message) {
  opamp_msg *m = gen_new(OPAMP_MSG_CUSTOM_MESSAGE);
  CHECK_EQ(opamp_msg_set_str(m, 1, OPAMP_STR("some capability")), OPAMP_OK);
  CHECK_EQ(opamp_msg_set_bytes(m, 3, opamp_bytes_of("0123456789", 10)), 0);
  size_t before = opamp__mem_count();
  for (int i = 0; i < 10000; i++) {
    CHECK_EQ(opamp_msg_set_str(m, 1, OPAMP_STR("short")), OPAMP_OK);
    CHECK_EQ(opamp_msg_set_bytes(m, 3, opamp_bytes_of("012", 3)), OPAMP_OK);
  }
  CHECK_EQ(opamp__mem_count(), before);
  CHECK_STR(opamp_msg_str(m, 1, 0).ptr, "short");
  opamp_msg_free(m);
}

TEST(a_field_may_be_set_from_itself) {
  opamp_msg *m = gen_new(HEALTH);
  CHECK_EQ(opamp_msg_set_str(m, STATUS, OPAMP_STR("abcdef")), OPAMP_OK);
  opamp_str now = opamp_msg_str(m, STATUS, 0);
  CHECK_EQ(opamp_msg_set_str(m, STATUS, (opamp_str){now.ptr + 2, 3}), 0);
  CHECK_STR(opamp_msg_str(m, STATUS, 0).ptr, "cde");
  opamp_msg_free(m);
}

/* --- oneofs --------------------------------------------------------------- */

TEST(a_oneof_holds_one_value_even_when_it_is_empty) {
  opamp_msg *any = gen_new(OPAMP_MSG_ANY_VALUE), *array;
  CHECK_EQ(opamp_any_set_int(any, 0), OPAMP_OK);
  CHECK_EQ(opamp_msg_count(any, OPAMP_ANY_VALUE_INT_VALUE), 1);
  opamp__buf b = gen_pack(any);
  CHECK_MEM(b.ptr, b.len, "\x18\x00", 2);
  opamp__buf_free(&b);
  CHECK_EQ(opamp_msg_set_str(any, OPAMP_ANY_VALUE_STRING_VALUE,
                             (opamp_str){NULL, 0}),
           OPAMP_OK);
  CHECK_EQ(opamp_msg_count(any, OPAMP_ANY_VALUE_INT_VALUE), 0);
  CHECK_STR(opamp_msg_str(any, OPAMP_ANY_VALUE_STRING_VALUE, 0).ptr, "");
  CHECK_EQ(opamp_msg_set_bytes(any, OPAMP_ANY_VALUE_BYTES_VALUE,
                               opamp_bytes_of(NULL, 0)),
           OPAMP_OK);
  opamp_bytes e = opamp_msg_bytes(any, OPAMP_ANY_VALUE_BYTES_VALUE, 0);
  CHECK(e.ptr != NULL && e.len == 0);
  CHECK_EQ(opamp_msg_add(&array, any, OPAMP_ANY_VALUE_ARRAY_VALUE), OPAMP_OK);
  CHECK_EQ(opamp_msg_count(any, OPAMP_ANY_VALUE_BYTES_VALUE), 0);
  CHECK_EQ(opamp_msg_clear(any, OPAMP_ANY_VALUE_BYTES_VALUE), OPAMP_OK);
  CHECK(opamp_msg_sub(any, OPAMP_ANY_VALUE_ARRAY_VALUE, 0) == array);
  opamp_msg_free(any);
}

/* --- sub-messages --------------------------------------------------------- */

TEST(a_singular_sub_message_is_made_once) {
  opamp_msg *m = gen_new(OPAMP_MSG_AGENT_TO_SERVER), *a, *b;
  CHECK_EQ(opamp_msg_add(&a, m, OPAMP_AGENT_TO_SERVER_HEALTH), OPAMP_OK);
  CHECK_EQ(opamp_msg_add(&b, m, OPAMP_AGENT_TO_SERVER_HEALTH), OPAMP_OK);
  CHECK(a == b);
  CHECK_EQ(opamp_msg_count(m, OPAMP_AGENT_TO_SERVER_HEALTH), 1);
  CHECK_EQ(opamp_msg_type(a), HEALTH);
  opamp_msg_free(a); /* a mistake without consequences */
  CHECK_EQ(opamp_msg_set_str(b, STATUS, OPAMP_STR("alive")), OPAMP_OK);
  opamp_msg_free(m);
}

TEST(what_was_parsed_can_be_built_on) {
  opamp__buf wire = {0};
  CHECK(opamp__buf_append(&wire,
                          "\x32\x09\x0a\x01"
                          "b\x12\x04\x22\x02ok",
                          11));
  opamp_msg *m = gen_parse(HEALTH, wire), *c;
  CHECK_EQ(opamp_msg_put(&c, m, PARTS, OPAMP_STR("a")), OPAMP_OK);
  CHECK_EQ(opamp_msg_put(&c, m, PARTS, OPAMP_STR("b")), OPAMP_OK);
  CHECK_STR(opamp_msg_str(c, STATUS, 0).ptr, "ok");
  for (int i = 0; i < 100; i++)
    CHECK_EQ(opamp_attr_int(c, OPAMP_COMPONENT_HEALTH_ATTRIBUTES, "k", i), 0);
  CHECK_EQ(opamp_msg_count(m, PARTS), 2);
  CHECK_STR(opamp_msg_key(m, PARTS, 0).ptr, "a");
  opamp_msg_free(m);
  opamp__buf_free(&wire);
}

/* Nothing that is built here is refused by the other side's depth limit
 * silently. */
TEST(a_message_too_deep_is_not_packed) {
  for (int levels = 63; levels <= 66; levels++) {
    opamp_msg *root = gen_new(OPAMP_MSG_ANY_VALUE), *at = root, *copy;
    for (int i = 2; i <= levels; i++)
      CHECK_EQ(opamp_msg_add(&at, at,
                             i % 2 == 0 ? OPAMP_ANY_VALUE_ARRAY_VALUE
                                        : OPAMP_ARRAY_VALUE_VALUES),
               OPAMP_OK);
    size_t len = 1000;
    uint8_t buf[1000];
    opamp_status want = levels <= 64 ? OPAMP_OK : OPAMP_ERR_DEPTH;
    CHECK_EQ(opamp_msg_pack(root, buf, &len), want);
    CHECK_EQ(opamp_msg_dup(&copy, root), want);
    if (want == OPAMP_OK) gen_check_equal(root, copy);
    opamp_msg_free(copy);
    opamp_msg_free(root);
  }
}

TEST(packing_into_too_little_room_writes_nothing) {
  opamp_msg *m = gen_new(HEALTH);
  uint8_t buf[16];
  size_t len = 3;
  memset(buf, 0xa5, sizeof buf);
  CHECK_EQ(opamp_msg_set_str(m, STATUS, OPAMP_STR("ok")), OPAMP_OK);
  CHECK_EQ(opamp_msg_pack(m, buf, &len), OPAMP_ERR_SPACE);
  CHECK_EQ(len, 4);
  CHECK_EQ(buf[0], 0xa5);
  CHECK_EQ(opamp_msg_pack(m, buf, &len), OPAMP_OK);
  CHECK_MEM(buf, len, "\x22\x02ok", 4);
  opamp_msg_free(m);
}

/* --- maps ----------------------------------------------------------------- */

static opamp_str key_of(char buf[16], int i) {
  return (opamp_str){buf, (size_t)snprintf(buf, 16, "%d", i)};
}

/* Covers: WIRE-4 */
TEST(maps_are_sorted_and_their_last_duplicate_wins) {
  /* "b" → "1", "a" → "2", "b" → "3", "" without a value, "a" → "4" */
  static const char entries[] =
      "\x22\x06\x0a\x01"
      "b\x12\x01"
      "1\x22\x06\x0a\x01"
      "a\x12\x01"
      "2"
      "\x22\x06\x0a\x01"
      "b\x12\x01"
      "3\x22\x00\x22\x06\x0a\x01"
      "a\x12\x01"
      "4";
  int f = OPAMP_OTHER_CONNECTION_SETTINGS_OTHER_SETTINGS;
  opamp__buf wire = {0};
  CHECK(opamp__buf_append(&wire, entries, sizeof entries - 1));
  opamp_msg *m = gen_parse(OPAMP_MSG_OTHER_CONNECTION_SETTINGS, wire);
  CHECK_EQ(opamp_msg_count(m, f), 3);
  CHECK_STR(opamp_msg_key(m, f, 0).ptr, "");
  CHECK_STR(opamp_msg_str(m, f, 0).ptr, "");
  CHECK_STR(opamp_msg_key(m, f, 1).ptr, "a");
  CHECK_STR(opamp_msg_str(m, f, 1).ptr, "4");
  CHECK_STR(opamp_msg_find_str(m, f, OPAMP_STR("b")).ptr, "3");
  CHECK(opamp_msg_find_str(m, f, OPAMP_STR("c")).ptr == NULL);
  opamp_msg_free(m);
  opamp__buf_free(&wire);
}

/* Covers: WIRE-4 */
TEST(an_entry_without_a_value_reads_as_an_empty_one) {
  opamp__buf wire = {0};
  CHECK(opamp__buf_append(&wire,
                          "\x32\x03\x0a\x01"
                          "a",
                          5));
  opamp_msg *m = gen_parse(HEALTH, wire);
  const opamp_msg *a = opamp_msg_find(m, PARTS, OPAMP_STR("a"));
  CHECK_EQ(opamp_msg_type(a), HEALTH);
  CHECK_EQ(opamp_msg_count(a, STATUS), 0);
  opamp_msg_free(m);
  opamp__buf_free(&wire);
}

/* Keys that come in the worst order, each ten times; the bound is far above
 * n log n and far below n². */
/* Covers: WIRE-4 */
TEST(large_maps_take_no_quadratic_time) {
  opamp__buf wire = {0};
  int n = 200000, f = OPAMP_OTHER_CONNECTION_SETTINGS_OTHER_SETTINGS;
  for (int i = n; i > 0; i--) {
    char field[32];
    int len = snprintf(field, sizeof field, "\x22\x08\x0a\x06%06d", i / 10);
    CHECK(opamp__buf_append(&wire, field, (size_t)len));
  }
  clock_t start = clock();
  opamp_msg *m = gen_parse(OPAMP_MSG_OTHER_CONNECTION_SETTINGS, wire);
  CHECK((double)(clock() - start) / CLOCKS_PER_SEC < 5);
  CHECK_EQ(opamp_msg_count(m, f), n / 10 + 1);
  for (size_t i = 1; i < opamp_msg_count(m, f); i++)
    CHECK(opamp__str_cmp(opamp_msg_key(m, f, i - 1), opamp_msg_key(m, f, i)) <
          0);
  opamp_msg_free(m);
  opamp__buf_free(&wire);
}

TEST(ten_thousand_keys_are_put_and_found) {
  opamp_msg *m = gen_new(HEALTH), *c;
  char buf[16];
  size_t before = opamp__mem_count();
  for (int i = 0; i < MANY; i++) {
    CHECK_EQ(opamp_msg_put(&c, m, PARTS, key_of(buf, i * 7919 % MANY)), 0);
    CHECK_EQ(opamp_msg_set_u64(c, 2, (uint64_t)(i * 7919 % MANY)), 0);
  }
  CHECK(opamp__mem_count() - before < 1000);
  CHECK_EQ(opamp_msg_count(m, PARTS), MANY);
  for (int i = 0; i < MANY; i++) {
    const opamp_msg *found = opamp_msg_find(m, PARTS, key_of(buf, i));
    CHECK_EQ(opamp_msg_u64(found, 2, 0), i);
  }
  opamp_msg_free(m);
}

TEST(putting_a_text_again_replaces_it) {
  opamp_msg *m = gen_new(OPAMP_MSG_OTHER_CONNECTION_SETTINGS), *c;
  int f = OPAMP_OTHER_CONNECTION_SETTINGS_OTHER_SETTINGS;
  CHECK_EQ(opamp_msg_put_str(m, f, OPAMP_STR("k"), OPAMP_STR("1")), OPAMP_OK);
  CHECK_EQ(opamp_msg_put_str(m, f, OPAMP_STR("k"), OPAMP_STR("22")), OPAMP_OK);
  CHECK_EQ(opamp_msg_put_str(m, f, OPAMP_STR("k"), OPAMP_STR("\xff")),
           OPAMP_ERR_UTF8);
  CHECK_EQ(opamp_msg_count(m, f), 1);
  CHECK_STR(opamp_msg_find_str(m, f, OPAMP_STR("k")).ptr, "22");
  CHECK(opamp_msg_find(m, f, OPAMP_STR("k")) == NULL);
  CHECK_EQ(opamp_msg_put(&c, m, f, OPAMP_STR("k")), OPAMP_ERR_TYPE);
  opamp_msg_free(m);
}

/* --- typed.h -------------------------------------------------------------- */

TEST(typed_readers_of_a_remote_config) {
  opamp_msg *offer = gen_new(OPAMP_MSG_AGENT_REMOTE_CONFIG), *map, *file;
  CHECK_EQ(opamp_msg_add(&map, offer, OPAMP_AGENT_REMOTE_CONFIG_CONFIG), 0);
  CHECK_EQ(opamp_msg_put(&file, map, OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP,
                         OPAMP_STR("b.yaml")),
           OPAMP_OK);
  CHECK_EQ(opamp_msg_set_bytes(file, OPAMP_AGENT_CONFIG_OBJECT_BODY,
                               opamp_bytes_of("x: 1", 4)),
           OPAMP_OK);
  CHECK_EQ(opamp_msg_put(&file, map, OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP,
                         OPAMP_STR("")),
           OPAMP_OK);
  CHECK_EQ(opamp_remote_config_count(offer), 2);
  CHECK_STR(opamp_remote_config_name(offer, 0).ptr, "");
  CHECK_STR(opamp_remote_config_name(offer, 1).ptr, "b.yaml");
  CHECK(opamp_bytes_equal(
      opamp_config_body(opamp_remote_config_find(offer, "b.yaml")),
      opamp_bytes_of("x: 1", 4)));
  CHECK(opamp_remote_config_at(offer, 1) ==
        opamp_remote_config_find(offer, "b.yaml"));
  CHECK(opamp_remote_config_find(offer, "none") == NULL);
  CHECK_EQ(opamp_remote_config_hash(offer).len, 0);
  CHECK_EQ(opamp_remote_config_count(NULL), 0);
  opamp_msg_free(offer);
}

TEST(typed_builders) {
  opamp_msg *d = gen_new(OPAMP_MSG_AGENT_DESCRIPTION), *h = gen_new(HEALTH);
  opamp_msg *e = gen_new(OPAMP_MSG_EFFECTIVE_CONFIG), *part;
  int attrs = OPAMP_AGENT_DESCRIPTION_NON_IDENTIFYING_ATTRIBUTES;
  CHECK_EQ(opamp_description_identify(d, "service.name", "x"), OPAMP_OK);
  CHECK_EQ(opamp_attr_bool(d, attrs, "b", true), OPAMP_OK);
  CHECK_EQ(opamp_attr_double(d, attrs, "d", 0.5), OPAMP_OK);
  CHECK(opamp_msg_bool(opamp_attr_find(d, attrs, "b"),
                       OPAMP_ANY_VALUE_BOOL_VALUE, 0));
  CHECK(opamp_attr_find(d, attrs, "none") == NULL);
  CHECK_EQ(opamp_health_set(h, true, "StatusOK", NULL), OPAMP_OK);
  CHECK_EQ(opamp_health_set_times(h, 1, 2), OPAMP_OK);
  CHECK_EQ(opamp_health_part(&part, h, "receiver"), OPAMP_OK);
  CHECK_EQ(opamp_health_set(part, false, NULL, "no"), OPAMP_OK);
  CHECK_EQ(opamp_effective_config_put(e, "a", opamp_bytes_of("x", 1), NULL),
           OPAMP_OK);
  opamp__buf b = gen_pack(e);
  CHECK_MEM(b.ptr, b.len,
            "\x0a\x0a\x0a\x08\x0a\x01"
            "a\x12\x03\x0a\x01x",
            12);
  opamp__buf_free(&b);
  opamp_msg_free(d);
  opamp_msg_free(h);
  opamp_msg_free(e);
}
