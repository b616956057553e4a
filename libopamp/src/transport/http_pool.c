/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "transport/http_internal.h"

enum {
  IDLE_HANDLES = 16,
  BUFFER_KEPT = 65536 /* a big one is not kept for the small that follow */
};

/* --- driving curl --------------------------------------------------------- */

/* None of them is told anything from here. */
static void run_waiting(http_pool *p) {
  http_waiting *w;
  for (http_host *h = p->hosts; h != NULL && p->waiting > 0; h = h->next)
    while ((w = opamp__http_next(h)) != NULL) opamp__http_turn(w);
}

static void done(http_exchange *x, CURLcode code) {
  if (x->done != NULL)
    x->done(x, code);
  else
    opamp__http_done(x, code);
}

/* What curl has finished. Owners are called from here, never from inside it. */
static void drain(http_pool *p) {
  int left;
  CURLMsg *m;
  if (p->depth > 0) return;
  p->users++; /* keeps it while owners are called */
  while (p->starved != NULL) {
    http_exchange *x = p->starved;
    p->starved = x->next_starved;
    done(x, CURLE_OUT_OF_MEMORY);
  }
  while (p->dead != NULL) {
    http_exchange *x = p->dead;
    p->dead = x->next;
    curl_multi_remove_handle(p->multi, x->easy);
    opamp__http_exchange_put(x);
  }
  while ((m = curl_multi_info_read(p->multi, &left)) != NULL) {
    http_exchange *x = NULL;
    CURLcode code = m->data.result;
    if (m->msg != CURLMSG_DONE) continue;
    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&x);
    done(x, code);
  }
  run_waiting(p);
  p->users--;
}

static void on_socket_ready(void *ctx, int fd, unsigned ready) {
  http_pool *p = (http_pool *)ctx;
  int running, mask = 0;
  if (ready & OPAMP__READABLE) mask |= CURL_CSELECT_IN;
  if (ready & OPAMP__WRITABLE) mask |= CURL_CSELECT_OUT;
  p->depth++;
  curl_multi_socket_action(p->multi, fd, mask, &running);
  p->depth--;
  drain(p);
}

static void on_timeout(void *ctx) {
  http_pool *p = (http_pool *)ctx;
  int running;
  p->depth++;
  curl_multi_socket_action(p->multi, CURL_SOCKET_TIMEOUT, 0, &running);
  p->depth--;
  drain(p);
}

/* To return -1 instead would make curl's multi handle unusable for all. */
static void starve(http_pool *p, CURL *easy) {
  http_exchange *x = NULL;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&x);
  for (const http_exchange *y = p->starved; y != NULL; y = y->next_starved)
    if (y == x) return;
  if (x == NULL) return;
  x->next_starved = p->starved;
  p->starved = x;
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx,
                        void *socket_ctx) {
  http_pool *p = (http_pool *)ctx;
  opamp__watch *w = (opamp__watch *)socket_ctx;
  unsigned events = 0;
  if (what & CURL_POLL_IN) events |= OPAMP__READABLE;
  if (what & CURL_POLL_OUT) events |= OPAMP__WRITABLE;
  if (what == CURL_POLL_REMOVE) {
    opamp__unwatch(w);
    curl_multi_assign(p->multi, fd, NULL);
  } else if (w != NULL) {
    opamp__watch_set(w, events);
  } else {
    w = opamp__reactor_watch(p->t->reactor, fd, events, on_socket_ready, p);
    if (w == NULL)
      starve(p, easy);
    else
      curl_multi_assign(p->multi, fd, w);
  }
  return 0;
}

static int set_timer(CURLM *multi, long ms, void *ctx) {
  (void)multi;
  opamp__timer_set(((http_pool *)ctx)->timer, ms);
  return 0;
}

/* --- sockets -------------------------------------------------------------- */

curl_socket_t opamp__http_open_socket(void *ctx, curlsocktype purpose,
                                      struct curl_sockaddr *a) {
  opamp__descriptors *list = &((http_pool *)ctx)->t->descriptors;
  opamp__descriptor *d = opamp__descriptor_new(list);
  (void)purpose;
  if (d == NULL) return CURL_SOCKET_BAD;
  int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
  if (fd < 0)
    opamp__descriptor_free(list, d);
  else
    opamp__descriptor_set(d, fd);
  return fd;
}

int opamp__http_close_socket(void *ctx, curl_socket_t fd) {
  opamp__descriptors *list = &((http_pool *)ctx)->t->descriptors;
  opamp__descriptor_free(list, opamp__descriptors_find(list, fd));
  return close(fd);
}

/* --- pools ---------------------------------------------------------------- */

static CURLM *multi_init(http_pool *p) {
  int pair[2];
  CURLM *m = opamp__http_multi_new(pair);
  for (int i = 0; i < 2; i++) {
    p->wakeup[i] = opamp__descriptor_new(&p->t->descriptors);
    if (p->wakeup[i] != NULL) opamp__descriptor_set(p->wakeup[i], pair[i]);
  }
  return m;
}

static void exchange_free(http_exchange *x) {
  if (x == NULL) return;
  curl_easy_cleanup(x->easy);
  curl_slist_free_all(x->resolve);
  opamp__buf_free(&x->body);
  opamp__buf_free(&x->packed);
  opamp__free(x);
}

void opamp__http_pool_free(http_pool *p) {
  http_pool **at = p->http == NULL ? NULL : &p->http->pools;
  while (at != NULL && *at != NULL && *at != p) at = &(*at)->next;
  if (at != NULL && *at == p) *at = p->next;
  while (p->idle != NULL) {
    http_exchange *x = p->idle;
    p->idle = x->next;
    exchange_free(x);
  }
  for (int i = 0; i < 2; i++)
    opamp__descriptor_free(&p->t->descriptors, p->wakeup[i]);
  if (p->multi != NULL) curl_multi_cleanup(p->multi);
  opamp__timer_free(p->timer);
  opamp__tls_unref(p->tls);
  opamp__curl_free_headers(p->proxy_headers);
  if (p->proxy != NULL) opamp__proxy_free(p->proxy);
  opamp__free(p->proxy);
  opamp__free(p);
}

static bool take_proxy(http_pool *p, const opamp__proxy *proxy) {
  if (proxy == NULL) return true;
  p->proxy = (opamp__proxy *)opamp__calloc(1, sizeof *p->proxy);
  bool ok = p->proxy != NULL && opamp__proxy_copy(p->proxy, proxy) == OPAMP_OK;
  for (size_t i = 0; ok && i < proxy->headers.len; i++)
    ok = opamp__curl_add_header(&p->proxy_headers, proxy->headers.list[i].name,
                                proxy->headers.list[i].value);
  return ok;
}

static http_pool *pool_new(opamp__transport *t, opamp__tls *tls,
                           const opamp__proxy *proxy) {
  http_pool *p = (http_pool *)opamp__calloc(1, sizeof *p);
  if (p == NULL) return NULL;
  p->t = t;
  p->tls = tls == NULL ? NULL : opamp__tls_ref(tls);
  p->timer = opamp__reactor_timer(t->reactor, on_timeout, p);
  p->multi = multi_init(p);
  if (p->timer == NULL || p->multi == NULL || !take_proxy(p, proxy)) {
    opamp__http_pool_free(p);
    return NULL;
  }
  curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
  curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
  curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, set_timer);
  curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
  curl_multi_setopt(p->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                    (long)OPAMP__HTTP_CONNECTIONS);
  curl_multi_setopt(p->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
  return p;
}

/* A pool that nobody uses stays, with its open connections, until another
 * configuration is wanted. */
static http_pool *pool_for(opamp__http *h, opamp__tls *tls,
                           const opamp__proxy *proxy) {
  for (http_pool *p = h->pools; p != NULL; p = p->next)
    if (p->tls == tls && opamp__proxy_eq(p->proxy, proxy)) return p;
  for (http_pool *p = h->pools; p != NULL;) {
    http_pool *next = p->next;
    bool configured = p->tls != NULL || p->proxy != NULL;
    if (p->users == 0 && p->depth == 0 && configured) opamp__http_pool_free(p);
    p = next;
  }
  http_pool *p = pool_new(h->t, tls, proxy);
  if (p == NULL) return NULL;
  p->http = h;
  p->next = h->pools;
  h->pools = p;
  return p;
}

/* --- exchanges ------------------------------------------------------------ */

void opamp__http_exchange_put(http_exchange *x) {
  http_pool *p = x->pool;
  x->conn = NULL;
  if (x->host != NULL) {
    x->host->running--;
    opamp__http_host_put(x->host);
    x->host = NULL;
  }
  opamp__buf_clear(&x->body);
  opamp__buf_clear(&x->packed);
  if (x->body.cap > BUFFER_KEPT) opamp__buf_free(&x->body);
  if (x->packed.cap > BUFFER_KEPT) opamp__buf_free(&x->packed);
  if (p->idle_count >= IDLE_HANDLES) {
    exchange_free(x);
    return;
  }
  curl_easy_reset(x->easy);
  curl_slist_free_all(x->resolve);
  x->resolve = NULL;
  x->next = p->idle;
  p->idle = x;
  p->idle_count++;
}

http_exchange *opamp__http_exchange_get(http_pool *p) {
  http_exchange *x = p->idle;
  if (x != NULL) {
    p->idle = x->next;
    p->idle_count--;
  } else {
    x = (http_exchange *)opamp__calloc(1, sizeof *x);
    if (x == NULL) return NULL;
    x->pool = p;
    x->easy = curl_easy_init();
    if (x->easy == NULL) {
      opamp__free(x);
      return NULL;
    }
  }
  x->next = NULL;
  x->done = NULL;
  x->opened = x->head = false;
  x->too_big = false;
  x->no_memory = false;
  x->error[0] = '\0';
  return x;
}

/* Gives up an exchange. Inside curl it may not be taken out of the multi: its
 * callbacks then fail, and it is taken out afterwards. */
void opamp__http_exchange_drop(http_exchange *x) {
  x->conn = NULL;
  if (x->pool->depth > 0) {
    x->next = x->pool->dead;
    x->pool->dead = x;
    return;
  }
  http_pool *p = x->pool;
  curl_multi_remove_handle(p->multi, x->easy);
  opamp__http_exchange_put(x);
  run_waiting(p);
}

static CURLcode ready = CURLE_FAILED_INIT;

static void init_curl(void) {
  ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static opamp__http *http_of(opamp__transport *t) {
  if (t->http == NULL) {
    t->http = (opamp__http *)opamp__calloc(1, sizeof *t->http);
    if (t->http != NULL) t->http->t = t;
  }
  return t->http;
}

opamp_status opamp__http_prepare(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, init_curl);
  if (ready == CURLE_OK) return OPAMP_OK;
  return opamp__fail(OPAMP_ERR_UNSUPPORTED,
                     "HTTP and proxies need libcurl.so.4 (Debian: libcurl4), "
                     "which cannot be loaded");
}

opamp_status opamp__http_pool(http_pool **out, opamp__transport *t,
                              opamp__tls *tls, const opamp__proxy *proxy) {
  opamp_status st = opamp__http_prepare();
  *out = NULL;
  if (st != OPAMP_OK) return st;
  opamp__http *h = http_of(t);
  if (h != NULL) *out = pool_for(h, tls, proxy);
  return *out == NULL ? opamp__nomem() : OPAMP_OK;
}

opamp_status opamp__http_pool_own(http_pool **out, opamp__transport *t,
                                  opamp__tls *tls, const opamp__proxy *proxy) {
  opamp_status st = opamp__http_prepare();
  *out = NULL;
  if (st != OPAMP_OK) return st;
  *out = pool_new(t, tls, proxy);
  return *out == NULL ? opamp__nomem() : OPAMP_OK;
}

bool opamp__http_shutdown(opamp__transport *t) {
  if (t->http == NULL) return true;
  while (t->http->pools != NULL) opamp__http_pool_free(t->http->pools);
  opamp__free(t->http);
  t->http = NULL;
  return true;
}
