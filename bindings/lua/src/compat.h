/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_LUA_COMPAT_H
#define OPAMP_LUA_COMPAT_H

#include <lauxlib.h>
#include <lua.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* What differs between the Luas, so that no other file has to know. Only
 * functions that all of them have under the same name are called: a module made
 * for 5.1 is loaded by LuaJIT, too. */

#if LUA_VERSION_NUM < 502

#define lua_rawlen lua_objlen
#define opamp_lua_set_functions(L, list) luaL_register((L), NULL, (list))

static inline int opamp_lua_absolute(lua_State *L, int index) {
  return index > 0 || index <= LUA_REGISTRYINDEX ? index
                                                 : lua_gettop(L) + index + 1;
}

/* The table that belongs to a userdata: its environment. */
#define opamp_lua_set_own_table lua_setfenv
#define opamp_lua_own_table lua_getfenv

#else

#define opamp_lua_set_functions(L, list) luaL_setfuncs((L), (list), 0)
#define opamp_lua_absolute lua_absindex
#define opamp_lua_set_own_table lua_setuservalue
#define opamp_lua_own_table lua_getuservalue

#endif

/* Beyond it a float stands for more than one whole number. */
#define OPAMP_LUA_EXACT 9007199254740992.0

/* A number of Lua that is whole, and is exact. */
static inline bool opamp_lua_to_i64(lua_State *L, int index, int64_t *out) {
  lua_Number d;
#if LUA_VERSION_NUM >= 503
  if (lua_isinteger(L, index)) {
    *out = lua_tointeger(L, index);
    return true;
  }
#endif
  d = lua_tonumber(L, index);
  if (!(d >= -OPAMP_LUA_EXACT && d <= OPAMP_LUA_EXACT) || d != floor(d))
    return false;
  *out = (int64_t)d;
  return true;
}

/* Whether an attribute of this number is a whole one. 5.3 and newer tell 1 from
 * 1.0. */
static inline bool opamp_lua_is_whole(lua_State *L, int index) {
#if LUA_VERSION_NUM >= 503
  return lua_isinteger(L, index);
#else
  int64_t unused;
  return opamp_lua_to_i64(L, index, &unused);
#endif
}

static inline void opamp_lua_push_i64(lua_State *L, int64_t v) {
#if LUA_VERSION_NUM >= 503
  lua_pushinteger(L, (lua_Integer)v);
#else
  lua_pushnumber(L, (lua_Number)v);
#endif
}

static inline void opamp_lua_push_u64(lua_State *L, uint64_t v) {
  if (v <= INT64_MAX)
    opamp_lua_push_i64(L, (int64_t)v);
  else
    lua_pushnumber(L, (lua_Number)v);
}

#endif
