/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/pin.h"

#include "base/buf.h"

enum { THE_PROXY, THE_SERVER, NAMES };

/* What is asked for at this place, NULL when nothing is. */
static const char *name_at(const opamp__pin *p, int i, uint16_t *port) {
  const opamp__proxy *proxy = p->proxy;
  opamp__addrs numeric;
  if (i == THE_PROXY) {
    if (proxy == NULL || opamp__addr_numeric(proxy->host, &numeric))
      return NULL;
    *port = proxy->port;
    return proxy->host;
  }
  if (p->numeric || (proxy != NULL && proxy->kind != OPAMP__PROXY_SOCKS5))
    return NULL;
  *port = p->port;
  return p->host;
}

const char *opamp__pin_name(const opamp__pin *p) {
  uint16_t port = 0;
  const char *name = name_at(p, THE_PROXY, &port);
  return name != NULL ? name : name_at(p, THE_SERVER, &port);
}

/* "proxy p:1: " in front of what is about the proxy's name. */
static opamp__ending *ending(const opamp__pin *p, int at, const char *text) {
  if (at != THE_PROXY) return opamp__ending_new(OPAMP_ERR_RESOLVE, "%s", text);
  return opamp__ending_new(OPAMP_ERR_RESOLVE, "proxy %s: %s", p->proxy->address,
                           text);
}

opamp__ending *opamp__pin_forbidden(const opamp__pin *p) {
  uint16_t port = 0;
  char text[300];
  int at = name_at(p, THE_PROXY, &port) != NULL ? THE_PROXY : THE_SERVER;
  snprintf(text, sizeof text, "%s is a name, and names are not resolved",
           opamp__pin_name(p));
  return ending(p, at, text);
}

/* "+host:port:addr,addr": the addresses that curl shall use. */
static bool add(opamp__pin *p, const char *host, uint16_t port,
                const opamp__addrs *found) {
  opamp__buf b = {0};
  bool ok = opamp__buf_printf(&b, "+%s:%u:", host, (unsigned)port);
  for (size_t i = 0; ok && i < found->len; i++) {
    const opamp__addr *a = &found->list[i];
    char text[OPAMP__ADDR_TEXT];
    opamp__addr_text(a, text);
    ok = opamp__buf_printf(&b, a->any.sa_family == AF_INET6 ? "%s[%s]" : "%s%s",
                           i == 0 ? "" : ",", text);
  }
  ok = ok && opamp__buf_byte(&b, 0);
  struct curl_slist *list =
      ok ? curl_slist_append(p->list, (const char *)b.ptr) : NULL;
  opamp__buf_free(&b);
  if (list == NULL) return false;
  p->list = list;
  return true;
}

static void resolved(void *ctx, const opamp__addrs *found, const char *error) {
  opamp__pin *p = (opamp__pin *)ctx;
  uint16_t port = 0;
  const char *name = name_at(p, p->next, &port);
  p->lookup = NULL;
  if (found == NULL) {
    p->done(p->ctx, true, ending(p, p->next, error));
    return;
  }
  bool ok = add(p, name, port, found);
  p->next++;
  opamp__pinned state = ok ? opamp__pin_all(p) : OPAMP__UNPINNED;
  if (state != OPAMP__PINNING) p->done(p->ctx, state == OPAMP__UNPINNED, NULL);
}

opamp__pinned opamp__pin_all(opamp__pin *p) {
  opamp__resolver *r = p->t->resolver;
  for (; p->next < NAMES; p->next++) {
    opamp__addrs fresh;
    uint16_t port = 0;
    const char *name = name_at(p, p->next, &port);
    if (name == NULL) continue;
    if (!opamp__resolver_fresh(r, name, &fresh)) {
      p->lookup = opamp__resolve(r, name, resolved, p);
      return p->lookup != NULL ? OPAMP__PINNING : OPAMP__UNPINNED;
    }
    if (!add(p, name, port, &fresh)) return OPAMP__UNPINNED;
  }
  return OPAMP__PINNED;
}

void opamp__pin_reset(opamp__pin *p) {
  opamp__lookup_cancel(p->lookup);
  p->lookup = NULL;
  /* An agent that speaks WebSocket only never loads curl. */
  if (p->list != NULL) curl_slist_free_all(p->list);
  p->list = NULL;
  p->next = THE_PROXY;
}

void opamp__pin_worked(const opamp__pin *p, CURL *easy) {
  char *ip = NULL;
  uint16_t port = 0;
  opamp__addrs a;
  int dialled = p->proxy != NULL ? THE_PROXY : THE_SERVER;
  const char *name = name_at(p, dialled, &port);
  if (name == NULL) return;
  curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &ip);
  if (ip != NULL && opamp__addr_numeric(ip, &a))
    opamp__resolver_worked(p->t->resolver, name, &a.list[0]);
}
