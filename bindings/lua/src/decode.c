/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>

#include "core.h"

/* The schema's names are "InstallPending" and "APPLIED". */
void push_enum(lua_State *L, int type, int field, uint64_t value) {
  const char *name = opamp_msg_enum_name(type, field, value);
  char text[64];
  size_t n = 0;
  if (name == NULL) { /* of a newer protocol */
    opamp_lua_push_u64(L, value);
    return;
  }
  for (size_t i = 0; name[i] != '\0' && n + 2 < sizeof text; i++) {
    bool word = i > 0 && isupper((unsigned char)name[i]) &&
                islower((unsigned char)name[i - 1]);
    if (word) text[n++] = '_';
    text[n++] = (char)tolower((unsigned char)name[i]);
  }
  lua_pushlstring(L, text, n);
}

bool find_enum(lua_State *L, int index, int type, int field, uint64_t *value) {
  enum { HIGHEST = 32 };
  bool found = false;
  index = opamp_lua_absolute(L, index);
  for (uint64_t v = 0; v < HIGHEST && !found; v++) {
    push_enum(L, type, field, v);
    found = lua_rawequal(L, -1, index) != 0;
    lua_pop(L, 1);
    if (found) *value = v;
  }
  return found;
}

static void add_name(lua_State *L, const char *name, unsigned bit) {
  lua_pushboolean(L, true);
  if (name != NULL)
    lua_setfield(L, -2, name);
  else
    lua_rawseti(L, -2, (int)bit);
}

void push_field_names(lua_State *L, int type, uint64_t bits) {
  lua_newtable(L);
  for (unsigned bit = 0; bit < 64; bit++)
    if ((bits >> bit & 1) != 0)
      add_name(L, opamp_msg_field_name(type, (int)bit), bit);
}

/* A bit without a name is there by its number. */
static void push_capabilities(lua_State *L, uint64_t bits,
                              const char *(*name)(uint64_t)) {
  lua_newtable(L);
  for (unsigned bit = 0; bit < 64; bit++)
    if ((bits >> bit & 1) != 0) add_name(L, name(UINT64_C(1) << bit), bit);
}

void push_agent_capabilities(lua_State *L, uint64_t bits) {
  push_capabilities(L, bits, opamp_agent_capability_name);
}

void push_server_capabilities(lua_State *L, uint64_t bits) {
  push_capabilities(L, bits, opamp_server_capability_name);
}

static void decode_u64(lua_State *L, int type, int field, uint64_t v) {
  uint64_t whole;
  switch (schema_form(type, field)) {
    case FIELD_NANOSECONDS:
      whole = v / 1000000000; /* as a double, v may not be exact */
      lua_pushnumber(L, (lua_Number)whole + (lua_Number)(v % 1000000000) / 1e9);
      break;
    case FIELD_AGENT_CAPABILITIES:
      push_agent_capabilities(L, v);
      break;
    case FIELD_SERVER_CAPABILITIES:
      push_server_capabilities(L, v);
      break;
    default:
      opamp_lua_push_u64(L, v);
      break;
  }
}

static void decode_scalar(lua_State *L, const opamp_msg *m, int type, int field,
                          size_t i) {
  opamp_str s;
  opamp_bytes b;
  switch (opamp_msg_field_kind(type, field)) {
    case OPAMP_KIND_STR:
      s = opamp_msg_str(m, field, i);
      lua_pushlstring(L, opamp_str_z(s), s.len);
      break;
    case OPAMP_KIND_BYTES:
      b = opamp_msg_bytes(m, field, i);
      lua_pushlstring(L, b.ptr != NULL ? (const char *)b.ptr : "", b.len);
      break;
    case OPAMP_KIND_BOOL:
      lua_pushboolean(L, opamp_msg_bool(m, field, i));
      break;
    case OPAMP_KIND_F64:
      lua_pushnumber(L, opamp_msg_f64(m, field, i));
      break;
    case OPAMP_KIND_I64:
      opamp_lua_push_i64(L, opamp_msg_i64(m, field, i));
      break;
    case OPAMP_KIND_ENUM:
      push_enum(L, type, field, opamp_msg_u64(m, field, i));
      break;
    default:
      decode_u64(L, type, field, opamp_msg_u64(m, field, i));
      break;
  }
}

static void decode_item(lua_State *L, const opamp_msg *m, int type, int field,
                        size_t i) {
  int sub = opamp_msg_field_type(type, field);
  if (sub == 0)
    decode_scalar(L, m, type, field, i);
  else if (opamp_msg_field_count(sub) == 0)
    lua_pushboolean(L, true);
  else
    decode_message(L, opamp_msg_sub(m, field, i), sub);
}

/* What a list, a map or a text holds that is absent is empty; an absent message
 * is nil. */
static void decode_field(lua_State *L, const opamp_msg *m, int type,
                         int field) {
  unsigned flags = opamp_msg_field_flags(type, field);
  int sub = opamp_msg_field_type(type, field);
  size_t count = opamp_msg_count(m, field);
  if (sub == OPAMP_MSG_KEY_VALUE) {
    decode_attributes(L, m, field);
  } else if ((flags & OPAMP_FIELD_MAP) != 0) {
    lua_createtable(L, 0, (int)count);
    for (size_t i = 0; i < count; i++) {
      opamp_str key = opamp_msg_key(m, field, i);
      lua_pushlstring(L, opamp_str_z(key), key.len);
      decode_item(L, m, type, field, i);
      lua_rawset(L, -3);
    }
  } else if ((flags & OPAMP_FIELD_REPEATED) != 0) {
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
      decode_item(L, m, type, field, i);
      lua_rawseti(L, -2, (int)i + 1);
    }
  } else if (sub != 0 && count == 0) {
    lua_pushnil(L);
  } else {
    decode_item(L, m, type, field, 0);
  }
}

void decode_message(lua_State *L, const opamp_msg *m, int type) {
  int wrapped = schema_wrapped(type);
  size_t count = opamp_msg_field_count(type);
  luaL_checkstack(L, LUA_MINSTACK, "a nested message");
  if (type == OPAMP_MSG_ANY_VALUE) {
    decode_any(L, m);
    return;
  }
  if (wrapped != 0) {
    decode_field(L, m, type, wrapped);
    return;
  }
  lua_createtable(L, 0, (int)count);
  for (size_t i = 0; i < count; i++) {
    int field = opamp_msg_field_at(type, i);
    decode_field(L, m, type, field);
    lua_setfield(L, -2, schema_name(type, field));
  }
}
