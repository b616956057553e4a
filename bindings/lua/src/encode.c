/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#include "core.h"

/* Messages may be nested as deeply as that. */
enum { MAX_DEPTH = 64 };

/* --- what is wrong, and where ----------------------------------------------- */

bool encode_fail(encoder *e, const place *at, opamp_status status,
                 const char *format, ...) {
  va_list args;
  luaL_checkstack(e->L, LUA_MINSTACK, "the place of an error");
  e->status = status;
  push_place(e->L, at);
  lua_pushliteral(e->L, ": ");
  va_start(args, format);
  lua_pushvfstring(e->L, format, args);
  va_end(args);
  lua_concat(e->L, 3);
  return false;
}

bool encode_check(encoder *e, const place *at, opamp_status status) {
  switch (status) {
    case OPAMP_OK:
      return true;
    case OPAMP_ERR_UTF8:
      return encode_fail(e, at, status, "is not UTF-8, or holds a zero byte");
    case OPAMP_ERR_NOMEM:
      return encode_fail(e, at, status, "out of memory");
    default:
      return encode_fail(e, at, status, "%s", opamp_errmsg());
  }
}

bool encode_expect(encoder *e, const place *at, int type,
                   const char *expected) {
  int got = lua_type(e->L, -1);
  return got == type || encode_fail(e, at, OPAMP_OK, "must be %s, not %s",
                                    expected, lua_typename(e->L, got));
}

bool encode_enter(encoder *e, const place *at, place *here) {
  const void *table = lua_topointer(e->L, -1);
  if (!encode_expect(e, at, LUA_TTABLE, "a table")) return false;
  for (const place *p = at->up; p != NULL; p = p->up)
    if (p->table == table)
      return encode_fail(e, at, OPAMP_OK, "is a table that contains itself");
  luaL_checkstack(e->L, LUA_MINSTACK, "a nested table");
  *here = *at;
  here->table = table;
  return true;
}

bool encode_key(encoder *e, const place *here, place *next) {
  *next = (place){.up = here};
  if (lua_type(e->L, -2) != LUA_TSTRING)
    return encode_fail(e, here, OPAMP_OK, "a key must be a string, not a %s",
                       lua_typename(e->L, lua_type(e->L, -2)));
  next->name = lua_tolstring(e->L, -2, &next->len);
  return true;
}

bool encode_list(encoder *e, const place *here, size_t *count) {
  size_t found = 0;
  *count = lua_rawlen(e->L, -1);
  for (lua_pushnil(e->L); lua_next(e->L, -2) != 0; lua_pop(e->L, 1)) found++;
  return found == *count || encode_fail(e, here, OPAMP_OK,
                                        "must be a list from 1 on without a "
                                        "hole, and without other keys");
}

opamp_str encode_text(encoder *e) {
  opamp_str s;
  s.ptr = lua_tolstring(e->L, -1, &s.len);
  return s;
}

/* --- scalars ------------------------------------------------------------------ */

static bool encode_enum(encoder *e, opamp_msg *m, int field, const place *at) {
  uint64_t value;
  if (!find_enum(e->L, -1, opamp_msg_type(m), field, &value))
    return encode_fail(e, at, OPAMP_OK, "there is no value '%s'",
                       lua_tostring(e->L, -1));
  return encode_check(e, at, opamp_msg_set_u64(m, field, value));
}

/* As a list or set of names. */
static bool encode_capabilities(encoder *e, opamp_msg *m, int field, int form,
                                const place *at) {
  static const blame encoding = {"opamp.encode", 1};
  uint64_t bits = check_capabilities(e->L, lua_gettop(e->L), &encoding, 0,
                                     form == FIELD_AGENT_CAPABILITIES
                                         ? &agent_capability_names
                                         : &server_capability_names);
  return encode_check(e, at, opamp_msg_set_u64(m, field, bits));
}

static bool encode_nanoseconds(encoder *e, opamp_msg *m, int field,
                               const place *at) {
  lua_Number seconds = lua_tonumber(e->L, -1);
  double whole, part = modf((double)seconds, &whole);
  if (!(seconds >= 0 && seconds < 9.2e9))
    return encode_fail(e, at, OPAMP_ERR_INVALID,
                       "%f s is out of range (0 to 9.2e9)", seconds);
  /* As a double, the product would not be exact. */
  return encode_check(e, at,
                      opamp_msg_set_u64(m, field,
                                        (uint64_t)whole * UINT64_C(1000000000) +
                                            (uint64_t)(part * 1e9 + 0.5)));
}

static bool encode_number(encoder *e, opamp_msg *m, int field, int kind,
                          const place *at) {
  int64_t value;
  if (!encode_expect(e, at, LUA_TNUMBER, "a number")) return false;
  if (kind == OPAMP_KIND_F64)
    return encode_check(e, at,
                        opamp_msg_set_f64(m, field, lua_tonumber(e->L, -1)));
  if (schema_form(opamp_msg_type(m), field) == FIELD_NANOSECONDS)
    return encode_nanoseconds(e, m, field, at);
  if (!opamp_lua_to_i64(e->L, -1, &value) ||
      (value < 0 && kind != OPAMP_KIND_I64))
    return encode_fail(e, at, OPAMP_ERR_INVALID,
                       "%f is no whole number in range",
                       lua_tonumber(e->L, -1));
  return encode_check(e, at,
                      kind == OPAMP_KIND_I64
                          ? opamp_msg_set_i64(m, field, value)
                          : opamp_msg_set_u64(m, field, (uint64_t)value));
}

static bool encode_scalar(encoder *e, opamp_msg *m, int field,
                          const place *at) {
  int kind = opamp_msg_field_kind(opamp_msg_type(m), field);
  opamp_str s;
  switch (kind) {
    case OPAMP_KIND_BOOL:
      return encode_expect(e, at, LUA_TBOOLEAN, "a boolean") &&
             encode_check(
                 e, at,
                 opamp_msg_set_bool(m, field, lua_toboolean(e->L, -1) != 0));
    case OPAMP_KIND_STR:
      if (!encode_expect(e, at, LUA_TSTRING, "a string")) return false;
      return encode_check(e, at, opamp_msg_set_str(m, field, encode_text(e)));
    case OPAMP_KIND_BYTES:
      if (!encode_expect(e, at, LUA_TSTRING, "a string")) return false;
      s = encode_text(e);
      return encode_check(
          e, at, opamp_msg_set_bytes(m, field, opamp_bytes_of(s.ptr, s.len)));
    case OPAMP_KIND_ENUM:
      if (lua_type(e->L, -1) == LUA_TSTRING)
        return encode_enum(e, m, field, at);
      break;
    default:
      break;
  }
  int form = schema_form(opamp_msg_type(m), field);
  if ((form == FIELD_AGENT_CAPABILITIES || form == FIELD_SERVER_CAPABILITIES) &&
      lua_istable(e->L, -1))
    return encode_capabilities(e, m, field, form, at);
  return encode_number(e, m, field, kind, at);
}

/* --- messages ------------------------------------------------------------------- */

static bool encode_sub(encoder *e, opamp_status made, opamp_msg *child,
                       const place *at) {
  bool good = encode_check(e, at, made);
  if (good && e->depth >= MAX_DEPTH)
    return encode_fail(e, at, OPAMP_ERR_DEPTH, "nested too deeply");
  e->depth++;
  good = good && encode_message(e, child, opamp_msg_type(child), at);
  e->depth--;
  return good;
}

bool encode_child(encoder *e, opamp_msg *m, int field, const place *at) {
  opamp_msg *child = NULL;
  opamp_status made = opamp_msg_add(&child, m, field);
  return encode_sub(e, made, child, at);
}

static bool encode_item(encoder *e, opamp_msg *m, int field, const place *at) {
  int sub = opamp_msg_field_type(opamp_msg_type(m), field);
  opamp_msg *child;
  if (sub == 0) return encode_scalar(e, m, field, at);
  if (opamp_msg_field_count(sub) > 0) return encode_child(e, m, field, at);
  /* It says all by being there. */
  if (!encode_expect(e, at, LUA_TBOOLEAN, "a boolean")) return false;
  return !lua_toboolean(e->L, -1) ||
         encode_check(e, at, opamp_msg_add(&child, m, field));
}

static bool encode_map(encoder *e, opamp_msg *m, int field, const place *at) {
  int sub = opamp_msg_field_type(opamp_msg_type(m), field);
  place here, next;
  if (!encode_enter(e, at, &here)) return false;
  for (lua_pushnil(e->L); lua_next(e->L, -2) != 0; lua_pop(e->L, 1)) {
    opamp_str key;
    opamp_msg *child = NULL;
    if (!encode_key(e, &here, &next)) return false;
    key = (opamp_str){next.name, next.len};
    if (sub == 0) {
      if (!encode_expect(e, &next, LUA_TSTRING, "a string") ||
          !encode_check(e, &next,
                        opamp_msg_put_str(m, field, key, encode_text(e))))
        return false;
    } else {
      opamp_status made = opamp_msg_put(&child, m, field, key);
      if (!encode_sub(e, made, child, &next)) return false;
    }
  }
  return true;
}

static bool encode_repeated(encoder *e, opamp_msg *m, int field,
                            const place *at) {
  size_t count;
  place here;
  if (!encode_enter(e, at, &here) || !encode_list(e, &here, &count))
    return false;
  for (size_t i = 1; i <= count; i++) {
    place next = {.up = &here, .index = i};
    lua_rawgeti(e->L, -1, (int)i);
    if (!encode_item(e, m, field, &next)) return false;
    lua_pop(e->L, 1);
  }
  return true;
}

static bool encode_field(encoder *e, opamp_msg *m, int field, const place *at) {
  int type = opamp_msg_type(m);
  unsigned flags = opamp_msg_field_flags(type, field);
  if (lua_islightuserdata(e->L, -1) && lua_touserdata(e->L, -1) == NULL)
    return true; /* opamp.null: absent */
  if ((flags & OPAMP_FIELD_MAP) != 0) return encode_map(e, m, field, at);
  if (opamp_msg_field_type(type, field) == OPAMP_MSG_KEY_VALUE)
    return encode_attributes(e, m, field, at);
  if ((flags & OPAMP_FIELD_REPEATED) != 0)
    return encode_repeated(e, m, field, at);
  return encode_item(e, m, field, at);
}

static bool encode_fields(encoder *e, opamp_msg *m, const place *at) {
  place here, next;
  if (!encode_enter(e, at, &here)) return false;
  for (lua_pushnil(e->L); lua_next(e->L, -2) != 0; lua_pop(e->L, 1)) {
    int field;
    if (!encode_key(e, &here, &next)) return false;
    field = schema_field(opamp_msg_type(m), next.name);
    if (field == 0)
      return encode_fail(e, at, OPAMP_OK, "there is no field '%s'", next.name);
    if (!encode_field(e, m, field, &next)) return false;
  }
  return true;
}

bool encode_message(encoder *e, opamp_msg *m, int type, const place *at) {
  int wrapped = schema_wrapped(type);
  if (type == OPAMP_MSG_ANY_VALUE) return encode_any(e, m, at);
  if (wrapped != 0) return encode_field(e, m, wrapped, at);
  /* A file of which nothing but its content is told. */
  if (type == OPAMP_MSG_AGENT_CONFIG_OBJECT &&
      lua_type(e->L, -1) == LUA_TSTRING)
    return encode_scalar(e, m, OPAMP_AGENT_CONFIG_OBJECT_BODY, at);
  return encode_fields(e, m, at);
}

int encode_argument(lua_State *L, int index, int type, const char *name,
                    const blame *of, opamp_msg ***owner) {
  encoder e = {.L = L};
  place root = {.name = name, .len = strlen(name)};
  opamp_status status;
  *owner = push_owner(L);
  status = opamp_msg_new(*owner, type);
  if (status != OPAMP_OK) return fail(L, status, NULL);
  lua_pushvalue(L, index);
  if (encode_message(&e, **owner, type, &root)) {
    lua_pop(L, 1);
    return 0;
  }
  drop_owner(*owner);
  if (e.status != OPAMP_OK) return fail_text(L, e.status, lua_tostring(L, -1));
  if (of != NULL) misuse(L, of, "%s", lua_tostring(L, -1));
  bad_argument(L, index, lua_tostring(L, -1));
}
