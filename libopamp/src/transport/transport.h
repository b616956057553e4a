/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TRANSPORT_TRANSPORT_H
#define OPAMP_TRANSPORT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/headers.h"
#include "base/proxy.h"
#include "base/url.h"
#include "opamp/status.h"
#include "opamp/types.h"
#include "transport/reactor.h"
#include "transport/tls.h"

/* How frames reach a server and come back. A transport moves frames; it knows
 * no OpAMP, has no deadline, no retry, no backoff and follows no redirect: all
 * of that is the core's. Everything runs in the thread that drives the loop. */

/* Where to, and how. Borrowed during open. */
typedef struct opamp__endpoint {
  const opamp__url *url;
  const opamp__headers *headers; /* NULL: none (they stay at home on a redirect
                                    to another origin) */
  const char *instance_uid;      /* text, for the OpAMP-Instance-UID header */
  opamp__tls *tls;    /* for wss, https and a proxy with TLS, NULL otherwise; a
                         reference is taken */
  const opamp__proxy *proxy; /* NULL: none. Before the environment is asked, see
                                proxy_env.h */
  size_t max_receive; /* bytes, after decompression */
  bool compress;      /* permessage-deflate, gzip requests */
  bool numeric_hosts; /* never resolve a name, that of a proxy included */
} opamp__endpoint;

static inline bool opamp__endpoint_wants_tls(const opamp__endpoint *ep) {
  return ep->url->tls ||
         (ep->proxy != NULL && ep->proxy->kind == OPAMP__PROXY_HTTPS);
}

/* Why a connection or an HTTP exchange ended. Spans are borrowed during the
 * call. */
typedef struct opamp__closed {
  opamp_status why;      /* OPAMP_ERR_TRANSPORT, _TLS, _HTTP, _RESOLVE, _CLOSED,
                            _LIMIT (too big), _TEXT_FRAME, _FRAME, _NOMEM */
  int http_status;       /* of the upgrade or the response, 0 none; also when a
                            proxy refused a connection or wants credentials */
  int close_code;        /* of the server's Close, 0 none */
  opamp_str text;        /* what happened, with errno's or TLS' own words */
  opamp_str location;    /* header of a redirect, else absent */
  opamp_str retry_after; /* header value, else absent */
  opamp_str body; /* the first 200 printable bytes of an error response */
} opamp__closed;

/* What a connection tells its owner. `closed` is the last call, comes at most
 * once, and the opamp__conn is gone when it is made. Calling any function of
 * this header from inside is allowed, also opamp__conn_abort on the same
 * connection. */
typedef struct opamp__sink {
  /* WebSocket: the upgrade is done. HTTP: the request leaves now (it waited for
   * a connection until here). */
  void (*opened)(void *ctx);
  /* One message: the WebSocket message as received (with its header), the body
   * of a 2xx response. */
  void (*frame)(void *ctx, const uint8_t *p, size_t n);
  /* Bytes arrived that are no whole message yet, or a pong. */
  void (*alive)(void *ctx);
  /* The last frame was handed to the socket whole; another may be sent.
   * WebSocket only. */
  void (*written)(void *ctx);
  void (*closed)(void *ctx, const opamp__closed *why);
} opamp__sink;

/* Room that a sender must leave, writable, in front of the frame it passes to
 * opamp__conn_send: libwebsockets writes its header there. */
enum { OPAMP__FRAME_ROOM = 32 };

typedef struct opamp__conn opamp__conn;           /* one connection */
typedef struct opamp__transport opamp__transport; /* what a loop has of them */

/* The transport of a loop, for up to max_connections; what libwebsockets and
 * curl need is made when first used. */
opamp_status opamp__transport_new(opamp__transport **out, opamp__reactor *r,
                                  uint32_t max_connections);
/* All connections must be closed or aborted before. May need the loop to run a
 * few more steps: opamp__transport_idle says when nothing of it is left in the
 * loop; then opamp__transport_free. */
void opamp__transport_shutdown(opamp__transport *t);
bool opamp__transport_idle(const opamp__transport *t);
void opamp__transport_free(opamp__transport *t);

/* Does now what the first connection needs files for. Tries all; OPAMP_OK, or
 * what opamp__conn_open would return. */
opamp_status opamp__transport_prepare(opamp__transport *t);
/* In a forked child that is going to use it: it has had no connection. False
 * when there are no descriptors for that. */
bool opamp__transport_adopt(opamp__transport *t);

/* In a forked child, first of all: connections lead nowhere from here on, so
 * that all of this can be taken down as usual. False when there are no
 * descriptors for that. */
bool opamp__transport_cut(opamp__transport *t);
/* In a forked child that must touch nothing of it: closes the descriptors. */
void opamp__transport_close_descriptors(opamp__transport *t);
/* Closes connections that nobody uses now; all others were closed or aborted.
 * After cut this comes before the loop runs again: curl must not be driven by
 * what happens to descriptors that are no longer what it opened. */
void opamp__transport_close_idle(opamp__transport *t);

/* Starts a connection; the URL's scheme decides which kind. WebSocket: dials.
 * HTTP: nothing happens until send. It may call sink->closed only later, from
 * the loop, never from inside open. The sink is not copied. OPAMP_ERR_NOMEM;
 * OPAMP_ERR_UNSUPPORTED when libwebsockets has no libuv plugin or libcurl is
 * missing, naming the package; OPAMP_ERR_STATE after shutdown. */
opamp_status opamp__conn_open(opamp__conn **out, opamp__transport *t,
                              const opamp__endpoint *ep,
                              const opamp__sink *sink, void *ctx);

/* Sends one frame: `frame` has OPAMP__FRAME_ROOM writable bytes in front of it,
 * belongs to the caller, and must stay until `written` (WebSocket, where it may
 * be overwritten), `frame` or `closed` (HTTP, where it is not). One at a time.
 * HTTP: posts it; `opened`, then `frame` or `closed` follow. */
opamp_status opamp__conn_send(opamp__conn *c, uint8_t *frame, size_t len);

/* WebSocket: a ping, as soon as it can be written. HTTP: nothing. */
void opamp__conn_ping(opamp__conn *c);

/* Ends in order: WebSocket sends Close with `code` after the frame in hand, and
 * `closed` comes when the server answered it. HTTP: as abort, but `closed`
 * comes (from the loop). The core's deadline aborts what takes too long. */
void opamp__conn_close(opamp__conn *c, int code);

/* Ends at once; no call of the sink comes after it; the conn is gone. */
void opamp__conn_abort(opamp__conn *c);

/* --- HTTP and WebSocket each fill one of these, and so may others ---------- */

typedef struct opamp__conn_ops {
  opamp_status (*send)(opamp__conn *c, uint8_t *frame, size_t len);
  void (*ping)(opamp__conn *c);
  void (*close)(opamp__conn *c, int code);
  void (*abort)(opamp__conn *c);
} opamp__conn_ops;

/* The head of every connection. */
struct opamp__conn {
  const opamp__conn_ops *ops;
  opamp__transport *t;
  const opamp__sink *sink;
  void *ctx;
};

/* OPAMP_ERR_UNSUPPORTED in a build without WebSocket. */
opamp_status opamp__ws_supported(void);

/* SHA-256, for hashes that the protocol leaves to the agent. */
void opamp__sha256(opamp_bytes in, uint8_t out[32]);
/* Random bytes from the operating system, 256 at most; false when there are
 * none. */
bool opamp__random(void *out, size_t n);

/* "libcurl 7.88.1, libwebsockets …, OpenSSL …": what was loaded. */
void opamp__transport_versions(char *out, size_t size);

#endif
