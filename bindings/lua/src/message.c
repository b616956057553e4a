/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "core.h"

static const char owner_type[] = "opamp.message";

static int owner_free(lua_State *L) {
  drop_owner((opamp_msg **)lua_touserdata(L, 1));
  return 0;
}

opamp_msg **push_owner(lua_State *L) {
  opamp_msg **owner = (opamp_msg **)lua_newuserdata(L, sizeof *owner);
  *owner = NULL;
  if (luaL_newmetatable(L, owner_type) != 0) {
    lua_pushcfunction(L, owner_free);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return owner;
}

void drop_owner(opamp_msg **owner) {
  opamp_msg_free(*owner);
  *owner = NULL;
}

void push_packed(lua_State *L, const opamp_msg *m) {
  size_t len = 0;
  void *room;
  (void)opamp_msg_pack(m, NULL, &len);
  room = lua_newuserdata(L, len > 0 ? len : 1);
  if (opamp_msg_pack(m, (uint8_t *)room, &len) == OPAMP_OK)
    lua_pushlstring(L, (const char *)room, len);
  else
    lua_pushnil(L);
  lua_remove(L, -2);
}
