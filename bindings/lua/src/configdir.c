/* SPDX-License-Identifier: Apache-2.0 */
#include "core.h"

/* opamp/configdir.h for Lua. */

static const char dir_type[] = "opamp.configdir";

static opamp_configdir *check_dir(lua_State *L) {
  opamp_configdir **d = (opamp_configdir **)test_type(L, 1, dir_type);
  if (d == NULL) bad_argument(L, 1, "a configdir expected");
  if (*d == NULL) bad_argument(L, 1, "it is closed");
  return *d;
}

/*** Opens a directory that shows the files of a configuration offer: as a set,
old or new, also after a crash. It is made when it does not exist.
@function configdir
@string path
@treturn configdir|nil,string,string the directory, or nil, a message and a
code: `"busy"` when somebody has it open */
static int dir_open(lua_State *L) {
  const char *path = check_text(L, 1, false);
  opamp_configdir **d = (opamp_configdir **)lua_newuserdata(L, sizeof *d);
  opamp_status status;
  *d = NULL;
  luaL_getmetatable(L, dir_type);
  lua_setmetatable(L, -2);
  status = opamp_configdir_open(d, path);
  return status == OPAMP_OK ? 1 : fail(L, status, NULL);
}

/*** Closes it; the files stay as they are. It may be closed twice.
@function configdir:close */
static int dir_close(lua_State *L) {
  opamp_configdir **d = (opamp_configdir **)test_type(L, 1, dir_type);
  luaL_argcheck(L, d != NULL, 1, "a configdir expected");
  opamp_configdir_free(*d);
  *d = NULL;
  return 0;
}

/*** The absolute path of the directory.
@function configdir:path
@treturn string */
static int dir_path(lua_State *L) {
  lua_pushstring(L, opamp_configdir_path(check_dir(L)));
  return 1;
}

/*** Allows the names that a pattern describes, besides those of calls before;
without any, all are allowed. `*` stands for text without a slash, `**` for any
text, `?` for one character.
@function configdir:allow
@string pattern
@treturn true|nil,string,string true, or nil, a message and a code */
static int dir_allow(lua_State *L) {
  opamp_configdir *d = check_dir(L);
  return done(L, opamp_configdir_allow(d, check_text(L, 2, false)));
}

/*** The permissions of files that replace none.
@function configdir:set_file_mode
@int mode 384 (0600) when this is not called
@treturn true|nil,string,string true, or nil, a message and a code */
static int dir_set_file_mode(lua_State *L) {
  opamp_configdir *d = check_dir(L);
  lua_Integer mode = luaL_checkinteger(L, 2);
  luaL_argcheck(L, mode >= 0 && mode <= 07777, 2, "is out of range");
  return done(L, opamp_configdir_set_file_mode(d, (uint32_t)mode));
}

/*** Shows these files and no others.
@function configdir:replace
@tab files by name, as an offer has them
@treturn true|nil,string,string true, or nil, a message and a code; then the
directory is as it was */
static int dir_replace(lua_State *L) {
  opamp_configdir *d = check_dir(L);
  opamp_msg **owner;
  opamp_status status;
  int failed =
      encode_argument(L, 2, OPAMP_MSG_AGENT_CONFIG_MAP, "files", NULL, &owner);
  if (failed != 0) return failed;
  status = opamp_configdir_replace(d, *owner);
  drop_owner(owner);
  return done(L, status);
}

/*** Declares the files that are shown good.
@function configdir:commit
@treturn true|nil,string,string true, or nil, a message and a code */
static int dir_commit(lua_State *L) {
  return done(L, opamp_configdir_commit(check_dir(L)));
}

/*** Shows the good files again.
@function configdir:rollback
@treturn true|nil,string,string true, or nil, a message and a code */
static int dir_rollback(lua_State *L) {
  return done(L, opamp_configdir_rollback(check_dir(L)));
}

/*** Whether the files that are shown are the good ones.
@function configdir:is_good
@treturn boolean */
static int dir_is_good(lua_State *L) {
  lua_pushboolean(L, opamp_configdir_is_good(check_dir(L)));
  return 1;
}

/*** The files that are there now, for `client:set_effective_config`.
@function configdir:read
@treturn table|nil,string,string files by name, or nil, a message and a code */
static int dir_read(lua_State *L) {
  opamp_configdir *d = check_dir(L);
  opamp_msg **owner = push_owner(L);
  opamp_status status = opamp_configdir_read(d, owner);
  if (status != OPAMP_OK) return fail(L, status, NULL);
  decode_message(L, *owner, OPAMP_MSG_EFFECTIVE_CONFIG);
  drop_owner(owner);
  return 1;
}

void configdir_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"path", dir_path},
                                     {"allow", dir_allow},
                                     {"set_file_mode", dir_set_file_mode},
                                     {"replace", dir_replace},
                                     {"commit", dir_commit},
                                     {"rollback", dir_rollback},
                                     {"is_good", dir_is_good},
                                     {"read", dir_read},
                                     {"close", dir_close},
                                     {NULL, NULL}};
  static const luaL_Reg meta[] = {
      {"__gc", dir_close}, {"__close", dir_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"configdir", dir_open}, {NULL, NULL}};
  new_type(L, dir_type, methods, meta);
  lua_pop(L, 1);
  opamp_lua_set_functions(L, functions);
}
