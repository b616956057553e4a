/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_UID_H
#define OPAMP_UID_H

#include "opamp/status.h"
#include "opamp/types.h"

/** @file
 * Instance uids: what names an agent towards its server, a UUID. Functions take
 * and give it as OPAMP_UID_LEN bytes; people read its canonical text,
 * "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".
 * @spec{AgentToServer.instance_uid} */

#ifdef __cplusplus
extern "C" {
#endif

/** The lengths of both forms. */
enum {
  OPAMP_UID_LEN = 16,     /**< bytes */
  OPAMP_UID_TEXT_LEN = 36 /**< characters, without a NUL */
};

/** Writes the text of the OPAMP_UID_LEN bytes at `uid`, and a NUL, to `text`,
 * which has room for OPAMP_UID_TEXT_LEN + 1.
 * @threads any; callbacks too */
OPAMP_API void opamp_uid_format(const uint8_t *uid, char *text);

/** Reads a text of that form, digits in either case, into the OPAMP_UID_LEN
 * bytes at `uid`.
 * @retval OPAMP_ERR_INVALID  it is of another form; `uid` is as it was
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_uid_parse(uint8_t *uid, opamp_str text);

#ifdef __cplusplus
}
#endif
#endif
