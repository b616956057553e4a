/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_FUZZ_RIG_H
#define OPAMP_TESTS_FUZZ_RIG_H

#include <stdbool.h>

#include "fuzz.h"
#include "transport/transport.h"

/* A client on the real transports and the server it talks to, in one thread
 * over loopback. After each input nothing of its connections is left. */

/* What the client does inside a call of its sink; the low bits of an input's
 * first byte. */
enum {
  RIG_NOTHING,
  RIG_ABORT_OPENED,
  RIG_ABORT_ALIVE,
  RIG_ABORT_FRAME,
  RIG_CLOSE_ALIVE,
  RIG_CLOSE_FRAME,
  RIG_PING_FRAME, /* after each */
  RIG_ABORT_WRITTEN,
  RIG_ACTS
};
/* The other bits. */
enum {
  RIG_COMPRESS = 1 << 3,
  RIG_SMALL = 1 << 4, /* messages of up to 100 bytes, else up to 64 KiB */
  RIG_RESET = 1 << 5, /* the server ends with a reset */
  RIG_EXTRA = 1 << 6, /* the target's own */
  RIG_RAW = 1 << 7
};

typedef struct rig {
  opamp__conn *conn; /* NULL: it is over */
  int socket;        /* of the server; -1: none */
  uint8_t how;
  bool websocket, open, in_hand, closing;
  int descriptors; /* the lowest number that was free before */
  size_t max_receive;
  size_t sends, frames;
  size_t said; /* bytes of the server, which may hold messages */
  char request[4096]; /* what the server has read of it, as a text */
  size_t request_len;
  uint8_t out[OPAMP__FRAME_ROOM + 200];
} rig;

/* Begins to connect: "ws" or "http". HTTP: posts. */
void rig_open(rig *r, const char *scheme, uint8_t how);
/* Turns until the server has read up to the end of the request's head. False
 * when the client has ended before. */
bool rig_request(rig *r);
/* The server sends; one turn. */
void rig_say(rig *r, const void *bytes, size_t n);
/* The server sends what is left of an input: pieces, each behind its length. */
void rig_say_pieces(rig *r, fuzz_in *in);
/* The server hangs up; the client must end, and leave no descriptor. */
void rig_close(rig *r);

#endif
