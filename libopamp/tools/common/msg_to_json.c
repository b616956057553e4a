/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/msg_form.h"
#include "common/msg_json.h"
#include "common/text.h"
#include "opamp/uid.h"

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), k = strlen(end);
  return n >= k && memcmp(text + n - k, end, k) == 0;
}

int tool_form(int type, int field) {
  const char *name = opamp_msg_field_name(type, field);
  int kind = opamp_msg_field_kind(type, field);
  if (kind == OPAMP_KIND_BYTES && ends_with(name, "instance_uid"))
    return TOOL_FORM_UID;
  if (kind == OPAMP_KIND_BYTES && ends_with(name, "hash"))
    return TOOL_FORM_HASH;
  if (kind == OPAMP_KIND_U64 && strcmp(name, "capabilities") == 0)
    return strcmp(opamp_msg_type_name(type), "ServerToAgent") == 0
               ? TOOL_FORM_SERVER_CAPABILITIES
               : TOOL_FORM_AGENT_CAPABILITIES;
  return TOOL_FORM_KIND;
}

static json_t *capabilities_to_json(uint64_t bits,
                                    const char *(*name_of)(uint64_t)) {
  json_t *list = json_array();
  for (unsigned i = 0; i < 64; i++) {
    uint64_t bit = UINT64_C(1) << i;
    if ((bits & bit) == 0) continue;
    const char *name = name_of(bit);
    json_t *j = name != NULL ? json_string(name)
                             : json_sprintf("0x%llx", (unsigned long long)bit);
    if (json_array_append_new(list, j) != 0) {
      json_decref(list);
      return NULL;
    }
  }
  return list;
}

json_t *tool_agent_capabilities_to_json(uint64_t bits) {
  return capabilities_to_json(bits, opamp_agent_capability_name);
}

json_t *tool_server_capabilities_to_json(uint64_t bits) {
  return capabilities_to_json(bits, opamp_server_capability_name);
}

static json_t *bytes_to_json(opamp_bytes b,
                             void (*format)(tool_buf *, opamp_bytes)) {
  tool_buf text = {0};
  format(&text, b);
  json_t *j = NULL;
  if (!text.failed)
    j = json_stringn(text.len > 0 ? (const char *)text.ptr : "", text.len);
  tool_buf_free(&text);
  return j;
}

static json_t *uid_to_json(opamp_bytes uid) {
  char text[OPAMP_UID_TEXT_LEN + 1];
  if (uid.len != OPAMP_UID_LEN)
    return json_pack("{s:o}", "bytes", bytes_to_json(uid, tool_base64_format));
  opamp_uid_format(uid.ptr, text);
  return json_string(text);
}

static json_t *u64_to_json(uint64_t v) {
  return v <= INT64_MAX ? json_integer((json_int_t)v) : json_real((double)v);
}

static json_t *f64_to_json(double v) {
  if (isnan(v)) return json_string("NaN");
  if (isinf(v)) return json_string(v > 0 ? "Infinity" : "-Infinity");
  return json_real(v);
}

static json_t *text_to_json(opamp_str s) {
  return json_stringn(s.ptr != NULL ? s.ptr : "", s.len);
}

static json_t *enum_to_json(int type, int field, uint64_t v) {
  const char *name = opamp_msg_enum_name(type, field, v);
  return name != NULL ? json_string(name) : u64_to_json(v);
}

/* The i-th value of a field that is no map of texts. */
static json_t *value_to_json(const opamp_msg *m, int field, size_t i) {
  int type = opamp_msg_type(m);
  switch (tool_form(type, field)) {
    case TOOL_FORM_UID:
      return uid_to_json(opamp_msg_bytes(m, field, i));
    case TOOL_FORM_HASH:
      return bytes_to_json(opamp_msg_bytes(m, field, i), tool_hex_format);
    case TOOL_FORM_AGENT_CAPABILITIES:
      return tool_agent_capabilities_to_json(opamp_msg_u64(m, field, i));
    case TOOL_FORM_SERVER_CAPABILITIES:
      return tool_server_capabilities_to_json(opamp_msg_u64(m, field, i));
    default:
      break;
  }
  switch (opamp_msg_field_kind(type, field)) {
    case OPAMP_KIND_U64:
      return u64_to_json(opamp_msg_u64(m, field, i));
    case OPAMP_KIND_I64:
      return json_integer(opamp_msg_i64(m, field, i));
    case OPAMP_KIND_F64:
      return f64_to_json(opamp_msg_f64(m, field, i));
    case OPAMP_KIND_BOOL:
      return json_boolean(opamp_msg_bool(m, field, i));
    case OPAMP_KIND_STR:
      return text_to_json(opamp_msg_str(m, field, i));
    case OPAMP_KIND_BYTES:
      return bytes_to_json(opamp_msg_bytes(m, field, i), tool_base64_format);
    case OPAMP_KIND_ENUM:
      return enum_to_json(type, field, opamp_msg_u64(m, field, i));
    case OPAMP_KIND_MSG:
      return tool_msg_to_json(opamp_msg_sub(m, field, i));
    default:
      return NULL;
  }
}

static json_t *map_to_json(const opamp_msg *m, int field, size_t n) {
  bool texts = opamp_msg_field_kind(opamp_msg_type(m), field) == OPAMP_KIND_STR;
  json_t *object = json_object();
  for (size_t i = 0; i < n; i++) {
    opamp_str key = opamp_msg_key(m, field, i);
    json_t *value = texts ? text_to_json(opamp_msg_find_str(m, field, key))
                          : tool_msg_to_json(opamp_msg_sub(m, field, i));
    if (json_object_setn_new(object, key.ptr != NULL ? key.ptr : "", key.len,
                             value) != 0) {
      json_decref(object);
      return NULL;
    }
  }
  return object;
}

static json_t *list_to_json(const opamp_msg *m, int field, size_t n) {
  json_t *list = json_array();
  for (size_t i = 0; i < n; i++) {
    if (json_array_append_new(list, value_to_json(m, field, i)) != 0) {
      json_decref(list);
      return NULL;
    }
  }
  return list;
}

json_t *tool_msg_to_json(const opamp_msg *m) {
  int type = opamp_msg_type(m);
  json_t *object = json_object();
  for (size_t i = 0; i < opamp_msg_field_count(type); i++) {
    int field = opamp_msg_field_at(type, i);
    size_t n = opamp_msg_count(m, field);
    if (n == 0) continue;
    unsigned flags = opamp_msg_field_flags(type, field);
    json_t *value = (flags & OPAMP_FIELD_MAP) != 0 ? map_to_json(m, field, n)
                    : (flags & OPAMP_FIELD_REPEATED) != 0
                        ? list_to_json(m, field, n)
                        : value_to_json(m, field, 0);
    if (json_object_set_new(object, opamp_msg_field_name(type, field), value) !=
        0) {
      json_decref(object);
      return NULL;
    }
  }
  return object;
}
