/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TRANSPORT_TLS_INTERNAL_H
#define OPAMP_TRANSPORT_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "transport/tls.h"

/* Sets up an SSL_CTX of curl's or of ours: authorities, certificate, key,
 * versions, ciphers, verification. `t` must outlive it. */
bool opamp__tls_apply(SSL_CTX *x, const opamp__tls *t);

/* Makes the context accept this host (a name or an IP address) only, and send
 * no server name that is not a host name. For libwebsockets, which does both by
 * the text in front of the first colon. `host` must outlive the context. */
bool opamp__tls_expect(SSL_CTX *x, const char *host);

/* A new client context for one host. */
SSL_CTX *opamp__tls_context(const opamp__tls *t, const char *host);

bool opamp__tls_insecure(const opamp__tls *t);

/* "certificate verify failed: unable to get local issuer certificate (depth
 * 0)" for the result of a verification (X509_V_ERR_…), with the depth when it
 * was the last failed one of this thread. */
void opamp__tls_verify_text(long result, char *out, size_t size);

/* What OpenSSL's error queue of this thread says, or the last alert of `ssl`,
 * or `otherwise`; empties the queue. */
void opamp__tls_error_text(char *out, size_t size, const SSL *ssl,
                           const char *otherwise);

#endif
