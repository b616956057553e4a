/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TRANSPORT_HTTP_INTERNAL_H
#define OPAMP_TRANSPORT_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "base/buf.h"
#include "base/proxy.h"
#include "transport/internal.h"
#include "transport/pin.h"

/* HTTP on libcurl's multi interface, driven by the reactor. http_pool.c: multi
 * and easy handles; http_wakeup.c: a multi's own sockets; curl_dial.c: the way
 * to the server; http_curl.c: requests.
 *
 * curl may re-use a connection made under one SSL_CTX function for a request
 * under another (it does not see the difference), so that each distinct TLS
 * configuration has a multi handle, a pool, of its own; so has each proxy,
 * with what it is told. */

typedef struct http_pool http_pool;
typedef struct http_exchange http_exchange;
typedef struct http_conn http_conn;

/* As many connections to a host; a burst of more would collapse. */
enum { OPAMP__HTTP_CONNECTIONS = 16 };

/* A place in a queue; `at` is NULL outside of one. */
typedef struct http_waiting {
  struct http_waiting *next, **at;
} http_waiting;

/* What is under way to one host, and what waits for it. */
typedef struct http_host {
  struct http_host *next;
  http_pool *pool;
  char *name;
  uint16_t port;
  unsigned users, running;
  http_waiting *first, **last;
} http_host;

struct http_pool {
  http_pool *next;
  opamp__transport *t;
  opamp__http *http; /* NULL: not in its list */
  opamp__tls *tls;
  opamp__proxy *proxy; /* NULL: none */
  struct curl_slist *proxy_headers;
  CURLM *multi;
  opamp__timer *timer;
  http_host *hosts;
  http_exchange *idle;
  http_exchange *dead;    /* dropped inside curl; removed when curl returns */
  http_exchange *starved; /* without memory for a watch; end then, too */
  opamp__descriptor *wakeup[2]; /* of the multi handle */
  unsigned idle_count, users, depth, waiting;
};

/* One request under way. Pooled with its easy handle. */
struct http_exchange {
  http_exchange *next, *next_starved;
  http_pool *pool;
  CURL *easy;
  http_conn *conn; /* NULL: nobody waits for it any more */
  /* Of one that is no request: instead of opamp__http_done. Called by the pool,
   * which must not go in there. */
  void (*done)(http_exchange *x, CURLcode code);
  void *ctx;
  http_host *host; /* while it is under way */
  struct curl_slist *resolve;
  opamp__buf body, packed;
  bool opened, too_big, no_memory;
  bool head; /* the whole of it is here, to its empty line */
  char error[CURL_ERROR_SIZE];
};

struct opamp__http {
  opamp__transport *t;
  http_pool *pools;
};

/* The pool of a configuration (NULL: plain; direct), made when needed. The
 * caller counts itself in `users`. OPAMP_ERR_UNSUPPORTED without libcurl. */
opamp_status opamp__http_pool(http_pool **out, opamp__transport *t,
                              opamp__tls *tls, const opamp__proxy *proxy);
/* One that nobody else gets, the caller's to free. */
opamp_status opamp__http_pool_own(http_pool **out, opamp__transport *t,
                                  opamp__tls *tls, const opamp__proxy *proxy);
void opamp__http_pool_free(http_pool *p);

http_exchange *opamp__http_exchange_get(http_pool *p);
/* Back into the pool; its handle is not in the multi. */
void opamp__http_exchange_put(http_exchange *x);
/* A multi handle, and the sockets with which it wakes itself up, closed on exec;
 * -1: not known. NULL when out of memory. */
CURLM *opamp__http_multi_new(int pair[2]);
/* How curl opens and closes its sockets; `ctx` is the pool. */
curl_socket_t opamp__http_open_socket(void *ctx, curlsocktype purpose,
                                      struct curl_sockaddr *a);
int opamp__http_close_socket(void *ctx, curl_socket_t fd);
/* Gives up one that is under way. */
void opamp__http_exchange_drop(http_exchange *x);

/* In http_curl.c: curl has finished this one; the turn of this one has come. */
void opamp__http_done(http_exchange *x, CURLcode code);
void opamp__http_turn(http_waiting *w);

/* In curl_dial.c. Sets everything up that is about the way to the server. */
void opamp__curl_dial(CURL *e, http_pool *p);
/* False when out of memory. */
bool opamp__curl_add_header(struct curl_slist **list, const char *name,
                            const char *value);
/* Wipes them, too. */
void opamp__curl_free_headers(struct curl_slist *list);
/* Whether it failed at the proxy, of which `*out` then tells (NULL: out of
 * memory); `connected`: it got as far as to the server. */
bool opamp__proxy_failed(opamp__ending **out, const http_pool *p, CURL *e,
                         CURLcode code, const char *error, bool connected);
/* "proxy p:1: refused CONNECT with 407 (…)" */
opamp__ending *opamp__proxy_refused(const opamp__proxy *p, const char *what,
                                    long status);
bool opamp__curl_is_tls(CURLcode code);
/* Why TLS failed, with the server or the proxy, whose host is a name or not. */
void opamp__curl_tls_text(CURL *e, CURLcode code, const char *error,
                          bool of_proxy, bool numeric, char *out, size_t size);

/* http_queue.c. A host of the pool, with one user more, NULL when out of memory;
 * with one less. */
http_host *opamp__http_host_get(http_pool *p, const char *name, uint16_t port);
void opamp__http_host_put(http_host *h);
/* True when it has to wait; next takes the first out whose turn it is, NULL
 * none. */
bool opamp__http_wait(http_host *h, http_waiting *w);
void opamp__http_wait_cancel(http_host *h, http_waiting *w);
http_waiting *opamp__http_next(http_host *h);

#endif
