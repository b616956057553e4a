/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_RUNTIME_STUB_H
#define OPAMP_TESTS_RUNTIME_STUB_H

#include <stdbool.h>
#include <stdint.h>

#include "opamp/opamp.h"

/* A small OpAMP server inside the test: HTTP and WebSocket on one port of the
 * loopback, in a thread of its own. It records what agents say and answers each
 * message with an empty ServerToAgent, unless told otherwise. */

/* What it does at a turning point. */
typedef enum stub_deed {
  STUB_SERVE,       /* as it should be */
  STUB_RESET,       /* TCP reset */
  STUB_REFUSE,      /* HTTP 503 to a request or an upgrade */
  STUB_FORBID,      /* HTTP 401 */
  STUB_UNKNOWN,     /* error_response of type Unknown; state is not taken */
  STUB_UNAVAILABLE, /* the same, UNAVAILABLE with a retry_info of 1 ms */
  STUB_MUTE,        /* reads, takes the state, and never answers */
  STUB_CLOSE        /* WebSocket: Close 1012 */
} stub_deed;

/* The turning points. */
typedef enum stub_point {
  STUB_ACCEPTED, /* a connection; RESET after the first bytes */
  STUB_REQUEST,  /* a whole HTTP request head (WebSocket: the upgrade) */
  STUB_MESSAGE   /* a whole AgentToServer */
} stub_point;

typedef stub_deed (*stub_policy)(void *ctx, stub_point at);

typedef struct stub stub;

stub *stub_new(void);
void stub_free(stub *s);
/* "ws://127.0.0.1:PORT/v1/opamp"; valid as long as the stub. */
const char *stub_url(const stub *s, bool websocket);

/* The rest may be called from any thread; the policy runs in the stub's. */
void stub_set_policy(stub *s, stub_policy policy, void *ctx);
/* Sends to every WebSocket, or with the next answer over HTTP. Frees `m`. */
void stub_push(stub *s, opamp_msg *m);
/* Resets every connection. */
void stub_reset_all(stub *s);
/* Resets them and listens no more, until it is up again with all it knew. */
void stub_down(stub *s);
void stub_up(stub *s);

/* How many messages it has got, and the i-th of them (a copy; parsed). */
size_t stub_messages(stub *s);
opamp_msg *stub_message(stub *s, size_t i);
/* The value a header had in the last request, copied into `buf`; "" none. */
void stub_header(stub *s, const char *name, char *buf, size_t len);
/* What it knows of the agent: the packed sub-message of a field of
 * AgentToServer; allocated; NULL and 0 when it never came. */
uint8_t *stub_view(stub *s, int field, size_t *len);
size_t stub_connections(stub *s); /* open now */
size_t stub_accepted(stub *s);    /* ever */
/* The sequence number of the i-th message. */
uint64_t stub_seq(stub *s, size_t i);
/* Waits until there are that many messages; false after 10 s. */
bool stub_wait(stub *s, size_t messages);
/* Whether every message continued the numbers: 0, 1, 2, …; a repeated number
 * only with the same bytes. */
bool stub_numbers_ok(stub *s);

#endif
