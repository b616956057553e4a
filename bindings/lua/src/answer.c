/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core.h"

/* The methods of events: answers to what the library asks. Each returns true, or
 * nil, a message and a code. */

static opamp_event *check_question(lua_State *L) {
  opamp_event *e = event_of(L, 1);
  if (e == NULL) bad_argument(L, 1, "an offer expected");
  return e;
}

/*** Answers an offer: it is in effect, and the server is told APPLIED.
@function event:accept
@treturn true|nil,string,string code `"state"`: it was answered before */
static int accept(lua_State *L) {
  return done(L, opamp_event_accept(check_question(L)));
}

/*** Answers an offer: it cannot be used, and the server is told FAILED.
@function event:reject
@string[opt] message what is wrong with it
@treturn true|nil,string,string code `"state"`: it was answered before */
static int reject(lua_State *L) {
  opamp_event *e = check_question(L);
  return done(L, opamp_event_reject(e, check_text(L, 2, true)));
}

/*** The answer will come later, by `client:set_remote_config_status` or
`client:set_connection_settings_status`; the server is told APPLYING.
@function event:defer
@treturn true|nil,string,string code `"state"`: it was answered before */
static int defer(lua_State *L) {
  return done(L, opamp_event_defer(check_question(L)));
}

/* --- a transport of the application's own, a store of its own ------------------- */

/* The number in a field of the event, which only some kinds have. */
static int64_t number_in(lua_State *L, const char *field) {
  int64_t number = 0;
  check_table(L, 1);
  lua_getfield(L, 1, field);
  if (lua_type(L, -1) != LUA_TNUMBER || !opamp_lua_to_i64(L, -1, &number))
    bad_argument(L, 1, "an event of another kind expected");
  lua_pop(L, 1);
  return number;
}

/* The event's client; NULL when it was closed meanwhile. */
static opamp_client *client_of(lua_State *L) {
  opamp_client *c = NULL;
  lua_getfield(L, 1, "client");
  if (client_loop(L, -1) != NULL && client_loop(L, -1)->loop != NULL)
    c = check_client(L, lua_gettop(L));
  lua_pop(L, 1);
  return c;
}

static int gone(lua_State *L) {
  return fail_text(L, OPAMP_ERR_STATE, "the client is closed");
}

typedef opamp_status reply(opamp_client *c, int64_t number);

static int answer(lua_State *L, const char *field, reply *call) {
  int64_t number = number_in(L, field);
  opamp_client *c = client_of(L);
  return c != NULL ? done(L, call(c, number)) : gone(L);
}

/*** Answers "transport_open": the connection is made.
@function event:opened
@treturn true|nil,string,string true, or nil, a message and a code */
static int opened(lua_State *L) {
  return answer(L, "connection", opamp_client_transport_opened);
}

/*** Answers "transport_send": the message is on its way, the next may come.
@function event:written
@treturn true|nil,string,string true, or nil, a message and a code */
static int written(lua_State *L) {
  return answer(L, "connection", opamp_client_transport_written);
}

/*** The server is there: it answered a ping, or part of a message came.
@function event:alive
@treturn true|nil,string,string true, or nil, a message and a code */
static int alive(lua_State *L) {
  return answer(L, "connection", opamp_client_transport_alive);
}

/*** A message came over the connection of this event, the whole of it; over
http, the body of the response.
@function event:received
@string message
@treturn true|nil,string,string true, or nil, a message and a code */
static int received(lua_State *L) {
  int64_t connection = number_in(L, "connection");
  opamp_bytes message = check_bytes(L, 2);
  opamp_client *c = client_of(L);
  if (c == NULL) return gone(L);
  return done(L, opamp_client_transport_received(c, connection, message));
}

static const blame closing = {"event:closed", 1};

/* The status of a code, "closed"; `otherwise` for nil. */
static opamp_status opt_code(lua_State *L, int index, opamp_status otherwise) {
  if (lua_isnil(L, index)) return otherwise;
  for (int status = -1; status > -300; status--) {
    push_code(L, status);
    if (lua_rawequal(L, -1, index)) return status;
    lua_pop(L, 1);
  }
  misuse(L, &closing, "there is no code '%s'", lua_tostring(L, index));
}

static void check_why(lua_State *L) {
  static const char *const known[] = {"code", "status", "retry_after", "text"};
  for (lua_pushnil(L); lua_next(L, 2) != 0; lua_pop(L, 1)) {
    const char *name =
        lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    bool found = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
      found = found || strcmp(name, known[i]) == 0;
    if (!found) misuse(L, &closing, "there is no option '%s'", name);
  }
}

/*** The connection of this event could not be made, or has ended; over http, the
request failed.
@function event:closed
@tab[opt] why `code`, a string, `"transport"` when absent; `status`, an HTTP
status or a close code of WebSocket; `retry_after`, seconds; `text`
@treturn true|nil,string,string true, or nil, a message and a code */
static int closed(lua_State *L) {
  int64_t connection = number_in(L, "connection"), retry_ms = -1;
  opamp_client *c;
  opamp_status why;
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_newtable(L);
    lua_replace(L, 2);
  }
  check_table(L, 2);
  check_why(L);
  lua_getfield(L, 2, "code");
  why = opt_code(L, 3, OPAMP_ERR_TRANSPORT);
  lua_settop(L, 3);
  lua_getfield(L, 2, "status");
  lua_getfield(L, 2, "retry_after");
  lua_getfield(L, 2, "text");
  if (!lua_isnil(L, 5)) retry_ms = to_ms(luaL_checknumber(L, 5));
  c = client_of(L);
  if (c == NULL) return gone(L);
  return done(L, opamp_client_transport_closed(
                     c, connection, why, (int)luaL_optinteger(L, 4, 0),
                     retry_ms, check_text(L, 6, true)));
}

/*** Answers "store_load".
@function event:loaded
@string[opt] value as it was saved last; nil: there is none
@treturn true|nil,string,string true, or nil, a message and a code */
static int loaded(lua_State *L) {
  int64_t request = number_in(L, "request");
  opamp_bytes value = {NULL, 0};
  opamp_client *c = client_of(L);
  if (!lua_isnoneornil(L, 2)) value = check_bytes(L, 2);
  if (c == NULL) return gone(L);
  return done(L, opamp_client_store_loaded(c, request, value));
}

/*** Answers "store_save" and "store_erase": it is done, and a crash of the
machine does not take it back.
@function event:saved
@treturn true|nil,string,string true, or nil, a message and a code */
static int saved(lua_State *L) {
  return answer(L, "request", opamp_client_store_saved);
}

/*** Answers the events of a store: it could not be done.
@function event:failed
@string[opt] why
@treturn true|nil,string,string true, or nil, a message and a code */
static int failed(lua_State *L) {
  int64_t request = number_in(L, "request");
  const char *why = check_text(L, 2, true);
  opamp_client *c = client_of(L);
  if (c == NULL) return gone(L);
  return done(L, opamp_client_store_failed(c, request, why));
}

void answer_open(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"accept", accept}, {"reject", reject},     {"defer", defer},
      {"opened", opened}, {"written", written},   {"alive", alive},
      {"closed", closed}, {"received", received}, {"loaded", loaded},
      {"saved", saved},   {"failed", failed},     {NULL, NULL}};
  opamp_lua_set_functions(L, methods);
}
