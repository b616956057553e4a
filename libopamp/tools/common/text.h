/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_TEXT_H
#define OPAMP_TOOLS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "opamp/types.h"

/* Bytes as text: base64 (RFC 4648, with padding), lower-case hex, UUID. The
 * parsers are strict: what they accept is exactly what the formatters make,
 * but for the case of hex digits. */

enum { TOOL_UUID_TEXT = 37 }; /* with the NUL */

/* Appends text; out of memory shows in `out->failed`. */
void tool_base64_format(tool_buf *out, opamp_bytes b);
void tool_hex_format(tool_buf *out, opamp_bytes b);
void tool_uuid_format(char out[TOOL_UUID_TEXT],
                      const uint8_t uid[OPAMP_UID_LEN]);

/* Append bytes; false when the text is none of that form. */
bool tool_base64_parse(tool_buf *out, const char *text, size_t len);
bool tool_hex_parse(tool_buf *out, const char *text, size_t len);
bool tool_uuid_parse(uint8_t out[OPAMP_UID_LEN], const char *text, size_t len);

#endif
