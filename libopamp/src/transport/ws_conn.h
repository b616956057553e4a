/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TRANSPORT_WS_CONN_H
#define OPAMP_TRANSPORT_WS_CONN_H

#include <zlib.h>

#include "base/buf.h"
#include "transport/ws_internal.h"

/* A WebSocket connection is two things: what its owner holds (ws_conn), which
 * goes when the owner is told or lets go, and what libwebsockets holds
 * (ws_link, one for each address tried), which goes when libwebsockets says so.
 * Each points to the other until one of them goes.
 *
 * ws_dial.c: addresses, upgrade, failures until then; ws_relay.c: the way
 * through a proxy. ws_lws.c: frames;
 * ws_inflate.c: those that are compressed. */

typedef struct ws_conn ws_conn;

/* What is needed until the connection is open. */
typedef struct ws_dial {
  opamp__url url;
  opamp__headers headers;
  char *instance_uid;
  opamp__addrs addrs;
  size_t next; /* of addrs */
  opamp__addr current;
  int error; /* errno of the last address */
  opamp__lookup *lookup;
  opamp__timer *timer;
  ws_relay *relay; /* until a link has it */
} ws_dial;

struct ws_conn {
  opamp__conn base;
  opamp__ws *w;
  ws_link *link;
  ws_dial *dial; /* NULL once open */
  opamp__ending *ending;
  opamp__task task;
  uint8_t *frame; /* in hand; NULL: none */
  size_t len, sent;
  opamp__buf message; /* the pieces so far */
  z_stream *inflater; /* NULL: not needed now */
  size_t max_receive;
  opamp__tls *tls;
  bool compress, numeric_hosts;
  bool open;
  bool ended;       /* the task tells the owner */
  bool dial_next;   /* the task tries the next address */
  bool written;     /* the task says so */
  bool handed_over; /* the frame's last byte, but not yet to the socket */
  bool ping;
  bool in_message;
  bool deflated; /* the message is compressed */
};

struct ws_link {
  ws_link *next;
  opamp__ws *w;
  ws_conn *conn; /* NULL: nobody cares */
  ws_vhost *vhost;
  struct lws *wsi;
  ws_relay *relay; /* NULL: none, or it is over */
  int lost;        /* errno of a relay that is over */
  opamp__descriptor *descriptor;
  opamp__task kill;
  opamp__timer *linger;
  void *deflate;       /* of libwebsockets, which will free it, or not */
  uint8_t *copy;       /* of the piece that is being compressed */
  uint16_t close_code; /* to be sent, 0 none */
  bool bad_extensions; /* in the answer to the upgrade */
  bool fresh_windows;  /* no message of the server refers to another */
  bool connecting;     /* inside lws_client_connect_via_info */
  bool gone;           /* libwebsockets said so inside of it */
  bool tcp;
  bool socketless; /* libwebsockets closed it before it said so */
  bool close_sent;
  bool killed;
};

/* Ends the link in the loop's next round. */
void opamp__ws_kill(ws_link *l);
/* Parts the link from its connection; returns that, or NULL. */
ws_conn *opamp__ws_part(ws_link *l);
/* The connection is over for its owner, who is told in the loop's next round.
 * The first reason counts. */
void opamp__ws_end(ws_conn *c, opamp__ending *e);
/* The errno that the socket knows of, or the relay behind it. */
int opamp__ws_link_error(ws_link *l, struct lws *wsi);
void opamp__ws_free(ws_conn *c);
void opamp__ws_link_free(ws_link *l);

/* Appends what a piece of a compressed message stands for to c->message.
 * OPAMP_ERR_LIMIT, OPAMP_ERR_NOMEM, OPAMP_ERR_FRAME: they are not well
 * compressed. */
opamp_status opamp__ws_inflate(ws_conn *c, const uint8_t *p, size_t n,
                               bool last);
/* The next message begins anew. */
void opamp__ws_inflate_end(ws_conn *c);

/* In ws_context.c: at the end of the wsi, what it left of its compressor. */
void opamp__ws_free_deflate(ws_link *l);

void opamp__ws_dial_free(ws_dial *d);
/* Begins with the addresses of the URL or with the proxy, in the loop's next
 * round at the earliest. OPAMP_ERR_NOMEM; OPAMP_ERR_UNSUPPORTED for a proxy
 * without libcurl. */
opamp_status opamp__ws_dial_start(ws_conn *c, const opamp__endpoint *ep);
void opamp__ws_dial_next(ws_conn *c);
/* The relay of the dial has the way through the proxy. */
void opamp__ws_dial_relayed(ws_conn *c);

/* The callbacks up to the upgrade. */
void opamp__ws_tcp_connected(ws_link *l);
int opamp__ws_append_headers(ws_link *l, struct lws *wsi, void *in, size_t len);
void opamp__ws_answered(ws_link *l, struct lws *wsi);
void opamp__ws_attempt_failed(ws_link *l, struct lws *wsi, const char *text,
                              size_t len);

#endif
