/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TRANSPORT_DIAL_H
#define OPAMP_TRANSPORT_DIAL_H

#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "opamp/status.h"
#include "transport/reactor.h"

/* Names to addresses, for both kinds of connection. One short-lived thread per
 * loop asks the system, so that no caller of the loop ever waits for it; it
 * ends when there is nothing left to ask, and the loop may go away while it
 * hangs. */

enum { OPAMP__ADDRS_MAX = 8, OPAMP__ADDR_TEXT = 64 };

typedef union opamp__addr {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
} opamp__addr;

typedef struct opamp__addrs {
  opamp__addr list[OPAMP__ADDRS_MAX]; /* without port */
  size_t len;
} opamp__addrs;

/* "10.0.0.1", "fe80::1%eth0". */
void opamp__addr_text(const opamp__addr *a, char out[OPAMP__ADDR_TEXT]);
bool opamp__addr_eq(const opamp__addr *a, const opamp__addr *b);
/* False when `host` is a name. */
bool opamp__addr_numeric(const char *host, opamp__addrs *out);
/* The errno with which a connection to `a` fails before a packet leaves (no
 * route, no such family), else 0. */
int opamp__addr_unreachable(const opamp__addr *a, uint16_t port);

typedef struct opamp__resolver opamp__resolver;
typedef struct opamp__lookup opamp__lookup;

opamp_status opamp__resolver_new(opamp__resolver **out, opamp__reactor *r);
/* No lookup may be open. Does not wait for the thread. NULL is fine. */
void opamp__resolver_free(opamp__resolver *r);
/* In a forked child: the thread is not there. */
void opamp__resolver_orphan(opamp__resolver *r);

/* `found` is NULL when there is no address; `error` then says why. Called from
 * the loop, never from inside opamp__resolve; the lookup is gone. */
typedef void (*opamp__resolved_cb)(void *ctx, const opamp__addrs *found,
                                   const char *error);

/* Asks for the addresses of a name. NULL when out of memory. */
opamp__lookup *opamp__resolve(opamp__resolver *r, const char *host,
                              opamp__resolved_cb cb, void *ctx);
/* Forgets a lookup; its callback will not come. NULL is fine. */
void opamp__lookup_cancel(opamp__lookup *l);

/* The addresses of a name asked for less than half a minute ago. */
bool opamp__resolver_fresh(opamp__resolver *r, const char *host,
                           opamp__addrs *out);
/* This address of the name answered: from now on it comes first. */
void opamp__resolver_worked(opamp__resolver *r, const char *host,
                            const opamp__addr *a);

/* Tests put another getaddrinfo here, before the first lookup. */
typedef int (*opamp__getaddrinfo_fn)(const char *, const char *,
                                     const struct addrinfo *,
                                     struct addrinfo **);
extern opamp__getaddrinfo_fn opamp__getaddrinfo;

#endif
