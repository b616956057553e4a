/* SPDX-License-Identifier: Apache-2.0 */
#include "core.h"

/* Events as tables. What an event of the server's carries besides, its bytes and
 * the right to answer it, stays with the library's event in field `_event`. */

static const char native_type[] = "opamp.native_event";
static const char event_type[] = "opamp.event";

/* --- the library's event --------------------------------------------------------- */

static int native_free(lua_State *L) {
  opamp_event **e = (opamp_event **)lua_touserdata(L, 1);
  opamp_event_free(*e);
  *e = NULL;
  return 0;
}

opamp_event *event_of(lua_State *L, int index) {
  opamp_event **e;
  check_table(L, index);
  lua_getfield(L, index, "_event");
  e = (opamp_event **)test_type(L, -1, native_type);
  lua_pop(L, 1);
  return e != NULL ? *e : NULL;
}

/* event.raw */
static void push_raw(lua_State *L, const opamp_event *e) {
  size_t len = 0;
  void *room;
  (void)opamp_event_raw(e, NULL, &len);
  room = lua_newuserdata(L, len > 0 ? len : 1);
  if (opamp_event_raw(e, (uint8_t *)room, &len) == OPAMP_OK)
    lua_pushlstring(L, (const char *)room, len);
  else
    lua_pushnil(L);
  lua_remove(L, -2);
}

/* --- what each kind carries --------------------------------------------------------- */

static void put_number(lua_State *L, const opamp_event *e, int num,
                       const char *name) {
  opamp_lua_push_i64(L, opamp_event_number(e, num));
  lua_setfield(L, -2, name);
}

static void put_flag(lua_State *L, const opamp_event *e, int num,
                     const char *name) {
  lua_pushboolean(L, opamp_event_number(e, num) != 0);
  lua_setfield(L, -2, name);
}

static void put_seconds(lua_State *L, const opamp_event *e, int num,
                        const char *name) {
  push_seconds(L, opamp_event_number(e, num));
  lua_setfield(L, -2, name);
}

static void put_text(lua_State *L, const opamp_event *e, const char *name) {
  opamp_str s = opamp_event_text(e);
  lua_pushlstring(L, opamp_str_z(s), s.len);
  lua_setfield(L, -2, name);
}

static void put_span(lua_State *L, opamp_bytes b, const char *name) {
  lua_pushlstring(L, b.ptr != NULL ? (const char *)b.ptr : "", b.len);
  lua_setfield(L, -2, name);
}

static void put_bytes(lua_State *L, const opamp_event *e, const char *name) {
  put_span(L, opamp_event_bytes(e), name);
}

static void put_error(lua_State *L, const opamp_event *e) {
  put_text(L, e, "error");
  push_code(L, opamp_event_status(e));
  lua_setfield(L, -2, "code");
}

static void put_enum(lua_State *L, const opamp_event *e, int type, int field,
                     const char *name) {
  push_enum(L, type, field, (uint64_t)opamp_event_number(e, OPAMP_NUM_STATE));
  lua_setfield(L, -2, name);
}

static void put_fields(lua_State *L, const opamp_event *e, int type) {
  push_field_names(L, type, (uint64_t)opamp_event_number(e, OPAMP_NUM_FIELDS));
  lua_setfield(L, -2, "fields");
}

/* The fields of the event's message become those of the event. */
static void put_message(lua_State *L, const opamp_event *e) {
  const opamp_msg *m = opamp_event_msg(e);
  decode_message(L, m, opamp_msg_type(m));
  for (lua_pushnil(L); lua_next(L, -2) != 0;) {
    lua_pushvalue(L, -2); /* key, value, key */
    lua_insert(L, -2);    /* key, key, value */
    lua_rawset(L, -5);
  }
  lua_pop(L, 1);
}

static void put_log(lua_State *L, const opamp_event *e) {
  int64_t level = opamp_event_number(e, OPAMP_NUM_LEVEL);
  if (level > OPAMP_LOG_DEBUG) level = OPAMP_LOG_DEBUG; /* of a newer library */
  lua_pushstring(L, log_level_names[level]);
  lua_setfield(L, -2, "level");
  put_text(L, e, "message");
}

static void put_offer(lua_State *L, const opamp_event *e) {
  put_message(L, e);
  put_flag(L, e, OPAMP_NUM_RESTORED, "restored");
  lua_getfield(L, -1, "files");
  if (lua_isnil(L, -1) && opamp_event_kind(e) == OPAMP_EVENT_REMOTE_CONFIG) {
    lua_newtable(L); /* an offer without files */
    lua_setfield(L, -3, "files");
  }
  lua_pop(L, 1);
}

/* What became of the connection. */
static bool put_connection(lua_State *L, const opamp_event *e) {
  switch (opamp_event_kind(e)) {
    case OPAMP_EVENT_CONNECTING:
      put_number(L, e, OPAMP_NUM_ATTEMPT, "attempt");
      put_text(L, e, "url");
      return true;
    case OPAMP_EVENT_CONNECTED:
      put_text(L, e, "url");
      return true;
    case OPAMP_EVENT_DISCONNECTED:
      put_number(L, e, OPAMP_NUM_CLOSE_CODE, "close_code");
      /* fall through */
    case OPAMP_EVENT_CONNECT_FAILED:
      put_error(L, e);
      put_number(L, e, OPAMP_NUM_HTTP_STATUS, "http_status");
      put_seconds(L, e, OPAMP_NUM_RETRY_IN_MS, "retry_in");
      return true;
    case OPAMP_EVENT_STOPPED:
      put_flag(L, e, OPAMP_NUM_DISCONNECT_SENT, "disconnect_sent");
      return true;
    case OPAMP_EVENT_CREDENTIALS_WANTED:
      put_number(L, e, OPAMP_NUM_HTTP_STATUS, "http_status");
      return true;
    case OPAMP_EVENT_HEARTBEAT_INTERVAL:
      put_seconds(L, e, OPAMP_NUM_INTERVAL_MS, "interval");
      return true;
    case OPAMP_EVENT_IDENTITY:
      put_bytes(L, e, "instance_uid");
      put_span(L, opamp_event_previous(e), "previous");
      return true;
    default:
      return false;
  }
}

/* What goes over it. */
static bool put_traffic(lua_State *L, const opamp_event *e) {
  switch (opamp_event_kind(e)) {
    case OPAMP_EVENT_MESSAGE_SENT:
      put_number(L, e, OPAMP_NUM_SEQUENCE_NUM, "sequence_num");
      put_number(L, e, OPAMP_NUM_SIZE, "size");
      put_fields(L, e, OPAMP_MSG_AGENT_TO_SERVER);
      return true;
    case OPAMP_EVENT_MESSAGE_RECEIVED:
      put_number(L, e, OPAMP_NUM_SIZE, "size");
      put_fields(L, e, OPAMP_MSG_SERVER_TO_AGENT);
      decode_message(L, opamp_event_msg(e), OPAMP_MSG_SERVER_TO_AGENT);
      lua_setfield(L, -2, "message");
      return true;
    case OPAMP_EVENT_DELIVERED:
      put_number(L, e, OPAMP_NUM_SEQUENCE_NUM, "sequence_num");
      return true;
    case OPAMP_EVENT_SERVER_ERROR:
      put_message(L, e);
      put_seconds(L, e, OPAMP_NUM_RETRY_IN_MS, "retry_in");
      return true;
    case OPAMP_EVENT_PARKED:
      put_fields(L, e, OPAMP_MSG_AGENT_TO_SERVER);
      return true;
    case OPAMP_EVENT_BAD_MESSAGE:
      put_error(L, e);
      return true;
    case OPAMP_EVENT_DROPPED:
      put_number(L, e, OPAMP_NUM_COUNT, "count");
      return true;
    case OPAMP_EVENT_LOG:
      put_log(L, e);
      return true;
    default:
      return false;
  }
}

/* What the server wants. */
static bool put_wish(lua_State *L, const opamp_event *e) {
  switch (opamp_event_kind(e)) {
    case OPAMP_EVENT_REMOTE_CONFIG:
    case OPAMP_EVENT_CONNECTION_SETTINGS:
      put_offer(L, e);
      return true;
    case OPAMP_EVENT_PACKAGES:
    case OPAMP_EVENT_CUSTOM_MESSAGE:
      put_message(L, e);
      return true;
    case OPAMP_EVENT_REMOTE_CONFIG_STATUS:
      put_enum(L, e, OPAMP_MSG_REMOTE_CONFIG_STATUS,
               OPAMP_REMOTE_CONFIG_STATUS_STATUS, "status");
      break;
    case OPAMP_EVENT_CONNECTION_SETTINGS_STATUS:
      put_enum(L, e, OPAMP_MSG_CONNECTION_SETTINGS_STATUS,
               OPAMP_CONNECTION_SETTINGS_STATUS_STATUS, "status");
      break;
    case OPAMP_EVENT_COMMAND:
      put_enum(L, e, OPAMP_MSG_SERVER_TO_AGENT_COMMAND,
               OPAMP_SERVER_TO_AGENT_COMMAND_TYPE, "type");
      return true;
    default:
      return false;
  }
  put_bytes(L, e, "hash");
  put_text(L, e, "error_message");
  return true;
}

/* What is asked of the application's own transport or store. */
static void put_request(lua_State *L, const opamp_event *e) {
  int kind = opamp_event_kind(e);
  if (kind >= OPAMP_EVENT_TRANSPORT_OPEN && kind <= OPAMP_EVENT_TRANSPORT_CLOSE)
    put_number(L, e, OPAMP_NUM_CONNECTION, "connection");
  else if (kind >= OPAMP_EVENT_STORE_LOAD && kind <= OPAMP_EVENT_STORE_ERASE) {
    put_number(L, e, OPAMP_NUM_REQUEST, "request");
    put_text(L, e, "key");
  }
  switch (kind) {
    case OPAMP_EVENT_TRANSPORT_SEND:
      put_bytes(L, e, "message");
      /* fall through */
    case OPAMP_EVENT_TRANSPORT_OPEN:
      put_text(L, e, "url");
      break;
    case OPAMP_EVENT_TRANSPORT_CLOSE:
      put_number(L, e, OPAMP_NUM_CLOSE_CODE, "close_code");
      break;
    case OPAMP_EVENT_STORE_SAVE:
      put_bytes(L, e, "value");
      put_flag(L, e, OPAMP_NUM_SECRET, "secret");
      break;
    default:
      break;
  }
}

/* --- the table ----------------------------------------------------------------------- */

void push_event(lua_State *L, opamp_event *e) {
  opamp_event **owner;
  const char *kind = opamp_event_kind_name(opamp_event_kind(e));
  /* First of all somebody has to own it: the rest may run out of memory. */
  owner = (opamp_event **)lua_newuserdata(L, sizeof *owner);
  *owner = e;
  luaL_getmetatable(L, native_type);
  lua_setmetatable(L, -2);
  lua_createtable(L, 0, 8);
  luaL_getmetatable(L, event_type);
  lua_setmetatable(L, -2);
  lua_pushstring(L, kind != NULL ? kind : "unknown");
  lua_setfield(L, -2, "kind");
  put_text(L, e, "text");
  push_client(L, opamp_event_user_data(e));
  lua_setfield(L, -2, "client");
  if (!put_connection(L, e) && !put_traffic(L, e) && !put_wish(L, e))
    put_request(L, e);
  if (opamp_event_msg(e) != NULL) {
    lua_insert(L, -2);
    lua_setfield(L, -2, "_event");
    return;
  }
  /* Nothing more to be had from it. */
  opamp_event_free(e);
  *owner = NULL;
  lua_remove(L, -2);
}

/* event.raw, and the methods, which are upvalue 1. */
static int event_index(lua_State *L) {
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  if (lua_isnil(L, -1) && lua_type(L, 2) == LUA_TSTRING) {
    lua_pushliteral(L, "raw");
    if (lua_rawequal(L, 2, -1)) {
      opamp_event *e;
      lua_pushliteral(L, "_event");
      lua_rawget(L, 1);
      e = test_type(L, -1, native_type) != NULL
              ? *(opamp_event **)lua_touserdata(L, -1)
              : NULL;
      if (e == NULL)
        lua_pushnil(L);
      else
        push_raw(L, e);
      return 1;
    }
    lua_pop(L, 1);
  }
  return 1;
}

void event_open(lua_State *L) {
  const char *name;
  luaL_newmetatable(L, native_type);
  lua_pushcfunction(L, native_free);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_newmetatable(L, event_type);
  lua_newtable(L);
  answer_open(L);
  lua_pushcclosure(L, event_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  lua_newtable(L);
  for (int kind = 1; (name = opamp_event_kind_name(kind)) != NULL; kind++) {
    lua_pushboolean(L, true);
    lua_setfield(L, -2, name);
  }
  lua_setfield(L, -2, "kinds");
}
