/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "peer/internal.h"

/* Looks like a connection of HTTP to the rest: each message gets its answer,
 * and what commands send waits for the next one. */
struct peer_link {
  conn conn;
};

peer_link *peer_link_new(peer *p) {
  peer_link *l = calloc(1, sizeof *l);
  if (l == NULL) return NULL;
  l->conn.peer = p;
  l->conn.number = p->next_number++;
  l->conn.auto_reply = p->auto_reply;
  peer_emit(p, "connected",
            json_pack("{s:I, s:s}", "connection", (json_int_t)l->conn.number,
                      "transport", "link"));
  return l;
}

/* What a WebSocket message would hold: OpAMP's header in front of a message. */
static bool put_answer(peer_link *l, const item *it, tool_buf *answer) {
  static const uint8_t header = 0;
  if (it->kind == ITEM_MESSAGE) tool_buf_add(answer, &header, 1);
  tool_buf_add(answer, it->bytes.ptr, it->bytes.len);
  if (!answer->failed) peer_show_sent(&l->conn, it);
  return !answer->failed;
}

bool peer_link_message(peer_link *l, const uint8_t *bytes, size_t n,
                       tool_buf *answer) {
  char why[256] = "bad message header";
  item *it = NULL;
  bool ok = n > 0 && bytes[0] == 0 &&
            peer_message(&l->conn, (opamp_bytes){bytes + 1, n - 1}, 0, &it, why,
                         sizeof why);
  if (!ok)
    peer_emit(l->conn.peer, "bad_message",
              json_pack("{s:I, s:s}", "connection", (json_int_t)l->conn.number,
                        "message", why));
  if (it != NULL) ok = put_answer(l, it, answer);
  item_free(it);
  return ok;
}

void peer_link_free(peer_link *l) {
  if (l == NULL) return;
  peer_emit(l->conn.peer, "closed",
            json_pack("{s:I, s:b}", "connection", (json_int_t)l->conn.number,
                      "clean", 1));
  free(l);
}
