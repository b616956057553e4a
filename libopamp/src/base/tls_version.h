/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_BASE_TLS_VERSION_H
#define OPAMP_BASE_TLS_VERSION_H

#include "opamp/types.h"

/* "1.2", "TLSv1.2", "TLS 1.2" as 12; 10 to 13, 0 for anything else. */
int opamp__tls_version(opamp_str text);

#endif
