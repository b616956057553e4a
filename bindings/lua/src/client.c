/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "core.h"

static const char client_type[] = "opamp.client";

/* The registry's weak table of clients, by the address of their userdata. */
static const char clients_key[] = "opamp.clients";

typedef struct lua_client {
  opamp_client *client; /* NULL: closed */
  shared_loop *shared;
  bool owns_loop; /* nobody else uses it */
} lua_client;

static lua_client *get(lua_State *L, int index) {
  return (lua_client *)test_type(L, index, client_type);
}

bool is_client(lua_State *L, int index) {
  return get(L, index) != NULL;
}

shared_loop *client_loop(lua_State *L, int index) {
  lua_client *c = get(L, index);
  return c != NULL ? c->shared : NULL;
}

opamp_client *check_client(lua_State *L, int index) {
  lua_client *c = get(L, index);
  if (c == NULL) bad_argument(L, index, "a client expected");
  if (c->client == NULL || c->shared->loop == NULL)
    bad_argument(L, index, "the client is closed");
  return c->client;
}

void push_client(lua_State *L, const void *user_data) {
  lua_getfield(L, LUA_REGISTRYINDEX, clients_key);
  /* The address is only looked up. */
  lua_pushlightuserdata(L, (void *)(uintptr_t)user_data);
  lua_rawget(L, -2);
  lua_remove(L, -2);
}

/* Pushes an empty one, with what is kept for it in Lua. */
static lua_client *push_empty(lua_State *L) {
  lua_client *c = (lua_client *)lua_newuserdata(L, sizeof *c);
  *c = (lua_client){NULL, NULL, false};
  luaL_getmetatable(L, client_type);
  lua_setmetatable(L, -2);
  lua_newtable(L);
  opamp_lua_set_own_table(L, -2);
  lua_getfield(L, LUA_REGISTRYINDEX, clients_key);
  lua_pushlightuserdata(L, c);
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  return c;
}

static void free_client(lua_client *c) {
  shared_loop *shared = c->shared;
  opamp_client *client = c->client;
  c->client = NULL;
  c->shared = NULL;
  if (shared == NULL) return;
  /* With its loop the client is gone, too. */
  if (shared->loop != NULL && c->owns_loop)
    loop_close(shared);
  else if (shared->loop != NULL)
    opamp_client_free(client);
  loop_unref(shared);
}

/* What a client is made of. */
enum { PLAN_OPTIONS = 1, PLAN_DESCRIPTION = 2 };

/* plan(options): a list of the options object and the description, once they
 * are found to be good; files were read. */
static int client_plan(lua_State *L) {
  opamp_options *options;
  opamp_msg **description;
  opamp_status status;
  int failed;
  check_table(L, 1);
  lua_settop(L, 1);
  lua_createtable(L, 2, 0);
  lua_createtable(L, 0, 2);
  lua_getfield(L, 1, "identifying");
  lua_setfield(L, -2, "identifying");
  lua_getfield(L, 1, "non_identifying");
  lua_setfield(L, -2, "non_identifying");
  failed = encode_argument(L, 3, OPAMP_MSG_AGENT_DESCRIPTION, "options",
                           &opamp_new, &description);
  if (failed != 0) return failed;
  lua_rawseti(L, 2, PLAN_DESCRIPTION);
  options = build_options(L);
  if (options == NULL) return 3;
  lua_rawseti(L, 2, PLAN_OPTIONS);
  status = opamp_options_check(options);
  if (status != OPAMP_OK) return fail(L, status, NULL);
  lua_settop(L, 2);
  return 1;
}

/* What a plan has at a place: a userdata that holds a pointer. */
static void *planned(lua_State *L, int key) {
  void *ud;
  lua_rawgeti(L, 1, key);
  ud = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return ud;
}

/* new_client(plan, loop, owns_loop) */
static int client_new(lua_State *L) {
  shared_loop *shared = check_loop(L, 2);
  lua_client *c;
  opamp_options **options;
  opamp_msg **description;
  opamp_status status;
  check_table(L, 1);
  lua_settop(L, 3);
  options = (opamp_options **)planned(L, PLAN_OPTIONS);
  description = (opamp_msg **)planned(L, PLAN_DESCRIPTION);
  c = push_empty(L);
  status = opamp_client_new(&c->client, shared->loop, *options);
  if (status != OPAMP_OK) return fail(L, status, NULL);
  c->shared = shared;
  c->owns_loop = lua_toboolean(L, 3) != 0;
  shared->users++;
  opamp_client_set_user_data(c->client, c);
  status = opamp_client_set_description(c->client, *description);
  if (status == OPAMP_OK) return 1;
  free_client(c);
  return fail(L, status, NULL);
}

static int client_gc(lua_State *L) {
  free_client((lua_client *)lua_touserdata(L, 1));
  return 0;
}

/* A client takes along the loop that nobody else uses. */
static void detach_client(lua_State *L, int index) {
  lua_client *c = get(L, index);
  if (c->client == NULL || c->shared->loop == NULL) return;
  detach(L, index);
  if (c->client == NULL || !c->owns_loop) return;
  opamp_lua_own_table(L, index);
  lua_getfield(L, -1, "loop");
  if (lua_isuserdata(L, -1)) detach(L, lua_gettop(L));
  lua_pop(L, 2);
}

void detach_clients(lua_State *L, const shared_loop *s) {
  int list;
  lua_newtable(L); /* of those there are: the functions may close some */
  list = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, clients_key);
  for (lua_pushnil(L); lua_next(L, -2) != 0;) {
    lua_client *c = get(L, -1);
    if (c != NULL && c->shared == s)
      lua_rawseti(L, list, (int)lua_rawlen(L, list) + 1);
    else
      lua_pop(L, 1);
  }
  lua_pop(L, 1);
  for (int i = 1; i <= (int)lua_rawlen(L, list); i++) {
    lua_rawgeti(L, list, i);
    detach_client(L, lua_gettop(L));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/*** Frees the client now, in any state; the server is told nothing, and no event
comes after. It may be closed twice. The garbage collector closes it, too, and
so does the end of a variable declared `<close>` (Lua 5.4).
@function client:close */
static int client_close(lua_State *L) {
  lua_client *c = get(L, 1);
  luaL_argcheck(L, c != NULL, 1, "a client expected");
  detach_client(L, 1);
  free_client(c);
  lua_newtable(L); /* handlers go with it */
  opamp_lua_set_own_table(L, 1);
  return 0;
}

/*** Whether the client was closed.
@function client:is_closed
@treturn boolean */
static int client_is_closed(lua_State *L) {
  lua_client *c = get(L, 1);
  luaL_argcheck(L, c != NULL, 1, "a client expected");
  lua_pushboolean(L, c->client == NULL || c->shared->loop == NULL);
  return 1;
}

static int client_tostring(lua_State *L) {
  lua_client *c = get(L, 1);
  luaL_argcheck(L, c != NULL, 1, "a client expected");
  if (c->client == NULL || c->shared->loop == NULL)
    lua_pushliteral(L, "opamp.client: closed");
  else if (!loop_is_ours(c->shared))
    lua_pushliteral(L, "opamp.client: of another process");
  else
    lua_pushfstring(L, "opamp.client: %s",
                    opamp_state_name(opamp_client_state(c->client)));
  return 1;
}

/*** Begins to connect, and keeps trying until it is told to stop. It never fails
because of the network, and does no waiting: everything happens in `step`. For a
client that runs already it does nothing.
@function client:start
@treturn true|nil,string,string true, or nil, a message and a code */
static int client_start(lua_State *L) {
  return done(L, opamp_client_start(check_client(L, 1)));
}

/* stop(client, silent) */
static int client_stop(lua_State *L) {
  opamp_client *c = check_client(L, 1);
  return done(L, lua_toboolean(L, 2) ? opamp_client_stop_silent(c)
                                     : opamp_client_stop(c));
}

/* The table that belongs to a client or loop. */
static int own_table(lua_State *L) {
  luaL_checktype(L, 1, LUA_TUSERDATA);
  opamp_lua_own_table(L, 1);
  return 1;
}

void client_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"start", client_start},
                                     {"close", client_close},
                                     {"is_closed", client_is_closed},
                                     {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", client_gc},
                                  {"__close", client_close},
                                  {"__tostring", client_tostring},
                                  {NULL, NULL}};
  static const luaL_Reg functions[] = {{"plan", client_plan},
                                       {"new_client", client_new},
                                       {"stop", client_stop},
                                       {"own_table", own_table},
                                       {NULL, NULL}};
  if (luaL_newmetatable(L, clients_key) != 0) { /* else loaded before */
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_pushvalue(L, -1);
    lua_setmetatable(L, -2);
  }
  lua_pop(L, 1);
  new_type(L, client_type, methods, meta);
  add_driving(L);
  lua_setfield(L, -2, "client_methods");
  opamp_lua_set_functions(L, functions);
}
