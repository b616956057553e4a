/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_BASE_HEADERS_H
#define OPAMP_BASE_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

#include "opamp/status.h"
#include "opamp/types.h"

/* A list of HTTP headers in order. Values are secrets: wiped when freed, never
 * printed. */
typedef struct opamp__header {
  char *name;
  char *value;
} opamp__header;

typedef struct opamp__headers {
  opamp__header *list;
  size_t len;
} opamp__headers;

/* OPAMP_ERR_INVALID, naming the header but not its value: name empty or not a
 * token (RFC 9110 §5.6.2), value with CR, LF, NUL or another control character
 * (a tab is fine), or a name that the protocol sets itself (Content-Type,
 * Content-Length, Content-Encoding, Transfer-Encoding, Connection, Upgrade,
 * Host, OpAMP-Instance-UID, Sec-WebSocket-*). */
opamp_status opamp__headers_add(opamp__headers *h, opamp_str name,
                                opamp_str value);
opamp_status opamp__headers_copy(opamp__headers *out, const opamp__headers *h);
void opamp__headers_free(opamp__headers *h);

#endif
