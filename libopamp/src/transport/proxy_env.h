/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TRANSPORT_PROXY_ENV_H
#define OPAMP_TRANSPORT_PROXY_ENV_H

#include "base/proxy.h"
#include "base/url.h"

/* The proxy that the environment names for a URL, by curl's rules, the same for
 * HTTP and WebSocket: https_proxy or HTTPS_PROXY for https and wss, http_proxy
 * for http and ws (lower case only: a CGI program finds a request's header
 * "Proxy" in HTTP_PROXY), then all_proxy or ALL_PROXY. no_proxy or NO_PROXY
 * names the exceptions, separated by commas or spaces: "*" alone is all of
 * them; a name stands for itself and all names that end in it after a dot; an
 * IP address for itself, with /bits for a network. No ports, no other
 * wildcards. An empty variable is none.
 *
 * `out->address` is NULL when there is none. OPAMP_ERR_INVALID names the
 * variable; OPAMP_ERR_NOMEM. */
opamp_status opamp__proxy_from_env(opamp__proxy *out, const opamp__url *url);

/* Whether a list of exceptions has this host. */
bool opamp__proxy_excepted(const char *list, const char *host);

#endif
