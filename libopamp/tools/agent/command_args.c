/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "agent/command.h"
#include "common/text.h"
#include "common/utf8.h"

/* Arguments are read strictly: an unknown key or a wrong type is refused with
 * its place, because a misspelt key that is ignored looks like success. */

bool arg_fail(call *c, const char *where, const char *what) {
  snprintf(c->err, sizeof c->err, "%.190s: %.300s", where, what);
  return false;
}

bool arg_keys(call *c, const json_t *object, const char *keys,
              const char *where) {
  const char *key;
  json_t *value;
  if (!json_is_object(object)) return arg_fail(c, where, "not an object");
  json_object_foreach((json_t *)object, key, value) {
    char padded[66];
    int n = snprintf(padded, sizeof padded, " %s ", key);
    if (n < (int)sizeof padded && strchr(key, ' ') == NULL &&
        strstr(keys, padded) != NULL)
      continue;
    snprintf(c->err, sizeof c->err, "%.200s%s%.200s: no such key", where,
             *where != '\0' ? "." : "", key);
    return false;
  }
  return true;
}

/* --- simple ones ---------------------------------------------------------- */

const json_t *arg_need(call *c, const char *key) {
  const json_t *j = json_object_get(c->args, key);
  if (j == NULL) arg_fail(c, key, "is missing");
  return j;
}

bool arg_text(call *c, const char *key, bool needed, const char **out) {
  const json_t *j = json_object_get(c->args, key);
  *out = NULL;
  if (!needed && (j == NULL || json_is_null(j))) return true;
  if (j == NULL) return arg_fail(c, key, "is missing");
  if (!json_is_string(j)) return arg_fail(c, key, "not a text");
  *out = json_string_value(j);
  return true;
}

bool arg_number(call *c, const char *key, uint64_t *out) {
  const json_t *j = arg_need(c, key);
  if (j == NULL) return false;
  if (!json_is_integer(j) || json_integer_value(j) < 0)
    return arg_fail(c, key, "not a whole number");
  *out = (uint64_t)json_integer_value(j);
  return true;
}

bool arg_hex(call *c, const char *key) {
  const char *text;
  if (!arg_text(c, key, true, &text)) return false;
  if (!tool_hex_parse(&c->bytes, text, strlen(text)))
    return arg_fail(c, key, "not hex");
  return !c->bytes.failed || arg_fail(c, key, "out of memory");
}

bool arg_base64(call *c, const char *key) {
  const char *text;
  if (!arg_text(c, key, false, &text)) return false;
  if (text != NULL && !tool_base64_parse(&c->bytes, text, strlen(text)))
    return arg_fail(c, key, "not base64");
  return !c->bytes.failed || arg_fail(c, key, "out of memory");
}

bool arg_texts(call *c, const char *key, const json_t **out) {
  size_t i;
  const json_t *item;
  *out = arg_need(c, key);
  if (*out == NULL) return false;
  if (!json_is_array(*out)) return arg_fail(c, key, "not a list");
  json_array_foreach((json_t *)*out, i, item) {
    if (!json_is_string(item)) return arg_fail(c, key, "not a list of texts");
  }
  return true;
}

/* --- members of nested objects -------------------------------------------- */

static bool member_fail(call *c, const char *where, const char *key,
                        const char *what) {
  char place[300];
  snprintf(place, sizeof place, "%.200s.%s", where, key);
  return arg_fail(c, place, what);
}

static bool get_text(call *c, opamp_msg *m, int field, const json_t *object,
                     const char *key, const char *where) {
  const json_t *j = json_object_get(object, key);
  if (j == NULL) return true;
  if (!json_is_string(j)) return member_fail(c, where, key, "not a text");
  opamp_str text = {json_string_value(j), json_string_length(j)};
  return opamp_msg_set_str(m, field, text) == OPAMP_OK ||
         member_fail(c, where, key, opamp_errmsg());
}

static bool get_nano(call *c, opamp_msg *m, int field, const json_t *object,
                     const char *key, const char *where) {
  const json_t *j = json_object_get(object, key);
  if (j == NULL) return true;
  if (!json_is_integer(j) || json_integer_value(j) < 0)
    return member_fail(c, where, key, "not a whole number");
  uint64_t n = (uint64_t)json_integer_value(j);
  return opamp_msg_set_u64(m, field, n) == OPAMP_OK ||
         member_fail(c, where, key, opamp_errmsg());
}

static bool get_attributes(call *c, opamp_msg *m, int field,
                           const json_t *object, const char *key,
                           const char *where) {
  char err[300];
  const json_t *j = json_object_get(object, key);
  if (j == NULL) return true;
  return attributes_from_json(m, field, j, err, sizeof err) ||
         member_fail(c, where, key, err);
}

/* Objects by name, one level deeper; `each` fills one. */
typedef bool (*fill)(call *c, opamp_msg *m, const json_t *object,
                     const char *where, int depth);

enum { DEPTH_MAX = 32 };

static bool get_map(call *c, opamp_msg *m, int field, const json_t *object,
                    const char *key, const char *where, int depth, fill each) {
  const json_t *j = json_object_get(object, key);
  const char *name;
  size_t len;
  json_t *value;
  if (j == NULL) return true;
  if (!json_is_object(j)) return member_fail(c, where, key, "not an object");
  if (depth >= DEPTH_MAX)
    return member_fail(c, where, key, "nested too deeply");
  json_object_keylen_foreach((json_t *)j, name, len, value) {
    char place[300];
    opamp_msg *entry;
    int n =
        snprintf(place, sizeof place, "%s.%s.%.*s", where, key, (int)len, name);
    if (n >= (int)sizeof place) snprintf(place, sizeof place, "%s", key);
    if (opamp_msg_put(&entry, m, field, (opamp_str){name, len}) != OPAMP_OK)
      return arg_fail(c, place, opamp_errmsg());
    if (!each(c, entry, value, place, depth + 1)) return false;
  }
  return true;
}

/* --- health, components, description -------------------------------------- */

static bool fill_health(call *c, opamp_msg *m, const json_t *o,
                        const char *where, int depth) {
  if (!arg_keys(c, o,
                " healthy status last_error start_time_unix_nano "
                "status_time_unix_nano attributes components ",
                where))
    return false;
  const json_t *healthy = json_object_get(o, "healthy");
  if (healthy != NULL && !json_is_boolean(healthy))
    return member_fail(c, where, "healthy", "neither true nor false");
  if (opamp_msg_set_bool(m, OPAMP_COMPONENT_HEALTH_HEALTHY,
                         json_is_true(healthy)) != OPAMP_OK)
    return arg_fail(c, where, opamp_errmsg());
  return get_text(c, m, OPAMP_COMPONENT_HEALTH_STATUS, o, "status", where) &&
         get_text(c, m, OPAMP_COMPONENT_HEALTH_LAST_ERROR, o, "last_error",
                  where) &&
         get_nano(c, m, OPAMP_COMPONENT_HEALTH_START_TIME_UNIX_NANO, o,
                  "start_time_unix_nano", where) &&
         get_nano(c, m, OPAMP_COMPONENT_HEALTH_STATUS_TIME_UNIX_NANO, o,
                  "status_time_unix_nano", where) &&
         get_attributes(c, m, OPAMP_COMPONENT_HEALTH_ATTRIBUTES, o,
                        "attributes", where) &&
         get_map(c, m, OPAMP_COMPONENT_HEALTH_COMPONENT_HEALTH_MAP, o,
                 "components", where, depth, fill_health);
}

static bool fill_component(call *c, opamp_msg *m, const json_t *o,
                           const char *where, int depth) {
  return arg_keys(c, o, " metadata components ", where) &&
         get_attributes(c, m, OPAMP_COMPONENT_DETAILS_METADATA, o, "metadata",
                        where) &&
         get_map(c, m, OPAMP_COMPONENT_DETAILS_SUB_COMPONENT_MAP, o,
                 "components", where, depth, fill_component);
}

static bool new_msg(call *c, int type) {
  return opamp_msg_new(&c->msg, type) == OPAMP_OK ||
         arg_fail(c, opamp_msg_type_name(type), opamp_errmsg());
}

bool arg_health(call *c) {
  const json_t *j = arg_need(c, "health");
  return j != NULL && new_msg(c, OPAMP_MSG_COMPONENT_HEALTH) &&
         fill_health(c, c->msg, j, "health", 0);
}

bool arg_components(call *c) {
  return arg_need(c, "components") != NULL &&
         new_msg(c, OPAMP_MSG_AVAILABLE_COMPONENTS) &&
         get_map(c, c->msg, OPAMP_AVAILABLE_COMPONENTS_COMPONENTS, c->args,
                 "components", "set_components", 0, fill_component);
}

bool arg_description(call *c) {
  return new_msg(c, OPAMP_MSG_AGENT_DESCRIPTION) &&
         get_attributes(c, c->msg,
                        OPAMP_AGENT_DESCRIPTION_IDENTIFYING_ATTRIBUTES, c->args,
                        "identifying", "set_description") &&
         get_attributes(c, c->msg,
                        OPAMP_AGENT_DESCRIPTION_NON_IDENTIFYING_ATTRIBUTES,
                        c->args, "non_identifying", "set_description");
}
