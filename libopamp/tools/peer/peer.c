/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/msg_json.h"
#include "peer/internal.h"

enum { STOP_MS = 1000 };

/* --- events --------------------------------------------------------------- */

json_t *peer_text(const char *text) {
  json_t *j = json_string(text);
  tool_buf b = {0};
  if (j != NULL) return j;
  tool_buf_text(&b, text);
  for (size_t i = 0; i < b.len; i++)
    if (b.ptr[i] >= 0x80) b.ptr[i] = '?';
  if (!b.failed) j = json_stringn((const char *)b.ptr, b.len);
  tool_buf_free(&b);
  return j;
}

void peer_emit(peer *p, const char *event, json_t *fields) {
  json_t *line = json_pack("{s:s, s:I}", "event", event, "t_ms",
                           (json_int_t)(uv_hrtime() / 1000000 - p->started_ms));
  if (fields == NULL || line == NULL ||
      json_object_update_missing(line, fields) != 0)
    peer_fail(p, "out of memory");
  else
    p->options.on_event(p->options.user_data, line);
  json_decref(fields);
  json_decref(line);
}

void peer_fail(peer *p, const char *why) {
  if (p->failed) return;
  p->failed = true;
  peer_emit(p, "log",
            json_pack("{s:s, s:s}", "level", "error", "message", why));
  peer_stop(p);
}

void peer_show_sent(conn *c, const item *it) {
  json_t *fields = json_pack("{s:I, s:I}", "connection", (json_int_t)c->number,
                             "bytes", (json_int_t)it->bytes.len);
  if (it->shown != NULL) json_object_set(fields, "message", it->shown);
  peer_emit(c->peer, "sent", fields);
}

/* --- messages ------------------------------------------------------------- */

static bool keep_hash(agent *a, const opamp_msg *m) {
  const opamp_msg *status =
      opamp_msg_sub(m, OPAMP_AGENT_TO_SERVER_REMOTE_CONFIG_STATUS, 0);
  opamp_bytes hash = opamp_msg_bytes(
      status, OPAMP_REMOTE_CONFIG_STATUS_LAST_REMOTE_CONFIG_HASH, 0);
  if (status == NULL) return true;
  tool_buf_clear(&a->config_hash);
  tool_buf_add(&a->config_hash, hash.ptr, hash.len);
  return !a->config_hash.failed;
}

/* A request for a certificate waits for an answer of the peer's own. */
static bool keep_request(agent *a, const opamp_msg *m) {
  const opamp_msg *all =
      opamp_msg_sub(m, OPAMP_AGENT_TO_SERVER_CONNECTION_SETTINGS_REQUEST, 0);
  const opamp_msg *opamp =
      opamp_msg_sub(all, OPAMP_CONNECTION_SETTINGS_REQUEST_OPAMP, 0);
  const opamp_msg *request = opamp_msg_sub(
      opamp, OPAMP_OPAMP_CONNECTION_SETTINGS_REQUEST_CERTIFICATE_REQUEST, 0);
  opamp_bytes csr = opamp_msg_bytes(request, OPAMP_CERTIFICATE_REQUEST_CSR, 0);
  if (request == NULL) return true;
  a->asks_certificate = true;
  tool_buf_clear(&a->csr);
  tool_buf_add(&a->csr, csr.ptr, csr.len);
  return !a->csr.failed;
}

/* Whether a message that is no full one leaves a gap behind the last. The
 * same number again is a repetition, which HTTP clients may make. */
static bool leaves_gap(const agent *a, uint64_t sequence_num) {
  return a->numbered && sequence_num != a->sequence_num &&
         sequence_num != a->sequence_num + 1;
}

/* Takes notice of what the agent says of itself. */
static void learn(conn *c, agent *a, const opamp_msg *m) {
  uint64_t n = opamp_msg_u64(m, OPAMP_AGENT_TO_SERVER_SEQUENCE_NUM, 0);
  uint64_t flags = opamp_msg_u64(m, OPAMP_AGENT_TO_SERVER_FLAGS, 0);
  bool full = opamp_msg_count(m, OPAMP_AGENT_TO_SERVER_AGENT_DESCRIPTION) > 0;
  if (full) {
    a->known = true;
    a->ask_full = false;
  } else if (!a->known || leaves_gap(a, n)) {
    a->ask_full = true;
  }
  // An agent that begins anew may have lost what it was offered.
  if (full) tool_buf_clear(&a->offered_hash);
  a->numbered = true;
  a->sequence_num = n;
  a->capabilities = opamp_msg_u64(m, OPAMP_AGENT_TO_SERVER_CAPABILITIES, 0);
  a->wants_uid =
      (flags & OPAMP_AGENT_TO_SERVER_FLAGS_REQUEST_INSTANCE_UID) != 0;
  if (!keep_hash(a, m) || (c->peer->issuer != NULL && !keep_request(a, m)))
    peer_fail(c->peer, "out of memory");
}

static void show(conn *c, const opamp_msg *m, int refused) {
  json_t *message = tool_msg_to_json(m);
  json_t *uid = json_object_get(message, "instance_uid");
  json_t *number = json_object_get(message, "sequence_num");
  json_t *fields =
      json_pack("{s:I, s:O, s:o, s:o}", "connection", (json_int_t)c->number,
                "instance_uid", uid != NULL ? uid : json_null(), "sequence_num",
                number != NULL ? json_incref(number) : json_integer(0),
                "message", message);
  if (!c->websocket) json_object_set_new(fields, "headers", conn_headers(c));
  if (refused != 0)
    json_object_set_new(fields, "http_status", json_integer(refused));
  peer_emit(c->peer, "message", fields);
}

static item *take_queued(agent *a) {
  item *it = a->queue;
  if (it == NULL) return NULL;
  a->queue = it->next;
  it->next = NULL;
  return it;
}

/* What goes back at once: over HTTP first what was kept for the agent. */
static item *choose_answer(conn *c, agent *a, bool last) {
  if (c->finished) return NULL;
  if (!c->websocket && a->queue != NULL) return take_queued(a);
  if (!c->auto_reply || (last && c->websocket)) return NULL;
  return reply_make(c, a);
}

/* The agent of a message, having taken notice of what it says; NULL when its
 * uid is none. */
static agent *recognise(conn *c, const opamp_msg *m) {
  opamp_bytes uid = opamp_msg_bytes(m, OPAMP_AGENT_TO_SERVER_INSTANCE_UID, 0);
  if (uid.len != OPAMP_UID_LEN) return NULL;
  agent *a = agents_get(c->peer, uid.ptr);
  if (a == NULL) {
    peer_fail(c->peer, "out of memory");
    return NULL;
  }
  learn(c, a, m);
  a->http = !c->websocket;
  a->connection = c->number;
  c->agent = a;
  return a;
}

bool peer_message(conn *c, opamp_bytes bytes, int refused, item **answer,
                  char *why, size_t whylen) {
  opamp_msg *m = NULL;
  opamp_status rc = opamp_msg_parse(&m, OPAMP_MSG_AGENT_TO_SERVER, bytes);
  if (rc != OPAMP_OK) {
    snprintf(why, whylen, "%s: %s", opamp_status_name(rc), opamp_errmsg());
    return false;
  }
  bool last = opamp_msg_count(m, OPAMP_AGENT_TO_SERVER_AGENT_DISCONNECT) > 0;
  agent *a = refused == 0 ? recognise(c, m) : NULL;
  show(c, m, refused);
  if (a != NULL)
    *answer = choose_answer(c, a, last);
  else if (refused == 0 && c->auto_reply)
    *answer = reply_bad_request(c, "instance_uid is not 16 bytes long");
  opamp_msg_free(m);
  return true;
}

void peer_release(conn *c) {
  agent *a = c->agent;
  item *it = NULL;
  if (!c->asked || c->processing || c->finished) return;
  if (conn_has_canned(c)) {
    conn_answer_canned(c);
    return;
  }
  if (a == NULL) return;
  if (a->queue != NULL)
    it = take_queued(a);
  else if (c->auto_reply)
    it = reply_make(c, a);
  if (it != NULL) conn_answer(c, it);
  item_free(it);
}

/* --- life ----------------------------------------------------------------- */

static void on_connection(void *user_data, uv_stream_t *from) {
  conn_accept(user_data, from);
}

void peer_handle_closed(uv_handle_t *h) {
  peer *p = h->data;
  p->handles--;
  peer_check_stopped(p);
}

void peer_check_stopped(peer *p) {
  if (!p->stopping || p->stopped || p->first != NULL) return;
  if (!uv_is_closing((uv_handle_t *)&p->stop_timer))
    uv_close((uv_handle_t *)&p->stop_timer, peer_handle_closed);
  if (p->handles > 0) return;
  p->stopped = true;
  p->options.on_stopped(p->options.user_data, p->failed);
}

static void stop_late(uv_timer_t *t) {
  peer *p = t->data;
  for (conn *c = p->first; c != NULL; c = c->next) conn_reset(c);
}

void peer_stop(peer *p) {
  if (p->stopping) return;
  p->stopping = true;
  listener_close(&p->listener);
  offers_stop(&p->offers);
  for (conn *c = p->first; c != NULL; c = c->next) {
    conn_stall(c, 0);
    if (c->websocket)
      conn_ws_close(c, 1001, "");
    else
      conn_finish(c);
  }
  uv_timer_start(&p->stop_timer, stop_late, STOP_MS, 0);
  peer_check_stopped(p);
}

static bool start(peer *p, char *err, size_t errlen) {
  const peer_options *o = &p->options;
  char address[LISTENER_ADDRESS];
  if (o->tls_cert != NULL) {
    const char *key = o->tls_key != NULL ? o->tls_key : o->tls_cert;
    p->tls = listener_tls(o->tls_cert, key, err, errlen);
    if (p->tls == NULL) return false;
  }
  if (o->client_ca != NULL &&
      !listener_client_ca(p->tls, o->client_ca, o->client_ca_optional, err,
                          errlen))
    return false;
  if (o->issue_certificates != NULL) {
    p->issuer = issue_load(o->issue_certificates, err, errlen);
    if (p->issuer == NULL) return false;
  }
  if (o->config_dir != NULL &&
      !offers_start(&p->offers, p, o->config_dir, err, errlen))
    return false;
  p->listener = (listener){
      .loop = p->loop, .on_connection = on_connection, .user_data = p};
  if (!listener_open(&p->listener, o->listen, err, errlen)) return false;
  listener_address(&p->listener, address);
  peer_emit(p, "listening",
            json_pack("{s:s, s:b}", "address", address, "tls", p->tls != NULL));
  return true;
}

/* The end of a peer that could not start: nobody holds it. */
static void start_failed(void *user_data, bool failed) {
  (void)failed;
  peer_free(user_data);
}

peer *peer_new(uv_loop_t *loop, const peer_options *o, char *err,
               size_t errlen) {
  peer *p = calloc(1, sizeof *p);
  if (p == NULL) {
    snprintf(err, errlen, "out of memory");
    return NULL;
  }
  p->options = *o;
  p->loop = loop;
  p->started_ms = uv_hrtime() / 1000000;
  p->next_number = 1;
  p->auto_reply = true;
  uv_timer_init(loop, &p->stop_timer);
  p->stop_timer.data = p;
  p->handles = 1;
  if (start(p, err, errlen)) return p;
  p->options.on_stopped = start_failed;
  p->options.user_data = p;
  peer_stop(p);
  return NULL;
}

void peer_free(peer *p) {
  if (p == NULL) return;
  agents_free(p);
  canned_free_all(p->responses);
  opamp_msg_free(p->offers.offer);
  tool_buf_free(&p->offers.hash);
  SSL_CTX_free(p->tls);
  SSL_CTX_free(p->issuer);
  free(p);
}
