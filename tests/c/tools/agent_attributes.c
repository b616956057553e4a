/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <string.h>

#include "agent/agent.h"
#include "harness.h"

/* Attribute values: JSON to AnyValue. */

static opamp_msg *read_attributes(const char *json, char err[300]) {
  json_error_t e;
  opamp_msg *m;
  json_t *j = json_loads(json, 0, &e);
  CHECK(j != NULL);
  CHECK_EQ(opamp_msg_new(&m, OPAMP_MSG_AGENT_DESCRIPTION), OPAMP_OK);
  err[0] = '\0';
  bool ok = attributes_from_json(
      m, OPAMP_AGENT_DESCRIPTION_IDENTIFYING_ATTRIBUTES, j, err, 300);
  json_decref(j);
  CHECK_EQ(ok, err[0] == '\0');
  if (ok) return m;
  opamp_msg_free(m);
  return NULL;
}

static const opamp_msg *value(const opamp_msg *m, const char *key) {
  return opamp_attr_find(m, OPAMP_AGENT_DESCRIPTION_IDENTIFYING_ATTRIBUTES,
                         key);
}

TEST(every_kind_of_value) {
  char err[300];
  opamp_msg *m = read_attributes(
      "{\"s\":\"text\",\"t\":true,\"f\":false,\"i\":9223372036854775807,"
      "\"n\":-5,\"d\":1.5,\"b\":{\"bytes\":\"AAH/\"},\"a\":[1,\"x\"],"
      "\"o\":{\"k\":{\"bytes\":1},\"bytes\":2}}",
      err);
  CHECK_STR(err, "k: bytes: not base64");
  m = read_attributes(
      "{\"s\":\"text\",\"t\":true,\"f\":false,\"i\":9223372036854775807,"
      "\"n\":-5,\"d\":1.5,\"b\":{\"bytes\":\"AAH/\"},\"a\":[1,\"x\"],"
      "\"o\":{\"k\":[],\"bytes\":2}}",
      err);
  CHECK(m != NULL);
  CHECK_STR(opamp_msg_str(value(m, "s"), OPAMP_ANY_VALUE_STRING_VALUE, 0).ptr,
            "text");
  CHECK(opamp_msg_bool(value(m, "t"), OPAMP_ANY_VALUE_BOOL_VALUE, 0));
  CHECK_EQ(opamp_msg_count(value(m, "f"), OPAMP_ANY_VALUE_BOOL_VALUE), 1);
  CHECK_EQ(opamp_msg_i64(value(m, "i"), OPAMP_ANY_VALUE_INT_VALUE, 0),
           INT64_MAX);
  CHECK_EQ(opamp_msg_i64(value(m, "n"), OPAMP_ANY_VALUE_INT_VALUE, 0), -5);
  CHECK(opamp_msg_f64(value(m, "d"), OPAMP_ANY_VALUE_DOUBLE_VALUE, 0) > 1.4);
  opamp_bytes b =
      opamp_msg_bytes(value(m, "b"), OPAMP_ANY_VALUE_BYTES_VALUE, 0);
  CHECK_MEM(b.ptr, b.len, "\0\1\377", 3);
  const opamp_msg *a =
      opamp_msg_sub(value(m, "a"), OPAMP_ANY_VALUE_ARRAY_VALUE, 0);
  CHECK_EQ(opamp_msg_count(a, OPAMP_ARRAY_VALUE_VALUES), 2);
  const opamp_msg *o =
      opamp_msg_sub(value(m, "o"), OPAMP_ANY_VALUE_KVLIST_VALUE, 0);
  CHECK_EQ(opamp_msg_count(o, OPAMP_KEY_VALUE_LIST_VALUES), 2);
  opamp_msg_free(m);
}

TEST(what_is_no_value_is_refused_by_name) {
  char err[300];
  CHECK(read_attributes("{\"a\":1,\"gone\":null}", err) == NULL);
  CHECK_STR(err, "gone: null is no attribute value");
  CHECK(read_attributes("{\"x\":{\"bytes\":\"A\"}}", err) == NULL);
  CHECK_STR(err, "x: bytes: not base64");
  CHECK(read_attributes("[1]", err) == NULL);
  CHECK_STR(err, "attributes: not an object");
}

TEST(nesting_has_an_end) {
  char json[300] = "{\"deep\":", err[300];
  for (int i = 0; i < 40; i++) strcat(json, "[");
  for (int i = 0; i < 40; i++) strcat(json, "]");
  strcat(json, "}");
  CHECK(read_attributes(json, err) == NULL);
  CHECK_STR(err, "deep: nested too deeply");
}
