/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_RUNTIME_CARRIED_H
#define OPAMP_RUNTIME_CARRIED_H

#include "runtime/inbox.h"
#include "transport/transport.h"

/* Connections that the application carries (opamp/transport.h), as the glue
 * sees them: like any other, but that what is said of them comes by the
 * client's inbox. */

/* As opamp__conn_open. */
opamp_status opamp__carried_open(opamp__conn **out, opamp_client *c,
                                 const opamp__url *url,
                                 const opamp__sink *sink);

/* Whether an answer is about this connection and means something now, and so is
 * an input for the core. One that says CLOSED takes the connection with it. */
bool opamp__carried_hears(opamp__conn **conn, const opamp__command *answer);

#endif
