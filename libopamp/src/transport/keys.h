/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TRANSPORT_KEYS_H
#define OPAMP_TRANSPORT_KEYS_H

#include "base/buf.h"
#include "opamp/status.h"

/* A new private key (EC, P-256) and a request to sign it for the common name,
 * both PEM, in empty buffers. OPAMP_ERR_TLS with OpenSSL's reason,
 * OPAMP_ERR_NOMEM. */
opamp_status opamp__key_new(opamp__buf *key, opamp__buf *request,
                            const char *common_name);

/* In how many ms this share of a certificate's life is over by the system's
 * clock, 0 when it is; -1 when it cannot be read. The first of a chain counts. */
int64_t opamp__certificate_left(opamp_bytes pem, uint64_t percent);

#endif
