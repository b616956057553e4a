/* SPDX-License-Identifier: Apache-2.0 */
/* The peer as a certificate authority: a request of an agent
 * (ConnectionSettingsRequest) becomes an offer with a certificate for its key,
 * as it asks, for nobody asks who it is. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer/internal.h"

SSL_CTX *issue_load(const char *files, char *err, size_t errlen) {
  const char *comma = strrchr(files, ',');
  size_t n = comma != NULL ? (size_t)(comma - files) : strlen(files);
  char *cert = strndup(files, n);
  SSL_CTX *ca = NULL;
  if (cert == NULL) {
    snprintf(err, errlen, "out of memory");
    return NULL;
  }
  ca = listener_tls(cert, comma != NULL ? comma + 1 : cert, err, errlen);
  if (ca != NULL && X509_check_ca(SSL_CTX_get0_certificate(ca)) == 0) {
    snprintf(err, errlen, "%s: not the certificate of an authority", cert);
    SSL_CTX_free(ca);
    ca = NULL;
  }
  free(cert);
  return ca;
}

/* --- the request ---------------------------------------------------------- */

static X509_REQ *read_request(opamp_bytes csr, const char **why) {
  // With a passphrase at hand nobody is asked for one.
  static char passphrase[] = "";
  BIO *bio =
      BIO_new_mem_buf(csr.len > 0 ? (const void *)csr.ptr : "", (int)csr.len);
  X509_REQ *req =
      bio != NULL ? PEM_read_bio_X509_REQ(bio, NULL, NULL, passphrase) : NULL;
  BIO_free(bio);
  EVP_PKEY *key = req != NULL ? X509_REQ_get0_pubkey(req) : NULL;
  if (req == NULL)
    *why = "csr: no certificate signing request in PEM";
  else if (key == NULL)
    *why = "csr: its key cannot be used";
  else if (X509_REQ_verify(req, key) != 1)
    *why = "csr: its signature is not that of its key";
  else
    return req;
  X509_REQ_free(req);
  return NULL;
}

/* --- the certificate ------------------------------------------------------ */

static bool add_extensions(X509 *cert, X509 *ca) {
  static const struct {
    int nid;
    const char *value;
  } all[] = {
      {NID_basic_constraints, "critical,CA:FALSE"},
      {NID_key_usage, "critical,digitalSignature"},
      {NID_ext_key_usage, "clientAuth"},
      {NID_subject_key_identifier, "hash"},
      {NID_authority_key_identifier, "keyid"},
  };
  X509V3_CTX ctx;
  size_t n = sizeof all / sizeof *all;
  // The last names the authority's key by an identifier that it may not have.
  if (X509_get0_subject_key_id(ca) == NULL) n--;
  X509V3_set_ctx(&ctx, ca, cert, NULL, NULL, 0);
  for (size_t i = 0; i < n; i++) {
    X509_EXTENSION *e =
        X509V3_EXT_conf_nid(NULL, &ctx, all[i].nid, all[i].value);
    bool ok = e != NULL && X509_add_ext(cert, e, -1) == 1;
    X509_EXTENSION_free(e);
    if (!ok) return false;
  }
  return true;
}

static bool set_serial(X509 *cert) {
  uint64_t serial;
  return RAND_bytes((unsigned char *)&serial, sizeof serial) == 1 &&
         ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1) == 1;
}

/* Which digest it is signed with is the default of the authority's key. */
static X509 *make(const peer *p, X509_REQ *req) {
  X509 *ca = SSL_CTX_get0_certificate(p->issuer);
  X509 *cert = X509_new();
  if (cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 &&
      set_serial(cert) &&
      X509_set_issuer_name(cert, X509_get_subject_name(ca)) == 1 &&
      X509_set_subject_name(cert, X509_REQ_get_subject_name(req)) == 1 &&
      X509_set_pubkey(cert, X509_REQ_get0_pubkey(req)) == 1 &&
      X509_gmtime_adj(X509_getm_notBefore(cert), 0) != NULL &&
      X509_gmtime_adj(X509_getm_notAfter(cert),
                      (long)p->options.issue_seconds) != NULL &&
      add_extensions(cert, ca) &&
      X509_sign(cert, SSL_CTX_get0_privatekey(p->issuer), NULL) > 0)
    return cert;
  X509_free(cert);
  return NULL;
}

/* --- the offer ------------------------------------------------------------ */

static bool put_pem(opamp_msg *to, int field, X509 *cert) {
  BIO *bio = BIO_new(BIO_s_mem());
  char *pem = NULL;
  bool ok = bio != NULL && PEM_write_bio_X509(bio, cert) == 1;
  long n = ok ? BIO_get_mem_data(bio, &pem) : 0;
  ok = ok && opamp_msg_set_bytes(
                 to, field, (opamp_bytes){(const uint8_t *)pem, (size_t)n}) ==
                 OPAMP_OK;
  BIO_free(bio);
  return ok;
}

static bool offer(opamp_msg *m, X509 *cert, X509 *ca) {
  opamp_msg *all, *settings, *to;
  return opamp_msg_add(&all, m, OPAMP_SERVER_TO_AGENT_CONNECTION_SETTINGS) ==
             0 &&
         opamp_msg_add(&settings, all,
                       OPAMP_CONNECTION_SETTINGS_OFFERS_OPAMP) == 0 &&
         opamp_msg_add(&to, settings,
                       OPAMP_OPAMP_CONNECTION_SETTINGS_CERTIFICATE) == 0 &&
         put_pem(to, OPAMP_TLS_CERTIFICATE_CERT, cert) &&
         put_pem(to, OPAMP_TLS_CERTIFICATE_CA_CERT, ca) &&
         reply_hash(all, OPAMP_CONNECTION_SETTINGS_OFFERS_HASH, all);
}

bool issue_offer(const peer *p, opamp_bytes csr, opamp_msg *m,
                 const char **why) {
  X509_REQ *req = read_request(csr, why);
  X509 *cert = NULL;
  bool ok = false;
  if (req != NULL) {
    cert = make(p, req);
    ok = cert != NULL && offer(m, cert, SSL_CTX_get0_certificate(p->issuer));
    if (!ok) *why = "csr: no certificate could be made from it";
  }
  X509_free(cert);
  X509_REQ_free(req);
  ERR_clear_error();
  return ok;
}
