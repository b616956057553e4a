/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TRANSPORT_WS_RELAY_H
#define OPAMP_TRANSPORT_WS_RELAY_H

#include "transport/ws_conn.h"

/* A WebSocket's way through a proxy. curl dials: it knows proxies, which
 * libwebsockets does not. Then libwebsockets connects to a private socket of
 * ours, and what it writes there, TLS to the server included, goes to the
 * proxy, and back. Only a proxy with TLS keeps curl, for that TLS. */

/* Dials for a connection that is being opened, whose dial has its URL; then
 * calls opamp__ws_dial_relayed, or ends the connection. OPAMP_ERR_NOMEM;
 * OPAMP_ERR_UNSUPPORTED without libcurl. */
opamp_status opamp__ws_relay_new(ws_relay **out, ws_conn *c,
                                 const opamp__endpoint *ep);

enum { OPAMP__RELAY_ADDRESS = 48 };
/* Waits for libwebsockets at `address`; false, and errno, when it cannot. */
bool opamp__ws_relay_listen(ws_relay *r, char address[OPAMP__RELAY_ADDRESS]);
/* From now on it is the link's, until opamp__ws_relay_release. */
void opamp__ws_relay_join(ws_relay *r, ws_link *l);

/* The link is gone: what it wrote is handed on, and then all is closed. NULL is
 * fine. */
void opamp__ws_relay_release(ws_relay *r);
/* Ends at once. NULL is fine. */
void opamp__ws_relay_free(ws_relay *r);

#endif
