/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_PEER_WEBSOCKET_H
#define OPAMP_TOOLS_PEER_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "opamp/types.h"

/* The server's half of RFC 6455 with permessage-deflate (RFC 7692), as bytes
 * in and bytes out. */

enum {
  WS_CONTINUATION = 0,
  WS_TEXT = 1,
  WS_BINARY = 2,
  WS_CLOSE = 8,
  WS_PING = 9,
  WS_PONG = 10
};

/* --- handshake ------------------------------------------------------------ */

enum { WS_ACCEPT_TEXT = 29 }; /* with the NUL */

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key. */
bool ws_accept(char out[WS_ACCEPT_TEXT], const char *key);

/* Picks from the offers of Sec-WebSocket-Extensions. 0: none; otherwise the
 * window bits to compress with. `answer` gets what to send back. Contexts are
 * never taken over, in neither direction. */
int ws_negotiate_deflate(tool_buf *answer, const char *offers);

/* --- receiving ------------------------------------------------------------ */

typedef enum ws_result {
  WS_MORE,  /* all was consumed, nothing is complete */
  WS_EVENT, /* `opcode` and `payload`: a whole message or a control frame */
  WS_BAD    /* `close_code` and `why`: the frames break the rules */
} ws_result;

typedef struct ws_reader {
  size_t max;   /* of a message, after decompression */
  bool deflate; /* negotiated */

  int opcode;       /* of the event */
  tool_buf payload; /* valid until the next ws_feed */
  int close_code;
  const char *why;

  uint8_t head[14];
  size_t head_len;
  bool in_payload;
  uint64_t left;    /* of the frame's payload */
  uint8_t mask_at;  /* next byte of the mask */
  int message;      /* opcode of the message in progress, 0: none */
  bool compressed;  /* and whether it is */
  tool_buf pieces;  /* of it so far */
  tool_buf control; /* payload of the control frame in progress */
} ws_reader;

/* Zero-initialise a reader and set max and deflate. */
void ws_reader_free(ws_reader *r);
ws_result ws_feed(ws_reader *r, const uint8_t *bytes, size_t n, size_t *used);

/* Code and reason of a WS_CLOSE event; 1005 when it has none. */
int ws_close_code(const ws_reader *r);

/* --- sending -------------------------------------------------------------- */

/* Appends one frame. */
void ws_write_frame(tool_buf *out, int opcode, bool fin, bool compressed,
                    opamp_bytes payload);

/* Appends a message, in frames of at most `piece` bytes when that is not 0,
 * compressed when `deflate_bits` is not 0. */
void ws_write_message(tool_buf *out, int opcode, opamp_bytes payload,
                      size_t piece, int deflate_bits);

/* Appends a Close frame; code 0: without one. */
void ws_write_close(tool_buf *out, int code, const char *reason);

#endif
