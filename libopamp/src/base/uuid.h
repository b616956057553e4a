/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_BASE_UUID_H
#define OPAMP_BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#include "opamp/types.h"

enum { OPAMP__UUID_TEXT = 37 }; /* with the NUL */

/* A version 7 UUID (RFC 9562) from wall-clock ms and 10 random bytes. */
void opamp__uuid7(uint8_t out[OPAMP_UID_LEN], uint64_t unix_ms,
                  const uint8_t random[10]);
/* The canonical text, lower case. */
void opamp__uuid_format(const uint8_t uid[OPAMP_UID_LEN],
                        char out[OPAMP__UUID_TEXT]);
/* Canonical text, either case; false for anything else. */
bool opamp__uuid_parse(opamp_str text, uint8_t out[OPAMP_UID_LEN]);
bool opamp__uuid_is_zero(const uint8_t uid[OPAMP_UID_LEN]);

#endif
