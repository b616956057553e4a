/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/msg_form.h"
#include "common/msg_json.h"
#include "common/text.h"
#include "opamp/uid.h"

enum { FILE_MAX = 1024 * 1024 };

/* Where the reader is, for error texts: a chain on the stack. */
typedef struct place {
  const struct place *up;
  const char *name; /* NULL: the index-th of a list */
  size_t index;
} place;

typedef struct reader {
  bool typed; /* settings in the form for people */
  char *err;
  size_t errlen;
  opamp_status status;
} reader;

static void print_place(tool_buf *out, const place *at) {
  if (at == NULL) return;
  print_place(out, at->up);
  if (at->name == NULL)
    tool_buf_printf(out, "[%zu]", at->index);
  else
    tool_buf_printf(out, "%s%s", out->len > 0 ? "." : "", at->name);
}

/* Returns false, for `return fail(…)`. */
static bool fail(reader *r, const place *at, opamp_status status,
                 const char *what) {
  tool_buf text = {0};
  print_place(&text, at);
  tool_buf_printf(&text, "%s%s", text.len > 0 ? ": " : "", what);
  snprintf(r->err, r->errlen, "%s",
           text.failed ? "out of memory" : (const char *)text.ptr);
  tool_buf_free(&text);
  r->status = text.failed ? OPAMP_ERR_NOMEM : status;
  return false;
}

static bool bad(reader *r, const place *at, const char *what) {
  return fail(r, at, OPAMP_ERR_INVALID, what);
}

/* What a setter of message.h returned. */
static bool done(reader *r, const place *at, opamp_status status) {
  if (status == OPAMP_OK) return true;
  return fail(r, at, status,
              status == OPAMP_ERR_NOMEM  ? "out of memory"
              : status == OPAMP_ERR_UTF8 ? "not UTF-8, or holds a NUL"
                                         : opamp_status_name(status));
}

static opamp_str text_of(const json_t *j) {
  return (opamp_str){json_string_value(j), json_string_length(j)};
}

/* --- scalars -------------------------------------------------------------- */

static bool get_u64(reader *r, const place *at, const json_t *j,
                    uint64_t *out) {
  if (json_is_integer(j)) {
    if (json_integer_value(j) < 0) return bad(r, at, "is negative");
    *out = (uint64_t)json_integer_value(j);
    return true;
  }
  // JSON numbers above 2^63-1 arrive as real ones.
  double v = json_real_value(j);
  if (!json_is_real(j) || v < 0 || v >= 0x1p64 || v != (double)(uint64_t)v)
    return bad(r, at, "not an integer from 0 to 2^64-1");
  *out = (uint64_t)v;
  return true;
}

static bool get_f64(reader *r, const place *at, const json_t *j, double *out) {
  if (json_is_number(j)) {
    *out = json_number_value(j);
    return true;
  }
  const char *text = json_string_value(j);
  if (text != NULL && strcmp(text, "NaN") == 0)
    *out = (double)NAN;
  else if (text != NULL && strcmp(text, "Infinity") == 0)
    *out = (double)INFINITY;
  else if (text != NULL && strcmp(text, "-Infinity") == 0)
    *out = -(double)INFINITY;
  else
    return bad(r, at, "not a number");
  return true;
}

static bool get_enum(reader *r, const place *at, int type, int field,
                     const json_t *j, uint64_t *out) {
  if (json_is_integer(j)) {
    if (json_integer_value(j) < 0 || json_integer_value(j) > INT32_MAX)
      return bad(r, at, "not the number of an enumeration value");
    *out = (uint64_t)json_integer_value(j);
    return true;
  }
  if (!json_is_string(j)) return bad(r, at, "not the name of a value");
  if (opamp_msg_enum_value(type, field, json_string_value(j), out)) return true;
  return bad(r, at, "no value has this name");
}

/* One entry of a capability list: a name, or "0x…" for a bit without one. */
static bool get_capability(const char *text, uint64_t (*by_name)(const char *),
                           uint64_t *bits) {
  uint64_t bit = by_name(text);
  if (bit == 0 && strncmp(text, "0x", 2) == 0 && strlen(text) <= 18 &&
      strspn(text + 2, "0123456789abcdefABCDEF") == strlen(text + 2))
    bit = strtoull(text + 2, NULL, 16);
  *bits |= bit;
  return bit != 0;
}

static bool get_capabilities(reader *r, const place *at, const json_t *j,
                             uint64_t (*by_name)(const char *), uint64_t *out) {
  *out = 0;
  if (!json_is_array(j)) return bad(r, at, "not a list");
  for (size_t i = 0; i < json_array_size(j); i++) {
    place here = {at, NULL, i};
    const json_t *name = json_array_get(j, i);
    if (!json_is_string(name)) return bad(r, &here, "not a text");
    if (!get_capability(json_string_value(name), by_name, out))
      return bad(r, &here, "no capability has this name");
  }
  return true;
}

/* --- bytes ---------------------------------------------------------------- */

static bool get_base64(reader *r, const place *at, const json_t *j,
                       tool_buf *out) {
  if (!json_is_string(j) ||
      !tool_base64_parse(out, json_string_value(j), json_string_length(j)))
    return bad(r, at, "not base64");
  return true;
}

static bool get_text(reader *r, const place *at, const json_t *j,
                     tool_buf *out) {
  if (!json_is_string(j)) return bad(r, at, "not a text");
  tool_buf_add(out, json_string_value(j), json_string_length(j));
  return true;
}

static bool get_uid(reader *r, const place *at, const json_t *j,
                    tool_buf *out) {
  uint8_t uid[OPAMP_UID_LEN];
  if (json_is_object(j) && json_object_size(j) == 1 &&
      json_object_get(j, "bytes") != NULL) {
    place here = {at, "bytes", 0};
    return get_base64(r, &here, json_object_get(j, "bytes"), out);
  }
  if (!json_is_string(j) ||
      opamp_uid_parse(uid, (opamp_str){json_string_value(j),
                                       json_string_length(j)}) != OPAMP_OK)
    return bad(r, at, "not a UUID");
  tool_buf_add(out, uid, sizeof uid);
  return true;
}

static bool set_bytes(reader *r, const place *at, opamp_msg *m, int field,
                      const json_t *j) {
  tool_buf b = {0};
  bool ok;
  switch (tool_form(opamp_msg_type(m), field)) {
    case TOOL_FORM_UID:
      ok = get_uid(r, at, j, &b);
      break;
    case TOOL_FORM_HASH:
      ok = json_is_string(j) &&
           tool_hex_parse(&b, json_string_value(j), json_string_length(j));
      if (!ok) bad(r, at, "not hex");
      break;
    default:
      ok = r->typed ? get_text(r, at, j, &b) : get_base64(r, at, j, &b);
      break;
  }
  if (ok && b.failed) ok = done(r, at, OPAMP_ERR_NOMEM);
  const uint8_t *p = b.ptr != NULL ? b.ptr : (const uint8_t *)"";
  if (ok)
    ok = done(r, at, opamp_msg_set_bytes(m, field, (opamp_bytes){p, b.len}));
  tool_buf_free(&b);
  return ok;
}

/* --- fields --------------------------------------------------------------- */

static bool read_message(reader *r, const place *at, opamp_msg *m,
                         const json_t *j);
static bool read_headers(reader *r, const place *at, opamp_msg *m,
                         const json_t *j);

static bool set_u64(reader *r, const place *at, opamp_msg *m, int field,
                    const json_t *j) {
  uint64_t v = 0;
  bool ok;
  switch (tool_form(opamp_msg_type(m), field)) {
    case TOOL_FORM_AGENT_CAPABILITIES:
      ok = get_capabilities(r, at, j, opamp_agent_capability_by_name, &v);
      break;
    case TOOL_FORM_SERVER_CAPABILITIES:
      ok = get_capabilities(r, at, j, opamp_server_capability_by_name, &v);
      break;
    default:
      ok = get_u64(r, at, j, &v);
      break;
  }
  return ok && done(r, at, opamp_msg_set_u64(m, field, v));
}

/* Sets a singular field, appends to a repeated one. */
static bool set_value(reader *r, const place *at, opamp_msg *m, int field,
                      const json_t *j) {
  int type = opamp_msg_type(m);
  uint64_t v = 0;
  double d = 0;
  opamp_msg *child;
  switch (opamp_msg_field_kind(type, field)) {
    case OPAMP_KIND_U64:
      return set_u64(r, at, m, field, j);
    case OPAMP_KIND_I64:
      if (!json_is_integer(j)) return bad(r, at, "not an integer");
      return done(r, at, opamp_msg_set_i64(m, field, json_integer_value(j)));
    case OPAMP_KIND_F64:
      return get_f64(r, at, j, &d) &&
             done(r, at, opamp_msg_set_f64(m, field, d));
    case OPAMP_KIND_BOOL:
      if (!json_is_boolean(j)) return bad(r, at, "not true or false");
      return done(r, at, opamp_msg_set_bool(m, field, json_is_true(j)));
    case OPAMP_KIND_STR:
      if (!json_is_string(j)) return bad(r, at, "not a text");
      return done(r, at, opamp_msg_set_str(m, field, text_of(j)));
    case OPAMP_KIND_BYTES:
      return set_bytes(r, at, m, field, j);
    case OPAMP_KIND_ENUM:
      return get_enum(r, at, type, field, j, &v) &&
             done(r, at, opamp_msg_set_u64(m, field, v));
    default:
      if (!done(r, at, opamp_msg_add(&child, m, field))) return false;
      return r->typed && opamp_msg_type(child) == OPAMP_MSG_HEADERS
                 ? read_headers(r, at, child, j)
                 : read_message(r, at, child, j);
  }
}

static bool read_list(reader *r, const place *at, opamp_msg *m, int field,
                      const json_t *j) {
  if (!json_is_array(j)) return bad(r, at, "not a list");
  for (size_t i = 0; i < json_array_size(j); i++) {
    place here = {at, NULL, i};
    if (!set_value(r, &here, m, field, json_array_get(j, i))) return false;
  }
  return true;
}

static bool read_map(reader *r, const place *at, opamp_msg *m, int field,
                     const json_t *j) {
  const char *key;
  size_t len;
  json_t *value;
  bool texts = opamp_msg_field_kind(opamp_msg_type(m), field) == OPAMP_KIND_STR;
  if (!json_is_object(j)) return bad(r, at, "not an object");
  json_object_keylen_foreach((json_t *)j, key, len, value) {
    place here = {at, key, 0};
    opamp_str name = {key, len};
    opamp_msg *child;
    if (texts) {
      if (!json_is_string(value)) return bad(r, &here, "not a text");
      if (!done(r, &here, opamp_msg_put_str(m, field, name, text_of(value))))
        return false;
    } else if (!done(r, &here, opamp_msg_put(&child, m, field, name)) ||
               !read_message(r, &here, child, value)) {
      return false;
    }
  }
  return true;
}

/* The field that `key` names the file of: <field>_file, of those that hold
 * PEM; 0: of none. */
static int file_field(int type, const char *key) {
  static const char end[] = "_file";
  char name[64];
  size_t n = strlen(key), k = sizeof end - 1;
  if (n <= k || n - k >= sizeof name || strcmp(key + n - k, end) != 0) return 0;
  memcpy(name, key, n - k);
  name[n - k] = '\0';
  int field = opamp_msg_field_by_name(type, name);
  bool pem = type == OPAMP_MSG_TLS_CERTIFICATE ||
             (type == OPAMP_MSG_TLS_CONNECTION_SETTINGS &&
              field == OPAMP_TLS_CONNECTION_SETTINGS_CA_PEM_CONTENTS);
  return pem ? field : 0;
}

/* What is no field of a message is an error, but for a file of one. The value
 * is not repeated: it may be a key that was meant for the field itself. */
static bool read_named_file(reader *r, const place *at, opamp_msg *m,
                            const json_t *all, const json_t *j) {
  int type = opamp_msg_type(m);
  int field = r->typed ? file_field(type, at->name) : 0;
  tool_buf b = {0};
  if (field == 0) return bad(r, at, "unknown key");
  if (json_object_get(all, opamp_msg_field_name(type, field)) != NULL)
    return bad(r, at, "is given without a file, too");
  if (!json_is_string(j)) return bad(r, at, "not a text");
  const char *why = tool_file_read(&b, json_string_value(j), FILE_MAX);
  bool ok = why == NULL || bad(r, at, why);
  const char *p = b.ptr != NULL ? (const char *)b.ptr : "";
  if (ok)
    ok = done(r, at,
              opamp_msg_field_kind(type, field) == OPAMP_KIND_STR
                  ? opamp_msg_set_str(m, field, (opamp_str){p, b.len})
                  : opamp_msg_set_bytes(
                        m, field, (opamp_bytes){(const uint8_t *)p, b.len}));
  tool_buf_free(&b);
  return ok;
}

static bool read_message(reader *r, const place *at, opamp_msg *m,
                         const json_t *j) {
  const char *key;
  json_t *value;
  int type = opamp_msg_type(m);
  if (!json_is_object(j)) return bad(r, at, "not an object");
  json_object_foreach((json_t *)j, key, value) {
    place here = {at, key, 0};
    int field = opamp_msg_field_by_name(type, key);
    if (field == 0) {
      if (!read_named_file(r, &here, m, j, value)) return false;
      continue;
    }
    unsigned flags = opamp_msg_field_flags(type, field);
    bool ok = (flags & OPAMP_FIELD_MAP) != 0
                  ? read_map(r, &here, m, field, value)
              : (flags & OPAMP_FIELD_REPEATED) != 0
                  ? read_list(r, &here, m, field, value)
                  : set_value(r, &here, m, field, value);
    if (!ok) return false;
  }
  return true;
}

opamp_status tool_msg_from_json(opamp_msg **out, int type, const json_t *j,
                                char *err, size_t errlen) {
  reader r = {.err = err, .errlen = errlen};
  *out = NULL;
  if (!done(&r, NULL, opamp_msg_new(out, type))) return r.status;
  if (read_message(&r, NULL, *out, j)) return OPAMP_OK;
  opamp_msg_free(*out);
  *out = NULL;
  return r.status;
}

bool tool_agent_capabilities_from_json(uint64_t *out, const json_t *list,
                                       char *err, size_t errlen) {
  reader r = {.err = err, .errlen = errlen};
  place at = {NULL, "capabilities", 0};
  return get_capabilities(&r, &at, list, opamp_agent_capability_by_name, out);
}

/* --- settings ------------------------------------------------------------- */

static bool add_header(reader *r, const place *at, opamp_msg *headers,
                       opamp_str name, const json_t *value) {
  opamp_msg *header;
  if (!json_is_string(value)) return bad(r, at, "not a text");
  return done(r, at, opamp_msg_add(&header, headers, OPAMP_HEADERS_HEADERS)) &&
         done(r, at, opamp_msg_set_str(header, OPAMP_HEADER_KEY, name)) &&
         done(r, at,
              opamp_msg_set_str(header, OPAMP_HEADER_VALUE, text_of(value)));
}

/* {name: value} or {name: [values]}. */
static bool read_headers(reader *r, const place *at, opamp_msg *m,
                         const json_t *j) {
  const char *key;
  size_t len;
  json_t *value;
  if (!json_is_object(j)) return bad(r, at, "not an object");
  json_object_keylen_foreach((json_t *)j, key, len, value) {
    place here = {at, key, 0};
    opamp_str name = {key, len};
    if (!json_is_array(value) && !add_header(r, &here, m, name, value))
      return false;
    for (size_t i = 0; i < json_array_size(value); i++) {
      place one = {&here, NULL, i};
      if (!add_header(r, &one, m, name, json_array_get(value, i))) return false;
    }
  }
  return true;
}

opamp_status tool_settings_from_json(opamp_msg *offers, const json_t *parts,
                                     char *err, size_t errlen) {
  reader r = {.typed = true, .err = err, .errlen = errlen};
  read_message(&r, NULL, offers, parts);
  return r.status;
}

/* --- files ---------------------------------------------------------------- */

/* One {body | body_base64, content_type, role} into an AgentConfigObject. */
static bool read_file(reader *r, const place *at, opamp_msg *file,
                      const json_t *j) {
  const char *key;
  json_t *value;
  int type = opamp_msg_type(file);
  int body = opamp_msg_field_by_name(type, "body");
  if (!json_is_object(j)) return bad(r, at, "not an object");
  if (json_object_get(j, "body") && json_object_get(j, "body_base64"))
    return bad(r, at, "has both body and body_base64");
  json_object_foreach((json_t *)j, key, value) {
    place here = {at, key, 0};
    bool ok;
    if (strcmp(key, "body") == 0) {
      opamp_str text = text_of(value);
      opamp_bytes bytes = {(const uint8_t *)text.ptr, text.len};
      ok = json_is_string(value)
               ? done(r, &here, opamp_msg_set_bytes(file, body, bytes))
               : bad(r, &here, "not a text");
    } else if (strcmp(key, "body_base64") == 0) {
      ok = set_bytes(r, &here, file, body, value);
    } else if (strcmp(key, "content_type") == 0 || strcmp(key, "role") == 0) {
      ok = set_value(r, &here, file, opamp_msg_field_by_name(type, key), value);
    } else {
      ok = bad(r, &here, "unknown key");
    }
    if (!ok) return false;
  }
  return true;
}

opamp_status tool_files_from_json(opamp_msg *map, const json_t *files,
                                  char *err, size_t errlen) {
  reader r = {.err = err, .errlen = errlen};
  place at = {NULL, "files", 0};
  int field = opamp_msg_field_by_name(opamp_msg_type(map), "config_map");
  const char *key;
  size_t len;
  json_t *value;
  if (!json_is_object(files)) {
    bad(&r, &at, "not an object");
    return r.status;
  }
  json_object_keylen_foreach((json_t *)files, key, len, value) {
    place here = {&at, key, 0};
    opamp_msg *file;
    if (!done(&r, &here,
              opamp_msg_put(&file, map, field, (opamp_str){key, len})) ||
        !read_file(&r, &here, file, value))
      return r.status;
  }
  return OPAMP_OK;
}
