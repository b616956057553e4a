/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "transport/http_internal.h"
#include "transport/tls_internal.h"

enum { NO_TIMEOUT_MS = 0x7fffffff /* 24 days: the deadline is the core's */ };

struct http_conn {
  opamp__conn base;
  http_pool *pool;
  http_host *at;
  http_waiting waiting;
  http_exchange *exchange;
  opamp__lookup *lookup;
  opamp__task task;
  opamp__ending *ending;
  uint8_t *frame;
  size_t len;
  struct curl_slist *headers;
  char *url, *host;
  size_t max_receive;
  uint16_t port;
  bool compress, numeric_hosts, numeric;
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

static size_t header_arrives(char *p, size_t size, size_t n, void *ctx) {
  http_exchange *x = (http_exchange *)ctx;
  (void)p, (void)size;
  if (x->conn == NULL) return 0;
  x->conn->base.sink->alive(x->conn->base.ctx);
  return x->conn == NULL ? 0 : n;
}

static CURLcode set_tls(CURL *easy, void *ssl_ctx, void *ctx) {
  (void)easy;
  return opamp__tls_apply((SSL_CTX *)ssl_ctx, (const opamp__tls *)ctx)
             ? CURLE_OK
             : CURLE_SSL_CERTPROBLEM;
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

/* "+host:port:addr,addr": the addresses that curl shall use. */
static bool pin_addresses(http_exchange *x, const http_conn *c,
                          const opamp__addrs *found) {
  opamp__buf b = {0};
  bool ok = opamp__buf_printf(&b, "+%s:%u:", c->host, (unsigned)c->port);
  for (size_t i = 0; ok && i < found->len; i++) {
    const opamp__addr *a = &found->list[i];
    char text[OPAMP__ADDR_TEXT];
    opamp__addr_text(a, text);
    ok = opamp__buf_printf(&b, a->any.sa_family == AF_INET6 ? "%s[%s]" : "%s%s",
                           i == 0 ? "" : ",", text);
  }
  ok = ok && opamp__buf_byte(&b, 0);
  if (ok) x->resolve = curl_slist_append(NULL, (const char *)b.ptr);
  opamp__buf_free(&b);
  return ok && x->resolve != NULL;
}

static void set_connection(http_exchange *x, const http_conn *c) {
  CURL *e = x->easy;
  curl_easy_setopt(e, CURLOPT_URL, c->url);
  curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
  /* Nothing from the environment: no proxy, no exceptions. */
  curl_easy_setopt(e, CURLOPT_PROXY, "");
  curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)NO_TIMEOUT_MS);
  curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, opamp__http_open_socket);
  curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, c->pool);
  curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, opamp__http_close_socket);
  curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, c->pool);
  if (x->resolve != NULL) curl_easy_setopt(e, CURLOPT_RESOLVE, x->resolve);
  if (c->pool->tls == NULL) return;
  bool insecure = opamp__tls_insecure(c->pool->tls);
  curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, insecure ? 0L : 1L);
  curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, insecure ? 0L : 2L);
  /* Without these two curl would read the system's bundle for nothing. */
  curl_easy_setopt(e, CURLOPT_CAINFO, NULL);
  curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
  curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, set_tls);
  curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, c->pool->tls);
}

static void set_request(http_exchange *x, const http_conn *c, const uint8_t *p,
                        size_t n) {
  CURL *e = x->easy;
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

static bool start(http_conn *c, const opamp__addrs *found) {
  static const uint8_t nothing = 0;
  http_exchange *x = opamp__http_exchange_get(c->pool);
  if (x == NULL) return false;
  const uint8_t *p = c->frame == NULL ? &nothing : c->frame;
  size_t n = c->len;
  bool ok = found == NULL || pin_addresses(x, c, found);
  if (ok && c->compress) {
    ok = gzip(&x->packed, p, n);
    p = x->packed.ptr;
    n = x->packed.len;
  }
  if (ok) {
    set_connection(x, c);
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
  opamp__lookup_cancel(c->lookup);
  if (c->at != NULL) opamp__http_wait_cancel(c->at, &c->waiting);
  if (c->exchange != NULL) opamp__http_exchange_drop(c->exchange);
  opamp__http_host_put(c->at);
  if (c->pool != NULL) c->pool->users--;
  for (struct curl_slist *h = c->headers; h != NULL; h = h->next)
    opamp__wipe(h->data, strlen(h->data));
  curl_slist_free_all(c->headers);
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

static void resolved(void *ctx, const opamp__addrs *found, const char *error) {
  http_conn *c = (http_conn *)ctx;
  c->lookup = NULL;
  if (found == NULL)
    finish(c, opamp__ending_new(OPAMP_ERR_RESOLVE, "%s", error));
  else if (!opamp__http_wait(c->at, &c->waiting) && !start(c, found))
    finish(c, NULL);
}

/* To where it is known to be, or asks for that first; false when out of
 * memory. */
static bool depart(http_conn *c) {
  opamp__addrs fresh;
  if (c->numeric) return start(c, NULL);
  if (opamp__resolver_fresh(c->base.t->resolver, c->host, &fresh))
    return start(c, &fresh);
  c->lookup = opamp__resolve(c->base.t->resolver, c->host, resolved, c);
  return c->lookup != NULL;
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
  if (!c->numeric && c->numeric_hosts) {
    c->ending = opamp__ending_new(
        OPAMP_ERR_RESOLVE, "%s is a name, and names are not resolved", c->host);
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
  opamp__lookup_cancel(c->lookup);
  c->lookup = NULL;
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

static opamp__ending *refused(const http_exchange *x, long status) {
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
      host, (unsigned)c->port,
      err != 0 ? strerror((int)err) : "no address answers");
}

static opamp__ending *tls_failed(const http_exchange *x, CURLcode code) {
  char text[200];
  long result = 0;
  curl_easy_getinfo(x->easy, CURLINFO_SSL_VERIFYRESULT, &result);
  /* 1 is what it is before all was verified; the name is checked before that,
   * by curl itself, which has other words for it. */
  bool none = result == X509_V_OK || result == X509_V_ERR_UNSPECIFIED;
  if (none && code == CURLE_PEER_FAILED_VERIFICATION)
    result = x->conn->numeric ? X509_V_ERR_IP_ADDRESS_MISMATCH
                              : X509_V_ERR_HOSTNAME_MISMATCH;
  else if (none)
    return opamp__ending_new(
        OPAMP_ERR_TLS, "%s",
        x->error[0] != '\0' ? x->error : curl_easy_strerror(code));
  opamp__tls_verify_text(result, text, sizeof text);
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
  switch (code) {
    case CURLE_OUT_OF_MEMORY:
      return NULL;
    case CURLE_COULDNT_CONNECT:
      return not_connected(x);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_ISSUER_ERROR:
      return tls_failed(x, code);
    case CURLE_WRITE_ERROR:
      return not_written(x);
    default:
      return opamp__ending_new(
          OPAMP_ERR_TRANSPORT, "%s",
          x->error[0] != '\0' ? x->error : curl_easy_strerror(code));
  }
}

/* Which address answered, for the next lookup. */
static void note_address(const http_exchange *x) {
  char *ip = NULL;
  opamp__addrs a;
  if (x->conn->numeric) return;
  curl_easy_getinfo(x->easy, CURLINFO_PRIMARY_IP, &ip);
  if (ip != NULL && opamp__addr_numeric(ip, &a))
    opamp__resolver_worked(x->conn->base.t->resolver, x->conn->host,
                           &a.list[0]);
}

void opamp__http_done(http_exchange *x, CURLcode code) {
  http_pool *p = x->pool;
  http_conn *c = x->conn;
  long status = 0;
  if (c == NULL) return; /* in the list of the dead */
  curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
  if (code == CURLE_OK) note_address(x);
  bool good = code == CURLE_OK && status / 100 == 2;
  opamp__ending *e = NULL;
  if (!good) e = code == CURLE_OK ? refused(x, status) : failed(x, code);
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

static bool add_header(http_conn *c, const char *name, const char *value) {
  opamp__buf b = {0};
  /* "Name;" is how curl sends a header without value. */
  bool ok = value[0] == '\0' ? opamp__buf_printf(&b, "%s;", name)
                             : opamp__buf_printf(&b, "%s: %s", name, value);
  ok = ok && opamp__buf_byte(&b, 0);
  struct curl_slist *l =
      ok ? curl_slist_append(c->headers, (const char *)b.ptr) : NULL;
  opamp__buf_wipe_free(&b);
  if (l == NULL) return false;
  c->headers = l;
  return true;
}

static bool add_headers(http_conn *c, const opamp__endpoint *ep) {
  bool ok = add_header(c, "Content-Type", "application/x-protobuf");
  struct curl_slist *l = curl_slist_append(c->headers, "Expect:");
  if (l == NULL) return false;
  c->headers = l;
  if (ep->instance_uid != NULL)
    ok = ok && add_header(c, "OpAMP-Instance-UID", ep->instance_uid);
  if (ep->compress) ok = ok && add_header(c, "Content-Encoding", "gzip");
  if (ep->headers == NULL) return ok;
  for (size_t i = 0; ok && i < ep->headers->len; i++)
    ok = add_header(c, ep->headers->list[i].name, ep->headers->list[i].value);
  return ok;
}

opamp_status opamp__http_open(opamp__conn **out, opamp__transport *t,
                              const opamp__endpoint *ep) {
  opamp__addrs numeric;
  http_pool *p;
  opamp_status status = opamp__http_pool(&p, t, ep->tls);
  if (status != OPAMP_OK) return status;
  http_conn *c = (http_conn *)opamp__calloc(1, sizeof *c);
  if (c == NULL) return opamp__nomem();
  c->base.ops = &ops;
  c->base.t = t;
  c->task.run = end_soon;
  c->task.ctx = c;
  c->port = ep->url->port;
  c->max_receive = ep->max_receive;
  c->compress = ep->compress;
  c->numeric_hosts = ep->numeric_hosts;
  c->numeric = opamp__addr_numeric(ep->url->host, &numeric);
  c->url = opamp__strndup(ep->url->text, strlen(ep->url->text));
  c->host = opamp__strndup(ep->url->host, strlen(ep->url->host));
  c->pool = p;
  p->users++;
  if (c->host != NULL) c->at = opamp__http_host_get(p, c->host, c->port);
  if (c->url == NULL || c->at == NULL || !add_headers(c, ep)) {
    conn_free(c);
    return opamp__nomem();
  }
  *out = &c->base;
  return OPAMP_OK;
}
