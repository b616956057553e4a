/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_BASE_URL_H
#define OPAMP_BASE_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "opamp/status.h"
#include "opamp/types.h"

/* A server's address: ws, wss, http or https. */
typedef struct opamp__url {
  char *text;    /* normalised, without user and password; owned, one block */
  char *host;    /* no brackets around an IPv6 address */
  char *target;  /* path and query: "/v1/opamp" when the URL has no path */
  uint16_t port; /* the scheme's 80 or 443 when it has none (CONN-14) */
  bool tls;      /* wss, https */
  bool websocket; /* ws, wss */
  bool ipv6;     /* the host is an IPv6 literal */
} opamp__url;

/* Parses. OPAMP_ERR_INVALID with a text that says what is wrong (unknown
 * scheme, no host, bad port, control characters, user:password (a header is
 * the place for credentials), fragment), never printing a password. On failure
 * `*out` is zeroed. */
opamp_status opamp__url_parse(opamp__url *out, opamp_str text);
opamp_status opamp__url_copy(opamp__url *out, const opamp__url *u);
/* The Location of a redirect, absolute or relative to `base`. A location with
 * scheme http or https that answers a WebSocket upgrade keeps being a
 * WebSocket (http → ws, https → wss). */
opamp_status opamp__url_resolve(opamp__url *out, const opamp__url *base,
                                opamp_str location);
void opamp__url_free(opamp__url *u);
/* Same host (ASCII case-insensitive) and port. */
bool opamp__url_same_origin(const opamp__url *a, const opamp__url *b);
/* "host:port", "[::1]:port"; the port is left out when it is the scheme's.
 * Written to buf, at most n bytes with the NUL; false when too small. */
bool opamp__url_authority(const opamp__url *u, char *buf, size_t n);

/* Parts that other addresses have, too. The length of "scheme" before "://", 0
 * when there is none; whether it may be a name of a host (or an IPv4 address);
 * an IPv6 address without brackets. */
size_t opamp__url_scheme_length(opamp_str s);
bool opamp__url_is_host_name(opamp_str s);
bool opamp__url_is_ipv6(opamp_str s);

#endif
