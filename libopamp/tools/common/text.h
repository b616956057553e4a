/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_TEXT_H
#define OPAMP_TOOLS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "opamp/types.h"

/* Bytes as text: base64 (RFC 4648, with padding), lower-case hex. The
 * parsers are strict: what they accept is exactly what the formatters make,
 * but for the case of hex digits. */

/* Appends text; out of memory shows in `out->failed`. */
void tool_base64_format(tool_buf *out, opamp_bytes b);
void tool_hex_format(tool_buf *out, opamp_bytes b);

/* Append bytes; false when the text is none of that form. */
bool tool_base64_parse(tool_buf *out, const char *text, size_t len);
bool tool_hex_parse(tool_buf *out, const char *text, size_t len);

#endif
