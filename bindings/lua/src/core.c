/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core.h"

#if defined(__GNUC__)
#define EXPORT __attribute__((visibility("default")))
#else
#define EXPORT
#endif

/* --- types of userdata ------------------------------------------------------- */

void new_type(lua_State *L, const char *type, const luaL_Reg *methods,
              const luaL_Reg *meta) {
  luaL_newmetatable(L, type);
  opamp_lua_set_functions(L, meta);
  lua_pushliteral(L, "locked");
  lua_setfield(L, -2, "__metatable");
  lua_newtable(L);
  opamp_lua_set_functions(L, methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__index");
  lua_remove(L, -2);
}

void *test_type(lua_State *L, int index, const char *type) {
  void *ud = lua_touserdata(L, index);
  bool same;
  if (ud == NULL || !lua_getmetatable(L, index)) return NULL;
  luaL_getmetatable(L, type);
  same = lua_rawequal(L, -1, -2) != 0;
  lua_pop(L, 2);
  return same ? ud : NULL;
}

/* --- messages ------------------------------------------------------------------ */

static int check_message_type(lua_State *L, int index) {
  int type = opamp_msg_type_by_name(check_text(L, index, false));
  luaL_argcheck(L, type != 0, index, "there is no message of that name");
  return type;
}

/*** The protobuf encoding of a message.
@function encode
@string type its name in the protocol: `"AgentRemoteConfig"`
@tab message as events have it
@treturn string|nil,string,string the bytes, or nil, a message and a code */
static int core_encode(lua_State *L) {
  int type = check_message_type(L, 1);
  opamp_msg **owner;
  int failed;
  luaL_checkany(L, 2);
  failed = encode_argument(L, 2, type, "message", NULL, &owner);
  if (failed != 0) return failed;
  push_packed(L, *owner);
  drop_owner(owner);
  return 1;
}

/*** Reads the protobuf encoding of a message.
@function decode
@string type its name in the protocol: `"ServerToAgent"`
@string bytes untrusted ones, too
@treturn table|nil,string,string the message, or nil, a message and a code */
static int core_decode(lua_State *L) {
  int type = check_message_type(L, 1);
  opamp_bytes wire = check_bytes(L, 2);
  opamp_msg **owner = push_owner(L);
  opamp_status status = opamp_msg_parse(owner, type, wire);
  if (status != OPAMP_OK) return fail(L, status, NULL);
  decode_message(L, *owner, type);
  drop_owner(owner);
  return 1;
}

/* --- instance uids --------------------------------------------------------------- */

/*** The text of an instance uid, `"017f22e2-79b0-7cc3-98c4-dc0c0c07398f"`.
@function uid_text
@string bytes 16 of them
@treturn string */
static int core_uid_text(lua_State *L) {
  opamp_bytes uid = check_bytes(L, 1);
  char text[OPAMP_UID_TEXT_LEN + 1];
  luaL_argcheck(L, uid.len == OPAMP_UID_LEN, 1, "16 bytes expected");
  opamp_uid_format(uid.ptr, text);
  lua_pushstring(L, text);
  return 1;
}

/*** The 16 bytes of an instance uid's text.
@function uid_bytes
@string text
@treturn string|nil,string,string the bytes, or nil, a message and a code */
static int core_uid_bytes(lua_State *L) {
  uint8_t uid[OPAMP_UID_LEN];
  opamp_status status = opamp_uid_parse(uid, check_str(L, 1));
  if (status != OPAMP_OK) return fail(L, status, NULL);
  lua_pushlstring(L, (const char *)uid, sizeof uid);
  return 1;
}

/* --- the library ------------------------------------------------------------------- */

/* The part of a list, separated by ", ", that begins with `name`; nil without. */
static void push_part(lua_State *L, const char *list, const char *name) {
  const char *found = strstr(list, name);
  if (found == NULL)
    lua_pushnil(L);
  else
    lua_pushlstring(L, found, strcspn(found, ","));
}

/*** What the library can do: `version`, of libopamp; `spec`, of the OpAMP
specification it speaks; `websocket`, a boolean; `http` and `tls`, the libraries
for that and their versions, nil without; `details`, one line for bug reports.
@function features
@treturn table */
static int core_features(lua_State *L) {
  const char *details = opamp_version_details();
  lua_newtable(L);
  lua_pushstring(L, opamp_version_text());
  lua_setfield(L, -2, "version");
  lua_pushstring(L, opamp_spec_version());
  lua_setfield(L, -2, "spec");
  lua_pushstring(L, details);
  lua_setfield(L, -2, "details");
  lua_pushboolean(L, strstr(details, "libwebsockets") != NULL);
  lua_setfield(L, -2, "websocket");
  push_part(L, details, "libcurl");
  lua_setfield(L, -2, "http");
  push_part(L, details, "OpenSSL");
  lua_setfield(L, -2, "tls");
  return 1;
}

EXPORT int luaopen_opamp_core(lua_State *L);
int luaopen_opamp_core(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"encode", core_encode},     {"decode", core_decode},
      {"uid_text", core_uid_text}, {"uid_bytes", core_uid_bytes},
      {"features", core_features}, {NULL, NULL}};
  lua_newtable(L);
  opamp_lua_set_functions(L, functions);
  lua_pushstring(L, opamp_version_text());
  lua_setfield(L, -2, "version");
  values_open(L);
  options_open(L);
  loop_open(L);
  client_open(L);
  report_open(L);
  view_open(L);
  event_open(L);
  configdir_open(L);
  return 1;
}
