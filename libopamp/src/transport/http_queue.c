/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "transport/http_internal.h"

/* Requests wait here, not in curl: a request that waits there has a handle of
 * its own, which is ten times as big as a connection of ours, and new handles
 * for each of many that wait at once. */

http_host *opamp__http_host_get(http_pool *p, const char *name, uint16_t port) {
  http_host *h = p->hosts;
  while (h != NULL && (h->port != port || strcmp(h->name, name) != 0))
    h = h->next;
  if (h == NULL) {
    h = (http_host *)opamp__calloc(1, sizeof *h);
    if (h == NULL) return NULL;
    h->name = opamp__strndup(name, strlen(name));
    if (h->name == NULL) {
      opamp__free(h);
      return NULL;
    }
    h->pool = p;
    h->port = port;
    h->last = &h->first;
    h->next = p->hosts;
    p->hosts = h;
  }
  h->users++;
  return h;
}

void opamp__http_host_put(http_host *h) {
  if (h == NULL || --h->users > 0) return;
  http_host **at = &h->pool->hosts;
  while (*at != h) at = &(*at)->next;
  *at = h->next;
  opamp__free(h->name);
  opamp__free(h);
}

bool opamp__http_wait(http_host *h, http_waiting *w) {
  if (h->running < OPAMP__HTTP_CONNECTIONS) return false;
  w->next = NULL;
  w->at = h->last;
  *h->last = w;
  h->last = &w->next;
  h->pool->waiting++;
  return true;
}

void opamp__http_wait_cancel(http_host *h, http_waiting *w) {
  if (w->at == NULL) return;
  *w->at = w->next;
  if (w->next != NULL)
    w->next->at = w->at;
  else
    h->last = w->at;
  w->at = NULL;
  h->pool->waiting--;
}

http_waiting *opamp__http_next(http_host *h) {
  http_waiting *w = h->first;
  if (w == NULL || h->running >= OPAMP__HTTP_CONNECTIONS) return NULL;
  opamp__http_wait_cancel(h, w);
  return w;
}
