/* SPDX-License-Identifier: Apache-2.0 */
/* The commands: a table of names, keys and functions. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/lines.h"
#include "common/msg_json.h"
#include "common/text.h"
#include "common/utf8.h"
#include "peer/internal.h"

/* One command as it is done. */
typedef struct call {
  peer *peer;
  const json_t *args;
  uint64_t connection; /* 0: all */
  uint64_t count;      /* connections or agents it reached */
  char why[512];
} call;

static bool wrong(call *k, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static bool wrong(call *k, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vsnprintf(k->why, sizeof k->why, fmt, args);
  va_end(args);
  return false;
}

/* --- arguments ------------------------------------------------------------ */

static bool number(call *k, const char *key, uint64_t max, uint64_t fallback,
                   uint64_t *out) {
  const json_t *j = json_object_get(k->args, key);
  *out = fallback;
  if (j == NULL) return true;
  if (!json_is_integer(j) || json_integer_value(j) < 0 ||
      (uint64_t)json_integer_value(j) > max)
    return wrong(k, "%s: not an integer from 0 to %llu", key,
                 (unsigned long long)max);
  *out = (uint64_t)json_integer_value(j);
  return true;
}

static bool text(call *k, const char *key, const char *fallback,
                 const char **out) {
  const json_t *j = json_object_get(k->args, key);
  *out = fallback;
  if (j == NULL) return true;
  if (!json_is_string(j)) return wrong(k, "%s: not a text", key);
  *out = json_string_value(j);
  return true;
}

static bool base64(call *k, const char *key, tool_buf *out) {
  const json_t *j = json_object_get(k->args, key);
  if (j == NULL) return true;
  if (!json_is_string(j) ||
      !tool_base64_parse(out, json_string_value(j), json_string_length(j)))
    return wrong(k, "%s: not base64", key);
  return !out->failed || wrong(k, "out of memory");
}

/* {"on": true}, {"on": false}, {"off": true}, {"off": false}. */
static bool on_off(call *k, bool *out) {
  const json_t *on = json_object_get(k->args, "on");
  const json_t *off = json_object_get(k->args, "off");
  if ((on == NULL) == (off == NULL)) return wrong(k, "on: either on or off");
  if (!json_is_boolean(on != NULL ? on : off))
    return wrong(k, "%s: not true or false", on != NULL ? "on" : "off");
  *out = on != NULL ? json_is_true(on) : json_is_false(off);
  return true;
}

/* --- sending -------------------------------------------------------------- */

static bool do_send(call *k, sending *s) {
  s->peer = k->peer;
  s->connection = k->connection;
  targets_send(s);
  k->count = s->count;
  return !s->failed || wrong(k, "out of memory");
}

static bool send_bytes(call *k, item_kind kind, opamp_bytes bytes) {
  sending s = {.kind = kind, .bytes = bytes};
  return do_send(k, &s);
}

static bool cmd_send(call *k) {
  sending s = {.kind = ITEM_MESSAGE};
  char why[400];
  const json_t *j = json_object_get(k->args, "message");
  if (j == NULL) return wrong(k, "message: missing");
  if (tool_msg_from_json(&s.message, OPAMP_MSG_SERVER_TO_AGENT, j, why,
                         sizeof why) != OPAMP_OK)
    return wrong(k, "message: %s", why);
  bool ok = do_send(k, &s);
  opamp_msg_free(s.message);
  return ok;
}

static bool cmd_offer_config(call *k) {
  sending s = {.kind = ITEM_MESSAGE, .address = true};
  char why[400] = "out of memory";
  opamp_msg *offer, *map;
  bool ok = opamp_msg_new(&s.message, OPAMP_MSG_SERVER_TO_AGENT) == 0 &&
            opamp_msg_add(&offer, s.message,
                          OPAMP_SERVER_TO_AGENT_REMOTE_CONFIG) == 0 &&
            opamp_msg_add(&map, offer, OPAMP_AGENT_REMOTE_CONFIG_CONFIG) == 0 &&
            tool_files_from_json(map, json_object_get(k->args, "files"), why,
                                 sizeof why) == 0 &&
            reply_hash(offer, OPAMP_AGENT_REMOTE_CONFIG_CONFIG_HASH, map);
  ok = ok ? do_send(k, &s) : wrong(k, "%s", why);
  opamp_msg_free(s.message);
  return ok;
}

/* What is left of the command without the keys of any command is the offer. */
static bool cmd_offer_settings(call *k) {
  sending s = {.kind = ITEM_MESSAGE, .address = true};
  char why[400] = "out of memory";
  opamp_msg *offer;
  json_t *parts = json_copy((json_t *)k->args);
  json_object_del(parts, "command");
  json_object_del(parts, "connection");
  json_object_del(parts, "id");
  bool ok = parts != NULL &&
            opamp_msg_new(&s.message, OPAMP_MSG_SERVER_TO_AGENT) == 0 &&
            opamp_msg_add(&offer, s.message,
                          OPAMP_SERVER_TO_AGENT_CONNECTION_SETTINGS) == 0 &&
            tool_settings_from_json(offer, parts, why, sizeof why) == 0 &&
            (json_object_get(parts, "hash") != NULL ||
             reply_hash(offer, OPAMP_CONNECTION_SETTINGS_OFFERS_HASH, offer));
  ok = ok ? do_send(k, &s) : wrong(k, "%s", why);
  opamp_msg_free(s.message);
  json_decref(parts);
  return ok;
}

static bool cmd_error(call *k) {
  static const int field = OPAMP_SERVER_ERROR_RESPONSE_TYPE;
  sending s = {.kind = ITEM_MESSAGE, .address = true};
  const char *type, *message;
  uint64_t ms, value;
  opamp_msg *error, *retry;
  if (!text(k, "type", "Unknown", &type) || !text(k, "message", "", &message) ||
      !number(k, "retry_after_ms", UINT64_MAX / 1000000, 0, &ms))
    return false;
  if (!opamp_msg_enum_value(OPAMP_MSG_SERVER_ERROR_RESPONSE, field, type,
                            &value))
    return wrong(k, "type: not Unknown, BadRequest or Unavailable");
  bool ok = opamp_msg_new(&s.message, OPAMP_MSG_SERVER_TO_AGENT) == 0 &&
            opamp_msg_add(&error, s.message,
                          OPAMP_SERVER_TO_AGENT_ERROR_RESPONSE) == 0 &&
            opamp_msg_set_u64(error, field, value) == 0 &&
            opamp_msg_set_str(error, OPAMP_SERVER_ERROR_RESPONSE_ERROR_MESSAGE,
                              (opamp_str){message, strlen(message)}) == 0;
  if (ok && json_object_get(k->args, "retry_after_ms") != NULL)
    ok = opamp_msg_add(&retry, error, OPAMP_SERVER_ERROR_RESPONSE_RETRY_INFO) ==
             0 &&
         opamp_msg_set_u64(retry, OPAMP_RETRY_INFO_RETRY_AFTER_NANOSECONDS,
                           ms * 1000000) == 0;
  ok = ok ? do_send(k, &s) : wrong(k, "out of memory");
  opamp_msg_free(s.message);
  return ok;
}

static bool cmd_garbage(call *k) {
  tool_buf bytes = {0};
  const json_t *raw = json_object_get(k->args, "raw");
  if (raw != NULL && !json_is_boolean(raw))
    return wrong(k, "raw: not true or false");
  bool ok =
      json_object_get(k->args, "base64") != NULL || wrong(k, "base64: missing");
  ok = ok && base64(k, "base64", &bytes) &&
       send_bytes(k, json_is_true(raw) ? ITEM_RAW : ITEM_BODY,
                  (opamp_bytes){bytes.ptr, bytes.len});
  tool_buf_free(&bytes);
  return ok;
}

static bool cmd_text(call *k) {
  const char *t;
  return text(k, "text", "text", &t) &&
         send_bytes(k, ITEM_TEXT, (opamp_bytes){(const uint8_t *)t, strlen(t)});
}

/* --- connections ---------------------------------------------------------- */

/* The connection after `c` that is meant, counting it. */
static conn *next_target(call *k, conn *c) {
  c = c == NULL ? k->peer->first : c->next;
  while (c != NULL &&
         (c->finished || (k->connection != 0 && k->connection != c->number)))
    c = c->next;
  if (c != NULL) k->count++;
  return c;
}

static bool cmd_close(call *k) {
  uint64_t code;
  const char *reason;
  if (!number(k, "code", 65535, 1000, &code) || !text(k, "reason", "", &reason))
    return false;
  for (conn *c = NULL; (c = next_target(k, c)) != NULL;) {
    if (c->websocket) {
      c->close_code = (int)code;
      conn_ws_close(c, (int)code, reason);
    } else {
      conn_finish(c);
    }
  }
  return true;
}

static bool cmd_reset(call *k) {
  for (conn *c = NULL; (c = next_target(k, c)) != NULL;) conn_reset(c);
  return true;
}

static bool cmd_stall(call *k) {
  uint64_t ms;
  if (!number(k, "ms", UINT32_MAX, UINT32_MAX, &ms)) return false;
  for (conn *c = NULL; (c = next_target(k, c)) != NULL;) conn_stall(c, ms);
  if (k->connection == 0)
    k->peer->stalled_until_ms = ms == 0 ? 0 : uv_now(k->peer->loop) + ms;
  return true;
}

static bool cmd_fragment(call *k) {
  uint64_t bytes;
  if (json_object_get(k->args, "bytes") == NULL)
    return wrong(k, "bytes: missing");
  if (!number(k, "bytes", MESSAGE_MAX, 0, &bytes)) return false;
  for (conn *c = NULL; (c = next_target(k, c)) != NULL;)
    c->piece = (size_t)bytes;
  if (k->connection == 0) k->peer->piece = (size_t)bytes;
  return true;
}

static bool cmd_auto_reply(call *k) {
  bool on = false;
  if (!on_off(k, &on)) return false;
  for (conn *c = NULL; (c = next_target(k, c)) != NULL;) {
    c->auto_reply = on;
    peer_release(c);
  }
  if (k->connection == 0) k->peer->auto_reply = on;
  return true;
}

/* --- canned responses ----------------------------------------------------- */

static bool check_headers(call *k, const json_t *headers) {
  const char *name;
  json_t *value;
  if (headers != NULL && !json_is_object(headers))
    return wrong(k, "headers: not an object");
  json_object_foreach((json_t *)headers, name, value) {
    if (!json_is_string(value)) return wrong(k, "headers.%s: not a text", name);
  }
  return true;
}

static canned *new_canned(call *k) {
  uint64_t status, times;
  json_t *headers = json_object_get(k->args, "headers");
  if (json_object_get(k->args, "http_status") == NULL) {
    wrong(k, "http_status: missing");
    return NULL;
  }
  if (!number(k, "http_status", 999, 0, &status) ||
      !number(k, "times", UINT32_MAX, 1, &times) || !check_headers(k, headers))
    return NULL;
  canned *r = calloc(1, sizeof *r);
  if (r == NULL) {
    wrong(k, "out of memory");
    return NULL;
  }
  r->status = (int)status;
  r->times = times;
  r->headers = json_incref(headers);
  if (!base64(k, "body_base64", &r->body)) {
    canned_free_all(r);
    return NULL;
  }
  return r;
}

static bool cmd_respond(call *k) {
  conn *c = NULL;
  canned **list = &k->peer->responses;
  if (k->connection != 0) {
    c = next_target(k, NULL);
    if (c == NULL) return true;
    list = &c->responses;
  }
  canned *r = new_canned(k);
  if (r == NULL) return false;
  // No times at all: what waits is forgotten.
  if (r->times == 0) {
    canned_free_all(*list);
    canned_free_all(r);
    *list = NULL;
    return true;
  }
  while (*list != NULL) list = &(*list)->next;
  *list = r;
  for (c = c != NULL ? c : k->peer->first; c != NULL; c = c->next) {
    peer_release(c);
    if (k->connection != 0) break;
  }
  return true;
}

/* --- the server ----------------------------------------------------------- */

static bool cmd_accept(call *k) {
  bool on = false;
  if (!on_off(k, &on)) return false;
  if (k->peer->stopping) return wrong(k, "the server stops");
  return listener_accept(&k->peer->listener, on, k->why, sizeof k->why);
}

static bool cmd_stop(call *k) {
  peer_stop(k->peer);
  return true;
}

/* --- the table ------------------------------------------------------------ */

enum { KEYS_MAX = 6 };

static const struct command {
  const char *name;
  const char *keys[KEYS_MAX];
  bool targets; /* takes `connection` */
  bool (*run)(call *k);
} commands[] = {
    {"send", {"message"}, true, cmd_send},
    {"offer_config", {"files"}, true, cmd_offer_config},
    {"offer_settings",
     {"opamp", "own_metrics", "own_traces", "own_logs", "other_connections",
      "hash"},
     true,
     cmd_offer_settings},
    {"error", {"type", "message", "retry_after_ms"}, true, cmd_error},
    {"respond",
     {"http_status", "headers", "body_base64", "times"},
     true,
     cmd_respond},
    {"close", {"code", "reason"}, true, cmd_close},
    {"reset", {NULL}, true, cmd_reset},
    {"stall", {"ms"}, true, cmd_stall},
    {"garbage", {"base64", "raw"}, true, cmd_garbage},
    {"text", {"text"}, true, cmd_text},
    {"fragment", {"bytes"}, true, cmd_fragment},
    {"auto_reply", {"on", "off"}, true, cmd_auto_reply},
    {"accept", {"on", "off"}, false, cmd_accept},
    {"stop", {NULL}, false, cmd_stop},
};

static const struct command *find(const json_t *args) {
  const char *name = json_string_value(json_object_get(args, "command"));
  for (size_t i = 0; name != NULL && i < sizeof commands / sizeof *commands;
       i++)
    if (strcmp(commands[i].name, name) == 0) return &commands[i];
  return NULL;
}

static bool knows_key(const struct command *cmd, const char *key) {
  if (strcmp(key, "command") == 0 || strcmp(key, "id") == 0) return true;
  if (strcmp(key, "connection") == 0) return cmd->targets;
  for (size_t i = 0; i < KEYS_MAX && cmd->keys[i] != NULL; i++)
    if (strcmp(cmd->keys[i], key) == 0) return true;
  return false;
}

/* A connection that is named must be there, or have been an HTTP agent's. */
static void find_agent(agent *a, void *user_data) {
  call *k = user_data;
  if (a->http && a->connection == k->connection) k->count = 1;
}

static bool check_target(call *k) {
  if (k->connection == 0) return true;
  for (const conn *c = k->peer->first; c != NULL; c = c->next)
    if (c->number == k->connection) return true;
  agents_each(k->peer, find_agent, k);
  if (k->count == 0)
    return wrong(k, "connection: there is no connection %llu",
                 (unsigned long long)k->connection);
  k->count = 0;
  return true;
}

static bool run(call *k) {
  const struct command *cmd = find(k->args);
  const char *key;
  json_t *value;
  if (cmd == NULL) return wrong(k, "command: there is no such command");
  json_object_foreach((json_t *)k->args, key, value) {
    if (!knows_key(cmd, key)) return wrong(k, "%s: unknown key", key);
  }
  if (json_object_get(k->args, "connection") != NULL &&
      !number(k, "connection", INT64_MAX, 0, &k->connection))
    return false;
  if (!cmd->targets) k->connection = 0;
  if (!check_target(k) || !cmd->run(k)) return false;
  return k->connection == 0 || k->count > 0 ||
         wrong(k, "connection: not possible on connection %llu",
               (unsigned long long)k->connection);
}

static void result(peer *p, const json_t *id, bool ok, uint64_t count,
                   const char *why) {
  json_t *fields =
      json_pack("{s:O, s:b}", "id", id != NULL ? id : json_null(), "ok", ok);
  if (ok) {
    json_object_set_new(fields, "connections", json_integer((json_int_t)count));
  } else {
    json_object_set_new(fields, "error", json_string("OPAMP_ERR_INVALID"));
    char text[sizeof((call *)0)->why]; /* names in it may have been cut */
    utf8_clean(text, sizeof text, why, strlen(why));
    json_object_set_new(fields, "message", json_string(text));
  }
  peer_emit(p, "result", fields);
}

void peer_command(peer *p, const json_t *command, uint64_t connection) {
  call k = {.peer = p, .args = command, .connection = connection};
  bool ok = run(&k);
  result(p, json_object_get(command, "id"), ok, k.count, k.why);
}

void peer_command_line(peer *p, const char *line, size_t len) {
  char why[200] = "line too long";
  json_t *j = line != NULL ? tool_line_parse(line, len, why, sizeof why) : NULL;
  if (j != NULL) peer_command(p, j, 0);
  json_t *id = j == NULL && line != NULL ? tool_line_id(line, len) : NULL;
  if (j == NULL) result(p, id, false, 0, why);
  json_decref(id);
  json_decref(j);
}

const char *peer_command_check(const json_t *command) {
  const struct command *cmd = find(command);
  const char *key;
  json_t *value;
  if (cmd == NULL) return "there is no such command";
  json_object_foreach((json_t *)command, key, value) {
    if (!knows_key(cmd, key)) return "unknown key";
  }
  return NULL;
}
