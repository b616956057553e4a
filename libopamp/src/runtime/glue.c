/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/retry_after.h"
#include "base/str.h"
#include "base/uuid.h"
#include "runtime/carried.h"
#include "runtime/runtime.h"

/* One client's core, its connection and the clock. What the transport says
 * becomes an input of the core; what the core wants is performed here. Inputs
 * that come while actions are being performed wait in `deferred`, so that the
 * core is never entered twice. */

enum { RETRY_MS = 1000 /* after a lack of memory */ };

/* --- from the transport --------------------------------------------------- */

static void settle(opamp_client *c, uint64_t not_before);

static void defer(opamp_client *c, opamp__command *cmd) {
  opamp__command **end = &c->deferred;
  while (*end != NULL) end = &(*end)->next;
  *end = cmd;
}

/* The connection cannot be told from one that broke when what it said could
 * not be kept. */
static void defer_failed(opamp_client *c) {
  if (c->conn != NULL) opamp__conn_abort(c->conn);
  c->conn = NULL;
  c->conn_broken = true;
}

static void input(opamp_client *c, opamp__in_kind kind) {
  opamp__input in = {.kind = kind};
  opamp__command *cmd;
  if (!c->busy) {
    (void)opamp__core_feed(c->core, &in, opamp__now_ms());
    settle(c, 0);
    return;
  }
  cmd = opamp__command_new(kind);
  if (cmd != NULL)
    defer(c, cmd);
  else
    defer_failed(c);
}

static void on_opened(void *ctx) {
  input(ctx, OPAMP__IN_OPENED);
}

static void on_alive(void *ctx) {
  input(ctx, OPAMP__IN_ALIVE);
}

static void on_written(void *ctx) {
  input(ctx, OPAMP__IN_WRITTEN);
}

static void on_frame(void *ctx, const uint8_t *p, size_t n) {
  static const uint8_t nothing = 0; /* an empty body is a message too */
  opamp_client *c = ctx;
  opamp__input in = {.kind = OPAMP__IN_FRAME,
                     .frame = {n == 0 ? &nothing : p, n}};
  opamp__command *cmd;
  if (!c->busy) {
    (void)opamp__core_feed(c->core, &in, opamp__now_ms());
    settle(c, 0);
    return;
  }
  cmd = opamp__command_new(OPAMP__IN_FRAME);
  if (cmd != NULL && opamp__buf_reserve(&cmd->value, n + 1) &&
      opamp__buf_set(&cmd->value, in.frame.ptr, n)) {
    defer(c, cmd);
  } else {
    opamp__command_free(cmd);
    defer_failed(c);
  }
}

static bool keep_text(opamp__buf *to, opamp_str text) {
  return opamp__buf_set(to, text.ptr, text.len);
}

static void feed_closed(opamp_client *c, const opamp__in_closed *closed) {
  opamp__input in = {.kind = OPAMP__IN_CLOSED, .closed = closed};
  opamp__command *cmd;
  if (!c->busy) {
    (void)opamp__core_feed(c->core, &in, opamp__now_ms());
    settle(c, 0);
    return;
  }
  cmd = opamp__command_new(OPAMP__IN_CLOSED);
  if (cmd != NULL && keep_text(&cmd->text, closed->text) &&
      keep_text(&cmd->hash, closed->location) &&
      keep_text(&cmd->value, closed->body)) {
    cmd->closed = *closed;
    defer(c, cmd);
  } else {
    opamp__command_free(cmd);
    defer_failed(c);
  }
}

static void on_closed(void *ctx, const opamp__closed *why) {
  opamp_client *c = ctx;
  opamp__in_closed closed = {.why = why->why,
                             .http_status = why->http_status,
                             .close_code = why->close_code,
                             .retry_after_ms = opamp__retry_after_ms(
                                 why->retry_after, (int64_t)time(NULL)),
                             .text = why->text,
                             .location = why->location,
                             .body = why->body};
  c->conn = NULL;
  feed_closed(c, &closed);
}

static const opamp__sink sink = {on_opened, on_frame, on_alive, on_written,
                                 on_closed};

/* --- actions -------------------------------------------------------------- */

/* An action failed at once: the core hears it as the end of the connection. */
static void failed(opamp_client *c, opamp_status why) {
  opamp__in_closed closed = {
      .why = why, .retry_after_ms = -1, .text = opamp__str(opamp_errmsg())};
  if (c->conn != NULL) opamp__conn_abort(c->conn);
  c->conn = NULL;
  feed_closed(c, &closed);
}

static const opamp__url *url_in_use(const opamp_client *c) {
  return c->url.text != NULL ? &c->url : &c->options->url;
}

/* What was offered, when that is another than at the last connection. */
static opamp_status take_offered(opamp_client *c) {
  const opamp_msg *settings = opamp__core_settings(c->core);
  uint32_t now = opamp__core_look(c->core)->settings;
  opamp__offered *fresh = NULL;
  if (now == c->offered_at) return OPAMP_OK;
  if (settings != NULL) {
    opamp_status status = opamp__offered_new(&fresh, c->options, settings);
    if (status != OPAMP_OK) return status;
  }
  opamp__offered_free(c->offered);
  c->offered = fresh;
  c->offered_at = now;
  c->own_headers = false;
  return OPAMP_OK;
}

static opamp_status connect_to(opamp_client *c) {
  char uid[OPAMP_UID_TEXT_LEN + 1];
  opamp__proxy from_env = {.address = NULL};
  opamp_status status;
  const uint64_t *numbers = c->options->numbers;
  const opamp__headers *headers =
      c->headers != NULL ? c->headers : &c->options->headers;
  opamp__endpoint ep = {.url = url_in_use(c),
                        .headers = c->credentials ? headers : NULL,
                        .instance_uid = uid,
                        .max_receive = (size_t)numbers[OPAMP_OPT_MAX_RECEIVE],
                        .compress = numbers[OPAMP_OPT_COMPRESSION] != 0,
                        .numeric_hosts = numbers[OPAMP_OPT_NUMERIC_HOSTS] != 0};
  if (numbers[OPAMP_OPT_OWN_TRANSPORT] != 0)
    return opamp__carried_open(&c->conn, c, ep.url, &sink);
  opamp_uid_format(opamp__core_look(c->core)->uid, uid);
  status = take_offered(c);
  if (status == OPAMP_OK)
    status = opamp__snapshot_proxy(c->options, ep.url, &from_env, &ep.proxy);
  opamp__offered_apply(c->offered, &ep);
  if (c->own_headers && ep.headers != NULL) ep.headers = headers;
  if (status == OPAMP_OK && opamp__endpoint_wants_tls(&ep) && ep.tls == NULL)
    status = opamp__snapshot_tls(c->options, &ep.tls);
  if (status == OPAMP_OK)
    status = opamp__conn_open(&c->conn, c->loop->transport, &ep, &sink, c);
  opamp__proxy_free(&from_env);
  return status;
}

/* Keeps the URL for the getter, and for a connection that is made only when
 * there is something to send (HTTP). */
static opamp_status use_url(opamp_client *c, const opamp__url *url) {
  opamp__url copy = {0};
  if (strcmp(url->text, url_in_use(c)->text) == 0) return OPAMP_OK;
  if (strcmp(url->text, c->options->url.text) != 0 &&
      opamp__url_copy(&copy, url) != OPAMP_OK)
    return OPAMP_ERR_NOMEM;
  opamp__lock(c->loop);
  if (c->url.text != NULL) opamp__url_free(&c->url);
  c->url = copy;
  opamp__unlock(c->loop);
  return OPAMP_OK;
}

static void do_open(opamp_client *c, const opamp__action *a) {
  opamp_status status;
  if (c->conn != NULL) opamp__conn_abort(c->conn);
  c->conn = NULL;
  c->credentials = a->credentials;
  status = use_url(c, a->url);
  if (status == OPAMP_OK && a->url->websocket) status = connect_to(c);
  if (status != OPAMP_OK) failed(c, status);
}

static void do_send(opamp_client *c, const opamp__action *a) {
  opamp_status status = OPAMP_OK;
  if (c->conn == NULL && !url_in_use(c)->websocket) status = connect_to(c);
  if (status == OPAMP_OK)
    status = c->conn == NULL
                 ? opamp__fail(OPAMP_ERR_TRANSPORT, "there is no connection")
                 : opamp__conn_send(c->conn, a->frame, a->len);
  if (status != OPAMP_OK) failed(c, status);
}

static void do_close(opamp_client *c, int code) {
  if (c->conn != NULL)
    opamp__conn_close(c->conn, code);
  else
    failed(c, opamp__fail(OPAMP_ERR_CLOSED, "there is no connection"));
}

/* --- events on their way -------------------------------------------------- */

static void remember_error(opamp_client *c, const opamp_event *e) {
  char *copy = opamp__strndup((const char *)e->text.ptr, e->text.len);
  char *old;
  if (copy == NULL) return; /* the older one stays */
  opamp__lock(c->loop);
  old = c->last_error;
  c->last_error = copy;
  opamp__unlock(c->loop);
  opamp__free(old);
}

static void remember_config(opamp_client *c, const opamp_event *e) {
  if (opamp_event_number(e, OPAMP_NUM_STATE) !=
      OPAMP_REMOTE_CONFIG_STATUSES_APPLIED)
    return;
  opamp__lock(c->loop);
  (void)opamp__buf_set(&c->config_hash, e->bytes.ptr, e->bytes.len);
  opamp__unlock(c->loop);
}

static void emit(opamp_client *c, opamp_event *e) {
  switch (e->kind) {
    case OPAMP_EVENT_CONNECT_FAILED:
    case OPAMP_EVENT_DISCONNECTED:
    case OPAMP_EVENT_BAD_MESSAGE:
    case OPAMP_EVENT_SERVER_ERROR:
      if (e->text.len > 0) remember_error(c, e);
      break;
    case OPAMP_EVENT_REMOTE_CONFIG_STATUS:
      remember_config(c, e);
      break;
    case OPAMP_EVENT_STOPPED:
      opamp__lock(c->loop);
      c->started = false;
      opamp__unlock(c->loop);
      break;
    default:
      break;
  }
  opamp__queue_push(c, e);
}

static void perform(opamp_client *c, const opamp__action *a) {
  opamp__command *answer = NULL;
  switch (a->kind) {
    case OPAMP__DO_OPEN:
      do_open(c, a);
      break;
    case OPAMP__DO_SEND:
      do_send(c, a);
      break;
    case OPAMP__DO_PING:
      if (c->conn != NULL) opamp__conn_ping(c->conn);
      break;
    case OPAMP__DO_CLOSE:
      do_close(c, a->code);
      break;
    case OPAMP__DO_ABORT:
      if (c->conn != NULL) opamp__conn_abort(c->conn);
      c->conn = NULL;
      break;
    case OPAMP__DO_EMIT:
      emit(c, a->event);
      break;
    case OPAMP__DO_LOAD:
    case OPAMP__DO_SAVE:
    case OPAMP__DO_ERASE:
    case OPAMP__DO_KEY:
      answer = opamp__kept_perform(c, a);
      if (answer != NULL) defer(c, answer);
      break;
  }
}

/* --- feeding -------------------------------------------------------------- */

static void keep_server_customs(opamp_client *c) {
  opamp_bytes declared = opamp__core_server_customs(c->core);
  if (c->view.server_customs == opamp__core_look(c->core)->server_customs)
    return;
  (void)opamp__buf_set(&c->server_customs, declared.ptr, declared.len);
}

/* What others may see of the core, and its deadline; `not_before` keeps one
 * that does not move on from stopping the loop. */
static void publish(opamp_client *c, uint64_t not_before) {
  uint64_t at = opamp__core_deadline(c->core);
  if (at < not_before) at = not_before;
  if (at > OPAMP__DEADLINE_NONE) at = OPAMP__DEADLINE_NONE;
  opamp__lock(c->loop);
  keep_server_customs(c);
  c->view = *opamp__core_look(c->core);
  c->customs_posted -= c->customs_fed;
  c->customs_fed = 0;
  if (!c->serving) c->inbox.taken = 0;
  if (c->retry_at < at) at = c->retry_at;
  /* The node is in the heap already, so that this takes no memory. */
  (void)opamp__heap_set(&c->loop->deadlines, &c->deadline, at);
  opamp__unlock(c->loop);
}

/* What the transport said meanwhile; false when there is no more. */
static bool feed_deferred(opamp_client *c) {
  opamp__command *cmd = c->deferred;
  static const opamp__in_closed broken = {.why = OPAMP_ERR_NOMEM,
                                          .retry_after_ms = -1,
                                          .text = {"out of memory", 13}};
  if (cmd != NULL) {
    c->deferred = cmd->next;
    (void)opamp__core_feed(c->core, opamp__command_input(cmd), opamp__now_ms());
    opamp__command_free(cmd);
    return true;
  }
  if (!c->conn_broken) return false;
  c->conn_broken = false;
  opamp__input in = {.kind = OPAMP__IN_CLOSED, .closed = &broken};
  (void)opamp__core_feed(c->core, &in, opamp__now_ms());
  return true;
}

static void settle(opamp_client *c, uint64_t not_before) {
  opamp__action action;
  c->busy = true;
  do {
    while (opamp__core_next(c->core, &action)) perform(c, &action);
  } while (feed_deferred(c));
  c->busy = false;
  publish(c, not_before);
}

static opamp_status take_headers(opamp_client *c, opamp__command *cmd) {
  if (c->headers == NULL) {
    c->headers = opamp__calloc(1, sizeof *c->headers);
    if (c->headers == NULL) return OPAMP_ERR_NOMEM;
  }
  opamp__headers_free(c->headers);
  *c->headers = cmd->headers;
  cmd->headers = (opamp__headers){NULL, 0};
  /* Before the start they are what is configured, and offered ones win. */
  c->own_headers = opamp__core_look(c->core)->state != OPAMP_STATE_STOPPED &&
                   c->offered_at == opamp__core_look(c->core)->settings;
  return OPAMP_OK;
}

static opamp_status feed(opamp_client *c, opamp__command *cmd) {
  opamp_status status = OPAMP_OK;
  if (cmd->in.kind == OPAMP__IN_HEADERS) status = take_headers(c, cmd);
  if (status == OPAMP_OK)
    status =
        opamp__core_feed(c->core, opamp__command_input(cmd), opamp__now_ms());
  if (status != OPAMP_ERR_NOMEM && cmd->in.kind == OPAMP__IN_CUSTOM)
    c->customs_fed++;
  return status;
}

/* What the application's own transport or store says. The core takes it when all
 * actions have been performed, and by then it may be about a connection that is
 * over. */
static void hear(opamp_client *c, opamp__command *answer) {
  settle(c, 0);
  if (opamp__command_is_of_connection(answer) &&
      !opamp__carried_hears(&c->conn, answer))
    return;
  (void)opamp__core_feed(c->core, opamp__command_input(answer),
                         opamp__now_ms());
  settle(c, 0);
}

/* Nothing that was set is lost to a lack of memory: it is tried again. */
static void put_back(opamp_client *c, opamp__command *list) {
  opamp__lock(c->loop);
  opamp__inbox_prepend(&c->inbox, list);
  c->retry_at = opamp__now_ms() + RETRY_MS;
  opamp__unlock(c->loop);
}

void opamp__client_serve(opamp_client *c, opamp__command *list) {
  c->serving = true;
  opamp__kept_tell(c);
  while (list != NULL) {
    opamp__command *next = list->next;
    if (opamp__command_is_answer(list)) {
      hear(c, list);
    } else if (feed(c, list) == OPAMP_ERR_NOMEM) {
      put_back(c, list);
      break;
    }
    opamp__command_free(list);
    list = next;
  }
  c->serving = false;
  settle(c, 0);
}

void opamp__client_tick(opamp_client *c) {
  opamp__input in = {.kind = OPAMP__IN_TICK};
  uint64_t now = opamp__now_ms();
  opamp__lock(c->loop);
  if (c->retry_at <= now) {
    c->retry_at = UINT64_MAX;
    opamp__loop_mark(c->loop, c);
  }
  opamp__unlock(c->loop);
  (void)opamp__core_feed(c->core, &in, now);
  settle(c, now + 1);
}

void opamp__client_take_down(opamp_client *c) {
  opamp__command *waiting;
  if (c->conn != NULL) opamp__conn_abort(c->conn);
  c->conn = NULL;
  opamp__lock(c->loop);
  opamp__heap_remove(&c->loop->deadlines, &c->deadline);
  waiting = opamp__inbox_take(&c->inbox, false);
  opamp__unlock(c->loop);
  opamp__commands_free(waiting);
  opamp__commands_free(c->deferred);
  c->deferred = NULL;
  opamp__core_free(c->core);
  c->core = NULL;
  opamp__kept_close(c);
}
