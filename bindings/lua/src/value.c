/* SPDX-License-Identifier: Apache-2.0 */
#include "core.h"

/* Attribute values: what AnyValue holds. A table is a list when it has a first
 * item, else a map; what Lua cannot tell apart is marked by a metatable. */

static const char array_mark[] = "opamp.array";
static const char map_mark[] = "opamp.map";
static const char double_mark[] = "opamp.double";
static const char bytes_mark[] = "opamp.bytes";

static void mark(lua_State *L, const char *name) {
  if (luaL_newmetatable(L, name) != 0) {
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
  }
  lua_setmetatable(L, -2);
}

/* The table at `index` itself, marked. */
static int marked(lua_State *L, const char *name) {
  check_table(L, 1);
  luaL_argcheck(L, !lua_getmetatable(L, 1), 1,
                "the table has a metatable of its own");
  lua_settop(L, 1);
  mark(L, name);
  return 1;
}

static int value_array(lua_State *L) {
  return marked(L, array_mark);
}
static int value_map(lua_State *L) {
  return marked(L, map_mark);
}

/* A table around argument 1. */
static int wrapped(lua_State *L, const char *name) {
  lua_createtable(L, 1, 0);
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, 1);
  mark(L, name);
  return 1;
}

static int value_double(lua_State *L) {
  luaL_checktype(L, 1, LUA_TNUMBER);
  return wrapped(L, double_mark);
}

static int value_bytes(lua_State *L) {
  (void)check_bytes(L, 1);
  return wrapped(L, bytes_mark);
}

void values_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"array", value_array},
                                       {"map", value_map},
                                       {"double", value_double},
                                       {"bytes", value_bytes},
                                       {NULL, NULL}};
  opamp_lua_set_functions(L, functions);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
}

/* --- from Lua -------------------------------------------------------------------- */

static bool is_marked(lua_State *L, const char *name) {
  bool same;
  if (!lua_getmetatable(L, -1)) return false;
  luaL_getmetatable(L, name);
  same = lua_rawequal(L, -1, -2) != 0;
  lua_pop(L, 2);
  return same;
}

bool encode_attributes(encoder *e, opamp_msg *m, int field, const place *at) {
  place here, next;
  if (!encode_enter(e, at, &here)) return false;
  for (lua_pushnil(e->L); lua_next(e->L, -2) != 0; lua_pop(e->L, 1)) {
    opamp_msg *pair = NULL;
    opamp_str key;
    if (!encode_key(e, &here, &next)) return false;
    key = (opamp_str){next.name, next.len};
    if (!encode_check(e, &next, opamp_msg_add(&pair, m, field)) ||
        !encode_check(e, &next,
                      opamp_msg_set_str(pair, OPAMP_KEY_VALUE_KEY, key)) ||
        !encode_child(e, pair, OPAMP_KEY_VALUE_VALUE, &next))
      return false;
  }
  return true;
}

static bool encode_array(encoder *e, opamp_msg *any, const place *at) {
  opamp_msg *list = NULL;
  size_t count;
  place here;
  if (!encode_enter(e, at, &here) || !encode_list(e, &here, &count) ||
      !encode_check(e, at,
                    opamp_msg_add(&list, any, OPAMP_ANY_VALUE_ARRAY_VALUE)))
    return false;
  e->depth++;
  for (size_t i = 1; i <= count; i++) {
    place next = {.up = &here, .index = i};
    lua_rawgeti(e->L, -1, (int)i);
    if (!encode_child(e, list, OPAMP_ARRAY_VALUE_VALUES, &next)) return false;
    lua_pop(e->L, 1);
  }
  e->depth--;
  return true;
}

static bool encode_kvlist(encoder *e, opamp_msg *any, const place *at) {
  opamp_msg *list = NULL;
  bool good = encode_check(
      e, at, opamp_msg_add(&list, any, OPAMP_ANY_VALUE_KVLIST_VALUE));
  e->depth += 2; /* itself, and its pairs */
  good = good && encode_attributes(e, list, OPAMP_KEY_VALUE_LIST_VALUES, at);
  e->depth -= 2;
  return good;
}

static bool encode_wrapped(encoder *e, opamp_msg *any, bool number) {
  opamp_str s;
  lua_rawgeti(e->L, -1, 1);
  if (number) {
    (void)opamp_msg_set_f64(any, OPAMP_ANY_VALUE_DOUBLE_VALUE,
                            lua_tonumber(e->L, -1));
  } else {
    s = encode_text(e);
    (void)opamp_msg_set_bytes(any, OPAMP_ANY_VALUE_BYTES_VALUE,
                              opamp_bytes_of(s.ptr, s.len));
  }
  lua_pop(e->L, 1);
  return true;
}

static bool encode_table(encoder *e, opamp_msg *any, const place *at) {
  if (is_marked(e->L, double_mark)) return encode_wrapped(e, any, true);
  if (is_marked(e->L, bytes_mark)) return encode_wrapped(e, any, false);
  if (is_marked(e->L, array_mark)) return encode_array(e, any, at);
  if (is_marked(e->L, map_mark) || lua_rawlen(e->L, -1) == 0)
    return encode_kvlist(e, any, at);
  return encode_array(e, any, at);
}

static bool encode_any_number(encoder *e, opamp_msg *any, const place *at) {
  int64_t whole;
  if (opamp_lua_is_whole(e->L, -1) && opamp_lua_to_i64(e->L, -1, &whole))
    return encode_check(
        e, at, opamp_msg_set_i64(any, OPAMP_ANY_VALUE_INT_VALUE, whole));
  return encode_check(e, at,
                      opamp_msg_set_f64(any, OPAMP_ANY_VALUE_DOUBLE_VALUE,
                                        lua_tonumber(e->L, -1)));
}

bool encode_any(encoder *e, opamp_msg *any, const place *at) {
  lua_State *L = e->L;
  switch (lua_type(L, -1)) {
    case LUA_TSTRING:
      return encode_check(
          e, at,
          opamp_msg_set_str(any, OPAMP_ANY_VALUE_STRING_VALUE, encode_text(e)));
    case LUA_TBOOLEAN:
      return encode_check(e, at,
                          opamp_msg_set_bool(any, OPAMP_ANY_VALUE_BOOL_VALUE,
                                             lua_toboolean(L, -1) != 0));
    case LUA_TNUMBER:
      return encode_any_number(e, any, at);
    case LUA_TTABLE:
      return encode_table(e, any, at);
    case LUA_TLIGHTUSERDATA:
      if (lua_touserdata(L, -1) == NULL) return true; /* opamp.null */
      break;
    default:
      break;
  }
  return encode_fail(e, at, OPAMP_OK, "an attribute cannot be a %s",
                     lua_typename(L, lua_type(L, -1)));
}

/* --- to Lua ------------------------------------------------------------------------ */

void decode_attributes(lua_State *L, const opamp_msg *m, int field) {
  size_t count = opamp_msg_count(m, field);
  luaL_checkstack(L, LUA_MINSTACK, "a nested message");
  lua_createtable(L, 0, (int)count);
  for (size_t i = 0; i < count; i++) {
    const opamp_msg *pair = opamp_msg_sub(m, field, i);
    opamp_str key = opamp_msg_str(pair, OPAMP_KEY_VALUE_KEY, 0);
    lua_pushlstring(L, opamp_str_z(key), key.len);
    decode_any(L, opamp_msg_sub(pair, OPAMP_KEY_VALUE_VALUE, 0));
    lua_rawset(L, -3);
  }
}

static void decode_array(lua_State *L, const opamp_msg *list) {
  size_t count = opamp_msg_count(list, OPAMP_ARRAY_VALUE_VALUES);
  luaL_checkstack(L, LUA_MINSTACK, "a nested message");
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    decode_any(L, opamp_msg_sub(list, OPAMP_ARRAY_VALUE_VALUES, i));
    lua_rawseti(L, -2, (int)i + 1);
  }
  mark(L, array_mark);
}

void decode_any(lua_State *L, const opamp_msg *any) {
  opamp_str s = opamp_msg_str(any, OPAMP_ANY_VALUE_STRING_VALUE, 0);
  opamp_bytes b = opamp_msg_bytes(any, OPAMP_ANY_VALUE_BYTES_VALUE, 0);
  if (opamp_msg_count(any, OPAMP_ANY_VALUE_STRING_VALUE) > 0) {
    lua_pushlstring(L, opamp_str_z(s), s.len);
  } else if (opamp_msg_count(any, OPAMP_ANY_VALUE_BYTES_VALUE) > 0) {
    lua_pushlstring(L, b.ptr != NULL ? (const char *)b.ptr : "", b.len);
  } else if (opamp_msg_count(any, OPAMP_ANY_VALUE_BOOL_VALUE) > 0) {
    lua_pushboolean(L, opamp_msg_bool(any, OPAMP_ANY_VALUE_BOOL_VALUE, 0));
  } else if (opamp_msg_count(any, OPAMP_ANY_VALUE_INT_VALUE) > 0) {
    opamp_lua_push_i64(L, opamp_msg_i64(any, OPAMP_ANY_VALUE_INT_VALUE, 0));
  } else if (opamp_msg_count(any, OPAMP_ANY_VALUE_DOUBLE_VALUE) > 0) {
    lua_pushnumber(L, opamp_msg_f64(any, OPAMP_ANY_VALUE_DOUBLE_VALUE, 0));
  } else if (opamp_msg_count(any, OPAMP_ANY_VALUE_ARRAY_VALUE) > 0) {
    decode_array(L, opamp_msg_sub(any, OPAMP_ANY_VALUE_ARRAY_VALUE, 0));
  } else if (opamp_msg_count(any, OPAMP_ANY_VALUE_KVLIST_VALUE) > 0) {
    decode_attributes(L, opamp_msg_sub(any, OPAMP_ANY_VALUE_KVLIST_VALUE, 0),
                      OPAMP_KEY_VALUE_LIST_VALUES);
    mark(L, map_mark);
  } else {
    lua_pushlightuserdata(L, NULL);
  }
}
