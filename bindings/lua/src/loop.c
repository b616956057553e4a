/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core.h"

static const char loop_type[] = "opamp.loop";

/* So long at once waits who does not see a signal that comes right before. */
enum { LONGEST_WAIT_MS = 1000 };

/* --- shared by the userdata that need it ------------------------------------ */

bool loop_is_ours(const shared_loop *s) {
  return s->pid == getpid();
}

void loop_close(shared_loop *s) {
  opamp_loop *loop = s->loop;
  s->loop = NULL;
  if (loop_is_ours(s))
    opamp_loop_free(loop);
  else
    opamp_loop_abandon(loop);
}

void loop_unref(shared_loop *s) {
  if (--s->users > 0) return;
  if (s->loop != NULL) loop_close(s);
  free(s);
}

static int loop_new(lua_State *L) {
  lua_Integer most = lua_tointeger(L, 1); /* opamp.loop has checked it */
  shared_loop **ud;
  opamp_status status;
  ud = (shared_loop **)lua_newuserdata(L, sizeof *ud);
  *ud = NULL;
  luaL_getmetatable(L, loop_type);
  lua_setmetatable(L, -2);
  lua_newtable(L);
  opamp_lua_set_own_table(L, -2);
  *ud = (shared_loop *)calloc(1, sizeof **ud);
  if (*ud == NULL) return fail(L, OPAMP_ERR_NOMEM, NULL);
  (*ud)->users = 1;
  (*ud)->pid = getpid();
  status = opamp_loop_new(&(*ud)->loop, (uint32_t)most);
  return status == OPAMP_OK ? 1 : fail(L, status, NULL);
}

static shared_loop *loop_of(lua_State *L, int index) {
  shared_loop **ud = (shared_loop **)test_type(L, index, loop_type);
  return ud != NULL ? *ud : client_loop(L, index);
}

shared_loop *check_driven(lua_State *L, int index) {
  shared_loop *s = loop_of(L, index);
  if (s != NULL && s->loop != NULL) return s;
  bad_argument(L, index,
               s != NULL || is_client(L, index) ? "it is closed"
                                                : "a client or loop expected");
}

shared_loop *check_loop(lua_State *L, int index) {
  if (test_type(L, index, loop_type) == NULL)
    bad_argument(L, index, "a loop expected");
  return check_driven(L, index);
}

/* --- driving ------------------------------------------------------------------ */

/* Does what is due, and never waits: how many events there are. */
static int loop_poll(lua_State *L) {
  shared_loop *s = check_driven(L, 1);
  int n = opamp_loop_poll(s->loop, 0);
  if (n < 0) return fail(L, n, NULL);
  lua_pushinteger(L, n);
  return 1;
}

/* loop_wait(seconds): until there is something to do, it is time, or a signal
 * came; never long at once. */
static int loop_wait(lua_State *L) {
  shared_loop *s = check_driven(L, 1);
  lua_Number most = luaL_checknumber(L, 2);
  int timeout = opamp_loop_timeout_ms(s->loop);
  struct pollfd p = {.fd = opamp_loop_fd(s->loop), .events = POLLIN};
  if (timeout < 0 || timeout > LONGEST_WAIT_MS) timeout = LONGEST_WAIT_MS;
  if (!(most * 1000 > timeout)) timeout = most > 0 ? (int)(most * 1000) + 1 : 0;
  (void)poll(&p, 1, timeout);
  return 0;
}

/*** A descriptor that is readable while `step` has work. It is only to be
watched, level-triggered, and no more once the client or its loop is closed.
@function client:fd
@treturn int the same as long as the loop lives */
static int loop_fd(lua_State *L) {
  shared_loop *s = check_driven(L, 1);
  if (!loop_is_ours(s)) return forked(L);
  lua_pushinteger(L, opamp_loop_fd(s->loop));
  return 1;
}

/*** When `step` must be called at the latest. Ask again after each step.
@function client:timeout
@treturn number|nil seconds; nil: only when the descriptor is readable */
static int loop_timeout(lua_State *L) {
  shared_loop *s = check_driven(L, 1);
  if (!loop_is_ours(s)) return forked(L);
  push_seconds(L, opamp_loop_timeout_ms(s->loop));
  return 1;
}

/*** Does at once what needs files and is otherwise done when a client first
connects, for a host that changes its root directory before that.
@function loop:prepare
@treturn true|nil,string,string true, or nil, a message and a code */
static int loop_prepare(lua_State *L) {
  return done(L, opamp_loop_prepare(check_driven(L, 1)->loop));
}

/*** In a forked child: takes over a loop that its parent made, and perhaps
prepared, and that has had no client yet.
@function loop:adopt
@treturn true|nil,string,string true, or nil, a message and a code */
static int loop_adopt(lua_State *L) {
  shared_loop *s = check_driven(L, 1);
  opamp_status status = opamp_loop_adopt(s->loop);
  if (status == OPAMP_OK) s->pid = getpid();
  return done(L, status);
}

/* loop:wake() */
static int loop_wake(lua_State *L) {
  shared_loop *s = check_driven(L, 1);
  if (!loop_is_ours(s)) return forked(L);
  opamp_loop_wake(s->loop);
  return done(L, OPAMP_OK);
}

/* The next event as a table, or nil. */
static int loop_next(lua_State *L) {
  shared_loop *s = loop_of(L, 1);
  opamp_event *e = NULL;
  if (s != NULL && s->loop != NULL) e = opamp_loop_next_event(s->loop);
  if (e == NULL)
    lua_pushnil(L);
  else
    push_event(L, e);
  return 1;
}

void detach(lua_State *L, int index) {
  opamp_lua_own_table(L, index);
  lua_getfield(L, -1, "detach");
  lua_pushnil(L);
  lua_setfield(L, -3, "detach");
  lua_remove(L, -2);
  if (lua_isfunction(L, -1))
    lua_call(L, 0, 0);
  else
    lua_pop(L, 1);
}

static int loop_close_now(lua_State *L) {
  shared_loop **ud = (shared_loop **)test_type(L, 1, loop_type);
  luaL_argcheck(L, ud != NULL, 1, "a loop expected");
  if (*ud != NULL && (*ud)->loop != NULL) {
    detach_clients(L, *ud);
    detach(L, 1);
    if ((*ud)->loop != NULL) loop_close(*ud);
  }
  lua_newtable(L); /* what was kept for it */
  opamp_lua_set_own_table(L, 1);
  return 0;
}

static int loop_is_closed(lua_State *L) {
  shared_loop *s = loop_of(L, 1);
  lua_pushboolean(L, s == NULL || s->loop == NULL);
  return 1;
}

static int loop_gc(lua_State *L) {
  shared_loop **ud = (shared_loop **)lua_touserdata(L, 1);
  if (*ud != NULL) loop_unref(*ud);
  *ud = NULL;
  return 0;
}

/* Seconds of a clock that only goes forward. */
static int loop_now(lua_State *L) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  lua_pushnumber(L, (lua_Number)t.tv_sec + (lua_Number)t.tv_nsec / 1e9);
  return 1;
}

void add_driving(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"fd", loop_fd}, {"timeout", loop_timeout}, {NULL, NULL}};
  opamp_lua_set_functions(L, methods);
}

void loop_open(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"prepare", loop_prepare},     {"adopt", loop_adopt},
      {"wake", loop_wake},           {"close", loop_close_now},
      {"is_closed", loop_is_closed}, {NULL, NULL}};
  static const luaL_Reg meta[] = {
      {"__gc", loop_gc}, {"__close", loop_close_now}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"new_loop", loop_new}, {"poll", loop_poll}, {"wait", loop_wait},
      {"next", loop_next},    {"now", loop_now},   {NULL, NULL}};
  new_type(L, loop_type, methods, meta);
  add_driving(L);
  lua_setfield(L, -2, "loop_methods");
  opamp_lua_set_functions(L, functions);
}
