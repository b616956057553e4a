/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TRANSPORT_TLS_H
#define OPAMP_TRANSPORT_TLS_H

#include <stdbool.h>

#include "opamp/status.h"
#include "opamp/types.h"

/* One TLS configuration, applied in the same way to libwebsockets and curl.
 * Immutable and reference-counted; any thread. */
typedef struct opamp__tls opamp__tls;

/* Texts as in OPAMP_TEXT_TLS_…, NULL for none. */
typedef struct opamp__tls_options {
  const char *ca_file; /* or a directory */
  const char *ca_pem;
  const char *cert_file;
  const char *cert_pem;
  const char *key_file;
  const char *key_pem;
  const char *min_version;
  const char *max_version;
  const char *ciphers;
  bool system_ca; /* beside the given authorities; used anyway when none are */
  bool insecure;
} opamp__tls_options;

/* Reads the files and checks everything: OPAMP_ERR_IO (file and reason),
 * OPAMP_ERR_TLS (no certificate in it; the key does not match; key without
 * certificate), OPAMP_ERR_INVALID (unknown version or cipher suite). */
opamp_status opamp__tls_new(opamp__tls **out, const opamp__tls_options *o);
opamp__tls *opamp__tls_ref(opamp__tls *t);
void opamp__tls_unref(opamp__tls *t);

/* Whether a version ("1.2", "TLSv1.3") or a list of IANA cipher names is known;
 * the text says which is not. */
opamp_status opamp__tls_check_version(const char *version);
opamp_status opamp__tls_check_ciphers(const char *list);

#endif
