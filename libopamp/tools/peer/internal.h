/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_PEER_INTERNAL_H
#define OPAMP_TOOLS_PEER_INTERNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/buf.h"
#include "opamp/message.h"
#include "opamp/uid.h"
#include "peer/http1.h"
#include "peer/listener.h"
#include "peer/peer.h"
#include "peer/stream.h"
#include "peer/websocket.h"

/* What the files of the peer know of each other.
 *
 *   peer.c      start, stop, the connections, what happens to a message
 *   agents.c    what is known of each agent, by instance uid
 *   reply.c     the messages the peer makes itself
 *   conn.c      one connection: bytes in, its modes, its end
 *   conn_http.c its requests and responses
 *   conn_ws.c   its frames and messages
 *   issue.c     certificates for agents that ask for one
 *   link.c      messages that come by no connection of the peer's
 *   control.c   the commands; targets.c: those that send something
 *   offers.c    the configuration directory */

enum { MESSAGE_MAX = 64 * 1024 * 1024 };

/* --- what can be sent ----------------------------------------------------- */

typedef enum item_kind {
  ITEM_MESSAGE, /* a packed ServerToAgent */
  ITEM_BODY,    /* bytes in its place */
  ITEM_TEXT,    /* a text frame, a text/plain body */
  ITEM_RAW      /* bytes on the connection itself */
} item_kind;

typedef struct item {
  struct item *next;
  item_kind kind;
  tool_buf bytes;
  json_t *shown; /* of a message: what the event says was sent */
} item;

item *item_new(item_kind kind, opamp_bytes bytes);
/* Packs `m`. NULL when memory ran out. */
item *item_new_message(const opamp_msg *m);
void item_free(item *it);

/* Items and canned responses wait in lists, first in, first out. */
typedef struct canned {
  struct canned *next;
  int status;
  json_t *headers; /* {name: value}, or NULL */
  tool_buf body;
  uint64_t times; /* how many requests are still to get it */
} canned;

void canned_free_all(canned *c);

/* --- agents --------------------------------------------------------------- */

typedef struct agent {
  uint8_t uid[OPAMP_UID_LEN];
  bool known;     /* its description has been received */
  bool ask_full;  /* and it must be asked for its full state */
  bool wants_uid; /* it asked for an instance uid */
  bool numbered;  /* sequence_num is valid */
  uint64_t sequence_num;
  uint64_t capabilities;
  tool_buf config_hash;  /* last_remote_config_hash it reported */
  tool_buf offered_hash; /* what it was offered last */
  uint64_t offered_on;   /* and on which connection, which may have been lost */
  bool asks_certificate; /* for one of this request */
  tool_buf csr;
  bool renamed; /* new_uid has been given out */
  uint8_t new_uid[OPAMP_UID_LEN];
  bool http;           /* it came over plain HTTP the last time */
  uint64_t connection; /* and on this one */
  item *queue;         /* for its next requests */
} agent;

/* The agent of that uid, made when unknown; NULL when memory ran out. */
agent *agents_get(peer *p, const uint8_t uid[OPAMP_UID_LEN]);
void agents_each(peer *p, void (*visit)(agent *a, void *user_data),
                 void *user_data);
void agents_free(peer *p);

/* --- connections ---------------------------------------------------------- */

typedef struct conn {
  struct conn *prev, *next;
  peer *peer;
  stream *stream;
  uint64_t number;
  tool_buf in; /* bytes that wait to be read */
  uv_timer_t stall;
  bool stalled;
  bool reading;   /* inside conn_read */
  bool announced; /* the event `connected` is out */
  bool finished;  /* nothing more is read or sent */
  bool auto_reply;
  size_t piece; /* fragment size, 0: whole */
  agent *agent; /* whose message came last */
  canned *responses;

  http1 http;
  bool asked;      /* a complete request is not answered yet */
  bool processing; /* and is being looked at: else it is held */

  bool websocket;
  ws_reader ws;
  int deflate_bits;
  bool close_sent;
  int close_code; /* 0: none yet */
  bool clean;
} conn;

void conn_accept(peer *p, uv_stream_t *from);
/* Reads on in what has arrived, after something that had stopped it. */
void conn_read(conn *c);
void conn_stall(conn *c, uint64_t ms);
/* Ends the connection after what has been sent. */
void conn_finish(conn *c);
void conn_reset(conn *c);
/* The headers of the request at hand, as an object. */
json_t *conn_headers(const conn *c);

/* A complete request is in c->http. */
void conn_request(conn *c);
/* The request was broken: answers and ends the connection. */
void conn_bad_request(conn *c);
/* Answers the request at hand. */
void conn_answer(conn *c, const item *it);
void conn_answer_canned(conn *c);
/* Whether a canned response waits for the next request. */
bool conn_has_canned(const conn *c);

/* Reads frames; returns how many bytes it took. */
size_t conn_ws_feed(conn *c, const uint8_t *bytes, size_t n);
void conn_ws_send(conn *c, const item *it);
void conn_ws_close(conn *c, int code, const char *reason);

/* --- the peer ------------------------------------------------------------- */

/* The offer of a configuration directory. */
typedef struct offers {
  peer *peer;
  const char *dir;
  uv_fs_event_t **watches;
  size_t watch_count;
  uv_timer_t settle;
  bool running;
  bool failing;     /* the last reading failed */
  opamp_msg *offer; /* an AgentRemoteConfig, or NULL */
  tool_buf hash;
} offers;

struct peer {
  peer_options options;
  uv_loop_t *loop;
  uint64_t started_ms;
  listener listener;
  SSL_CTX *tls;
  SSL_CTX *issuer; /* holds certificate and key of the authority, or NULL */
  conn *first, *last;
  uint64_t next_number;
  void *agents; /* a tree, agents.c */
  canned *responses;
  bool auto_reply; /* of new connections, like the next two */
  size_t piece;
  uint64_t stalled_until_ms;
  offers offers;
  uv_timer_t stop_timer;
  bool stopping, stopped, failed;
  size_t handles; /* what is not closed yet: connections, timers, watches */
};

/* Text as JSON, whatever its bytes: what is not UTF-8 becomes '?'. */
json_t *peer_text(const char *text);
/* Takes over `fields`; NULL: memory ran out. */
void peer_emit(peer *p, const char *event, json_t *fields);
void peer_fail(peer *p, const char *why);
/* A connection is over and freed, or a handle is closed. */
void peer_check_stopped(peer *p);
void peer_handle_closed(uv_handle_t *h);

/* The bytes of an AgentToServer have arrived. False with `why` when they are
 * none. `*answer` is what to send back now, or NULL. When `refused`, the
 * status of the HTTP response that turns it away, is not 0, the message is
 * shown and nothing is learnt from it. */
bool peer_message(conn *c, opamp_bytes bytes, int refused, item **answer,
                  char *why, size_t whylen);
/* The answer to an agent's message, made by the rules. */
item *reply_make(conn *c, agent *a);
/* An error_response of type BadRequest. */
item *reply_bad_request(conn *c, const char *why);
/* An offer of the configuration directory when the agent lacks it. */
void reply_push_offer(conn *c);
/* Answers a held request when there is something to answer it with. */
void peer_release(conn *c);
void peer_show_sent(conn *c, const item *it);

/* Sets instance_uid to that of the agent. */
bool reply_address(opamp_msg *m, const agent *a);
/* Puts SHA-256 over a message into a field of `to`, which may be the same. */
bool reply_hash(opamp_msg *to, int field, const opamp_msg *over);

/* Reads "CERTIFICATE,KEY", two PEM files, or one with both. NULL with `err`. */
SSL_CTX *issue_load(const char *files, char *err, size_t errlen);
/* Adds an offer with a certificate to `m`, a ServerToAgent; false with `why`,
 * and then `m` is of no use. */
bool issue_offer(const peer *p, opamp_bytes csr, opamp_msg *m,
                 const char **why);

bool offers_start(offers *o, peer *p, const char *dir, char *err,
                  size_t errlen);
void offers_stop(offers *o);

/* --- commands that send --------------------------------------------------- */

/* What a command sends to each of its targets. */
typedef struct sending {
  peer *peer;
  uint64_t connection; /* 0: all */
  opamp_msg *message;  /* for ITEM_MESSAGE */
  bool address;        /* fill in instance_uid */
  item_kind kind;
  opamp_bytes bytes; /* for the others */
  uint64_t count;    /* targets reached */
  bool failed;
} sending;

void targets_send(sending *s);

#endif
