/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/ws_relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "transport/http_internal.h"

enum {
  PIECE = 16384,   /* read at once; as much may wait in each direction */
  ROUNDS = 16,     /* of pieces, before others have their turn */
  LINGER_MS = 1000 /* for the last bytes of a link that is gone */
};

/* One direction. */
typedef struct way {
  opamp__buf rest; /* what the other side has not taken yet, from `at` on */
  size_t at;
  bool ended; /* nothing more comes */
  bool shut;  /* and the other side has been told */
} way;

/* An end of it. */
typedef struct side {
  int fd; /* -1: none */
  opamp__watch *watch;
  opamp__descriptor *descriptor; /* NULL: curl's, which has one */
  unsigned events;
} side;

struct ws_relay {
  ws_relay *next;
  opamp__ws *w;
  ws_conn *conn; /* while it dials */
  ws_link *link; /* then */
  opamp__pin pin;
  http_pool *pool;
  http_exchange *x; /* under way in the pool; later only for a proxy's TLS */
  CURLcode code;
  bool tls;
  char *proxy;    /* its address, for texts */
  side near, far; /* libwebsockets, the proxy */
  bool listening; /* `near` is where libwebsockets will connect to */
  way up, down;   /* to the proxy, from it */
  int error;      /* errno of what broke */
  opamp__task task;
  opamp__timer *linger;
};

/* --- the end -------------------------------------------------------------- */

static void side_close(ws_relay *r, side *s) {
  opamp__unwatch(s->watch);
  s->watch = NULL;
  if (s->descriptor == NULL) {
    s->fd = -1;
    return;
  }
  opamp__descriptor_free(&r->w->t->descriptors, s->descriptor);
  s->descriptor = NULL;
  if (s->fd >= 0) close(s->fd);
  s->fd = -1;
}

/* With its last connection. */
static void let_curl_go(ws_relay *r) {
  if (r->x != NULL) {
    curl_multi_remove_handle(r->pool->multi, r->x->easy);
    opamp__http_exchange_put(r->x);
  }
  r->x = NULL;
  if (r->pool != NULL) opamp__http_pool_free(r->pool);
  r->pool = NULL;
}

void opamp__ws_relay_free(ws_relay *r) {
  if (r == NULL) return;
  ws_relay **at = &r->w->relays;
  while (*at != r) at = &(*at)->next;
  *at = r->next;
  if (r->link != NULL) {
    r->link->relay = NULL;
    r->link->lost = r->error;
  }
  opamp__soon_cancel(r->w->t, &r->task);
  opamp__pin_reset(&r->pin);
  side_close(r, &r->near);
  side_close(r, &r->far);
  let_curl_go(r);
  opamp__timer_free(r->linger);
  opamp__buf_wipe_free(&r->up.rest);
  opamp__buf_wipe_free(&r->down.rest);
  opamp__free(r->proxy);
  opamp__free(r);
}

/* --- bytes ---------------------------------------------------------------- */

/* Like read and write; -1 with errno EAGAIN: not now. */
static ssize_t by_curl(CURLcode code, size_t n) {
  if (code == CURLE_OK) return (ssize_t)n;
  errno = code == CURLE_AGAIN ? EAGAIN : ECONNRESET;
  return -1;
}

static ssize_t take(ws_relay *r, const side *s, void *p, size_t n) {
  size_t got = 0;
  if (s != &r->far || r->x == NULL) return recv(s->fd, p, n, 0);
  CURLcode code = curl_easy_recv(r->x->easy, p, n, &got);
  return by_curl(code, got);
}

static ssize_t give(ws_relay *r, const side *s, const void *p, size_t n) {
  size_t done = 0;
  if (s != &r->far || r->x == NULL) return send(s->fd, p, n, MSG_NOSIGNAL);
  CURLcode code = curl_easy_send(r->x->easy, p, n, &done);
  return by_curl(code, done);
}

static bool failed(ws_relay *r) {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return false;
  if (r->error == 0) r->error = errno;
  return true;
}

/* A side did not take it. False when the relay is over: libwebsockets may go
 * while what it wrote before is still on its way. */
static bool refused(ws_relay *r, way *w, const side *to) {
  if (!failed(r)) return true;
  if (to == &r->far) return false;
  w->ended = w->shut = true;
  opamp__buf_wipe_free(&w->rest);
  return true;
}

/* Hands on what waits. */
static bool flush(ws_relay *r, way *w, side *to) {
  while (w->at < w->rest.len) {
    ssize_t n = give(r, to, w->rest.ptr + w->at, w->rest.len - w->at);
    if (n < 0) return refused(r, w, to);
    w->at += (size_t)n;
  }
  opamp__buf_wipe_free(&w->rest);
  w->at = 0;
  /* curl has no half of a close; what the proxy gets is the end of TCP. */
  if (w->ended && !w->shut) shutdown(to->fd, SHUT_WR);
  w->shut = w->ended;
  return true;
}

/* One piece: 1, 0 when there is none now, -1 when a side is broken. */
static int carry(ws_relay *r, way *w, side *from, side *to) {
  uint8_t piece[PIECE];
  if (!flush(r, w, to)) return -1;
  if (w->rest.len > 0 || w->ended) return 0;
  ssize_t n = take(r, from, piece, sizeof piece);
  if (n < 0) return failed(r) ? -1 : 0;
  w->ended = n == 0;
  ssize_t done = n > 0 ? give(r, to, piece, (size_t)n) : 0;
  if (done < 0 && !refused(r, w, to)) return -1;
  if (done < 0) done = 0;
  if (done < n && !w->shut &&
      !opamp__buf_set(&w->rest, piece + done, (size_t)(n - done))) {
    r->error = ENOMEM;
    return -1;
  }
  if (w->ended) return flush(r, w, to) ? 0 : -1;
  return 1;
}

static void look_for(side *s, unsigned events) {
  if (s->events != events) opamp__watch_set(s->watch, events);
  s->events = events;
}

static unsigned wanted(const way *in, const way *out) {
  unsigned events = 0;
  if (!in->ended && in->rest.len == 0) events |= OPAMP__READABLE;
  if (out->rest.len > 0) events |= OPAMP__WRITABLE;
  return events;
}

/* Carries what there is; a side that does not take it stops the other one. The
 * relay may be gone then. */
static void pump(ws_relay *r) {
  int up = 1, down = 1;
  for (int i = 0; i < ROUNDS && up + down > 0; i++) {
    down = carry(r, &r->down, &r->far, &r->near);
    up = down < 0 ? -1 : carry(r, &r->up, &r->near, &r->far);
    if (up < 0) break;
  }
  bool over = r->up.shut && (r->down.shut || r->link == NULL);
  if (up < 0 || over) {
    opamp__ws_relay_free(r);
    return;
  }
  look_for(&r->near, wanted(&r->up, &r->down));
  look_for(&r->far, wanted(&r->down, &r->up));
  /* TLS may hold more, which no descriptor tells of. */
  if (up + down > 0) opamp__soon(r->w->t, &r->task);
}

static void pump_soon(void *ctx) {
  pump((ws_relay *)ctx);
}

static void on_ready(void *ctx, int fd, unsigned ready) {
  (void)fd, (void)ready;
  pump((ws_relay *)ctx);
}

static void linger_over(void *ctx) {
  opamp__ws_relay_free((ws_relay *)ctx);
}

/* --- libwebsockets' side -------------------------------------------------- */

/* Anybody may connect to the name, and see it while it is there. */
static bool is_us(int fd) {
  struct ucred peer;
  socklen_t n = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
         peer.pid == getpid() && peer.uid == geteuid();
}

static bool watch_both(ws_relay *r) {
  opamp__reactor *reactor = r->w->t->reactor;
  r->near.events = r->far.events = OPAMP__READABLE;
  r->near.watch =
      opamp__reactor_watch(reactor, r->near.fd, OPAMP__READABLE, on_ready, r);
  r->far.watch =
      opamp__reactor_watch(reactor, r->far.fd, OPAMP__READABLE, on_ready, r);
  return r->near.watch != NULL && r->far.watch != NULL;
}

static void somebody_connects(void *ctx, int fd, unsigned ready) {
  ws_relay *r = (ws_relay *)ctx;
  (void)ready;
  int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (got < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
    return;
  if (got >= 0 && !is_us(got)) {
    close(got);
    return;
  }
  r->error = got < 0 ? errno : 0;
  opamp__unwatch(r->near.watch);
  r->near.watch = NULL;
  close(fd);
  r->near.fd = got;
  opamp__descriptor_set(r->near.descriptor, got);
  r->listening = false;
  r->task.run = pump_soon;
  if (got >= 0 && watch_both(r)) return;
  if (r->error == 0) r->error = ENOMEM;
  opamp__ws_relay_free(r);
}

/* A name in the kernel's own space, not in a file system. */
static bool listen_at(int fd, const char *name) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  size_t n = strlen(name);
  memcpy(a.sun_path + 1, name, n);
  socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n);
  return bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, 4) == 0;
}

bool opamp__ws_relay_listen(ws_relay *r, char address[OPAMP__RELAY_ADDRESS]) {
  uint8_t random[16];
  int at = snprintf(address, OPAMP__RELAY_ADDRESS, "+@opamp-");
  if (!opamp__random(random, sizeof random)) return false;
  for (size_t i = 0; i < sizeof random; i++)
    at += snprintf(address + at, (size_t)(OPAMP__RELAY_ADDRESS - at), "%02x",
                   random[i]);
  r->near.descriptor = opamp__descriptor_new(&r->w->t->descriptors);
  errno = ENOMEM;
  if (r->near.descriptor == NULL) return false;
  r->near.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (r->near.fd < 0) return false;
  opamp__descriptor_set(r->near.descriptor, r->near.fd);
  if (!listen_at(r->near.fd, address + 2)) return false;
  errno = ENOMEM;
  r->near.watch = opamp__reactor_watch(r->w->t->reactor, r->near.fd,
                                       OPAMP__READABLE, somebody_connects, r);
  r->listening = true;
  return r->near.watch != NULL;
}

void opamp__ws_relay_join(ws_relay *r, ws_link *l) {
  l->relay = r;
  r->link = l;
  r->conn = NULL;
}

void opamp__ws_relay_release(ws_relay *r) {
  if (r == NULL) return;
  r->link = NULL;
  r->linger = opamp__reactor_timer(r->w->t->reactor, linger_over, r);
  if (r->listening || r->near.watch == NULL || r->linger == NULL) {
    opamp__ws_relay_free(r);
    return;
  }
  opamp__timer_set(r->linger, LINGER_MS);
  opamp__soon(r->w->t, &r->task);
}

/* --- dialling ------------------------------------------------------------- */

static void dial_failed(ws_relay *r) {
  opamp__ending *e = NULL;
  http_exchange *x = r->x;
  if (r->code != CURLE_OUT_OF_MEMORY &&
      !opamp__proxy_failed(&e, r->pool, x->easy, r->code, x->error, false))
    e = opamp__ending_new(
        OPAMP_ERR_TRANSPORT, "proxy %s: %s", r->proxy,
        x->error[0] != '\0' ? x->error : curl_easy_strerror(r->code));
  opamp__ws_end(r->conn, e);
}

/* curl's socket, or what is below it without curl. */
static bool take_socket(ws_relay *r) {
  curl_socket_t fd = CURL_SOCKET_BAD;
  curl_easy_getinfo(r->x->easy, CURLINFO_ACTIVESOCKET, &fd);
  errno = ENOTCONN;
  if (fd == CURL_SOCKET_BAD) return false;
  r->far.fd = fd;
  if (r->tls) return true;
  r->far.fd = -1;
  r->far.descriptor = opamp__descriptor_new(&r->w->t->descriptors);
  errno = ENOMEM;
  if (r->far.descriptor == NULL) return false;
  r->far.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (r->far.fd < 0) return false;
  opamp__descriptor_set(r->far.descriptor, r->far.fd);
  let_curl_go(r);
  return true;
}

static void dialled(void *ctx) {
  ws_relay *r = (ws_relay *)ctx;
  if (r->code != CURLE_OK) {
    dial_failed(r);
    return;
  }
  opamp__pin_worked(&r->pin, r->x->easy);
  if (take_socket(r))
    opamp__ws_dial_relayed(r->conn);
  else
    opamp__ws_end(r->conn,
                  opamp__ending_new(OPAMP_ERR_TRANSPORT, "proxy %s: %s",
                                    r->proxy, strerror(errno)));
}

/* From inside the pool: it may not go yet. */
static void curl_is_done(http_exchange *x, CURLcode code) {
  ws_relay *r = (ws_relay *)x->ctx;
  r->code = code;
  opamp__soon(r->w->t, &r->task);
}

static bool dial(ws_relay *r) {
  char url[300];
  const opamp__url *to = &r->conn->dial->url;
  http_exchange *x = opamp__http_exchange_get(r->pool);
  if (x == NULL) return false;
  x->done = curl_is_done;
  x->ctx = r;
  x->resolve = r->pin.list;
  r->pin.list = NULL;
  r->x = x;
  snprintf(url, sizeof url, to->ipv6 ? "http://[%s]:%u/" : "http://%s:%u/",
           to->host, (unsigned)to->port);
  opamp__curl_dial(x->easy, r->pool);
  curl_easy_setopt(x->easy, CURLOPT_URL, url);
  curl_easy_setopt(x->easy, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(x->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
  curl_easy_setopt(x->easy, CURLOPT_ERRORBUFFER, x->error);
  curl_easy_setopt(x->easy, CURLOPT_PRIVATE, x);
  if (x->resolve != NULL)
    curl_easy_setopt(x->easy, CURLOPT_RESOLVE, x->resolve);
  return curl_multi_add_handle(r->pool->multi, x->easy) == CURLM_OK;
}

static void pinned(void *ctx, bool unresolved, opamp__ending *why) {
  ws_relay *r = (ws_relay *)ctx;
  if (unresolved || !dial(r)) opamp__ws_end(r->conn, unresolved ? why : NULL);
}

/* False when out of memory. */
static bool begin(ws_relay *r, const opamp__endpoint *ep) {
  opamp__addrs numeric;
  const opamp__url *to = &r->conn->dial->url;
  r->pin = (opamp__pin){.t = r->w->t,
                        .proxy = r->pool->proxy,
                        .host = to->host,
                        .port = to->port,
                        .numeric = opamp__addr_numeric(to->host, &numeric),
                        .done = pinned,
                        .ctx = r};
  if (ep->numeric_hosts && opamp__pin_name(&r->pin) != NULL) {
    opamp__ws_end(r->conn, opamp__pin_forbidden(&r->pin));
    return true;
  }
  opamp__pinned state = opamp__pin_all(&r->pin);
  return state == OPAMP__PINNING || (state == OPAMP__PINNED && dial(r));
}

opamp_status opamp__ws_relay_new(ws_relay **out, ws_conn *c,
                                 const opamp__endpoint *ep) {
  opamp__ws *w = c->w;
  ws_relay *r = (ws_relay *)opamp__calloc(1, sizeof *r);
  *out = NULL;
  if (r == NULL) return opamp__nomem();
  r->w = w;
  r->conn = c;
  r->near.fd = r->far.fd = -1;
  r->tls = ep->proxy->kind == OPAMP__PROXY_HTTPS;
  r->task.run = dialled;
  r->task.ctx = r;
  r->next = w->relays;
  w->relays = r;
  r->proxy = opamp__strndup(ep->proxy->address, strlen(ep->proxy->address));
  opamp_status st = r->proxy == NULL ? opamp__nomem()
                                     : opamp__http_pool_own(
                                           &r->pool, w->t,
                                           r->tls ? ep->tls : NULL, ep->proxy);
  if (st == OPAMP_OK && !begin(r, ep)) st = opamp__nomem();
  if (st != OPAMP_OK) {
    opamp__ws_relay_free(r);
    return st;
  }
  *out = r;
  return OPAMP_OK;
}

void opamp__ws_close_relays(opamp__transport *t) {
  if (t->ws == NULL) return;
  for (ws_relay *r = t->ws->relays, *next; r != NULL; r = next) {
    next = r->next;
    if (r->near.watch != NULL && !r->listening)
      (void)carry(r, &r->up, &r->near, &r->far);
    opamp__ws_relay_free(r);
  }
}
