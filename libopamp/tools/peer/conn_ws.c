/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "peer/internal.h"

/* Sends what `out` holds and frees it. */
static void flush(conn *c, tool_buf *out) {
  if (out->failed)
    conn_reset(c);
  else
    stream_write(c->stream, (opamp_bytes){out->ptr, out->len});
  tool_buf_free(out);
}

void conn_ws_send(conn *c, const item *it) {
  static const uint8_t header = 0;
  tool_buf payload = {0}, out = {0};
  opamp_bytes bytes = {it->bytes.ptr, it->bytes.len};
  if (c->finished) return;
  if (it->kind == ITEM_RAW) {
    stream_write(c->stream, bytes);
    return;
  }
  // RFC 6455 5.5.1: after a Close frame no more data is sent.
  if (c->close_sent) return;
  if (it->kind == ITEM_MESSAGE) tool_buf_add(&payload, &header, 1);
  tool_buf_add(&payload, bytes.ptr, bytes.len);
  out.failed = payload.failed;
  ws_write_message(&out, it->kind == ITEM_TEXT ? WS_TEXT : WS_BINARY,
                   (opamp_bytes){payload.ptr, payload.len}, c->piece,
                   c->deflate_bits);
  tool_buf_free(&payload);
  flush(c, &out);
  peer_show_sent(c, it);
}

void conn_ws_close(conn *c, int code, const char *reason) {
  tool_buf out = {0};
  if (c->close_sent || c->finished) return;
  c->close_sent = true;
  ws_write_close(&out, code, reason);
  flush(c, &out);
}

/* The Close frame of the other side: answers it if it came first. */
static void on_close(conn *c) {
  int code = ws_close_code(&c->ws);
  if (c->close_code == 0) c->close_code = code;
  c->clean = true;
  conn_ws_close(c, code == 1005 ? 0 : code, "");
  conn_finish(c);
}

/* Breaks off with a Close frame of that code, and does not wait. */
static void refuse(conn *c, int code, const char *why) {
  peer_emit(c->peer, "bad_message",
            json_pack("{s:I, s:i, s:s}", "connection", (json_int_t)c->number,
                      "code", code, "message", why));
  c->close_code = code;
  conn_ws_close(c, code, why);
  conn_finish(c);
}

/* The length of the message header: a varint of value 0, which may be written
 * with up to ten bytes; 0 when it is something else. */
static size_t header_length(const tool_buf *payload) {
  for (size_t i = 0; i < payload->len && i < 10; i++) {
    if (payload->ptr[i] == 0) return i + 1;
    if (payload->ptr[i] != 0x80) break;
  }
  return 0;
}

static void on_binary(conn *c) {
  char why[256];
  item *answer = NULL;
  size_t head = header_length(&c->ws.payload);
  opamp_bytes bytes = {c->ws.payload.ptr, c->ws.payload.len};
  if (head > 0) {
    bytes.ptr += head;
    bytes.len -= head;
  }
  if (head == 0) {
    refuse(c, 1002, "bad message header");
  } else if (!peer_message(c, bytes, 0, &answer, why, sizeof why)) {
    refuse(c, 1007, why);
  } else if (answer != NULL) {
    conn_ws_send(c, answer);
  }
  item_free(answer);
}

static void on_event(conn *c) {
  tool_buf out = {0};
  switch (c->ws.opcode) {
    case WS_BINARY:
      on_binary(c);
      break;
    case WS_TEXT:
      refuse(c, 1003, "text message");
      break;
    case WS_PING:
      ws_write_frame(&out, WS_PONG, true, false,
                     (opamp_bytes){c->ws.payload.ptr, c->ws.payload.len});
      flush(c, &out);
      break;
    case WS_CLOSE:
      on_close(c);
      break;
    default: /* a pong */
      break;
  }
}

size_t conn_ws_feed(conn *c, const uint8_t *bytes, size_t n) {
  size_t used;
  switch (ws_feed(&c->ws, bytes, n, &used)) {
    case WS_EVENT:
      on_event(c);
      break;
    case WS_BAD:
      refuse(c, c->ws.close_code, c->ws.why);
      break;
    case WS_MORE:
      break;
  }
  return used;
}
