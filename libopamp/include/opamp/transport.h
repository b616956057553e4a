/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TRANSPORT_H
#define OPAMP_TRANSPORT_H

#include "opamp/status.h"
#include "opamp/types.h"

/** @file
 * A transport of the application's own: a message bus, a serial line, the HTTP
 * stack it has anyway.
 *
 * With option OWN_TRANSPORT a client opens no socket. Events say what is to be
 * done, and the functions below what came of it. All else stays the client's:
 * deadlines, retries, delays, and that nothing set is lost. Options of TLS and
 * compression, headers and limits of connections mean nothing to it.
 *
 * The scheme of the URL chooses one of two kinds; the rest of it is for the
 * application, and comes back in the events. A build of the library without
 * WebSocket knows the first kind, too, when the option is set before the URL.
 *
 * ws, wss: a connection, on which both sides send messages as they like.
 *
 * @verbatim
 *   TRANSPORT_OPEN    make it (text: the URL)     → _opened, or _closed
 *   TRANSPORT_SEND    send a message (bytes)      → _written, once the next may
 *                                                   come
 *   TRANSPORT_PING    see whether the server is   → _alive, if so
 *                     there
 *   TRANSPORT_CLOSE   end it in good order        → _closed
 *                     (CLOSE_CODE), or at once
 *                     (CLOSE_CODE is 0)             nothing
 *   at any time       a message came: _received; a sign of life: _alive; the
 *                     connection is over: _closed
 * @endverbatim
 *
 * The bytes are those of a WebSocket message, with OpAMP's header in front
 * (specification, "WebSocket Message Format"), in both directions. Messages
 * must arrive whole and in order, or the connection must end. Without a way to
 * ping, set option PING_INTERVAL to 0.
 *
 * http, https: exchanges of a request and a response.
 *
 * @verbatim
 *   TRANSPORT_SEND    send a request (text: the   → _received with the body of
 *                     URL, bytes: the body)         a 2xx response, or _closed
 *   TRANSPORT_CLOSE   give it up (CLOSE_CODE 0)     nothing
 * @endverbatim
 *
 * Every event carries CONNECTION, the number of the connection or exchange, and
 * every answer names it. There is one at a time, and the numbers grow: what
 * names another one is over. An answer that comes too late for its connection
 * has no effect; an event that was not taken while its connection lived is
 * withdrawn. A connection is over with its _closed, with TRANSPORT_CLOSE when
 * CLOSE_CODE is 0, with STOPPED, and when the client is freed.
 *
 * The functions do not wait, and copy what they are given. When one of them has
 * no memory nothing has happened, and it may be called again; if it is not, a
 * deadline ends the connection. */

#ifdef __cplusplus
extern "C" {
#endif

/** The connection is made.
 * @retval OPAMP_ERR_STATE    the client has no transport of the application's own
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_transport_opened(opamp_client *c,
                                                     int64_t connection);

/** What the last TRANSPORT_SEND carried is on its way.
 * @retval OPAMP_ERR_STATE    the client has no transport of the application's own
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_transport_written(opamp_client *c,
                                                      int64_t connection);

/** A message came, the whole of it; over http, the body of the response.
 * @spec{WebSocket Message Format}
 * @retval OPAMP_ERR_STATE    the client has no transport of the application's own
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_transport_received(opamp_client *c,
                                                       int64_t connection,
                                                       opamp_bytes message);

/** The server is there: it answered a ping, or part of a message arrived.
 * @retval OPAMP_ERR_STATE    the client has no transport of the application's own
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_transport_alive(opamp_client *c,
                                                    int64_t connection);

/** The connection could not be made, has ended or is broken; the request failed.
 * The delay before the next attempt follows from it as it would from the same
 * answer on a socket; redirects are the transport's to follow.
 * @param c           the client
 * @param connection  the number of the event
 * @param why         one of the statuses for that, mostly OPAMP_ERR_TRANSPORT,
 *                    OPAMP_ERR_CLOSED (the server ended it) or OPAMP_ERR_HTTP
 * @param code        what the server said, an HTTP status or a WebSocket close
 *                    code (1000 and up); 0 for none
 * @param retry_after_ms  for how long it does not want to be asked; -1 for none
 * @param text        says more, in UTF-8; may be NULL
 * @retval OPAMP_ERR_INVALID  `why` is no failure, `code` is neither; a bad
 *                            handle
 * @retval OPAMP_ERR_UTF8     `text` is not UTF-8
 * @retval OPAMP_ERR_STATE    the client has no transport of the application's own
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_transport_closed(
    opamp_client *c, int64_t connection, opamp_status why, int code,
    int64_t retry_after_ms, const char *text);

#ifdef __cplusplus
}
#endif
#endif
