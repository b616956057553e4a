/* SPDX-License-Identifier: Apache-2.0 */
#include "core/event.h"

#include "base/mem.h"

opamp_event *opamp__event_new(int kind) {
  opamp_event *e = opamp__calloc(1, sizeof *e);
  if (e == NULL) return NULL;
  opamp__handle_begin(&e->handle, OPAMP__HANDLE_EVENT);
  e->kind = kind;
  return e;
}

void opamp__event_destroy(opamp_event *e) {
  if (e == NULL) return;
  opamp__buf_free(&e->text);
  opamp__buf_wipe_free(&e->bytes); /* the store's may be a key */
  opamp__buf_free(&e->previous);
  opamp_msg_free(e->msg);
  opamp__handle_free(&e->handle, sizeof *e);
}

bool opamp__event_set_text(opamp_event *e, opamp_str text) {
  opamp__buf b = {NULL, 0, 0};
  if (!opamp__buf_append(&b, text.ptr, text.len) || !opamp__buf_byte(&b, 0)) {
    opamp__buf_free(&b);
    return false;
  }
  b.len--;
  opamp__buf_free(&e->text);
  e->text = b;
  return true;
}

bool opamp__event_set_bytes(opamp_event *e, opamp_bytes bytes) {
  return opamp__buf_set(&e->bytes, bytes.ptr, bytes.len);
}

void opamp__event_set_number(opamp_event *e, int num, int64_t value) {
  for (int i = 0; i < OPAMP__EVENT_NUMBERS; i++) {
    if (e->keys[i] == 0 || e->keys[i] == num) {
      e->keys[i] = (uint8_t)num;
      e->values[i] = value;
      return;
    }
  }
}

bool opamp__event_is_question(int kind) {
  return kind == OPAMP_EVENT_REMOTE_CONFIG ||
         kind == OPAMP_EVENT_CONNECTION_SETTINGS;
}

bool opamp__event_replaces(int kind) {
  switch (kind) {
    case OPAMP_EVENT_CUSTOM_MESSAGE:
    case OPAMP_EVENT_LOG:
    case OPAMP_EVENT_COMMAND:
    case OPAMP_EVENT_MESSAGE_SENT:
    case OPAMP_EVENT_MESSAGE_RECEIVED:
    case OPAMP_EVENT_IDENTITY:
    case OPAMP_EVENT_PARKED:
    case OPAMP_EVENT_STOPPED:
    case OPAMP_EVENT_TRANSPORT_OPEN:
    case OPAMP_EVENT_TRANSPORT_SEND:
    case OPAMP_EVENT_TRANSPORT_PING:
    case OPAMP_EVENT_TRANSPORT_CLOSE:
    case OPAMP_EVENT_STORE_LOAD:
    case OPAMP_EVENT_STORE_SAVE:
    case OPAMP_EVENT_STORE_ERASE:
      return false;
    default:
      return true;
  }
}

static const char *const kind_names[] = {
    [OPAMP_EVENT_CONNECTING] = "connecting",
    [OPAMP_EVENT_CONNECTED] = "connected",
    [OPAMP_EVENT_CONNECT_FAILED] = "connect_failed",
    [OPAMP_EVENT_DISCONNECTED] = "disconnected",
    [OPAMP_EVENT_STOPPED] = "stopped",
    [OPAMP_EVENT_MESSAGE_SENT] = "message_sent",
    [OPAMP_EVENT_MESSAGE_RECEIVED] = "message_received",
    [OPAMP_EVENT_DELIVERED] = "delivered",
    [OPAMP_EVENT_REMOTE_CONFIG] = "remote_config",
    [OPAMP_EVENT_REMOTE_CONFIG_STATUS] = "remote_config_status",
    [OPAMP_EVENT_CONNECTION_SETTINGS] = "connection_settings",
    [OPAMP_EVENT_CONNECTION_SETTINGS_STATUS] = "connection_settings_status",
    [OPAMP_EVENT_PACKAGES] = "packages",
    [OPAMP_EVENT_COMMAND] = "command",
    [OPAMP_EVENT_CUSTOM_MESSAGE] = "custom_message",
    [OPAMP_EVENT_IDENTITY] = "identity",
    [OPAMP_EVENT_SERVER_ERROR] = "server_error",
    [OPAMP_EVENT_CREDENTIALS_WANTED] = "credentials_wanted",
    [OPAMP_EVENT_EFFECTIVE_CONFIG_WANTED] = "effective_config_wanted",
    [OPAMP_EVENT_PARKED] = "parked",
    [OPAMP_EVENT_BAD_MESSAGE] = "bad_message",
    [OPAMP_EVENT_HEARTBEAT_INTERVAL] = "heartbeat_interval",
    [OPAMP_EVENT_DUPLICATE_SUSPECTED] = "duplicate_suspected",
    [OPAMP_EVENT_DROPPED] = "dropped",
    [OPAMP_EVENT_LOG] = "log",
    [OPAMP_EVENT_TRANSPORT_OPEN] = "transport_open",
    [OPAMP_EVENT_TRANSPORT_SEND] = "transport_send",
    [OPAMP_EVENT_TRANSPORT_PING] = "transport_ping",
    [OPAMP_EVENT_TRANSPORT_CLOSE] = "transport_close",
    [OPAMP_EVENT_STORE_LOAD] = "store_load",
    [OPAMP_EVENT_STORE_SAVE] = "store_save",
    [OPAMP_EVENT_STORE_ERASE] = "store_erase"};

const char *opamp_event_kind_name(int kind) {
  if (kind < 1 || (size_t)kind >= sizeof kind_names / sizeof *kind_names)
    return NULL;
  return kind_names[kind];
}
