/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_PEER_PEER_H
#define OPAMP_TOOLS_PEER_PEER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "common/buf.h"

/* An OpAMP server for one desk, on the caller's libuv loop: it tells all that
 * happens as events, and does as the commands say, misbehaviour included. Both
 * are JSON objects; `opamp-peer --help` lists them.
 *
 * One thread. Everything may be called inside on_event. */

typedef struct peer peer;

typedef struct peer_options {
  const char *listen;      /* HOST:PORT */
  const char *tls_cert;    /* PEM files; NULL: plain */
  const char *tls_key;     /* NULL: in the same file */
  const char *client_ca;   /* NULL: client certificates are not asked for */
  bool client_ca_optional; /* nor does every agent need one */
  const char *issue_certificates; /* CA.pem,CA.key: whoever asks gets one */
  uint64_t issue_seconds;         /* and it is valid that long */
  const char *config_dir;         /* NULL: nothing is offered by itself */
  /* `event` is borrowed. */
  void (*on_event)(void *user_data, const json_t *event);
  /* The end: no handle of the peer is left on the loop, and it may be freed
   * inside. `failed`: it could not go on. */
  void (*on_stopped)(void *user_data, bool failed);
  void *user_data;
} peer_options;

/* Listens. The event `listening` comes before it returns. NULL with `err`,
 * after which the loop must turn once more. */
peer *peer_new(uv_loop_t *loop, const peer_options *o, char *err,
               size_t errlen);

/* Does one command and says how it went in an event `result`. `connection`
 * is the connection meant when the command names none; 0: all. */
void peer_command(peer *p, const json_t *command, uint64_t connection);

/* The same for a line of text; NULL: one that was too long. */
void peer_command_line(peer *p, const char *line, size_t len);

/* NULL when `name` is a command, else what is wrong with it. */
const char *peer_command_check(const json_t *command);

/* Closes every connection in good order, the impolite ones after a second. */
void peer_stop(peer *p);

/* Only when stopped and without links. */
void peer_free(peer *p);

/* --- connections that are no sockets of the peer's ------------------------ */

/* One agent on a transport of somebody else's. As over HTTP its messages are
 * answered one by one, and what commands send goes with the next answer. */
typedef struct peer_link peer_link;

/* NULL when memory ran out. */
peer_link *peer_link_new(peer *p);

/* A message has arrived, as WebSocket messages hold it; what is to be sent back
 * is appended to `answer`. False when it was none, or memory ran out: the link
 * is to end. */
bool peer_link_message(peer_link *l, const uint8_t *bytes, size_t n,
                       tool_buf *answer);

/* The connection is over. */
void peer_link_free(peer_link *l);

#endif
