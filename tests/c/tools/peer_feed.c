/* SPDX-License-Identifier: Apache-2.0 */
#include "peer_feed.h"

#include "peer/http1.h"
#include "peer/websocket.h"

bool peer_feed_http(void *parser, tool_buf *notes, const uint8_t *bytes,
                    size_t n) {
  http1 *p = parser;
  size_t at = 0, used;
  while (at < n) {
    http1_result rc = http1_feed(p, bytes + at, n - at, &used);
    at += used;
    if (rc == HTTP1_BAD) {
      tool_buf_printf(notes, "bad %d", p->status);
      return false;
    }
    if (rc == HTTP1_DONE) {
      tool_buf_printf(notes, "%s %s %zu:", http1_method(&p->request),
                      http1_target(&p->request), p->request.header_count);
      tool_buf_add(notes, p->request.body.ptr, p->request.body.len);
      http1_next(p);
    }
  }
  return true;
}

bool peer_feed_ws(void *parser, tool_buf *notes, const uint8_t *bytes,
                  size_t n) {
  ws_reader *r = parser;
  size_t at = 0, used;
  while (at < n) {
    ws_result rc = ws_feed(r, bytes + at, n - at, &used);
    at += used;
    if (rc == WS_BAD) {
      tool_buf_printf(notes, "bad %d", r->close_code);
      return false;
    }
    if (rc == WS_EVENT) {
      tool_buf_printf(notes, "%d:", r->opcode);
      tool_buf_add(notes, r->payload.ptr, r->payload.len);
    }
  }
  return true;
}
