/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_WIRE_GUARD_H
#define OPAMP_WIRE_GUARD_H

#include "wire/schema.h"
#include "wire/wire.h"

/* What a scan found out. */
typedef struct opamp__scan {
  size_t heap; /* an upper bound of what unpacking keeps in the arena */
  bool nested; /* there are sub-messages */
} opamp__scan;

/* Reads `wire` once without recursion or memory, and refuses what protobuf-c
 * would not survive or does not check: see opamp__limits. OPAMP_ERR_DECODE,
 * _LIMIT, _UTF8, _DEPTH. */
opamp_status opamp__guard(const ProtobufCMessageDescriptor *d, opamp_bytes wire,
                          const opamp__limits *limits, opamp__scan *out);

#endif
