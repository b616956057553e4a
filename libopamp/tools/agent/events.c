/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "common/msg_json.h"

/* Each kind of event is one function that adds its keys to a JSON line; then
 * the event is handed to the part of the agent that acts on it. */

typedef void (*describe)(const agent *a, const opamp_event *e, json_t *line);

static void add_number(const opamp_event *e, json_t *line, const char *key,
                       int num) {
  json_object_set_new(line, key, json_integer(opamp_event_number(e, num)));
}

static void add_error(const opamp_event *e, json_t *line) {
  const char *name = opamp_status_name(opamp_event_status(e));
  json_object_set_new(line, "error", json_string(name));
  out_text(line, "message", opamp_event_text(e));
}

/* The short name of an enumeration value, or its number. */
static json_t *enum_json(int type, int field, int64_t value) {
  const char *name = opamp_msg_enum_name(type, field, (uint64_t)value);
  return name != NULL ? json_string(name) : json_integer(value);
}

json_t *event_field_names(int type, uint64_t bits) {
  json_t *names = json_array();
  for (size_t i = 0; i < opamp_msg_field_count(type); i++) {
    int field = opamp_msg_field_at(type, i);
    if (field < 64 && (bits >> field & 1) != 0)
      json_array_append_new(names,
                            json_string(opamp_msg_field_name(type, field)));
  }
  return names;
}

static void add_fields(const opamp_event *e, json_t *line, int type) {
  uint64_t bits = (uint64_t)opamp_event_number(e, OPAMP_NUM_FIELDS);
  json_object_set_new(line, "fields", event_field_names(type, bits));
}

/* --- the connection ------------------------------------------------------- */

static void connecting(const agent *a, const opamp_event *e, json_t *line) {
  (void)a;
  out_text(line, "endpoint", opamp_event_text(e));
  add_number(e, line, "attempt", OPAMP_NUM_ATTEMPT);
}

static void connected(const agent *a, const opamp_event *e, json_t *line) {
  (void)a;
  out_text(line, "endpoint", opamp_event_text(e));
}

static void connect_failed(const agent *a, const opamp_event *e, json_t *line) {
  (void)a;
  add_error(e, line);
  add_number(e, line, "http_status", OPAMP_NUM_HTTP_STATUS);
  add_number(e, line, "retry_in_ms", OPAMP_NUM_RETRY_IN_MS);
}

static void disconnected(const agent *a, const opamp_event *e, json_t *line) {
  (void)a;
  add_error(e, line);
  add_number(e, line, "close_code", OPAMP_NUM_CLOSE_CODE);
  add_number(e, line, "http_status", OPAMP_NUM_HTTP_STATUS);
  add_number(e, line, "retry_in_ms", OPAMP_NUM_RETRY_IN_MS);
}

static void stopped(const agent *a, const opamp_event *e, json_t *line) {
  bool sent = opamp_event_number(e, OPAMP_NUM_DISCONNECT_SENT) != 0;
  (void)a;
  out_text(line, "reason", opamp_event_text(e));
  json_object_set_new(line, "disconnect_sent", json_boolean(sent));
}

static void message_sent(const agent *a, const opamp_event *e, json_t *line) {
  (void)a;
  add_number(e, line, "sequence_num", OPAMP_NUM_SEQUENCE_NUM);
  add_number(e, line, "bytes", OPAMP_NUM_SIZE);
  add_fields(e, line, OPAMP_MSG_AGENT_TO_SERVER);
}

static void message_received(const agent *a, const opamp_event *e,
                             json_t *line) {
  (void)a;
  add_number(e, line, "bytes", OPAMP_NUM_SIZE);
  add_fields(e, line, OPAMP_MSG_SERVER_TO_AGENT);
}

static void delivered(const agent *a, const opamp_event *e, json_t *line) {
  (void)a;
  add_number(e, line, "sequence_num", OPAMP_NUM_SEQUENCE_NUM);
}

/* --- offers --------------------------------------------------------------- */

static json_t *files_json(const agent *a, const opamp_msg *map) {
  const int field = OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP;
  json_t *files = json_object();
  for (size_t i = 0; i < opamp_msg_count(map, field); i++) {
    const opamp_msg *m = opamp_msg_sub(map, field, i);
    opamp_str name = opamp_msg_key(map, field, i);
    opamp_bytes body = opamp_msg_bytes(m, OPAMP_AGENT_CONFIG_OBJECT_BODY, 0);
    json_t *file = json_pack("{s:I}", "size", (json_int_t)body.len);
    out_text(file, "content_type",
             opamp_msg_str(m, OPAMP_AGENT_CONFIG_OBJECT_CONTENT_TYPE, 0));
    out_text(file, "role", opamp_msg_str(m, OPAMP_AGENT_CONFIG_OBJECT_ROLE, 0));
    if (a->options.json_bodies) out_base64(file, "body", body);
    json_object_setn_new(files, name.ptr, name.len, file);
  }
  return files;
}

static void remote_config(const agent *a, const opamp_event *e, json_t *line) {
  const opamp_msg *m = opamp_event_msg(e);
  out_hex(line, "hash", opamp_event_bytes(e));
  json_object_set_new(
      line, "files",
      files_json(a, opamp_msg_sub(m, OPAMP_AGENT_REMOTE_CONFIG_CONFIG, 0)));
}

static void add_status(const opamp_event *e, json_t *line, int type,
                       int field) {
  out_hex(line, "hash", opamp_event_bytes(e));
  json_object_set_new(
      line, "status",
      enum_json(type, field, opamp_event_number(e, OPAMP_NUM_STATE)));
  out_text(line, "error", opamp_event_text(e));
}

static void remote_config_status(const agent *a, const opamp_event *e,
                                 json_t *line) {
  (void)a;
  add_status(e, line, OPAMP_MSG_REMOTE_CONFIG_STATUS,
             OPAMP_REMOTE_CONFIG_STATUS_STATUS);
}

static void connection_settings(const agent *a, const opamp_event *e,
                                json_t *line) {
  const opamp_msg *m = opamp_event_msg(e);
  json_t *kinds = json_array();
  (void)a;
  for (size_t i = 0; i < opamp_msg_field_count(opamp_msg_type(m)); i++) {
    int field = opamp_msg_field_at(opamp_msg_type(m), i);
    const char *name = opamp_msg_field_name(opamp_msg_type(m), field);
    if (field != OPAMP_CONNECTION_SETTINGS_OFFERS_HASH &&
        opamp_msg_count(m, field) > 0)
      json_array_append_new(kinds, json_string(name));
  }
  out_hex(line, "hash", opamp_event_bytes(e));
  json_object_set_new(line, "kinds", kinds);
}

static void connection_settings_status(const agent *a, const opamp_event *e,
                                       json_t *line) {
  (void)a;
  add_status(e, line, OPAMP_MSG_CONNECTION_SETTINGS_STATUS,
             OPAMP_CONNECTION_SETTINGS_STATUS_STATUS);
}

static void packages(const agent *a, const opamp_event *e, json_t *line) {
  json_t *m = tool_msg_to_json(opamp_event_msg(e));
  json_t *list = json_object_get(m, "packages");
  (void)a;
  out_hex(line, "hash", opamp_event_bytes(e));
  json_object_set_new(line, "packages",
                      list != NULL ? json_incref(list) : json_object());
  json_decref(m);
}

static void command(const agent *a, const opamp_event *e, json_t *line) {
  (void)a;
  json_object_set_new(line, "type",
                      enum_json(OPAMP_MSG_SERVER_TO_AGENT_COMMAND,
                                OPAMP_SERVER_TO_AGENT_COMMAND_TYPE,
                                opamp_event_number(e, OPAMP_NUM_STATE)));
}

/* --- the rest ------------------------------------------------------------- */

static void custom_message(const agent *a, const opamp_event *e, json_t *line) {
  const opamp_msg *m = opamp_event_msg(e);
  (void)a;
  out_text(line, "capability",
           opamp_msg_str(m, OPAMP_CUSTOM_MESSAGE_CAPABILITY, 0));
  out_text(line, "type", opamp_msg_str(m, OPAMP_CUSTOM_MESSAGE_TYPE, 0));
  out_base64(line, "data", opamp_msg_bytes(m, OPAMP_CUSTOM_MESSAGE_DATA, 0));
}

static void identity(const agent *a, const opamp_event *e, json_t *line) {
  (void)a;
  out_uid(line, "instance_uid", opamp_event_bytes(e));
  out_uid(line, "previous", opamp_event_previous(e));
}

static void server_error(const agent *a, const opamp_event *e, json_t *line) {
  const int field = OPAMP_SERVER_ERROR_RESPONSE_TYPE;
  uint64_t type = opamp_msg_u64(opamp_event_msg(e), field, 0);
  (void)a;
  json_object_set_new(
      line, "type",
      enum_json(OPAMP_MSG_SERVER_ERROR_RESPONSE, field, (int64_t)type));
  out_text(line, "message", opamp_event_text(e));
  add_number(e, line, "retry_in_ms", OPAMP_NUM_RETRY_IN_MS);
}

static void parked(const agent *a, const opamp_event *e, json_t *line) {
  (void)a;
  add_fields(e, line, OPAMP_MSG_AGENT_TO_SERVER);
  out_text(line, "message", opamp_event_text(e));
}

static void bad_message(const agent *a, const opamp_event *e, json_t *line) {
  (void)a;
  add_error(e, line);
}

static void heartbeat_interval(const agent *a, const opamp_event *e,
                               json_t *line) {
  (void)a;
  add_number(e, line, "ms", OPAMP_NUM_INTERVAL_MS);
}

static void duplicate_suspected(const agent *a, const opamp_event *e,
                                json_t *line) {
  (void)a;
  out_text(line, "message", opamp_event_text(e));
}

static void dropped(const agent *a, const opamp_event *e, json_t *line) {
  (void)a;
  out_text(line, "what", opamp_event_text(e));
  add_number(e, line, "count", OPAMP_NUM_COUNT);
}

/* --- the table ------------------------------------------------------------ */

/* Kinds without a line (questions put to the tool, log records) have none. */
static const describe lines[] = {
    [OPAMP_EVENT_CONNECTING] = connecting,
    [OPAMP_EVENT_CONNECTED] = connected,
    [OPAMP_EVENT_CONNECT_FAILED] = connect_failed,
    [OPAMP_EVENT_DISCONNECTED] = disconnected,
    [OPAMP_EVENT_STOPPED] = stopped,
    [OPAMP_EVENT_MESSAGE_SENT] = message_sent,
    [OPAMP_EVENT_MESSAGE_RECEIVED] = message_received,
    [OPAMP_EVENT_DELIVERED] = delivered,
    [OPAMP_EVENT_REMOTE_CONFIG] = remote_config,
    [OPAMP_EVENT_REMOTE_CONFIG_STATUS] = remote_config_status,
    [OPAMP_EVENT_CONNECTION_SETTINGS] = connection_settings,
    [OPAMP_EVENT_CONNECTION_SETTINGS_STATUS] = connection_settings_status,
    [OPAMP_EVENT_PACKAGES] = packages,
    [OPAMP_EVENT_COMMAND] = command,
    [OPAMP_EVENT_CUSTOM_MESSAGE] = custom_message,
    [OPAMP_EVENT_IDENTITY] = identity,
    [OPAMP_EVENT_SERVER_ERROR] = server_error,
    [OPAMP_EVENT_PARKED] = parked,
    [OPAMP_EVENT_BAD_MESSAGE] = bad_message,
    [OPAMP_EVENT_HEARTBEAT_INTERVAL] = heartbeat_interval,
    [OPAMP_EVENT_DUPLICATE_SUSPECTED] = duplicate_suspected,
    [OPAMP_EVENT_DROPPED] = dropped,
};

static void print(agent *a, const opamp_event *e) {
  size_t kind = (size_t)opamp_event_kind(e);
  if (kind >= sizeof lines / sizeof *lines || lines[kind] == NULL) return;
  json_t *line = out_new(a, opamp_event_kind_name((int)kind));
  lines[kind](a, e, line);
  out_print(a, line);
}

static bool has_field(const opamp_event *e, int field) {
  return (opamp_event_number(e, OPAMP_NUM_FIELDS) >> field & 1) != 0;
}

static void act(agent *a, opamp_event *e) {
  switch (opamp_event_kind(e)) {
    case OPAMP_EVENT_STOPPED:
      a->finished = true;
      break;
    case OPAMP_EVENT_MESSAGE_SENT:
      if (has_field(e, OPAMP_AGENT_TO_SERVER_AGENT_DISCONNECT))
        a->disconnect_sent = true;
      break;
    case OPAMP_EVENT_REMOTE_CONFIG:
      offers_take(a->offers, e);
      break;
    case OPAMP_EVENT_REMOTE_CONFIG_STATUS:
      offers_status(a->offers, opamp_event_bytes(e),
                    (int)opamp_event_number(e, OPAMP_NUM_STATE));
      break;
    case OPAMP_EVENT_CONNECTION_SETTINGS:
      opamp_event_defer(e); /* settings_status decides, or the deadline */
      break;
    case OPAMP_EVENT_EFFECTIVE_CONFIG_WANTED:
      offers_report(a->offers);
      break;
    case OPAMP_EVENT_CREDENTIALS_WANTED:
      headers_refresh(a->headers, NULL, NULL);
      break;
    case OPAMP_EVENT_IDENTITY:
      if (a->own_description) attributes_describe(a);
      break;
    case OPAMP_EVENT_COMMAND:
      if (opamp_event_number(e, OPAMP_NUM_STATE) == OPAMP_COMMAND_TYPE_RESTART)
        restart_run(a->restart);
      break;
    case OPAMP_EVENT_LOG:
      out_log(a, (int)opamp_event_number(e, OPAMP_NUM_LEVEL), "%.*s",
              (int)opamp_event_text(e).len, opamp_event_text(e).ptr);
      break;
    default:
      break;
  }
}

void event_handle(agent *a, opamp_event *e) {
  print(a, e);
  act(a, e);
}
