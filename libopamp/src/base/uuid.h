/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_BASE_UUID_H
#define OPAMP_BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#include "opamp/uid.h"

/* A version 7 UUID (RFC 9562) from wall-clock ms and 10 random bytes. */
void opamp__uuid7(uint8_t out[OPAMP_UID_LEN], uint64_t unix_ms,
                  const uint8_t random[10]);
bool opamp__uuid_is_zero(const uint8_t uid[OPAMP_UID_LEN]);

#endif
