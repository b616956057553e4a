/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TRANSPORT_WS_INTERNAL_H
#define OPAMP_TRANSPORT_WS_INTERNAL_H

#include <libwebsockets.h>

#include "transport/internal.h"

/* The libwebsockets context of a loop and its vhosts (ws_context.c), and what
 * the connections (ws_lws.c) need of them. */

typedef struct ws_link ws_link;
typedef struct ws_relay ws_relay;

/* libwebsockets takes TLS set-up, host name check and extensions from the
 * vhost: one for each (TLS configuration, host, compression). */
typedef struct ws_vhost {
  struct ws_vhost *next;
  struct lws_vhost *lws;
  opamp__tls *tls;
  SSL_CTX *ssl;
  char *host;
  bool compress;
  unsigned users;
} ws_vhost;

struct opamp__ws {
  opamp__transport *t;
  struct lws_context *context; /* NULL again when libwebsockets let it go */
  ws_vhost *vhosts;
  ws_link *links;
  ws_relay *relays;
  unsigned link_count;
  opamp__task task; /* destroys vhosts without users, and the context */
  unsigned rounds;
  int guard, guarded; /* see end_context */
  bool closing;       /* libwebsockets has yet to close that again */
  void *left;         /* its handle, when it may not: then all stays so */
  opamp__ws *next_left;
  opamp__descriptor *event_pipe, *random; /* of the context */
};

/* The context, made at the first call. OPAMP_ERR_UNSUPPORTED without its libuv
 * plugin. */
opamp_status opamp__ws_get(opamp__ws **out, opamp__transport *t);

/* A vhost with one user more; NULL when out of memory. */
ws_vhost *opamp__ws_vhost_get(opamp__ws *w, const opamp__endpoint *ep);
/* One user less. Without users it goes in the loop's next round: libwebsockets
 * may still be using it in this one. */
void opamp__ws_vhost_put(opamp__ws *w, ws_vhost *v);

/* libwebsockets with libuv arms no timer when it is called from outside its own
 * callbacks: this makes it look. */
void opamp__ws_kick(opamp__ws *w);

/* The callback of the one protocol; `user` is the ws_link. */
int opamp__ws_callback(struct lws *wsi, enum lws_callback_reasons reason,
                       void *user, void *in, size_t len);
/* Ends all links at once; in ws_lws.c. */
void opamp__ws_kill_links(opamp__ws *w);

/* How much is written, and read, at once. */
enum { OPAMP__WS_CHUNK = 65536 };

#endif
