/* SPDX-License-Identifier: Apache-2.0 */
#include "core.h"

/* What a client can be asked. Nothing of it waits or needs a step; in a forked
 * child each returns nil, a message, "forked". */

/* The client, or NULL in a forked child. */
static opamp_client *ours(lua_State *L) {
  opamp_client *c = check_client(L, 1);
  return loop_is_ours(client_loop(L, 1)) ? c : NULL;
}

/*** What the client is doing.
@function client:state
@treturn string `"stopped"`, `"connecting"`, `"connected"`, `"waiting"` (for the
next attempt) or `"stopping"` */
static int state(lua_State *L) {
  opamp_client *c = ours(L);
  if (c == NULL) return forked(L);
  lua_pushstring(L, opamp_state_name(opamp_client_state(c)));
  return 1;
}

/*** For how long it has been in its state.
@function client:state_since
@treturn number seconds */
static int state_since(lua_State *L) {
  opamp_client *c = ours(L);
  if (c == NULL) return forked(L);
  push_seconds(L, (int64_t)opamp_client_state_since_ms(c));
  return 1;
}

/*** When it tries again.
@function client:next_retry
@treturn number|nil seconds; nil when it does not wait */
static int next_retry(lua_State *L) {
  opamp_client *c = ours(L);
  if (c == NULL) return forked(L);
  push_seconds(L, opamp_client_next_retry_ms(c));
  return 1;
}

/*** The instance uid in use, which the server may change.
@function client:instance_uid
@treturn string 16 bytes (`uid_text`) */
static int instance_uid(lua_State *L) {
  uint8_t uid[OPAMP_UID_LEN];
  opamp_client *c = ours(L);
  if (c == NULL) return forked(L);
  opamp_client_instance_uid(c, uid);
  lua_pushlstring(L, (const char *)uid, sizeof uid);
  return 1;
}

/*** What the agent can do.
@function client:capabilities
@treturn table a set: `{ ReportsStatus = true }` */
static int capabilities(lua_State *L) {
  opamp_client *c = ours(L);
  if (c == NULL) return forked(L);
  push_agent_capabilities(L, opamp_client_capabilities(c));
  return 1;
}

/*** What the server can do; empty, before it has said so.
@function client:server_capabilities
@treturn table a set: `{ AcceptsStatus = true }` */
static int server_capabilities(lua_State *L) {
  opamp_client *c = ours(L);
  if (c == NULL) return forked(L);
  push_server_capabilities(L, opamp_client_server_capabilities(c));
  return 1;
}

/*** The custom capabilities that the server declared last.
@function client:server_custom_capabilities
@treturn table a list of strings; empty when there are none */
static int server_custom_capabilities(lua_State *L) {
  opamp_client *c = ours(L);
  opamp_msg **owner;
  opamp_status status;
  if (c == NULL) return forked(L);
  owner = push_owner(L);
  status = opamp_client_server_custom_capabilities(c, owner);
  if (status == OPAMP_ERR_NOTFOUND) {
    lua_newtable(L);
    return 1;
  }
  if (status != OPAMP_OK) return fail(L, status, NULL);
  decode_message(L, *owner, OPAMP_MSG_CUSTOM_CAPABILITIES);
  drop_owner(owner);
  return 1;
}

/*** The number of the last message.
@function client:sequence_num
@treturn int|nil nil before the first */
static int sequence_num(lua_State *L) {
  opamp_client *c = ours(L);
  int64_t number;
  if (c == NULL) return forked(L);
  number = opamp_client_sequence_num(c);
  if (number < 0)
    lua_pushnil(L);
  else
    opamp_lua_push_i64(L, number);
  return 1;
}

/*** How many custom messages `send_custom` would take now.
@function client:custom_room
@treturn int */
static int custom_room(lua_State *L) {
  opamp_client *c = ours(L);
  if (c == NULL) return forked(L);
  lua_pushinteger(L, (lua_Integer)opamp_client_custom_room(c));
  return 1;
}

/*** What was set and has not been delivered.
@function client:undelivered
@treturn table a set of names of fields of AgentToServer */
static int undelivered(lua_State *L) {
  opamp_client *c = ours(L);
  if (c == NULL) return forked(L);
  push_field_names(L, OPAMP_MSG_AGENT_TO_SERVER, opamp_client_undelivered(c));
  return 1;
}

/*** What the server refuses.
@function client:parked
@treturn table a set of names of fields of AgentToServer */
static int parked(lua_State *L) {
  opamp_client *c = ours(L);
  if (c == NULL) return forked(L);
  push_field_names(L, OPAMP_MSG_AGENT_TO_SERVER, opamp_client_parked(c));
  return 1;
}

typedef opamp_status getter(const opamp_client *c, void *buf, size_t *len);

static opamp_status get_last_error(const opamp_client *c, void *buf,
                                   size_t *len) {
  return opamp_client_last_error(c, (char *)buf, len);
}

static opamp_status get_hash(const opamp_client *c, void *buf, size_t *len) {
  return opamp_client_remote_config_hash(c, (uint8_t *)buf, len);
}

static opamp_status get_endpoint(const opamp_client *c, void *buf,
                                 size_t *len) {
  return opamp_client_endpoint(c, (char *)buf, len);
}

/* What a function of the library writes into as much room as it asks for. */
static int sized(lua_State *L, getter *get) {
  opamp_client *c = ours(L);
  char small[256];
  char *room = small;
  size_t len = sizeof small;
  opamp_status status;
  if (c == NULL) return forked(L);
  while ((status = get(c, room, &len)) == OPAMP_ERR_SPACE)
    room = (char *)lua_newuserdata(L, len);
  if (status != OPAMP_OK) return fail(L, status, NULL);
  lua_pushlstring(L, room, len);
  return 1;
}

/*** The text of the last error.
@function client:last_error
@treturn string empty when there was none */
static int last_error(lua_State *L) {
  return sized(L, get_last_error);
}

/*** The hash of the remote configuration in effect.
@function client:remote_config_hash
@treturn string empty when there is none */
static int remote_config_hash(lua_State *L) {
  return sized(L, get_hash);
}

/*** The URL in use, which redirects and offers may have changed.
@function client:endpoint
@treturn string */
static int endpoint(lua_State *L) {
  return sized(L, get_endpoint);
}

/*** Counters since the client was made.
@function client:counters
@treturn table by name: `messages_sent`, `messages_received`, `bytes_sent`,
`bytes_received`, `connects`, `connect_failures`, `disconnects`, `heartbeats`,
`bad_messages`, `server_errors`, `parked`, `offers`, `full_states`,
`dropped_events` */
static int counters(lua_State *L) {
  opamp_client *c = ours(L);
  if (c == NULL) return forked(L);
  lua_createtable(L, 0, OPAMP_COUNT_END);
  for (int i = 0; i < OPAMP_COUNT_END; i++) {
    opamp_lua_push_u64(L, opamp_client_counter(c, i));
    lua_setfield(L, -2, opamp_counter_name(i));
  }
  return 1;
}

void view_open(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"state", state},
      {"state_since", state_since},
      {"next_retry", next_retry},
      {"instance_uid", instance_uid},
      {"capabilities", capabilities},
      {"server_capabilities", server_capabilities},
      {"server_custom_capabilities", server_custom_capabilities},
      {"sequence_num", sequence_num},
      {"custom_room", custom_room},
      {"undelivered", undelivered},
      {"parked", parked},
      {"last_error", last_error},
      {"remote_config_hash", remote_config_hash},
      {"endpoint", endpoint},
      {"counters", counters},
      {NULL, NULL}};
  lua_getfield(L, -1, "client_methods");
  opamp_lua_set_functions(L, methods);
  lua_pop(L, 1);
}
