/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_BASE_ERROR_H
#define OPAMP_BASE_ERROR_H

#include "opamp/status.h"

/* Sets the text opamp_errmsg returns in this thread, and returns `s`, so that a
 * failing function ends with `return opamp__fail(OPAMP_ERR_…, "…", …)`. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
opamp_status opamp__fail(opamp_status s, const char *fmt, ...);

/* The usual one. */
opamp_status opamp__nomem(void);

#endif
