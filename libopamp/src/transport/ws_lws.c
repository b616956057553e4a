/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <openssl/ssl.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "transport/ws_conn.h"
#include "transport/ws_relay.h"

enum {
  LINGER_MS = 1000, /* for our Close to arrive when we end for a reason */
  DEFLATE_CHUNK = 16384,
  /* Private to libwebsockets, the same in all its versions: a close begun by
   * returning -1 sends none with libuv. */
  WRITE_CLOSE = 4
};

_Static_assert(OPAMP__FRAME_ROOM >= LWS_PRE, "room for libwebsockets' header");

/* --- links ---------------------------------------------------------------- */

/* From the loop, never from inside libwebsockets: a kill that waits for one of
 * its timers is forgotten when the connection gets a step further meanwhile.
 * Without the shutdown it would first try to get rid of what it holds. */
static void kill_now(void *ctx) {
  ws_link *l = (ws_link *)ctx;
  shutdown(lws_get_socket_fd(l->wsi), SHUT_RDWR);
  lws_set_timeout(l->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
}

void opamp__ws_kill(ws_link *l) {
  if (l->wsi == NULL || l->killed) return;
  l->killed = true;
  l->kill.run = kill_now;
  l->kill.ctx = l;
  opamp__soon(l->w->t, &l->kill);
}

void opamp__ws_kill_links(opamp__ws *w) {
  for (ws_link *l = w->links; l != NULL; l = l->next) {
    opamp__ws_part(l);
    opamp__ws_kill(l);
  }
}

ws_conn *opamp__ws_part(ws_link *l) {
  ws_conn *c = l->conn;
  l->conn = NULL;
  if (c != NULL) c->link = NULL;
  return c;
}

static void linger_over(void *ctx) {
  opamp__ws_kill((ws_link *)ctx);
}

/* Sends Close and waits a moment, unobserved: a connection that is cut off with
 * unread bytes in it would lose the Close. */
static void close_and_linger(ws_link *l, int code) {
  l->close_code = (uint16_t)code;
  l->linger = opamp__reactor_timer(l->w->t->reactor, linger_over, l);
  if (l->linger == NULL) {
    opamp__ws_kill(l);
    return;
  }
  opamp__timer_set(l->linger, LINGER_MS);
  lws_callback_on_writable(l->wsi);
}

int opamp__ws_link_error(ws_link *l, struct lws *wsi) {
  int err = 0;
  socklen_t n = sizeof err;
  if (l->lost != 0) return l->lost;
  int fd = lws_get_socket_fd(wsi);
  if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) != 0) return 0;
  return err;
}

/* --- the end of a connection ---------------------------------------------- */

void opamp__ws_free(ws_conn *c) {
  opamp__soon_cancel(c->base.t, &c->task);
  opamp__ws_dial_free(c->dial);
  opamp__buf_free(&c->message);
  opamp__ws_inflate_end(c);
  opamp__tls_unref(c->tls);
  opamp__free(c->ending);
  opamp__free(c);
}

void opamp__ws_end(ws_conn *c, opamp__ending *e) {
  if (c->ending == NULL)
    c->ending = e;
  else
    opamp__free(e);
  c->ended = true;
  opamp__soon(c->base.t, &c->task);
}

/* The server did what it must not: we end it, with this close code. */
static void reject(ws_conn *c, opamp__ending *e, int code) {
  ws_link *l = c->link;
  opamp__ws_part(l);
  close_and_linger(l, code);
  opamp__ws_end(c, e);
}

static void run_task(void *ctx) {
  ws_conn *c = (ws_conn *)ctx;
  if (c->ended) {
    const opamp__sink *sink = c->base.sink;
    void *owner = c->base.ctx;
    opamp__ending *e = c->ending;
    c->ending = NULL;
    opamp__ws_free(c);
    opamp__end_tell(sink, owner, e);
  } else if (c->dial_next) {
    c->dial_next = false;
    opamp__ws_dial_next(c);
  } else if (c->written) {
    c->written = false;
    c->base.sink->written(c->base.ctx);
  }
}

/* --- sending -------------------------------------------------------------- */

static void frame_written(ws_conn *c) {
  c->frame = NULL;
  c->handed_over = false;
  c->written = true;
  opamp__soon(c->base.t, &c->task);
}

static int write_failed(ws_conn *c) {
  if (c->ending == NULL)
    c->ending =
        opamp__ending_new(OPAMP_ERR_TRANSPORT, "connection lost: %s",
                          errno != 0 ? strerror(errno) : "write failed");
  return -1;
}

/* The compressor keeps reading what it was given when the owner may have taken
 * the frame away already. */
static uint8_t *copy_piece(ws_link *l, const uint8_t *p, size_t n) {
  if (l->copy == NULL)
    l->copy = (uint8_t *)opamp__alloc(LWS_PRE + DEFLATE_CHUNK);
  if (l->copy == NULL) return NULL;
  memcpy(l->copy + LWS_PRE, p, n);
  return l->copy + LWS_PRE;
}

/* The next piece of the frame in hand: the header of one overwrites the end of
 * the piece before it. */
static int write_piece(ws_conn *c, ws_link *l) {
  size_t max = c->compress ? DEFLATE_CHUNK : OPAMP__WS_CHUNK;
  size_t n = c->len - c->sent < max ? c->len - c->sent : max;
  uint8_t *p = c->frame + c->sent;
  bool last = c->sent + n == c->len;
  int flags = lws_write_ws_flags(LWS_WRITE_BINARY, c->sent == 0, last);
  if (c->compress) p = copy_piece(l, p, n);
  errno = 0;
  if (p == NULL || lws_write(l->wsi, p, n, (enum lws_write_protocol)flags) < 0)
    return write_failed(c);
  c->sent += n;
  c->handed_over = last;
  if (last && !c->compress && !lws_partial_buffered(l->wsi)) frame_written(c);
  if (c->frame != NULL || c->ping || l->close_code != 0)
    lws_callback_on_writable(l->wsi);
  return 0;
}

static int write_ping(ws_conn *c, ws_link *l) {
  uint8_t empty[LWS_PRE + 1];
  c->ping = false;
  errno = 0;
  if (lws_write(l->wsi, empty + LWS_PRE, 0, LWS_WRITE_PING) < 0)
    return write_failed(c);
  lws_callback_on_writable(l->wsi);
  return 0;
}

static int write_close(ws_link *l) {
  uint8_t b[LWS_PRE + 2];
  b[LWS_PRE] = (uint8_t)(l->close_code >> 8);
  b[LWS_PRE + 1] = (uint8_t)l->close_code;
  l->close_sent = true;
  return lws_write(l->wsi, b + LWS_PRE, 2,
                   (enum lws_write_protocol)WRITE_CLOSE) < 0
             ? -1
             : 0;
}

/* Nothing is left in libwebsockets, neither bytes nor a compressor's rest. */
static int writable(ws_link *l) {
  ws_conn *c = l->conn;
  if (l->close_sent) return 0;
  if (lws_partial_buffered(l->wsi)) {
    lws_callback_on_writable(l->wsi);
    return 0;
  }
  if (c != NULL && c->handed_over) frame_written(c);
  if (c != NULL && c->ping) return write_ping(c, l);
  if (c != NULL && c->frame != NULL) return write_piece(c, l);
  if (l->close_code != 0) return write_close(l);
  return 0;
}

/* --- receiving ------------------------------------------------------------ */

/* The owner may end the connection from inside. */
static void deliver(ws_conn *c) {
  opamp__buf whole = c->message;
  memset(&c->message, 0, sizeof c->message);
  c->base.sink->frame(c->base.ctx, whole.ptr, whole.len);
  opamp__buf_free(&whole);
}

static void too_large(ws_conn *c) {
  reject(
      c,
      opamp__ending_new(OPAMP_ERR_LIMIT, "a message is larger than %zu bytes",
                        c->max_receive),
      1009);
}

static void received_deflated(ws_link *l, ws_conn *c, const uint8_t *p,
                              size_t n) {
  bool last = lws_is_final_fragment(l->wsi) != 0;
  switch (opamp__ws_inflate(c, p, n, last)) {
    case OPAMP_OK:
      c->in_message = !last;
      if (last && l->fresh_windows) opamp__ws_inflate_end(c);
      if (last)
        deliver(c);
      else
        c->base.sink->alive(c->base.ctx);
      break;
    case OPAMP_ERR_LIMIT:
      too_large(c);
      break;
    case OPAMP_ERR_FRAME:
      reject(c,
             opamp__ending_new(OPAMP_ERR_FRAME,
                               "a message is not well compressed"),
             1007);
      break;
    default:
      reject(c, NULL, 1011);
      break;
  }
}

static void received_plain(ws_link *l, ws_conn *c, const uint8_t *p, size_t n) {
  size_t announced = lws_remaining_packet_payload(l->wsi);
  size_t room = c->max_receive - c->message.len;
  bool last = lws_is_final_fragment(l->wsi) != 0;
  c->in_message = !last;
  if (n > room || announced > room - n)
    too_large(c);
  else if (last && c->message.len == 0)
    c->base.sink->frame(c->base.ctx, p, n);
  else if (!opamp__buf_append(&c->message, p, n))
    reject(c, NULL, 1011);
  else if (last)
    deliver(c);
  else
    c->base.sink->alive(c->base.ctx);
}

/* Never anything but 0 for libwebsockets: it would parse on with a buffer that
 * is not reset. What must end is parted from its link, which swallows the rest.
 */
static void received(ws_link *l, const uint8_t *p, size_t n) {
  enum { RSV1 = 0x40 };
  ws_conn *c = l->conn;
  if (c == NULL || l->close_sent) return;
  if (!c->in_message) {
    if (!lws_frame_is_binary(l->wsi)) {
      reject(c, opamp__ending_new(OPAMP_ERR_TEXT_FRAME, "a text message"),
             1003);
      return;
    }
    c->deflated = (lws_get_reserved_bits(l->wsi) & RSV1) != 0;
  }
  if (c->deflated)
    received_deflated(l, c, p, n);
  else
    received_plain(l, c, p, n);
}

/* --- the other callbacks -------------------------------------------------- */

static void opened(ws_link *l) {
  ws_conn *c = l->conn;
  if (c == NULL) return;
  opamp__ws_dial_free(c->dial);
  c->dial = NULL;
  if (l->bad_extensions) {
    reject(c,
           opamp__ending_new(OPAMP_ERR_TRANSPORT,
                             "bad answer to the upgrade: several extensions"),
           1010);
    return;
  }
  c->open = true;
  if (c->compress)
    lws_set_extension_option(l->wsi, "permessage-deflate", "tx_buf_size", "14");
  c->base.sink->opened(c->base.ctx);
}

static int peer_closes(ws_link *l, const uint8_t *p, size_t n) {
  ws_conn *c = l->conn;
  int code = n >= 2 ? p[0] << 8 | p[1] : 1005;
  if (c != NULL && c->ending == NULL) {
    char reason[130] = "";
    if (n > 2) opamp__printable(reason, sizeof reason, p + 2, n - 2);
    c->ending = opamp__ending_new(OPAMP_ERR_CLOSED,
                                  "the server closed the connection: %d%s%s",
                                  code, reason[0] != '\0' ? " " : "", reason);
    if (c->ending != NULL) c->ending->close_code = code;
  }
  /* Not a second Close when this answers ours. */
  return l->close_sent ? -1 : 0;
}

/* libwebsockets hangs up on a server that breaks the protocol without a word;
 * this is the word. */
static void say_protocol_error(struct lws *wsi) {
  static const uint8_t close_1002[] = {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xEA};
  SSL *ssl = lws_get_ssl(wsi);
  if (ssl != NULL)
    SSL_write(ssl, close_1002, sizeof close_1002);
  else
    send(lws_get_socket_fd(wsi), close_1002, sizeof close_1002,
         MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool peer_hung_up(struct lws *wsi) {
  uint8_t byte;
  SSL *ssl = lws_get_ssl(wsi);
  if (ssl != NULL && (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) != 0)
    return true;
  ssize_t n = recv(lws_get_socket_fd(wsi), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void link_closed(ws_link *l) {
  ws_conn *c = opamp__ws_part(l);
  if (c == NULL) return;
  opamp__ending *e = NULL;
  int err = opamp__ws_link_error(l, l->wsi);
  if (c->ending != NULL) {
    e = NULL;
  } else if (l->close_sent) {
    e = opamp__ending_new(OPAMP_ERR_CLOSED, "closed");
  } else if (err != 0) {
    e = opamp__ending_new(OPAMP_ERR_TRANSPORT, "connection lost: %s",
                          strerror(err));
  } else if (!c->open) {
    /* With TLS 1.3 also one that misses our certificate: it says so only when
     * we believe the handshake done. */
    e = opamp__ending_new(OPAMP_ERR_TRANSPORT,
                          "the server hung up before the upgrade");
  } else if (l->killed || peer_hung_up(l->wsi)) {
    e = opamp__ending_new(OPAMP_ERR_TRANSPORT,
                          "the server hung up without a Close");
  } else {
    say_protocol_error(l->wsi);
    e = opamp__ending_new(OPAMP_ERR_FRAME,
                          "the server broke the WebSocket protocol");
  }
  opamp__ws_end(c, e);
}

/* Before 4.3 libwebsockets frees a connection whose socket it has closed
 * already without its handle in the loop. */
static void link_gone(ws_link *l, const struct lws *wsi) {
  if (l->socketless || l->connecting)
    opamp__reactor_close_foreign(l->w->t->reactor, wsi);
  ws_conn *c = opamp__ws_part(l);
  if (c != NULL && !l->connecting)
    opamp__ws_end(
        c, opamp__ending_new(OPAMP_ERR_TRANSPORT, "the connection broke off"));
  opamp__ws_free_deflate(l);
  l->wsi = NULL;
  if (l->connecting)
    l->gone = true;
  else
    opamp__ws_link_free(l);
}

int opamp__ws_callback(struct lws *wsi, enum lws_callback_reasons reason,
                       void *user, void *in, size_t len) {
  ws_link *l = (ws_link *)user;
  switch (reason) {
    case LWS_CALLBACK_WSI_CREATE:
      if (l != NULL) opamp__ws_tcp_connected(l);
      return 0;
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
      return opamp__ws_append_headers(l, wsi, in, len);
    case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
      opamp__ws_answered(l, wsi);
      return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
      opamp__ws_attempt_failed(l, wsi, (const char *)in, len);
      return 0;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
      opened(l);
      return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
      received(l, (const uint8_t *)in, len);
      return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
      if (l->conn != NULL) l->conn->base.sink->alive(l->conn->base.ctx);
      return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
      return writable(l);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
      return peer_closes(l, (const uint8_t *)in, len);
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
      link_closed(l);
      return 0;
    case LWS_CALLBACK_WSI_DESTROY:
      if (l != NULL) link_gone(l, wsi);
      return 0;
    default:
      return 0;
  }
}

/* --- what the owner calls ------------------------------------------------- */

static opamp_status ws_send(opamp__conn *conn, uint8_t *frame, size_t len) {
  ws_conn *c = (ws_conn *)conn;
  ws_link *l = c->link;
  if (!c->open || c->frame != NULL || c->written)
    return opamp__fail(OPAMP_ERR_STATE, c->open ? "a frame is on its way"
                                                : "the connection is not open");
  c->frame = frame;
  c->len = len;
  c->sent = 0;
  c->handed_over = false;
  if (l == NULL) return OPAMP_OK; /* it has ended; the owner is told soon */
  if (c->compress || c->ping || l->close_code != 0 ||
      lws_partial_buffered(l->wsi))
    lws_callback_on_writable(l->wsi);
  else if (write_piece(c, l) != 0)
    opamp__ws_kill(l);
  return OPAMP_OK;
}

static void ws_ping(opamp__conn *conn) {
  ws_conn *c = (ws_conn *)conn;
  if (!c->open || c->link == NULL) return;
  c->ping = true;
  lws_callback_on_writable(c->link->wsi);
}

static void ws_close(opamp__conn *conn, int code) {
  ws_conn *c = (ws_conn *)conn;
  ws_link *l = c->link;
  if (c->ended) return;
  if (c->open && l != NULL) {
    l->close_code = (uint16_t)code;
    lws_callback_on_writable(l->wsi);
    return;
  }
  if (l != NULL) {
    opamp__ws_part(l);
    opamp__ws_kill(l);
  }
  if (c->dial != NULL) {
    opamp__lookup_cancel(c->dial->lookup);
    c->dial->lookup = NULL;
    opamp__ws_relay_free(c->dial->relay);
    c->dial->relay = NULL;
  }
  opamp__ws_end(c, opamp__ending_new(OPAMP_ERR_CLOSED, "closed"));
}

static void ws_abort(opamp__conn *conn) {
  ws_conn *c = (ws_conn *)conn;
  ws_link *l = c->link;
  if (l != NULL) {
    opamp__ws_part(l);
    opamp__ws_kill(l);
  }
  opamp__ws_free(c);
}

static const opamp__conn_ops ops = {ws_send, ws_ping, ws_close, ws_abort};

static ws_dial *dial_new(const opamp__endpoint *ep) {
  ws_dial *d = (ws_dial *)opamp__calloc(1, sizeof *d);
  if (d == NULL) return NULL;
  bool ok = opamp__url_copy(&d->url, ep->url) == OPAMP_OK;
  if (ok && ep->headers != NULL)
    ok = opamp__headers_copy(&d->headers, ep->headers) == OPAMP_OK;
  if (ok && ep->instance_uid != NULL) {
    d->instance_uid =
        opamp__strndup(ep->instance_uid, strlen(ep->instance_uid));
    ok = d->instance_uid != NULL;
  }
  if (ok) return d;
  opamp__ws_dial_free(d);
  return NULL;
}

opamp_status opamp__ws_open(opamp__conn **out, opamp__transport *t,
                            const opamp__endpoint *ep) {
  opamp__ws *w;
  opamp_status st = opamp__ws_get(&w, t);
  if (st != OPAMP_OK) return st;
  ws_conn *c = (ws_conn *)opamp__calloc(1, sizeof *c);
  if (c == NULL) return opamp__nomem();
  c->base.ops = &ops;
  c->base.t = t;
  c->w = w;
  c->task.run = run_task;
  c->task.ctx = c;
  c->max_receive = ep->max_receive;
  c->compress = ep->compress;
  c->numeric_hosts = ep->numeric_hosts;
  /* For a plain server it may be the proxy's. */
  c->tls = ep->url->tls ? opamp__tls_ref(ep->tls) : NULL;
  c->dial = dial_new(ep);
  st = c->dial == NULL ? opamp__nomem() : opamp__ws_dial_start(c, ep);
  if (st != OPAMP_OK) {
    opamp__ws_free(c);
    return st;
  }
  *out = &c->base;
  return OPAMP_OK;
}
