/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "transport/http_internal.h"
#include "transport/tls_internal.h"

struct http_conn {
  opamp__conn base;
  http_pool *pool;
  http_host *at;
  http_waiting waiting;
  http_exchange *exchange;
  opamp__pin pin;
  opamp__task task;
  opamp__ending *ending;
  uint8_t *frame;
  size_t len;
  struct curl_slist *headers;
  char *url, *host;
  size_t max_receive;
  bool compress, numeric_hosts;
  bool tls;  /* https */
  bool busy; /* a frame is on its way */
};

/* --- what curl calls during an exchange ----------------------------------- */

static int leaves(void *ctx, char *to_ip, char *from_ip, int to_port,
                  int from_port) {
  http_exchange *x = (http_exchange *)ctx;
  (void)to_ip, (void)from_ip, (void)to_port, (void)from_port;
  if (x->conn == NULL) return CURL_PREREQFUNC_ABORT;
  /* A second time when curl repeats it on a fresh connection. */
  if (!x->opened) {
    x->opened = true;
    x->conn->base.sink->opened(x->conn->base.ctx);
  }
  return x->conn == NULL ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static size_t body_arrives(char *p, size_t size, size_t n, void *ctx) {
  http_exchange *x = (http_exchange *)ctx;
  long status = 0;
  (void)size;
  if (x->conn == NULL) return 0;
  if (n > x->conn->max_receive - x->body.len) {
    x->too_big = true;
    return 0;
  }
  curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
  size_t keep = n;
  if (status / 100 != 2) {
    size_t room = x->body.len < 4 * OPAMP__BODY_SHOWN
                      ? 4 * OPAMP__BODY_SHOWN - x->body.len
                      : 0;
    keep = n < room ? n : room;
  }
  if (!opamp__buf_append(&x->body, p, keep)) {
    x->no_memory = true;
    return 0;
  }
  x->conn->base.sink->alive(x->conn->base.ctx);
  return x->conn == NULL ? 0 : n;
}

/* Lines of the heads of a proxy, of 100 Continue, and of the answer, which is
 * the last; and trailers. */
static size_t header_arrives(char *p, size_t size, size_t n, void *ctx) {
  http_exchange *x = (http_exchange *)ctx;
  (void)size;
  if (x->conn == NULL) return 0;
  if (n >= 5 && memcmp(p, "HTTP/", 5) == 0)
    x->head = false;
  else if (*p == '\r' || *p == '\n')
    x->head = true;
  x->conn->base.sink->alive(x->conn->base.ctx);
  return x->conn == NULL ? 0 : n;
}

/* --- starting one --------------------------------------------------------- */

static bool gzip(opamp__buf *out, const uint8_t *p, size_t n) {
  z_stream z = {0};
  bool ok = false;
  /* 16 + 15: a gzip header, the largest window. */
  if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + 15, 8,
                   Z_DEFAULT_STRATEGY) != Z_OK)
    return false;
  opamp__buf_clear(out);
  size_t bound = deflateBound(&z, (uLong)n);
  if (bound > UINT32_MAX || !opamp__buf_reserve(out, bound)) goto done;
  z.next_in = (Bytef *)p;
  z.avail_in = (uInt)n;
  z.next_out = out->ptr;
  z.avail_out = (uInt)bound;
  if (deflate(&z, Z_FINISH) != Z_STREAM_END) goto done;
  out->len = z.total_out;
  ok = true;

done:
  deflateEnd(&z);
  return ok;
}

static void set_request(http_exchange *x, const http_conn *c, const uint8_t *p,
                        size_t n) {
  CURL *e = x->easy;
  curl_easy_setopt(e, CURLOPT_URL, c->url);
  curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(e, CURLOPT_POST, 1L);
  curl_easy_setopt(e, CURLOPT_POSTFIELDS, p);
  curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n);
  curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->headers);
  curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip");
  curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->error);
  curl_easy_setopt(e, CURLOPT_PRIVATE, x);
  curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, leaves);
  curl_easy_setopt(e, CURLOPT_PREREQDATA, x);
  curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, body_arrives);
  curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
  curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, header_arrives);
  curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
}

static bool start(http_conn *c) {
  static const uint8_t nothing = 0;
  http_exchange *x = opamp__http_exchange_get(c->pool);
  if (x == NULL) return false;
  const uint8_t *p = c->frame == NULL ? &nothing : c->frame;
  size_t n = c->len;
  bool ok = true;
  x->resolve = c->pin.list;
  c->pin.list = NULL;
  if (c->compress) {
    ok = gzip(&x->packed, p, n);
    p = x->packed.ptr;
    n = x->packed.len;
  }
  if (ok) {
    opamp__curl_dial(x->easy, c->pool);
    if (x->resolve != NULL)
      curl_easy_setopt(x->easy, CURLOPT_RESOLVE, x->resolve);
    set_request(x, c, p, n);
    ok = curl_multi_add_handle(c->pool->multi, x->easy) == CURLM_OK;
  }
  if (!ok) {
    opamp__http_exchange_put(x);
    return false;
  }
  x->conn = c;
  c->exchange = x;
  x->host = c->at;
  x->host->users++;
  x->host->running++;
  return true;
}

/* --- connections ---------------------------------------------------------- */

static void conn_free(http_conn *c) {
  opamp__soon_cancel(c->base.t, &c->task);
  opamp__pin_reset(&c->pin);
  if (c->at != NULL) opamp__http_wait_cancel(c->at, &c->waiting);
  if (c->exchange != NULL) opamp__http_exchange_drop(c->exchange);
  opamp__http_host_put(c->at);
  if (c->pool != NULL) c->pool->users--;
  opamp__curl_free_headers(c->headers);
  opamp__free(c->ending);
  opamp__free(c->url);
  opamp__free(c->host);
  opamp__free(c);
}

static void finish(http_conn *c, opamp__ending *e) {
  const opamp__sink *sink = c->base.sink;
  void *ctx = c->base.ctx;
  conn_free(c);
  opamp__end_tell(sink, ctx, e);
}

static void end_soon(void *ctx) {
  http_conn *c = (http_conn *)ctx;
  opamp__ending *e = c->ending;
  c->ending = NULL;
  finish(c, e);
}

static void pinned(void *ctx, bool unresolved, opamp__ending *why) {
  http_conn *c = (http_conn *)ctx;
  if (unresolved)
    finish(c, why);
  else if (!opamp__http_wait(c->at, &c->waiting) && !start(c))
    finish(c, NULL);
}

/* To where it is known to be, or asks for that first; false when out of
 * memory. */
static bool depart(http_conn *c) {
  switch (opamp__pin_all(&c->pin)) {
    case OPAMP__PINNED:
      return start(c);
    case OPAMP__PINNING:
      return true;
    default:
      return false;
  }
}

void opamp__http_turn(http_waiting *w) {
  http_conn *c =
      (http_conn *)(void *)((char *)w - offsetof(http_conn, waiting));
  if (!depart(c)) opamp__soon(c->base.t, &c->task);
}

static opamp_status http_send(opamp__conn *conn, uint8_t *frame, size_t len) {
  http_conn *c = (http_conn *)conn;
  if (c->busy || c->task.queued)
    return opamp__fail(OPAMP_ERR_STATE, "a request is under way");
  c->frame = frame;
  c->len = len;
  c->busy = true;
  opamp__pin_reset(&c->pin);
  if (c->numeric_hosts && opamp__pin_name(&c->pin) != NULL) {
    c->ending = opamp__pin_forbidden(&c->pin);
    opamp__soon(conn->t, &c->task);
    return OPAMP_OK;
  }
  if (opamp__http_wait(c->at, &c->waiting) || depart(c)) return OPAMP_OK;
  c->busy = false;
  return opamp__nomem();
}

static void http_ping(opamp__conn *conn) {
  (void)conn;
}

static void http_close(opamp__conn *conn, int code) {
  http_conn *c = (http_conn *)conn;
  (void)code;
  opamp__http_wait_cancel(c->at, &c->waiting);
  opamp__pin_reset(&c->pin);
  if (c->exchange != NULL) opamp__http_exchange_drop(c->exchange);
  c->exchange = NULL;
  opamp__free(c->ending);
  c->ending = opamp__ending_new(OPAMP_ERR_CLOSED, "closed");
  opamp__soon(conn->t, &c->task);
}

static void http_abort(opamp__conn *conn) {
  conn_free((http_conn *)conn);
}

static const opamp__conn_ops ops = {http_send, http_ping, http_close,
                                    http_abort};

/* --- the end of an exchange ----------------------------------------------- */

static void copy_header(CURL *e, const char *name, char *out, size_t size) {
  struct curl_header *h;
  if (curl_easy_header(e, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK)
    snprintf(out, size, "%s", h->value);
}

/* A request for a plain server goes to the proxy whole, not through a tunnel:
 * proxies allow CONNECT to ports of TLS only, as a rule. */
static bool asks_proxy(const http_conn *c) {
  const opamp__proxy *p = c->pool->proxy;
  return p != NULL && !c->tls &&
         (p->kind == OPAMP__PROXY_HTTP || p->kind == OPAMP__PROXY_HTTPS);
}

static opamp__ending *refused(const http_exchange *x, long status) {
  if (status == 407 && asks_proxy(x->conn))
    return opamp__proxy_refused(x->pool->proxy, "the request", status);
  /* curl takes "HTTP/1.1 -1" and "HTTP/2 x" for answers, too. */
  if (!opamp__http_status(status))
    return opamp__ending_new(OPAMP_ERR_TRANSPORT,
                             "the answer has no HTTP status");
  opamp__refusal *r = opamp__refusal_new((int)status, "HTTP status");
  if (r == NULL) return NULL;
  copy_header(x->easy, "Location", r->location, sizeof r->location);
  copy_header(x->easy, "Retry-After", r->retry_after, sizeof r->retry_after);
  opamp__printable(r->body, sizeof r->body, x->body.ptr, x->body.len);
  return &r->ending;
}

static opamp__ending *not_connected(const http_exchange *x) {
  const http_conn *c = x->conn;
  long err = 0;
  char *ip = NULL;
  curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &err);
  curl_easy_getinfo(x->easy, CURLINFO_PRIMARY_IP, &ip);
  const char *host = ip != NULL && ip[0] != '\0' ? ip : c->host;
  return opamp__ending_new(
      OPAMP_ERR_TRANSPORT,
      strchr(host, ':') != NULL ? "connect to [%s]:%u: %s"
                                : "connect to %s:%u: %s",
      host, (unsigned)c->pin.port,
      err != 0 ? strerror((int)err) : "no address answers");
}

static opamp__ending *tls_failed(const http_exchange *x, CURLcode code) {
  char text[200];
  opamp__curl_tls_text(x->easy, code, x->error, false, x->conn->pin.numeric,
                       text, sizeof text);
  return opamp__ending_new(OPAMP_ERR_TLS, "%s", text);
}

/* Also what curl says of bytes behind the end of a compressed body. */
static opamp__ending *not_written(const http_exchange *x) {
  if (x->no_memory) return NULL;
  if (!x->too_big)
    return opamp__ending_new(OPAMP_ERR_TRANSPORT,
                             "the response cannot be decompressed");
  return opamp__ending_new(OPAMP_ERR_LIMIT,
                           "the response is larger than %zu bytes",
                           x->conn->max_receive);
}

static opamp__ending *failed(const http_exchange *x, CURLcode code) {
  opamp__ending *e;
  if (code == CURLE_OK)
    return opamp__ending_new(OPAMP_ERR_TRANSPORT,
                             "the answer ends within its head");
  if (opamp__proxy_failed(&e, x->pool, x->easy, code, x->error, x->opened))
    return e;
  if (code == CURLE_OUT_OF_MEMORY) return NULL;
  if (code == CURLE_COULDNT_CONNECT) return not_connected(x);
  if (opamp__curl_is_tls(code)) return tls_failed(x, code);
  if (code == CURLE_WRITE_ERROR) return not_written(x);
  const char *what = x->error[0] != '\0' ? x->error : curl_easy_strerror(code);
  const opamp__proxy *p = x->pool->proxy;
  if (p == NULL) return opamp__ending_new(OPAMP_ERR_TRANSPORT, "%s", what);
  return opamp__ending_new(OPAMP_ERR_TRANSPORT, "through proxy %s: %s",
                           p->address, what);
}

/* Who refuses a request often does not read it to its end, and the connection
 * is reset before all of the answer is here; its head is enough. */
static bool no_more(CURLcode code, long status) {
  return (code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR) &&
         opamp__http_status(status) && status / 100 > 2;
}

void opamp__http_done(http_exchange *x, CURLcode code) {
  http_pool *p = x->pool;
  http_conn *c = x->conn;
  long status = 0;
  if (c == NULL) return; /* in the list of the dead */
  curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
  if (code == CURLE_OK) opamp__pin_worked(&c->pin, x->easy);
  bool fine = code == CURLE_OK && status / 100 == 2;
  /* curl takes a connection that ends within the head for an answer without a
   * body, and that is a good one. */
  bool good = fine && x->head;
  opamp__ending *e = NULL;
  if (!good)
    e = !fine && (code == CURLE_OK || no_more(code, status))
            ? refused(x, status)
            : failed(x, code);
  curl_multi_remove_handle(p->multi, x->easy);
  c->exchange = NULL;
  c->busy = false;
  x->conn = NULL;
  if (good)
    c->base.sink->frame(c->base.ctx, x->body.ptr, x->body.len);
  else
    finish(c, e);
  opamp__http_exchange_put(x);
}

/* --- opening -------------------------------------------------------------- */

static bool add_headers(http_conn *c, const opamp__endpoint *ep) {
  bool ok = opamp__curl_add_header(&c->headers, "Content-Type",
                                   "application/x-protobuf");
  struct curl_slist *l = curl_slist_append(c->headers, "Expect:");
  if (l == NULL) return false;
  c->headers = l;
  if (ep->instance_uid != NULL)
    ok = ok && opamp__curl_add_header(&c->headers, "OpAMP-Instance-UID",
                                      ep->instance_uid);
  if (ep->compress)
    ok = ok && opamp__curl_add_header(&c->headers, "Content-Encoding", "gzip");
  if (ep->headers == NULL) return ok;
  for (size_t i = 0; ok && i < ep->headers->len; i++)
    ok = opamp__curl_add_header(&c->headers, ep->headers->list[i].name,
                                ep->headers->list[i].value);
  return ok;
}

/* Connections are counted by whom curl connects to for them: for requests that
 * a proxy takes whole that is the proxy. */
static http_host *count_at(http_conn *c) {
  const opamp__proxy *p = c->pool->proxy;
  return asks_proxy(c) ? opamp__http_host_get(c->pool, p->host, p->port)
                       : opamp__http_host_get(c->pool, c->host, c->pin.port);
}

static bool fill(http_conn *c, const opamp__endpoint *ep) {
  opamp__addrs numeric;
  c->max_receive = ep->max_receive;
  c->compress = ep->compress;
  c->numeric_hosts = ep->numeric_hosts;
  c->tls = ep->url->tls;
  c->url = opamp__strndup(ep->url->text, strlen(ep->url->text));
  c->host = opamp__strndup(ep->url->host, strlen(ep->url->host));
  c->pin = (opamp__pin){.t = c->base.t,
                        .proxy = c->pool->proxy,
                        .host = c->host,
                        .port = ep->url->port,
                        .numeric = opamp__addr_numeric(ep->url->host, &numeric),
                        .done = pinned,
                        .ctx = c};
  if (c->url == NULL || c->host == NULL) return false;
  c->at = count_at(c);
  return c->at != NULL && add_headers(c, ep);
}

opamp_status opamp__http_open(opamp__conn **out, opamp__transport *t,
                              const opamp__endpoint *ep) {
  http_pool *p;
  opamp_status status = opamp__http_pool(&p, t, ep->tls, ep->proxy);
  if (status != OPAMP_OK) return status;
  http_conn *c = (http_conn *)opamp__calloc(1, sizeof *c);
  if (c == NULL) return opamp__nomem();
  c->base.ops = &ops;
  c->base.t = t;
  c->task.run = end_soon;
  c->task.ctx = c;
  c->pool = p;
  p->users++;
  if (!fill(c, ep)) {
    conn_free(c);
    return opamp__nomem();
  }
  *out = &c->base;
  return OPAMP_OK;
}
