/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that send something: to WebSocket connections at once, to HTTP
 * agents as the answer to their next request. */
#include <stddef.h>

#include "peer/internal.h"

static item *make(const sending *s, const agent *to) {
  if (s->kind != ITEM_MESSAGE) return item_new(s->kind, s->bytes);
  if (s->address && to != NULL && !reply_address(s->message, to)) return NULL;
  return item_new_message(s->message);
}

static void queue(agent *a, item *it) {
  item **at = &a->queue;
  while (*at != NULL) at = &(*at)->next;
  *at = it;
}

static void to_agent(agent *a, void *user_data) {
  sending *s = user_data;
  if (!a->http || (s->connection != 0 && s->connection != a->connection))
    return;
  item *it = make(s, a);
  s->failed = s->failed || it == NULL;
  if (it == NULL) return;
  queue(a, it);
  s->count++;
}

void targets_send(sending *s) {
  for (conn *c = s->peer->first; c != NULL; c = c->next) {
    if (!c->websocket || c->finished) continue;
    if (s->connection != 0 && s->connection != c->number) continue;
    item *it = make(s, c->agent);
    s->failed = s->failed || it == NULL;
    if (it == NULL) return;
    conn_ws_send(c, it);
    item_free(it);
    s->count++;
  }
  agents_each(s->peer, to_agent, s);
  for (conn *c = s->peer->first; c != NULL; c = c->next) peer_release(c);
}
