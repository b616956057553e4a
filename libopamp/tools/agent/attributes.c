/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/agent.h"
#include "common/text.h"
#include "common/utf8.h"

/* --- from JSON ------------------------------------------------------------ */

enum { DEPTH_MAX = 32 };

typedef struct reader {
  char *err;
  size_t room;
  int depth;
} reader;

static bool fail(reader *r, const char *where, const char *what) {
  snprintf(r->err, r->room, "%.200s: %s", where, what);
  return false;
}

static opamp_str text_of(const json_t *j) {
  return (opamp_str){json_string_value(j), json_string_length(j)};
}

/* Names in errors are those of the innermost key: attributes are written by
 * hand, and their keys are their own. */
static bool read_value(reader *r, opamp_msg *any, const json_t *j,
                       const char *where);

static bool read_array(reader *r, opamp_msg *any, const json_t *j,
                       const char *where) {
  opamp_msg *array, *item;
  size_t i;
  json_t *v;
  if (opamp_msg_add(&array, any, OPAMP_ANY_VALUE_ARRAY_VALUE) != OPAMP_OK)
    return fail(r, where, opamp_errmsg());
  json_array_foreach(j, i, v) {
    if (opamp_msg_add(&item, array, OPAMP_ARRAY_VALUE_VALUES) != OPAMP_OK)
      return fail(r, where, opamp_errmsg());
    if (!read_value(r, item, v, where)) return false;
  }
  return true;
}

static bool read_members(reader *r, opamp_msg *m, int field, const json_t *j) {
  opamp_msg *kv, *value;
  const char *key;
  size_t len;
  json_t *v;
  json_object_keylen_foreach((json_t *)j, key, len, v) {
    opamp_str name = {key, len};
    if (opamp_msg_add(&kv, m, field) != OPAMP_OK ||
        opamp_msg_set_str(kv, OPAMP_KEY_VALUE_KEY, name) != OPAMP_OK ||
        opamp_msg_add(&value, kv, OPAMP_KEY_VALUE_VALUE) != OPAMP_OK)
      return fail(r, key, opamp_errmsg());
    if (!read_value(r, value, v, key)) return false;
  }
  return true;
}

/* {"bytes": base64}. */
static bool read_bytes(reader *r, opamp_msg *any, const json_t *j,
                       const char *where) {
  tool_buf b = {0};
  opamp_status s = OPAMP_ERR_INVALID;
  bool ok = json_is_string(j) &&
            tool_base64_parse(&b, json_string_value(j), json_string_length(j));
  if (ok && !b.failed)
    s = opamp_msg_set_bytes(any, OPAMP_ANY_VALUE_BYTES_VALUE,
                            (opamp_bytes){b.ptr, b.len});
  tool_buf_free(&b);
  if (!ok) return fail(r, where, "bytes: not base64");
  return s == OPAMP_OK || fail(r, where, "out of memory");
}

static bool read_object(reader *r, opamp_msg *any, const json_t *j,
                        const char *where) {
  opamp_msg *list;
  const json_t *bytes = json_object_get(j, "bytes");
  if (bytes != NULL && json_object_size(j) == 1)
    return read_bytes(r, any, bytes, where);
  if (opamp_msg_add(&list, any, OPAMP_ANY_VALUE_KVLIST_VALUE) != OPAMP_OK)
    return fail(r, where, opamp_errmsg());
  return read_members(r, list, OPAMP_KEY_VALUE_LIST_VALUES, j);
}

static bool read_value(reader *r, opamp_msg *any, const json_t *j,
                       const char *where) {
  opamp_status s = OPAMP_OK;
  bool ok = true;
  if (++r->depth > DEPTH_MAX) return fail(r, where, "nested too deeply");
  if (json_is_string(j))
    s = opamp_msg_set_str(any, OPAMP_ANY_VALUE_STRING_VALUE, text_of(j));
  else if (json_is_boolean(j))
    s = opamp_msg_set_bool(any, OPAMP_ANY_VALUE_BOOL_VALUE, json_is_true(j));
  else if (json_is_integer(j))
    s = opamp_msg_set_i64(any, OPAMP_ANY_VALUE_INT_VALUE,
                          json_integer_value(j));
  else if (json_is_real(j))
    s = opamp_msg_set_f64(any, OPAMP_ANY_VALUE_DOUBLE_VALUE,
                          json_real_value(j));
  else if (json_is_array(j))
    ok = read_array(r, any, j, where);
  else if (json_is_object(j))
    ok = read_object(r, any, j, where);
  else
    return fail(r, where, "null is no attribute value");
  r->depth--;
  return s == OPAMP_OK ? ok : fail(r, where, opamp_errmsg());
}

bool attributes_from_json(opamp_msg *m, int field, const json_t *object,
                          char *err, size_t room) {
  reader r = {err, room, 0};
  if (!json_is_object(object)) return fail(&r, "attributes", "not an object");
  return read_members(&r, m, field, object);
}

/* --- the description ------------------------------------------------------ */

static void set_text(json_t *to, const char *key, const char *text) {
  if (utf8_valid(text, strlen(text)))
    json_object_set_new(to, key, json_string(text));
}

static void add_defaults(agent *a, json_t *identifying, json_t *other) {
  uint8_t uid[OPAMP_UID_LEN];
  char text[OPAMP_UID_TEXT_LEN + 1], os[300];
  struct utsname u;
  opamp_client_instance_uid(a->client, uid);
  opamp_uid_format(uid, text);
  set_text(identifying, "service.instance.id", text);
  set_text(identifying, "service.name", agent_tool.name);
  if (uname(&u) != 0) return;
  set_text(other, "os.type", "linux");
  snprintf(os, sizeof os, "%s %s", u.sysname, u.release);
  set_text(other, "os.description", os);
  set_text(other, "host.name", u.nodename);
  set_text(other, "host.arch", u.machine);
}

/* "K=V" options; a later one of the same key wins. */
static bool add_pairs(json_t *to, const cli_list *pairs) {
  for (size_t i = 0; i < pairs->n; i++) {
    const char *pair = pairs->at[i];
    size_t len = strcspn(pair, "=");
    json_t *value = json_string(pair + len + 1);
    if (json_object_setn_new(to, pair, len, value) != 0) return false;
  }
  return true;
}

opamp_status attributes_describe(agent *a) {
  opamp_status s = OPAMP_ERR_NOMEM;
  opamp_msg *m = NULL;
  char err[300];
  json_t *identifying = json_object(), *other = json_object();
  if (identifying == NULL || other == NULL) goto done;
  if (!a->options.no_default_attributes) add_defaults(a, identifying, other);
  if (a->options.service_name != NULL)
    json_object_set_new(identifying, "service.name",
                        json_string(a->options.service_name));
  if (!add_pairs(identifying, &a->options.identify) ||
      !add_pairs(other, &a->options.describe))
    goto done;
  s = opamp_msg_new(&m, OPAMP_MSG_AGENT_DESCRIPTION);
  if (s != OPAMP_OK) goto done;
  if (attributes_from_json(m, OPAMP_AGENT_DESCRIPTION_IDENTIFYING_ATTRIBUTES,
                           identifying, err, sizeof err) &&
      attributes_from_json(m,
                           OPAMP_AGENT_DESCRIPTION_NON_IDENTIFYING_ATTRIBUTES,
                           other, err, sizeof err))
    s = opamp_client_set_description(a->client, m);
  else
    s = OPAMP_ERR_NOMEM;
done:
  opamp_msg_free(m);
  json_decref(identifying);
  json_decref(other);
  return s;
}
