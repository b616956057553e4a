/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_PEER_DEFLATE_H
#define OPAMP_TOOLS_PEER_DEFLATE_H

#include <stddef.h>

#include "common/buf.h"
#include "opamp/types.h"

/* zlib, one message at a time. */

typedef enum deflate_form {
  DEFLATE_RAW, /* permessage-deflate, RFC 7692 */
  DEFLATE_GZIP /* Content-Encoding: gzip */
} deflate_form;

typedef enum deflate_result {
  DEFLATE_OK,
  DEFLATE_BAD,   /* not of that form */
  DEFLATE_LARGE, /* more than `max` bytes come out */
  DEFLATE_NOMEM
} deflate_result;

/* Append to `out`. `bits` is the window of DEFLATE_RAW, 9 to 15. For
 * permessage-deflate `in` ends, as it does on the wire, without 00 00 ff ff. */
deflate_result deflate_pack(tool_buf *out, deflate_form form, int bits,
                            opamp_bytes in);
deflate_result deflate_unpack(tool_buf *out, deflate_form form, opamp_bytes in,
                              size_t max);

#endif
