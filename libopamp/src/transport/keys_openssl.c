/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/keys.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/error.h"

/* A key of our own, and how long a certificate for it is good. */

static opamp_status failed(const char *what) {
  const char *reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return opamp__fail(OPAMP_ERR_TLS, "%s: %s", what,
                     reason != NULL ? reason : "OpenSSL gives no reason");
}

/* What a BIO holds, which is wiped there: OpenSSL does that when it frees it. */
static bool take(opamp__buf *out, BIO *bio) {
  char *text;
  long n = BIO_get_mem_data(bio, &text);
  return n > 0 && opamp__buf_append(out, text, (size_t)n);
}

static X509_REQ *request_for(EVP_PKEY *key, const char *common_name) {
  X509_REQ *r = X509_REQ_new();
  X509_NAME *name = r == NULL ? NULL : X509_REQ_get_subject_name(r);
  if (name != NULL &&
      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                 (const unsigned char *)common_name, -1, -1,
                                 0) == 1 &&
      X509_REQ_set_pubkey(r, key) == 1 && X509_REQ_sign(r, key, EVP_sha256()))
    return r;
  X509_REQ_free(r);
  return NULL;
}

opamp_status opamp__key_new(opamp__buf *key, opamp__buf *request,
                            const char *common_name) {
  EVP_PKEY *made = EVP_EC_gen("P-256");
  X509_REQ *r = made == NULL ? NULL : request_for(made, common_name);
  BIO *key_pem = BIO_new(BIO_s_secmem()), *request_pem = BIO_new(BIO_s_mem());
  opamp_status s = OPAMP_OK;
  if (r == NULL || key_pem == NULL || request_pem == NULL ||
      PEM_write_bio_PKCS8PrivateKey(key_pem, made, NULL, NULL, 0, NULL, NULL) !=
          1 ||
      PEM_write_bio_X509_REQ(request_pem, r) != 1)
    s = failed("a key for a certificate");
  else if (!take(key, key_pem) || !take(request, request_pem))
    s = opamp__nomem();
  EVP_PKEY_free(made);
  X509_REQ_free(r);
  BIO_free(key_pem);
  BIO_free(request_pem);
  return s;
}

/* --- how long ------------------------------------------------------------- */

static bool span_ms(const ASN1_TIME *from, const ASN1_TIME *to, int64_t *out) {
  int days, seconds; /* NULL is now */
  if (ASN1_TIME_diff(&days, &seconds, from, to) != 1) return false;
  *out = ((int64_t)days * 86400 + seconds) * 1000;
  return true;
}

int64_t opamp__certificate_left(opamp_bytes pem, uint64_t percent) {
  BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
  X509 *x = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
  int64_t life, age, left = -1;
  if (x != NULL &&
      span_ms(X509_get0_notBefore(x), X509_get0_notAfter(x), &life) &&
      span_ms(X509_get0_notBefore(x), NULL, &age)) {
    left = life / 100 * (int64_t)percent - age;
    if (left < 0) left = 0;
  }
  ERR_clear_error();
  X509_free(x);
  BIO_free(bio);
  return left;
}
