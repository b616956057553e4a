/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/tls_version.h"
#include "core/state.h"
#include "wire/wire.h"

/* An offer laid over what is in use (SET-2), field by field, on packed bytes:
 * what it does not mention stays as it is. */

#define PLACE(name) OPAMP_OPAMP_CONNECTION_SETTINGS_##name
#define TLS(name) OPAMP_TLS_CONNECTION_SETTINGS_##name
#define CERT(name) OPAMP_TLS_CERTIFICATE_##name

/* --- places --------------------------------------------------------------- */

void opamp__place_free(opamp__place *p) {
  opamp__buf_wipe_free(&p->packed);
  opamp_msg_free(p->msg);
  opamp__url_free(&p->url);
  *p = (opamp__place){.msg = NULL};
}

void opamp__place_move(opamp__place *to, opamp__place *from) {
  opamp__place_free(to);
  *to = *from;
  *from = (opamp__place){.msg = NULL};
}

const opamp__place *opamp__place_now(const opamp__core *c) {
  if (c->settings == NULL) return NULL;
  return opamp__trial_trying(c) ? &c->settings->candidate
                                : &c->settings->in_use;
}

/* The message and the URL, from the packed bytes. */
static opamp_status read_packed(opamp__place *p) {
  opamp_str endpoint;
  opamp_status s = opamp_msg_parse(&p->msg, OPAMP_MSG_OPAMP_CONNECTION_SETTINGS,
                                   opamp__buf_bytes(&p->packed));
  if (s != OPAMP_OK) return s;
  endpoint = opamp_msg_str(p->msg, PLACE(DESTINATION_ENDPOINT), 0);
  if (endpoint.len == 0) return OPAMP_OK;
  s = opamp__url_parse(&p->url, endpoint);
  return s == OPAMP_ERR_INVALID
             ? opamp__fail(s, "destination_endpoint: %s", opamp_errmsg())
             : s;
}

opamp_status opamp__place_parse(opamp__place *out, opamp_bytes packed) {
  opamp_status s = OPAMP_ERR_NOMEM;
  if (opamp__buf_append(&out->packed, packed.ptr, packed.len))
    s = read_packed(out);
  if (s != OPAMP_OK) opamp__place_free(out);
  return s;
}

bool opamp__place_same(const opamp__place *a, const opamp__place *b) {
  static const int fields[] = {PLACE(DESTINATION_ENDPOINT), PLACE(HEADERS),
                               PLACE(CERTIFICATE), PLACE(TLS), PLACE(PROXY)};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    opamp_bytes x =
        opamp__packed_find(opamp__buf_bytes(&a->packed), fields[i], 0);
    opamp_bytes y =
        opamp__packed_find(opamp__buf_bytes(&b->packed), fields[i], 0);
    if ((x.ptr == NULL) != (y.ptr == NULL) || !opamp__bytes_eq(x, y))
      return false;
  }
  return true;
}

opamp_bytes opamp__place_certificate(const opamp__place *p, int field) {
  const opamp_msg *m =
      p->msg == NULL ? NULL : opamp_msg_sub(p->msg, PLACE(CERTIFICATE), 0);
  return opamp_msg_bytes(m, field, 0);
}

/* --- merging -------------------------------------------------------------- */

/* What a merge has at hand. */
typedef struct merge {
  const opamp__core *c;
  const opamp_msg *offer;
  opamp_bytes offered;        /* the same, packed */
  const opamp__place *before; /* in use */
  opamp_bytes own_key;        /* for a certificate that comes without one */
} merge;

static bool offers_field(const merge *m, int field) {
  return opamp_msg_count(m->offer, field) > 0;
}

/* A field that the offer replaces as a whole. */
static bool put_field(const merge *m, opamp__buf *out, int field) {
  return opamp__packed_copy(out,
                            offers_field(m, field)
                                ? m->offered
                                : opamp__buf_bytes(&m->before->packed),
                            field);
}

/* Present, but empty. */
static bool put_none(opamp__buf *out, int field) {
  static const opamp_bytes none = {NULL, 0};
  return opamp__put_bytes(out, field, none);
}

static bool put_certificate(const merge *m, opamp__buf *out) {
  const opamp_msg *cert = opamp_msg_sub(m->offer, PLACE(CERTIFICATE), 0);
  opamp__buf sub = {NULL, 0, 0};
  bool ok;
  if (cert == NULL &&
      opamp__opt(m->c, OPAMP_OPT_DROP_ABSENT_CERTIFICATE) != 0 &&
      opamp__place_certificate(m->before, CERT(CERT)).len > 0)
    return put_none(out, PLACE(CERTIFICATE));
  if (cert == NULL || m->own_key.len == 0)
    return put_field(m, out, PLACE(CERTIFICATE));
  opamp_bytes own = opamp_msg_bytes(cert, CERT(CERT), 0);
  opamp_bytes ca = opamp_msg_bytes(cert, CERT(CA_CERT), 0);
  ok = opamp__buf_reserve(&sub, own.len + ca.len + m->own_key.len + 32) &&
       opamp__put_bytes(&sub, CERT(CERT), own) &&
       opamp__put_bytes(&sub, CERT(PRIVATE_KEY), m->own_key) &&
       (ca.len == 0 || opamp__put_bytes(&sub, CERT(CA_CERT), ca)) &&
       opamp__put_bytes(out, PLACE(CERTIFICATE), opamp__buf_bytes(&sub));
  opamp__buf_wipe_free(&sub);
  return ok;
}

/* The offered TLS replaces what was there, but for two things that it would
 * take away by not mentioning them: whom to trust, and the lowest version. */
static bool put_tls(const merge *m, opamp__buf *out) {
  const opamp_msg *tls = opamp_msg_sub(m->offer, PLACE(TLS), 0);
  opamp_bytes offered = opamp__packed_find(m->offered, PLACE(TLS), 0);
  opamp_bytes before =
      opamp__packed_find(opamp__buf_bytes(&m->before->packed), PLACE(TLS), 0);
  opamp__buf sub = {NULL, 0, 0};
  bool trust, ok;
  if (tls == NULL) return put_field(m, out, PLACE(TLS));
  trust = opamp_msg_count(tls, TLS(CA_PEM_CONTENTS)) > 0 ||
          opamp_msg_bool(tls, TLS(INCLUDE_SYSTEM_CA_CERTS_POOL), 0);
  ok = opamp__packed_copy(&sub, trust ? offered : before,
                          TLS(CA_PEM_CONTENTS)) &&
       opamp__packed_copy(&sub, trust ? offered : before,
                          TLS(INCLUDE_SYSTEM_CA_CERTS_POOL)) &&
       opamp__packed_copy(&sub, offered, TLS(INSECURE_SKIP_VERIFY)) &&
       opamp__packed_copy(
           &sub, opamp_msg_count(tls, TLS(MIN_VERSION)) > 0 ? offered : before,
           TLS(MIN_VERSION)) &&
       opamp__packed_copy(&sub, offered, TLS(MAX_VERSION)) &&
       opamp__packed_copy(&sub, offered, TLS(CIPHER_SUITES)) &&
       opamp__put_bytes(out, PLACE(TLS), opamp__buf_bytes(&sub));
  opamp__buf_free(&sub);
  return ok;
}

static opamp_status put_all(const merge *m, opamp__place *out) {
  opamp__buf *b = &out->packed;
  /* At once, so that no part of a secret stays where it was too small. */
  bool ok = opamp__buf_reserve(b, m->offered.len + m->before->packed.len +
                                      m->own_key.len + 64) &&
            put_field(m, b, PLACE(DESTINATION_ENDPOINT)) &&
            put_field(m, b, PLACE(HEADERS)) && put_certificate(m, b) &&
            put_field(m, b, PLACE(HEARTBEAT_INTERVAL_SECONDS)) &&
            put_tls(m, b) && put_field(m, b, PLACE(PROXY));
  return ok ? read_packed(out) : OPAMP_ERR_NOMEM;
}

/* --- what an offer may not do (SET-6) ------------------------------------- */

static const opamp_msg *tls_of(const opamp__place *p) {
  return p->msg == NULL ? NULL : opamp_msg_sub(p->msg, PLACE(TLS), 0);
}

static bool is_insecure(const opamp__core *c, const opamp__place *p) {
  const opamp_msg *tls = tls_of(p);
  if (tls == NULL) return opamp__opt(c, OPAMP_OPT_TLS_INSECURE) != 0;
  return opamp_msg_bool(tls, TLS(INSECURE_SKIP_VERIFY), 0);
}

static int lowest_version(const opamp__core *c, const opamp__place *p) {
  opamp_str text = opamp_msg_str(tls_of(p), TLS(MIN_VERSION), 0);
  return text.len == 0 ? c->config->tls_min : opamp__tls_version(text);
}

static const opamp__url *url_of(const opamp__core *c, const opamp__place *p) {
  return p->url.text != NULL ? &p->url : c->config->url;
}

static opamp_status weakens(const opamp__core *c, const opamp__place *before,
                            const opamp__place *after) {
  int was = lowest_version(c, before), is = lowest_version(c, after);
  if (opamp__opt(c, OPAMP_OPT_ALLOW_WEAKER_TLS) != 0) return OPAMP_OK;
  if (url_of(c, before)->tls && !url_of(c, after)->tls)
    return opamp__fail(OPAMP_ERR_INVALID,
                       "destination_endpoint: refused, weaker: %s instead of a "
                       "connection with TLS",
                       url_of(c, after)->text);
  if (!is_insecure(c, before) && is_insecure(c, after))
    return opamp__fail(
        OPAMP_ERR_INVALID,
        "tls.insecure_skip_verify: refused, weaker: certificates "
        "are verified now");
  if (is != 0 && is < was)
    return opamp__fail(OPAMP_ERR_INVALID,
                       "tls.min_version: refused, weaker: 1.%d, and it is 1.%d "
                       "now",
                       is - 10, was - 10);
  return OPAMP_OK;
}

static opamp_status check(const opamp__core *c, const opamp__place *before,
                          const opamp__place *after) {
  const opamp__core_env *env = &c->config->env;
  opamp_status s = weakens(c, before, after);
  return s == OPAMP_OK && env->usable != NULL
             ? env->usable(env->ctx, after->msg)
             : s;
}

/* --- one offer ------------------------------------------------------------ */

static opamp_status merge_with(const merge *m, opamp__place *out) {
  opamp_status s = put_all(m, out);
  if (s == OPAMP_OK) s = check(m->c, m->before, out);
  out->requested = m->own_key.len > 0;
  if (m->own_key.len == 0 && !offers_field(m, PLACE(CERTIFICATE)))
    out->requested = m->before->requested;
  if (s != OPAMP_OK) opamp__place_free(out);
  return s;
}

/* A certificate without a key belongs to the one that was asked for with, or is
 * a new one for the key in use (SET-7). */
static opamp_status merge_certificate(merge *m, opamp__place *out) {
  opamp_bytes keys[] = {opamp__certificate_pending(m->c),
                        opamp__place_certificate(m->before, CERT(PRIVATE_KEY))};
  opamp_status s = opamp__fail(OPAMP_ERR_INVALID,
                               "certificate: it comes without private_key, and "
                               "this agent has asked for none");
  for (size_t i = 0; i < 2 && s != OPAMP_OK && s != OPAMP_ERR_NOMEM; i++) {
    m->own_key = keys[i];
    if (keys[i].len > 0) s = merge_with(m, out);
  }
  return s;
}

opamp_status opamp__place_merge(opamp__place *out, const opamp__core *c,
                                const opamp_msg *offer) {
  const opamp_msg *cert = opamp_msg_sub(offer, PLACE(CERTIFICATE), 0);
  opamp__buf packed = {NULL, 0, 0};
  merge m = {.c = c, .offer = offer, .before = &c->settings->in_use};
  opamp_status s = opamp__msg_pack_canonical(offer, &packed);
  m.offered = opamp__buf_bytes(&packed);
  if (s == OPAMP_OK && opamp_msg_bytes(cert, CERT(CERT), 0).len > 0 &&
      !c->config->store)
    s = opamp__fail(OPAMP_ERR_INVALID,
                    "certificate: refused, because this agent has no store to "
                    "keep it in");
  if (s == OPAMP_OK)
    s = opamp_msg_bytes(cert, CERT(CERT), 0).len > 0 &&
                opamp_msg_bytes(cert, CERT(PRIVATE_KEY), 0).len == 0
            ? merge_certificate(&m, out)
            : merge_with(&m, out);
  opamp__buf_wipe_free(&packed);
  return s;
}
