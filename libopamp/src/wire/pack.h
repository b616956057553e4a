/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_WIRE_PACK_H
#define OPAMP_WIRE_PACK_H

#include "base/buf.h"
#include "opamp/status.h"
#include "wire/schema.h"

/* Appends the encoding of `m`. OPAMP_ERR_DEPTH when it is nested deeper than a
 * receiver would accept, OPAMP_ERR_NOMEM. */
opamp_status opamp__pack(const ProtobufCMessage *m, bool canonical,
                         opamp__buf *out);

#endif
