/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as JSON: every type, both ways. */
#include "common/msg_json.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/lines.h"
#include "common/text.h"
#include "harness.h"

/* --- a message with everything in it -------------------------------------- */

enum { DEPTH = 4 };

static opamp_str lit(const char *text) {
  return (opamp_str){text, strlen(text)};
}

static void fill(opamp_msg *m, int depth);

/* `which` makes the values of a list differ. */
static void fill_value(opamp_msg *m, int field, unsigned which, int depth) {
  int type = opamp_msg_type(m);
  uint8_t bytes[16] = {(uint8_t)which, 0xff, 0, 7};
  opamp_msg *child;
  opamp_status rc = OPAMP_OK;
  switch (opamp_msg_field_kind(type, field)) {
    case OPAMP_KIND_U64:
      rc = opamp_msg_set_u64(m, field, 0x8001 + which);
      break;
    case OPAMP_KIND_I64:
      rc = opamp_msg_set_i64(m, field, INT64_MIN + (int64_t)which);
      break;
    case OPAMP_KIND_F64:
      rc = opamp_msg_set_f64(m, field, 0.1 + which);
      break;
    case OPAMP_KIND_BOOL:
      rc = opamp_msg_set_bool(m, field, true);
      break;
    case OPAMP_KIND_STR:
      rc = opamp_msg_set_str(m, field, lit(which != 0 ? "\xc3\xa9\n" : "a"));
      break;
    case OPAMP_KIND_BYTES:
      rc = opamp_msg_set_bytes(m, field, (opamp_bytes){bytes, sizeof bytes});
      break;
    case OPAMP_KIND_ENUM:
      rc = opamp_msg_set_u64(m, field, 1);
      break;
    default:
      rc = opamp_msg_add(&child, m, field);
      if (rc == OPAMP_OK) fill(child, depth - 1);
      break;
  }
  CHECK_EQ(rc, OPAMP_OK);
}

static void fill_map(opamp_msg *m, int field, int depth) {
  static const char *const keys[] = {"", "a.b/c", "\xc3\xa9"};
  for (size_t i = 0; i < 3; i++) {
    opamp_msg *child;
    if (opamp_msg_field_kind(opamp_msg_type(m), field) == OPAMP_KIND_STR) {
      CHECK_EQ(opamp_msg_put_str(m, field, lit(keys[i]), lit("v")), OPAMP_OK);
    } else {
      CHECK_EQ(opamp_msg_put(&child, m, field, lit(keys[i])), OPAMP_OK);
      fill(child, depth - 1);
    }
  }
}

static void fill(opamp_msg *m, int depth) {
  int type = opamp_msg_type(m);
  if (depth == 0) return;
  for (size_t i = 0; i < opamp_msg_field_count(type); i++) {
    int field = opamp_msg_field_at(type, i);
    unsigned flags = opamp_msg_field_flags(type, field);
    if ((flags & OPAMP_FIELD_MAP) != 0) {
      fill_map(m, field, depth);
    } else {
      fill_value(m, field, 0, depth);
      if ((flags & OPAMP_FIELD_REPEATED) != 0) fill_value(m, field, 1, depth);
    }
  }
}

static void pack(const opamp_msg *m, tool_buf *out) {
  size_t n = 0;
  opamp_msg_pack(m, NULL, &n);
  uint8_t *to = tool_buf_reserve(out, n);
  CHECK(to != NULL);
  CHECK_EQ(opamp_msg_pack(m, to, &n), OPAMP_OK);
  out->len = n;
}

static void check_round_trip(const opamp_msg *m) {
  char err[200] = "";
  opamp_msg *back = NULL;
  tool_buf before = {0}, after = {0};
  json_t *j = tool_msg_to_json(m);
  CHECK(j != NULL);
  char *text = json_dumps(j, JSON_COMPACT);
  json_t *read = tool_line_parse(text, strlen(text), err, sizeof err);
  CHECK_STR(err, "");
  CHECK_EQ(tool_msg_from_json(&back, opamp_msg_type(m), read, err, sizeof err),
           OPAMP_OK);
  pack(m, &before);
  pack(back, &after);
  CHECK_MEM(after.ptr, after.len, before.ptr, before.len);
  opamp_msg_free(back);
  tool_buf_free(&before);
  tool_buf_free(&after);
  json_decref(read);
  json_decref(j);
  free(text);
}

TEST(every_type_round_trip) {
  int types = 0;
  for (int type = 1; opamp_msg_type_name(type) != NULL; type++, types++) {
    opamp_msg *m = NULL;
    CHECK_EQ(opamp_msg_new(&m, type), OPAMP_OK);
    check_round_trip(m);
    fill(m, DEPTH);
    check_round_trip(m);
    opamp_msg_free(m);
  }
  CHECK(types > 30);
}

/* One field alone, because the fields of a oneof clear each other. */
TEST(every_field_round_trip) {
  for (int type = 1; opamp_msg_type_name(type) != NULL; type++) {
    for (size_t i = 0; i < opamp_msg_field_count(type); i++) {
      int field = opamp_msg_field_at(type, i);
      opamp_msg *m = NULL;
      CHECK_EQ(opamp_msg_new(&m, type), OPAMP_OK);
      if ((opamp_msg_field_flags(type, field) & OPAMP_FIELD_MAP) == 0)
        fill_value(m, field, 0, 2);
      check_round_trip(m);
      opamp_msg_free(m);
    }
  }
}

/* --- the form ------------------------------------------------------------- */

/* Reads `text` as a message of that type and writes it again. */
static void check_form(int type, const char *text) {
  char err[200] = "";
  opamp_msg *m = NULL;
  json_t *j = json_loads(text, JSON_DECODE_ANY, NULL);
  CHECK(j != NULL);
  tool_msg_from_json(&m, type, j, err, sizeof err);
  CHECK_STR(err, "");
  json_t *back = tool_msg_to_json(m);
  char *dump = json_dumps(back, JSON_COMPACT);
  CHECK_STR(dump, text);
  free(dump);
  json_decref(back);
  json_decref(j);
  opamp_msg_free(m);
}

TEST(forms) {
  int agent = OPAMP_MSG_AGENT_TO_SERVER, server = OPAMP_MSG_SERVER_TO_AGENT;
  int value = OPAMP_MSG_ANY_VALUE;
  check_form(agent, "{}");
  check_form(agent,
             "{\"instance_uid\":\"01234567-89ab-cdef-0123-456789abcdef\","
             "\"sequence_num\":9223372036854775807,\"capabilities\":"
             "[\"ReportsStatus\",\"ReportsHeartbeat\",\"0x8000000000000000\"]"
             "}");
  check_form(agent, "{\"instance_uid\":{\"bytes\":\"AQI=\"}}");
  check_form(agent,
             "{\"remote_config_status\":{\"last_remote_config_hash\":"
             "\"00ff\",\"status\":\"APPLIED\"}}");
  check_form(server, "{\"capabilities\":[\"AcceptsStatus\"]}");
  check_form(server,
             "{\"error_response\":{\"type\":\"BadRequest\",\"retry_info\":"
             "{}}}");
  check_form(server, "{\"error_response\":{\"type\":77}}");
  check_form(server, "{\"command\":{}}");
  check_form(value, "{\"string_value\":\"\"}");
  check_form(value, "{\"bool_value\":false}");
  check_form(value, "{\"int_value\":-9223372036854775808}");
  check_form(value, "{\"double_value\":\"NaN\"}");
  check_form(value, "{\"double_value\":\"-Infinity\"}");
  check_form(value, "{\"bytes_value\":\"AAEC\"}");
  check_form(value, "{\"kvlist_value\":{\"values\":[{\"key\":\"k\"}]}}");
  check_form(OPAMP_MSG_RETRY_INFO,
             "{\"retry_after_nanoseconds\":9.2233720368547758e18}");
}

TEST(errors_say_where) {
  static const struct {
    const char *json, *err;
  } rows[] = {
      {"[]", "not an object"},
      {"{\"x\":1}", "x: unknown key"},
      {"{\"instance_uid\":\"0\"}", "instance_uid: not a UUID"},
      {"{\"instance_uid\":{\"bytes\":\"?\"}}",
       "instance_uid.bytes: not base64"},
      {"{\"flags\":-1}", "flags: is negative"},
      {"{\"flags\":1.5}", "flags: not an integer from 0 to 2^64-1"},
      {"{\"flags\":\"1\"}", "flags: not an integer from 0 to 2^64-1"},
      {"{\"capabilities\":1}", "capabilities: not a list"},
      {"{\"capabilities\":[\"AcceptsStatus\",\"No\"]}",
       "capabilities[1]: no capability has this name"},
      {"{\"capabilities\":[\"0x\"]}",
       "capabilities[0]: no capability has this name"},
      {"{\"command\":{\"type\":\"Jump\"}}",
       "command.type: no value has this name"},
      {"{\"command\":null}", "command: not an object"},
      {"{\"remote_config\":{\"config_hash\":\"0g\"}}",
       "remote_config.config_hash: not hex"},
      {"{\"remote_config\":{\"config\":{\"config_map\":{\"a.yaml\":{\"body\":"
       "\"AB==\"}}}}}",
       "remote_config.config.config_map.a.yaml.body: not base64"},
      {"{\"remote_config\":{\"config\":{\"config_map\":[]}}}",
       "remote_config.config.config_map: not an object"},
      {"{\"custom_capabilities\":{\"capabilities\":[\"a\",1]}}",
       "custom_capabilities.capabilities[1]: not a text"},
      {"{\"connection_settings\":{\"opamp\":{\"tls\":"
       "{\"insecure_skip_verify\":1}}}}",
       "connection_settings.opamp.tls.insecure_skip_verify: not true or "
       "false"},
      {"{\"connection_settings\":{\"other_connections\":{\"x\":"
       "{\"other_settings\":{\"k\":1}}}}}",
       "connection_settings.other_connections.x.other_settings.k: not a text"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char err[200] = "";
    opamp_msg *m = NULL;
    json_t *j = json_loads(rows[i].json, 0, NULL);
    CHECK(j != NULL);
    CHECK(tool_msg_from_json(&m, OPAMP_MSG_SERVER_TO_AGENT, j, err,
                             sizeof err) != OPAMP_OK);
    CHECK(m == NULL);
    CHECK_STR(err, rows[i].err);
    json_decref(j);
  }
}

/* --- files ---------------------------------------------------------------- */

static opamp_status read_files(opamp_msg *map, const char *text, char *err) {
  json_t *j = json_loads(text, JSON_DECODE_ANY, NULL);
  CHECK(j != NULL);
  opamp_status rc = tool_files_from_json(map, j, err, 200);
  json_decref(j);
  return rc;
}

TEST(files) {
  static const struct {
    const char *json, *err;
  } bad[] = {
      {"[]", "files: not an object"},
      {"{\"a\":\"text\"}", "files.a: not an object"},
      {"{\"a\":{\"body\":1}}", "files.a.body: not a text"},
      {"{\"a\":{\"body_base64\":\"x\"}}", "files.a.body_base64: not base64"},
      {"{\"a\":{\"mode\":1}}", "files.a.mode: unknown key"},
      {"{\"a\":{\"role\":1}}", "files.a.role: not a text"},
      {"{\"a\":{\"body\":\"\",\"body_base64\":\"\"}}",
       "files.a: has both body and body_base64"},
  };
  char err[200] = "";
  opamp_msg *map = NULL;
  int field = OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP;
  CHECK_EQ(opamp_msg_new(&map, OPAMP_MSG_AGENT_CONFIG_MAP), OPAMP_OK);
  CHECK_EQ(read_files(map,
                      "{\"\":{\"body\":\"x\",\"role\":\"r\"},\"b\":{"
                      "\"body_base64\":\"AAE=\",\"content_type\":\"t\"}}",
                      err),
           OPAMP_OK);
  CHECK_EQ(opamp_msg_count(map, field), 2);
  const opamp_msg *b = opamp_msg_find(map, field, lit("b"));
  opamp_bytes body = opamp_msg_bytes(b, OPAMP_AGENT_CONFIG_OBJECT_BODY, 0);
  CHECK_MEM(body.ptr, body.len, "\0\1", 2);
  CHECK_STR(opamp_msg_str(b, OPAMP_AGENT_CONFIG_OBJECT_CONTENT_TYPE, 0).ptr,
            "t");
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    CHECK(read_files(map, bad[i].json, err) != OPAMP_OK);
    CHECK_STR(err, bad[i].err);
  }
  opamp_msg_free(map);
}

/* --- bytes as text, lines ------------------------------------------------- */

TEST(base64) {
  static const char *const good[] = {"", "AA==", "/+8=", "Zm9v", "Zm9vYg=="};
  static const char *const bad[] = {
      "A",    "AA",   "AAA",      "AA=",  "====", "A===", "AB==",
      "AAB=", "A=AA", "AA==AA==", "AA A", "AA\n", "_-8=", "AA=A"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    tool_buf bytes = {0}, text = {0};
    CHECK(tool_base64_parse(&bytes, good[i], strlen(good[i])));
    tool_base64_format(&text, (opamp_bytes){bytes.ptr, bytes.len});
    CHECK_MEM(text.ptr, text.len, good[i], strlen(good[i]));
    tool_buf_free(&bytes);
    tool_buf_free(&text);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    tool_buf bytes = {0};
    if (tool_base64_parse(&bytes, bad[i], strlen(bad[i])))
      harness_fail(__FILE__, __LINE__, "'%s' is accepted", bad[i]);
    tool_buf_free(&bytes);
  }
}

static void note_line(void *user_data, const char *line, size_t len) {
  tool_buf_printf(user_data, "[%.*s]", (int)len, line != NULL ? line : "!");
}

TEST(lines_in_any_pieces) {
  static const char input[] = "one\n\r\n\ntwo\r\nthree";
  for (size_t i = 0; i <= sizeof input - 1; i++) {
    tool_lines r = {0};
    tool_buf notes = {0};
    tool_lines_feed(&r, input, i, note_line, &notes);
    tool_lines_feed(&r, input + i, sizeof input - 1 - i, note_line, &notes);
    tool_lines_end(&r, note_line, &notes);
    CHECK_MEM(notes.ptr, notes.len, "[one][][][two][three]", 21);
    tool_buf_free(&notes);
  }
}
