/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_BASE_RETRY_AFTER_H
#define OPAMP_BASE_RETRY_AFTER_H

#include <stdint.h>

#include "opamp/types.h"

/* The delay that a Retry-After value asks for, in ms: seconds, or an HTTP-date
 * (RFC 9110 §5.6.7, all three forms) seen from `unix_now_s`. A date in the past
 * is 0; an absurd number is INT64_MAX; -1 for garbage, a negative number or an
 * absent value. */
int64_t opamp__retry_after_ms(opamp_str value, int64_t unix_now_s);

#endif
