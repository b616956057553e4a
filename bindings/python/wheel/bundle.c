/* SPDX-License-Identifier: Apache-2.0 */
/* What is different in an extension that has its own OpenSSL inside. */
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* The host's openssl.cnf, and the one that OPENSSL_CONF names, are for the
 * host's OpenSSL: ours lacks what they may ask for, and would fail. Nor does it
 * clean up when the process exits, while a thread may still be using it. The
 * first call decides for all that follow, curl's and libwebsockets' too. */
__attribute__((constructor)) static void begin(void) {
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT,
                      NULL);
}

static _Atomic(const char *) authorities;

/* Where authorities are when nobody says anything else: to be called with the
 * file that this host has. The first call counts. */
static void opamp_python_set_authorities(const char *path) {
  const char *none = NULL, *copy = strdup(path);
  if (copy != NULL &&
      !atomic_compare_exchange_strong(&authorities, &none, copy))
    free((char *)copy);
}

/* The linker has OpenSSL call this in place of its own function, which returns
 * a path that was fixed when it was built (--wrap). */
const char *__real_X509_get_default_cert_file(void);
const char *__wrap_X509_get_default_cert_file(void);

const char *__wrap_X509_get_default_cert_file(void) {
  const char *path = atomic_load(&authorities);
  return path != NULL ? path : __real_X509_get_default_cert_file();
}
