/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_UID_H
#define OPAMP_UID_H

#include "opamp/status.h"
#include "opamp/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An instance uid is a UUID: what names an agent towards its server. Functions
 * take and give it as OPAMP_UID_LEN bytes; people read its canonical text,
 * "017f22e2-79b0-7cc3-98c4-dc0c0c07398f". */
enum { OPAMP_UID_LEN = 16, OPAMP_UID_TEXT_LEN = 36 };

/* Writes the text of the OPAMP_UID_LEN bytes at `uid`, and a NUL, to `text`,
 * which has room for OPAMP_UID_TEXT_LEN + 1. Any thread. */
OPAMP_API void opamp_uid_format(const uint8_t *uid, char *text);

/* Reads a text of that form, digits in either case, into the OPAMP_UID_LEN
 * bytes at `uid`. OPAMP_ERR_INVALID for anything else, which leaves them as
 * they are. Any thread. */
OPAMP_API opamp_status opamp_uid_parse(uint8_t *uid, opamp_str text);

#ifdef __cplusplus
}
#endif
#endif
