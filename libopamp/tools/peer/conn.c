/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "peer/internal.h"

enum {
  LINE_MAX_BYTES = 16 * 1024,
  HEADERS_MAX = 100,
  WAITING_MAX = 1024 * 1024
};

/* --- the end -------------------------------------------------------------- */

static void conn_free(uv_handle_t *h) {
  conn *c = h->data;
  peer *p = c->peer;
  http1_free(&c->http);
  ws_reader_free(&c->ws);
  tool_buf_free(&c->in);
  canned_free_all(c->responses);
  free(c);
  p->handles--;
  peer_check_stopped(p);
}

static void unlink_conn(conn *c) {
  peer *p = c->peer;
  *(c->prev != NULL ? &c->prev->next : &p->first) = c->next;
  *(c->next != NULL ? &c->next->prev : &p->last) = c->prev;
}

/* A WebSocket ends clean by its close handshake, an HTTP connection between
 * two requests. */
static json_t *closed_fields(const conn *c, bool error) {
  bool clean = c->websocket
                   ? c->clean
                   : !error && !c->asked && !http1_in_request(&c->http);
  int code = !c->websocket ? 0 : c->close_code != 0 ? c->close_code : 1006;
  return json_pack("{s:I, s:i, s:b}", "connection", (json_int_t)c->number,
                   "code", code, "clean", clean);
}

static void on_closed(void *user_data, const char *error) {
  conn *c = user_data;
  c->finished = true;
  unlink_conn(c);
  if (c->announced) {
    json_t *fields = closed_fields(c, error != NULL);
    if (error != NULL)
      json_object_set_new(fields, "message", json_string(error));
    peer_emit(c->peer, "closed", fields);
  } else if (error != NULL) {
    peer_emit(c->peer, "connect_failed",
              json_pack("{s:I, s:s}", "connection", (json_int_t)c->number,
                        "message", error));
  }
  uv_close((uv_handle_t *)&c->stall, conn_free);
}

void conn_finish(conn *c) {
  if (c->finished) return;
  c->finished = true;
  stream_finish(c->stream);
}

void conn_reset(conn *c) {
  c->finished = true;
  stream_reset(c->stream);
}

/* --- bytes in ------------------------------------------------------------- */

static size_t http_feed(conn *c, const uint8_t *bytes, size_t n) {
  static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
  size_t used;
  switch (http1_feed(&c->http, bytes, n, &used)) {
    case HTTP1_HEAD:
      if (c->http.request.expects_continue && !conn_has_canned(c))
        stream_write(c->stream,
                     (opamp_bytes){(const uint8_t *)go_on, sizeof go_on - 1});
      break;
    case HTTP1_DONE:
      conn_request(c);
      break;
    case HTTP1_BAD:
      conn_bad_request(c);
      break;
    case HTTP1_MORE:
      break;
  }
  return used;
}

void conn_read(conn *c) {
  size_t at = 0;
  if (c->reading) return;
  c->reading = true;
  while (at < c->in.len && !c->finished && !c->stalled && !c->asked) {
    const uint8_t *bytes = c->in.ptr + at;
    size_t n = c->in.len - at;
    at += c->websocket ? conn_ws_feed(c, bytes, n) : http_feed(c, bytes, n);
  }
  tool_buf_drop(&c->in, at);
  if (c->in.len == 0) tool_buf_free(&c->in);
  c->reading = false;
  // While a request is held the socket is read on, to notice its end; not
  // without bound.
  if (!c->finished)
    stream_pause(c->stream, c->stalled || c->in.len > WAITING_MAX);
}

static void on_data(void *user_data, const uint8_t *bytes, size_t n) {
  conn *c = user_data;
  tool_buf_add(&c->in, bytes, n);
  if (c->in.failed)
    conn_reset(c);
  else
    conn_read(c);
}

/* --- stalling ------------------------------------------------------------- */

static void stall_over(uv_timer_t *t) {
  conn *c = t->data;
  c->stalled = false;
  if (!c->finished) conn_read(c);
}

void conn_stall(conn *c, uint64_t ms) {
  if (c->finished) return;
  uv_timer_stop(&c->stall);
  if (ms == 0) {
    stall_over(&c->stall);
    return;
  }
  c->stalled = true;
  stream_pause(c->stream, true);
  uv_timer_start(&c->stall, stall_over, ms, 0);
}

/* --- the beginning -------------------------------------------------------- */

void conn_accept(peer *p, uv_stream_t *from) {
  static const stream_handler handler = {on_data, on_closed};
  static const http1_limits limits = {LINE_MAX_BYTES, HEADERS_MAX, MESSAGE_MAX};
  conn *c = calloc(1, sizeof *c);
  if (c == NULL) return;
  c->peer = p;
  c->number = p->next_number++;
  c->auto_reply = p->auto_reply;
  c->piece = p->piece;
  c->ws.max = MESSAGE_MAX;
  http1_init(&c->http, &limits);
  c->stream = stream_accept(from, p->tls, &handler, c);
  if (c->stream == NULL) {
    free(c);
    return;
  }
  p->handles++;
  uv_timer_init(p->loop, &c->stall);
  c->stall.data = c;
  c->prev = p->last;
  *(p->last != NULL ? &p->last->next : &p->first) = c;
  p->last = c;
  uint64_t now = uv_now(p->loop);
  if (p->stalled_until_ms > now) conn_stall(c, p->stalled_until_ms - now);
}
