/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/carried.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "opamp/transport.h"
#include "runtime/runtime.h"

/* One more transport behind the same few functions: what is asked of it becomes
 * an event, what the application answers an input of the core. */

typedef struct carried {
  opamp__conn conn;
  opamp_client *client;
  char *url;
  int64_t number; /* of the connection, or the exchange; 0: between two */
  bool duplex;
  bool writing; /* duplex: SEND is not answered by written yet */
} carried;

/* --- asking --------------------------------------------------------------- */

static opamp_status ask(carried *k, int kind, int64_t number, opamp_str text,
                        opamp_bytes bytes, int code) {
  opamp_event *e = opamp__event_new(kind);
  if (e == NULL || (text.len > 0 && !opamp__event_set_text(e, text)) ||
      (bytes.len > 0 && !opamp__event_set_bytes(e, bytes))) {
    opamp__event_destroy(e);
    return opamp__nomem();
  }
  opamp__event_set_number(e, OPAMP_NUM_CONNECTION, number);
  if (kind == OPAMP_EVENT_TRANSPORT_CLOSE)
    opamp__event_set_number(e, OPAMP_NUM_CLOSE_CODE, code);
  opamp__queue_push(k->client, e);
  return OPAMP_OK;
}

static void ask_close(carried *k, int code) {
  /* Without memory for it the application learns from the next number that this
   * one is over. */
  (void)ask(k, OPAMP_EVENT_TRANSPORT_CLOSE, k->number, (opamp_str){NULL, 0},
            (opamp_bytes){NULL, 0}, code);
}

static opamp_status send_message(opamp__conn *conn, uint8_t *frame,
                                 size_t len) {
  carried *k = (carried *)conn;
  int64_t number = k->duplex ? k->number : k->client->carried + 1;
  opamp_str url = k->duplex ? (opamp_str){NULL, 0} : opamp__str(k->url);
  opamp_status status = ask(k, OPAMP_EVENT_TRANSPORT_SEND, number, url,
                            (opamp_bytes){frame, len}, 0);
  if (status != OPAMP_OK) return status;
  k->number = k->client->carried = number;
  k->writing = k->duplex;
  /* The time for a request runs from here. This may be the end of `k`. */
  if (!k->duplex) conn->sink->opened(conn->ctx);
  return OPAMP_OK;
}

static void ping(opamp__conn *conn) {
  carried *k = (carried *)conn;
  if (k->duplex) /* an event that cannot be made is a ping that is lost */
    (void)ask(k, OPAMP_EVENT_TRANSPORT_PING, k->number, (opamp_str){NULL, 0},
              (opamp_bytes){NULL, 0}, 0);
}

/* --- the end -------------------------------------------------------------- */

static void destroy(carried *k) {
  opamp__free(k->url);
  opamp__free(k);
}

/* What waits of it means nothing any more. False when the application does not
 * even know that it existed. */
static bool withdraw(carried *k) {
  return !opamp__queue_withdraw(
      k->client, k->number,
      k->duplex ? OPAMP_EVENT_TRANSPORT_OPEN : OPAMP_EVENT_TRANSPORT_SEND);
}

static void close_in_order(opamp__conn *conn, int code) {
  ask_close((carried *)conn, code);
}

static void abort_at_once(opamp__conn *conn) {
  carried *k = (carried *)conn;
  if (k->number != 0 && withdraw(k)) ask_close(k, 0);
  destroy(k);
}

/* --- the beginning -------------------------------------------------------- */

opamp_status opamp__carried_open(opamp__conn **out, opamp_client *c,
                                 const opamp__url *url,
                                 const opamp__sink *sink) {
  static const opamp__conn_ops ops = {.send = send_message,
                                      .ping = ping,
                                      .close = close_in_order,
                                      .abort = abort_at_once};
  carried *k = opamp__calloc(1, sizeof *k);
  opamp_status status = OPAMP_OK;
  *out = NULL;
  if (k == NULL) return opamp__nomem();
  k->conn = (opamp__conn){&ops, c->loop->transport, sink, c};
  k->client = c;
  k->duplex = url->websocket;
  k->url = opamp__strndup(url->text, strlen(url->text));
  if (k->url == NULL)
    status = opamp__nomem();
  else if (k->duplex)
    status = ask(k, OPAMP_EVENT_TRANSPORT_OPEN, c->carried + 1,
                 opamp__str(k->url), (opamp_bytes){NULL, 0}, 0);
  if (status != OPAMP_OK) {
    destroy(k);
    return status;
  }
  if (k->duplex) k->number = ++c->carried;
  *out = &k->conn;
  return OPAMP_OK;
}

/* --- hearing -------------------------------------------------------------- */

bool opamp__carried_hears(opamp__conn **conn, const opamp__command *answer) {
  carried *k = (carried *)*conn;
  if (k == NULL || k->number == 0 || (uint64_t)k->number != answer->in.number)
    return false;
  switch (answer->in.kind) {
    case OPAMP__IN_OPENED:
      return k->duplex;
    case OPAMP__IN_WRITTEN:
      if (!k->writing) return false;
      k->writing = false;
      return true;
    case OPAMP__IN_FRAME:
      if (k->duplex) return true;
      (void)withdraw(k);
      k->number = 0;
      return true;
    case OPAMP__IN_CLOSED:
      (void)withdraw(k);
      destroy(k);
      *conn = NULL;
      return true;
    default:
      return true;
  }
}

/* --- answering: any thread ------------------------------------------------ */

static opamp_status check(const opamp_client *c, const char *function) {
  opamp_status status = opamp__client_check(c, function);
  if (status == OPAMP_OK && c->options->numbers[OPAMP_OPT_OWN_TRANSPORT] == 0)
    return opamp__fail(OPAMP_ERR_STATE, "%s: option own-transport is off",
                       function);
  return status;
}

static opamp_status post(opamp_client *c, opamp__command *cmd,
                         int64_t connection) {
  if (cmd == NULL) return opamp__nomem();
  cmd->in.number = (uint64_t)connection;
  return opamp__client_post(c, cmd);
}

/* An answer that is nothing but its kind. */
static opamp_status tell(opamp_client *c, opamp__in_kind kind,
                         int64_t connection, const char *function) {
  opamp_status status = check(c, function);
  if (status != OPAMP_OK) return status;
  return post(c, opamp__command_new(kind), connection);
}

opamp_status opamp_client_transport_opened(opamp_client *c,
                                           int64_t connection) {
  return tell(c, OPAMP__IN_OPENED, connection, __func__);
}

opamp_status opamp_client_transport_written(opamp_client *c,
                                            int64_t connection) {
  return tell(c, OPAMP__IN_WRITTEN, connection, __func__);
}

opamp_status opamp_client_transport_alive(opamp_client *c, int64_t connection) {
  return tell(c, OPAMP__IN_ALIVE, connection, __func__);
}

opamp_status opamp_client_transport_received(opamp_client *c,
                                             int64_t connection,
                                             opamp_bytes message) {
  opamp_status status = check(c, __func__);
  opamp__command *cmd;
  if (status != OPAMP_OK) return status;
  cmd = opamp__command_new(OPAMP__IN_FRAME);
  /* An empty body is a message too, and one has a pointer. */
  if (cmd != NULL && (!opamp__buf_reserve(&cmd->value, message.len + 1) ||
                      !opamp__buf_set(&cmd->value, message.ptr, message.len))) {
    opamp__command_free(cmd);
    cmd = NULL;
  }
  return post(c, cmd, connection);
}

static bool is_http_status(int code) {
  return code >= 100 && code <= 599;
}

static bool is_close_code(int code) {
  return code >= 1000 && code <= 4999;
}

opamp_status opamp_client_transport_closed(opamp_client *c, int64_t connection,
                                           opamp_status why, int code,
                                           int64_t retry_after_ms,
                                           const char *text) {
  opamp_str said = opamp__str(text);
  opamp_status status = check(c, __func__);
  opamp__command *cmd;
  if (status != OPAMP_OK) return status;
  if (why >= OPAMP_OK ||
      strcmp(opamp_status_name(why), "OPAMP_ERR_UNKNOWN") == 0)
    return opamp__fail(OPAMP_ERR_INVALID, "closed: %d is no failure", why);
  if (code != 0 && !is_http_status(code) && !is_close_code(code))
    return opamp__fail(OPAMP_ERR_INVALID,
                       "closed: %d is no HTTP status and no close code", code);
  if (said.len > 0 && !opamp__utf8_valid((const uint8_t *)said.ptr, said.len))
    return opamp__fail(OPAMP_ERR_UTF8, "closed: the text is not UTF-8");
  cmd = opamp__command_new(OPAMP__IN_CLOSED);
  if (cmd != NULL && !opamp__buf_set(&cmd->text, said.ptr, said.len)) {
    opamp__command_free(cmd);
    cmd = NULL;
  }
  if (cmd == NULL) return opamp__nomem();
  cmd->closed.why = why;
  cmd->closed.http_status = is_http_status(code) ? code : 0;
  cmd->closed.close_code = is_close_code(code) ? code : 0;
  cmd->closed.retry_after_ms = retry_after_ms < 0 ? -1 : retry_after_ms;
  return post(c, cmd, connection);
}
