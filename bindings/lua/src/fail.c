/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

/* Pushes a status as Lua knows it: "tls" for OPAMP_ERR_TLS. */
void push_code(lua_State *L, opamp_status status) {
  static const char prefix[] = "OPAMP_ERR_";
  const char *name = opamp_status_name(status);
  char code[40];
  size_t n = 0;
  if (strncmp(name, prefix, sizeof prefix - 1) == 0) name += sizeof prefix - 1;
  for (; name[n] != '\0' && n < sizeof code; n++)
    code[n] = (char)tolower((unsigned char)name[n]);
  lua_pushlstring(L, code, n);
}

int fail_text(lua_State *L, opamp_status status, const char *text) {
  lua_pushnil(L);
  lua_pushstring(L, text);
  push_code(L, status);
  return 3;
}

int forked(lua_State *L) {
  return fail_text(L, OPAMP_ERR_FORKED,
                   "the client was created before the fork");
}

int fail(lua_State *L, opamp_status status, const char *where) {
  const char *text = opamp_errmsg();
  if (status == OPAMP_ERR_FORKED) return forked(L);
  if (status == OPAMP_ERR_NOMEM) text = "out of memory";
  lua_pushnil(L);
  if (where != NULL && strncmp(text, where, strlen(where)) != 0)
    lua_pushfstring(L, "%s: %s", where, text);
  else
    lua_pushstring(L, text);
  push_code(L, status);
  return 3;
}

int done(lua_State *L, opamp_status status) {
  if (status != OPAMP_OK) return fail(L, status, NULL);
  lua_pushboolean(L, true);
  return 1;
}

/* Called by a function of opamp.lua. */
const blame opamp_new = {"opamp.new", 2};

_Noreturn void misuse(lua_State *L, const blame *of, const char *format, ...) {
  va_list args;
  luaL_where(L, of->level);
  lua_pushfstring(L, "%s: ", of->function);
  va_start(args, format);
  lua_pushvfstring(L, format, args);
  va_end(args);
  lua_concat(L, 3);
  lua_error(L);
  abort(); /* not reached */
}

_Noreturn void bad_argument(lua_State *L, int index, const char *text) {
  luaL_argerror(L, index, text);
  abort(); /* not reached */
}

/* --- arguments -------------------------------------------------------------- */

/* A number would be a text for Lua's own functions; here it is a mistake. */
opamp_str check_str(lua_State *L, int index) {
  opamp_str s;
  luaL_checktype(L, index, LUA_TSTRING);
  s.ptr = lua_tolstring(L, index, &s.len);
  return s;
}

opamp_bytes check_bytes(lua_State *L, int index) {
  opamp_str s = check_str(L, index);
  return opamp_bytes_of(s.ptr, s.len);
}

const char *check_text(lua_State *L, int index, bool optional) {
  opamp_str s;
  if (optional && lua_isnoneornil(L, index)) return NULL;
  s = check_str(L, index);
  luaL_argcheck(L, strlen(s.ptr) == s.len, index, "the text holds a zero byte");
  return s.ptr;
}

void check_table(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TTABLE);
}

int64_t to_ms(lua_Number seconds) {
  double ms = (double)seconds * 1000.0;
  if (!(ms >= 0 && ms <= OPAMP_LUA_EXACT)) return -1; /* NaN, too */
  return (int64_t)(ms + 0.5);
}

void push_seconds(lua_State *L, int64_t ms) {
  if (ms < 0)
    lua_pushnil(L);
  else
    lua_pushnumber(L, (lua_Number)ms / 1000);
}
