/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TRANSPORT_PIN_H
#define OPAMP_TRANSPORT_PIN_H

#include <curl/curl.h>

#include "base/proxy.h"
#include "transport/internal.h"

/* The addresses that curl needs for a connection, so that it asks nobody
 * itself: of the proxy when there is one, of the server unless the proxy finds
 * that (all but socks5). */
typedef struct opamp__pin {
  /* What the owner sets, and what stays while it asks. */
  opamp__transport *t;
  const opamp__proxy *proxy; /* NULL: none */
  const char *host;          /* the server's */
  uint16_t port;
  bool numeric; /* `host` is an address */
  /* Called from the loop when the addresses that opamp__pin_all had to ask for are
   * there, or are not: then `failed` is true, and `why` the owner's (NULL: out
   * of memory). */
  void (*done)(void *ctx, bool failed, opamp__ending *why);
  void *ctx;

  struct curl_slist *list; /* for CURLOPT_RESOLVE */
  opamp__lookup *lookup;
  int next; /* of the names, see pin.c */
} opamp__pin;

typedef enum opamp__pinned {
  OPAMP__PINNED,  /* all is known */
  OPAMP__PINNING, /* `done` will be called */
  OPAMP__UNPINNED /* out of memory */
} opamp__pinned;

opamp__pinned opamp__pin_all(opamp__pin *p);
/* Begins anew, and stops asking; at the end, too. */
void opamp__pin_reset(opamp__pin *p);
/* The first name that would have to be asked for, NULL when there is none; the
 * reason to end when that is forbidden. */
const char *opamp__pin_name(const opamp__pin *p);
opamp__ending *opamp__pin_forbidden(const opamp__pin *p);
/* The connection that was made with them works: these addresses come first from
 * now on. */
void opamp__pin_worked(const opamp__pin *p, CURL *easy);

#endif
