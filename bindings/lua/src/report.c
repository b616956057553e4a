/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

/* What the agent reports and asks for. Every method copies what it is given,
 * waits for nothing, and returns true, or nil, a message and a code. */

typedef opamp_status setter(opamp_client *c, const opamp_msg *m);

/* A setter of a message: from argument 2, a table, or nil, which clears it. */
static int set(lua_State *L, int type, const char *name, setter *apply) {
  opamp_client *c = check_client(L, 1);
  opamp_msg **owner;
  opamp_status status;
  int failed;
  luaL_checkany(L, 2);
  if (lua_isnil(L, 2)) return done(L, apply(c, NULL));
  failed = encode_argument(L, 2, type, name, NULL, &owner);
  if (failed != 0) return failed;
  status = apply(c, *owner);
  drop_owner(owner);
  return done(L, status);
}

/*** Reports who the agent is, in place of what `new` was given.
@function client:set_description
@tab description `identifying` and `non_identifying`, maps of attributes
@treturn true|nil,string,string true, or nil, a message and a code */
static int set_description(lua_State *L) {
  return set(L, OPAMP_MSG_AGENT_DESCRIPTION, "description",
             opamp_client_set_description);
}

/*** Reports how the agent is. Needs the capability ReportsHealth, which is on.
@function client:set_health
@tab health `healthy`, a boolean; `status` and `last_error`, strings;
`start_time` and `status_time`, seconds since 1970; `components`, such tables by
name; `attributes`
@treturn true|nil,string,string true, or nil, a message and a code */
static int set_health(lua_State *L) {
  return set(L, OPAMP_MSG_COMPONENT_HEALTH, "health", opamp_client_set_health);
}

/*** Reports the configuration in effect. Needs the capability
ReportsEffectiveConfig.
@function client:set_effective_config
@tab files by name, each a string, or a table with `body`, `content_type` and
`role`, strings
@treturn true|nil,string,string true, or nil, a message and a code */
static int set_effective_config(lua_State *L) {
  return set(L, OPAMP_MSG_EFFECTIVE_CONFIG, "files",
             opamp_client_set_effective_config);
}

/*** Reports what the agent is made of. Needs the capability
ReportsAvailableComponents.
@function client:set_available_components
@tab components `components`, by name, each a table with `metadata`, attributes,
and `components` again; `hash`, made when absent
@treturn true|nil,string,string true, or nil, a message and a code */
static int set_available_components(lua_State *L) {
  return set(L, OPAMP_MSG_AVAILABLE_COMPONENTS, "components",
             opamp_client_set_available_components);
}

/*** Reports what became of offered packages. Needs the capability
ReportsPackageStatuses.
@function client:set_package_statuses
@tab statuses `packages`, by name, each a table with the fields of PackageStatus;
`server_provided_all_packages_hash`; `error_message`
@treturn true|nil,string,string true, or nil, a message and a code */
static int set_package_statuses(lua_State *L) {
  return set(L, OPAMP_MSG_PACKAGE_STATUSES, "statuses",
             opamp_client_set_package_statuses);
}

/*** Declares custom capabilities, without which no custom message is sent or
received.
@function client:set_custom_capabilities
@tab names a list of strings
@treturn true|nil,string,string true, or nil, a message and a code */
static int set_custom_capabilities(lua_State *L) {
  return set(L, OPAMP_MSG_CUSTOM_CAPABILITIES, "names",
             opamp_client_set_custom_capabilities);
}

/*** Says what the agent can do, as the option `capabilities` of `new`.
@function client:set_capabilities
@tab capabilities a list of names, or a set of them with booleans; they are added
to, or taken from, the default
@treturn true|nil,string,string true, or nil, a message and a code */
static int set_capabilities(lua_State *L) {
  opamp_client *c = check_client(L, 1);
  static const blame of = {"client:set_capabilities", 1};
  uint64_t bits = check_capabilities(L, 2, &of, OPAMP_CAPABILITIES_DEFAULT,
                                     &agent_capability_names);
  return done(L, opamp_client_set_capabilities(c, bits));
}

static int check_status(lua_State *L, int index, int type, int field) {
  uint64_t value = 0;
  luaL_checktype(L, index, LUA_TSTRING);
  if (!find_enum(L, index, type, field, &value) || value == 0)
    bad_argument(L, index, "'applied', 'failed' or 'applying' expected");
  return (int)value;
}

/*** Reports the state of a remote configuration: the late answer to an offer.
@function client:set_remote_config_status
@string hash of the offer
@string status `"applied"`, `"failed"` or `"applying"`
@string[opt] message what went wrong
@treturn true|nil,string,string true, or nil, a message and a code */
static int set_remote_config_status(lua_State *L) {
  opamp_client *c = check_client(L, 1);
  opamp_bytes hash = check_bytes(L, 2);
  int status = check_status(L, 3, OPAMP_MSG_REMOTE_CONFIG_STATUS,
                            OPAMP_REMOTE_CONFIG_STATUS_STATUS);
  const char *text = check_text(L, 4, true);
  return done(L, opamp_client_set_remote_config_status(c, hash, status, text));
}

/*** The same for connection settings.
@function client:set_connection_settings_status
@string hash of the offer
@string status `"applied"`, `"failed"` or `"applying"`
@string[opt] message what went wrong
@treturn true|nil,string,string true, or nil, a message and a code */
static int set_connection_settings_status(lua_State *L) {
  opamp_client *c = check_client(L, 1);
  opamp_bytes hash = check_bytes(L, 2);
  int status = check_status(L, 3, OPAMP_MSG_CONNECTION_SETTINGS_STATUS,
                            OPAMP_CONNECTION_SETTINGS_STATUS_STATUS);
  const char *text = check_text(L, 4, true);
  return done(
      L, opamp_client_set_connection_settings_status(c, hash, status, text));
}

/*** Forgets the last offer of a kind, so that an equal one is delivered again.
@function client:forget_offer
@string kind `"remote_config"`, `"connection_settings"` or `"packages"`
@treturn true|nil,string,string true, or nil, a message and a code */
static int forget_offer(lua_State *L) {
  static const int kinds[] = {OPAMP_EVENT_REMOTE_CONFIG,
                              OPAMP_EVENT_CONNECTION_SETTINGS,
                              OPAMP_EVENT_PACKAGES};
  opamp_client *c = check_client(L, 1);
  const char *name = check_text(L, 2, false);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(name, opamp_event_kind_name(kinds[i])) == 0)
      return done(L, opamp_client_forget_offer(c, kinds[i]));
  bad_argument(L, 2,
               "'remote_config', 'connection_settings' or "
               "'packages' expected");
}

/*** Queues a custom message. Messages are sent in order, each until the server
has answered it.
@function client:send_custom
@string capability one that was declared
@string type
@string[opt] data bytes
@treturn true|nil,string,string true, or nil, a message and a code: `"full"` when
too many wait */
static int send_custom(lua_State *L) {
  opamp_client *c = check_client(L, 1);
  const char *capability = check_text(L, 2, false);
  const char *type = check_text(L, 3, true);
  opamp_bytes data = {NULL, 0};
  if (!lua_isnoneornil(L, 4)) data = check_bytes(L, 4);
  return done(L, opamp_client_send_custom(c, capability, type, data));
}

/*** Merges a packed AgentToServer (`encode`) into what is set.
@function client:queue_raw
@string bytes
@treturn true|nil,string,string true, or nil, a message and a code */
static int queue_raw(lua_State *L) {
  opamp_client *c = check_client(L, 1);
  return done(L, opamp_client_queue_raw(c, check_bytes(L, 2)));
}

/*** Keeps back what is set from now on, until `release`. Holds nest.
@function client:hold
@treturn true|nil,string,string true, or nil, a message and a code */
static int hold(lua_State *L) {
  return done(L, opamp_client_hold(check_client(L, 1)));
}

/*** Ends what one `hold` began; after the last all goes out in one message.
@function client:release
@treturn true|nil,string,string true, or nil, a message and a code */
static int release(lua_State *L) {
  return done(L, opamp_client_release(check_client(L, 1)));
}

/*** Asks for an event "delivered", as soon as all was delivered that is set by
now.
@function client:flush
@treturn true|nil,string,string true, or nil, a message and a code */
static int flush(lua_State *L) {
  return done(L, opamp_client_flush(check_client(L, 1)));
}

/*** Replaces all headers, from the next connection or request on: fresh
credentials, say, as the answer to "credentials_wanted".
@function client:set_headers
@tab headers values by name, or a list of `{ name, value }`
@treturn true|nil,string,string true, or nil, a message and a code */
static int set_client_headers(lua_State *L) {
  opamp_client *c = check_client(L, 1);
  static const blame of = {"client:set_headers", 1};
  size_t count;
  const char **texts;
  check_table(L, 2);
  count = push_headers(L, 2, &of, "headers");
  texts = (const char **)lua_newuserdata(L, (2 * count + 1) * sizeof *texts);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, -2, (int)(2 * i) + 1);
    lua_rawgeti(L, -3, (int)(2 * i) + 2);
    texts[i] = lua_tostring(L, -2); /* the list holds them */
    texts[count + i] = lua_tostring(L, -1);
    lua_pop(L, 2);
  }
  return done(L, opamp_client_set_headers(c, texts, texts + count, count));
}

/*** Asks the server for a client certificate. Needs a store, and the capability
AcceptsOpAMPConnectionSettings.
@function client:request_certificate
@treturn true|nil,string,string true, or nil, a message and a code */
static int request_certificate(lua_State *L) {
  return done(L, opamp_client_request_certificate(check_client(L, 1)));
}

/*** Sets the interval of heartbeats and of HTTP polls.
@function client:set_heartbeat
@number seconds
@treturn true|nil,string,string true, or nil, a message and a code */
static int set_heartbeat(lua_State *L) {
  opamp_client *c = check_client(L, 1);
  int64_t ms;
  luaL_checktype(L, 2, LUA_TNUMBER);
  ms = to_ms(lua_tonumber(L, 2));
  if (ms < 0) return fail_text(L, OPAMP_ERR_INVALID, "seconds: out of range");
  return done(L, opamp_client_set_heartbeat(c, (uint64_t)ms));
}

void report_open(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"set_description", set_description},
      {"set_health", set_health},
      {"set_effective_config", set_effective_config},
      {"set_available_components", set_available_components},
      {"set_package_statuses", set_package_statuses},
      {"set_custom_capabilities", set_custom_capabilities},
      {"set_capabilities", set_capabilities},
      {"set_remote_config_status", set_remote_config_status},
      {"set_connection_settings_status", set_connection_settings_status},
      {"forget_offer", forget_offer},
      {"send_custom", send_custom},
      {"queue_raw", queue_raw},
      {"hold", hold},
      {"release", release},
      {"flush", flush},
      {"set_headers", set_client_headers},
      {"request_certificate", request_certificate},
      {"set_heartbeat", set_heartbeat},
      {NULL, NULL}};
  lua_getfield(L, -1, "client_methods");
  opamp_lua_set_functions(L, methods);
  lua_pop(L, 1);
}
