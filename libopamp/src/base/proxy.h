/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_BASE_PROXY_H
#define OPAMP_BASE_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/headers.h"
#include "opamp/status.h"
#include "opamp/types.h"

typedef enum opamp__proxy_kind {
  OPAMP__PROXY_HTTP,
  OPAMP__PROXY_HTTPS,
  OPAMP__PROXY_SOCKS5, /* names are resolved here */
  OPAMP__PROXY_SOCKS5H /* names are resolved by the proxy */
} opamp__proxy_kind;

/* A proxy. User, password and the values of headers are secrets: wiped when
 * freed, never printed. */
typedef struct opamp__proxy {
  char *address; /* "proxy.example:3128", "[::1]:1080": what may be shown;
                    NULL: there is no proxy */
  char *host;    /* no brackets around an IPv6 address */
  char *user;    /* NULL: none; decoded */
  char *password; /* never NULL when there is a user */
  opamp__headers headers; /* for the proxy alone */
  opamp__proxy_kind kind;
  uint16_t port;
  bool ipv6; /* the host is an IPv6 literal */
} opamp__proxy;

/* Parses "scheme://user:password@host:port". Schemes are http (also when there
 * is none), https, socks5, socks5h; user and password are percent-decoded, and
 * the last "@" ends them. Without a port it is the scheme's: 80, 443, 1080, as
 * the URL of any other kind has it (and Go's proxies; curl assumes 1080 for
 * http). OPAMP_ERR_INVALID says what is wrong and prints neither user nor
 * password; `*out` is then zeroed. */
opamp_status opamp__proxy_parse(opamp__proxy *out, opamp_str text);
opamp_status opamp__proxy_copy(opamp__proxy *out, const opamp__proxy *p);
void opamp__proxy_free(opamp__proxy *p);
/* Whether a connection made through one may serve the other: all is the same,
 * secrets and headers included. NULL is no proxy. */
bool opamp__proxy_eq(const opamp__proxy *a, const opamp__proxy *b);

#endif
