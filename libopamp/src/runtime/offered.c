/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/offered.h"

#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "opamp/fields.h"
#include "opamp/message.h"

#define PLACE(name) OPAMP_OPAMP_CONNECTION_SETTINGS_##name
#define TLS(name) OPAMP_TLS_CONNECTION_SETTINGS_##name
#define CERT(name) OPAMP_TLS_CERTIFICATE_##name

/* What of TLS is put together for opamp__tls_new. */
typedef struct pieces {
  opamp__tls_options o;
  opamp__buf chain, key, ciphers;
} pieces;

/* --- TLS ------------------------------------------------------------------ */

static opamp_status append_pem(opamp__buf *out, opamp_bytes pem,
                               const char *name) {
  if (memchr(pem.ptr, '\0', pem.len) != NULL)
    return opamp__fail(OPAMP_ERR_TLS, "%s: it is no PEM text", name);
  return opamp__buf_append(out, pem.ptr, pem.len) && opamp__buf_byte(out, '\n')
             ? OPAMP_OK
             : opamp__nomem();
}

static opamp_status end_text(opamp__buf *b) {
  return opamp__buf_byte(b, 0) ? OPAMP_OK : opamp__nomem();
}

/* The offered CA stands behind the certificate: it is for the server to see, and
 * nobody is trusted for it (SET-8). */
static opamp_status take_certificate(pieces *p, const opamp_msg *cert) {
  opamp_bytes own = opamp_msg_bytes(cert, CERT(CERT), 0);
  opamp_bytes key = opamp_msg_bytes(cert, CERT(PRIVATE_KEY), 0);
  opamp_bytes ca = opamp_msg_bytes(cert, CERT(CA_CERT), 0);
  opamp_status s = OPAMP_OK;
  p->o.cert_file = p->o.cert_pem = p->o.key_file = p->o.key_pem = NULL;
  if (own.len == 0 && key.len == 0) return OPAMP_OK;
  if (!opamp__buf_reserve(&p->key, key.len + 2)) return opamp__nomem();
  if (own.len == 0)
    return opamp__fail(OPAMP_ERR_TLS, "a key without a certificate");
  s = append_pem(&p->chain, own, "certificate.cert");
  if (s == OPAMP_OK && ca.len > 0)
    s = append_pem(&p->chain, ca, "certificate.ca_cert");
  if (s == OPAMP_OK) s = append_pem(&p->key, key, "certificate.private_key");
  if (s == OPAMP_OK) s = end_text(&p->chain);
  if (s == OPAMP_OK) s = end_text(&p->key);
  p->o.cert_pem = (const char *)p->chain.ptr;
  p->o.key_pem = (const char *)p->key.ptr;
  return s;
}

static bool join_ciphers(opamp__buf *out, const opamp_msg *tls) {
  for (size_t i = 0; i < opamp_msg_count(tls, TLS(CIPHER_SUITES)); i++) {
    opamp_str name = opamp_msg_str(tls, TLS(CIPHER_SUITES), i);
    if (!opamp__buf_append(out, name.ptr, name.len) ||
        !opamp__buf_byte(out, ','))
      return false;
  }
  return opamp__buf_byte(out, 0);
}

static void take_text(const char **to, const opamp_msg *tls, int field) {
  opamp_str text = opamp_msg_str(tls, field, 0);
  if (text.len > 0) *to = text.ptr;
}

static opamp_status take_tls(pieces *p, const opamp_msg *tls) {
  bool system_ca = opamp_msg_bool(tls, TLS(INCLUDE_SYSTEM_CA_CERTS_POOL), 0);
  if (system_ca || opamp_msg_count(tls, TLS(CA_PEM_CONTENTS)) > 0) {
    p->o.ca_file = p->o.ca_pem = NULL;
    p->o.system_ca = system_ca;
    take_text(&p->o.ca_pem, tls, TLS(CA_PEM_CONTENTS));
  }
  p->o.insecure = opamp_msg_bool(tls, TLS(INSECURE_SKIP_VERIFY), 0);
  take_text(&p->o.min_version, tls, TLS(MIN_VERSION));
  take_text(&p->o.max_version, tls, TLS(MAX_VERSION));
  if (opamp_msg_count(tls, TLS(CIPHER_SUITES)) == 0) return OPAMP_OK;
  if (!join_ciphers(&p->ciphers, tls)) return opamp__nomem();
  p->o.ciphers = (const char *)p->ciphers.ptr;
  return OPAMP_OK;
}

static opamp_status make_tls(opamp__offered *o, const opamp__snapshot *snap,
                             const opamp_msg *m) {
  const opamp_msg *cert = opamp_msg_sub(m, PLACE(CERTIFICATE), 0);
  const opamp_msg *tls = opamp_msg_sub(m, PLACE(TLS), 0);
  pieces p = {.o = opamp__snapshot_tls_options(snap)};
  opamp_status s = OPAMP_OK;
  if (cert == NULL && tls == NULL) return OPAMP_OK;
  o->tls_offered = true;
  if (cert != NULL) s = take_certificate(&p, cert);
  if (s == OPAMP_OK && tls != NULL) s = take_tls(&p, tls);
  if (s == OPAMP_OK) s = opamp__tls_new(&o->tls, &p.o);
  opamp__buf_wipe_free(&p.chain);
  opamp__buf_wipe_free(&p.key);
  opamp__buf_free(&p.ciphers);
  return s;
}

/* --- headers -------------------------------------------------------------- */

static opamp_status take_headers(opamp__headers *out, const opamp_msg *list,
                                 const char *where) {
  for (size_t i = 0; i < opamp_msg_count(list, OPAMP_HEADERS_HEADERS); i++) {
    const opamp_msg *h = opamp_msg_sub(list, OPAMP_HEADERS_HEADERS, i);
    opamp_status s =
        opamp__headers_add(out, opamp_msg_str(h, OPAMP_HEADER_KEY, 0),
                           opamp_msg_str(h, OPAMP_HEADER_VALUE, 0));
    if (s == OPAMP_ERR_INVALID)
      return opamp__fail(s, "%s: %s", where, opamp_errmsg());
    if (s != OPAMP_OK) return s;
  }
  return OPAMP_OK;
}

static opamp_status take_proxy(opamp__offered *o, const opamp_msg *proxy) {
  opamp_str url = opamp_msg_str(proxy, OPAMP_PROXY_CONNECTION_SETTINGS_URL, 0);
  opamp_status s;
  o->proxy_offered = proxy != NULL;
  if (url.len == 0) return OPAMP_OK;
  s = opamp__proxy_parse(&o->proxy, url);
  if (s == OPAMP_OK)
    s = take_headers(
        &o->proxy.headers,
        opamp_msg_sub(proxy, OPAMP_PROXY_CONNECTION_SETTINGS_CONNECT_HEADERS,
                      0),
        "proxy.connect_headers");
  return s;
}

/* --- all of it ------------------------------------------------------------ */

void opamp__offered_free(opamp__offered *o) {
  if (o == NULL) return;
  opamp__tls_unref(o->tls);
  opamp__headers_free(&o->headers);
  opamp__proxy_free(&o->proxy);
  opamp__free(o);
}

opamp_status opamp__offered_new(opamp__offered **out, opamp__snapshot *s,
                                const opamp_msg *m) {
  const opamp_msg *headers = opamp_msg_sub(m, PLACE(HEADERS), 0);
  opamp__offered *o = opamp__calloc(1, sizeof *o);
  opamp_status status;
  *out = NULL;
  if (o == NULL) return opamp__nomem();
  o->headers_offered = headers != NULL;
  status = take_headers(&o->headers, headers, "headers");
  if (status == OPAMP_OK)
    status = take_proxy(o, opamp_msg_sub(m, PLACE(PROXY), 0));
  if (status == OPAMP_OK) status = make_tls(o, s, m);
  if (status != OPAMP_OK) {
    opamp__offered_free(o);
    return status;
  }
  *out = o;
  return OPAMP_OK;
}

void opamp__offered_apply(const opamp__offered *o, opamp__endpoint *ep) {
  if (o == NULL) return;
  if (o->headers_offered && ep->headers != NULL) ep->headers = &o->headers;
  if (o->proxy_offered) ep->proxy = o->proxy.address != NULL ? &o->proxy : NULL;
  if (o->tls_offered && opamp__endpoint_wants_tls(ep)) ep->tls = o->tls;
}
