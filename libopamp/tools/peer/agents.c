/* SPDX-License-Identifier: Apache-2.0 */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "peer/internal.h"

static int compare(const void *a, const void *b) {
  return memcmp(((const agent *)a)->uid, ((const agent *)b)->uid,
                OPAMP_UID_LEN);
}

agent *agents_get(peer *p, const uint8_t uid[OPAMP_UID_LEN]) {
  agent key;
  memcpy(key.uid, uid, OPAMP_UID_LEN);
  agent **found = tfind(&key, &p->agents, compare);
  if (found != NULL) return *found;
  agent *a = calloc(1, sizeof *a);
  if (a == NULL) return NULL;
  memcpy(a->uid, uid, OPAMP_UID_LEN);
  if (tsearch(a, &p->agents, compare) == NULL) {
    free(a);
    return NULL;
  }
  return a;
}

typedef struct visitor {
  void (*visit)(agent *a, void *user_data);
  void *user_data;
} visitor;

static void visit_node(const void *node, VISIT which, void *closure) {
  const visitor *v = closure;
  if (which == postorder || which == leaf)
    v->visit(*(agent *const *)node, v->user_data);
}

void agents_each(peer *p, void (*visit)(agent *a, void *user_data),
                 void *user_data) {
  visitor v = {visit, user_data};
  twalk_r(p->agents, visit_node, &v);
}

static void agent_free(void *node) {
  agent *a = node;
  while (a->queue != NULL) {
    item *next = a->queue->next;
    item_free(a->queue);
    a->queue = next;
  }
  tool_buf_free(&a->config_hash);
  tool_buf_free(&a->offered_hash);
  tool_buf_free(&a->csr);
  free(a);
}

void agents_free(peer *p) {
  tdestroy(p->agents, agent_free);
  p->agents = NULL;
}
