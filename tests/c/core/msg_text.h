/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_MSG_TEXT_H
#define OPAMP_TESTS_MSG_TEXT_H

#include "opamp/message.h"

/* Messages as people write them, by introspection:
 *
 *   health{healthy:true status:"ok"}            sub-message, scalars
 *   config_map["a.yaml"]{body:"x"}              map entry
 *   capabilities:"com.acme" capabilities:"b"    repeated
 *   flags:1 config_hash:"\x01h"                 numbers, bytes with \xNN
 *   status:APPLIED                              enumerations */

/* Fills `m` from the fields in `*text`, up to the end or a closing brace, and
 * moves `*text` there. False with `*text` where it went wrong. */
bool msg_text_parse(opamp_msg *m, const char **text);

/* Appends the text of `m` at `out`, which has room for `cap` bytes; cut off
 * when it is longer. Returns what it took. */
size_t msg_text_print(const opamp_msg *m, char *out, size_t cap);

/* A quoted string with escapes at *text into `out`; the length, -1: none. */
long msg_text_string(const char **text, char *out, size_t cap);

#endif
