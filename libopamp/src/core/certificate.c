/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/str.h"
#include "core/state.h"
#include "wire/wire.h"

/* Asking the server for a client certificate (SET-7): a key and a signing request
 * are made outside, saved, and the request is sent until it is answered. The
 * certificate comes as an offer of settings, which is tried like any other; with
 * it the key leaves this place for theirs. */

enum { KEY = 1, REQUEST = 2 }; /* fields of what the store keeps */
enum { AGAIN_MS = 3600000 };   /* after a refusal, or without a key */

typedef struct opamp__certificate {
  opamp__buf key, request; /* PEM; empty: none is asked for */
  bool wanted;             /* a key is to be made */
  uint64_t made_by;        /* one is being made: deadline, NEVER */
  uint64_t look_at; /* when to see whether it is time for the next, NEVER */
} opamp__certificate;

static opamp__certificate *get(opamp__core *c) {
  if (c->certificate != NULL) return c->certificate;
  c->certificate = opamp__calloc(1, sizeof *c->certificate);
  if (c->certificate == NULL) return NULL;
  c->certificate->made_by = c->certificate->look_at = OPAMP__NEVER;
  return c->certificate;
}

static void forget(opamp__core *c) {
  opamp__certificate *x = c->certificate;
  opamp__buf_wipe_free(&x->key);
  opamp__buf_wipe_free(&x->request);
  opamp__store_put(c, OPAMP__KEEP_KEY, NULL);
}

void opamp__certificate_free(opamp__core *c) {
  if (c->certificate == NULL) return;
  opamp__buf_wipe_free(&c->certificate->key);
  opamp__buf_wipe_free(&c->certificate->request);
  opamp__free(c->certificate);
}

opamp_bytes opamp__certificate_pending(const opamp__core *c) {
  if (c->certificate == NULL) return (opamp_bytes){NULL, 0};
  return opamp__buf_bytes(&c->certificate->key);
}

/* --- asking --------------------------------------------------------------- */

void opamp__certificate_request(opamp__core *c) {
  opamp__certificate *x = get(c);
  if (x == NULL || x->made_by != OPAMP__NEVER) return;
  x->wanted = true;
}

bool opamp__certificate_next(opamp__core *c, opamp__action *out) {
  if (c->certificate == NULL || !c->certificate->wanted) return false;
  c->certificate->wanted = false;
  c->certificate->made_by = c->now + opamp__opt(c, OPAMP_OPT_STORE_TIMEOUT);
  *out = (opamp__action){.kind = OPAMP__DO_KEY};
  return true;
}

/* Both sub-messages around the request are nothing but it. */
static void send_request(opamp__core *c) {
  opamp__buf csr = {NULL, 0, 0}, one = {NULL, 0, 0}, row = {NULL, 0, 0};
  bool ok =
      opamp__put_bytes(&csr, OPAMP_CERTIFICATE_REQUEST_CSR,
                       opamp__buf_bytes(&c->certificate->request)) &&
      opamp__put_bytes(
          &one, OPAMP_OPAMP_CONNECTION_SETTINGS_REQUEST_CERTIFICATE_REQUEST,
          opamp__buf_bytes(&csr)) &&
      opamp__put_bytes(&row, OPAMP_CONNECTION_SETTINGS_REQUEST_OPAMP,
                       opamp__buf_bytes(&one)) &&
      opamp__rows_set(c, OPAMP_AGENT_TO_SERVER_CONNECTION_SETTINGS_REQUEST,
                      &row) == OPAMP_OK;
  if (!ok) c->certificate->look_at = c->now + AGAIN_MS;
  opamp__buf_free(&csr);
  opamp__buf_free(&one);
  opamp__buf_free(&row);
}

static void not_now(opamp__core *c, const char *what, opamp_str why) {
  c->certificate->look_at = c->now + AGAIN_MS;
  opamp__emit_log(c, OPAMP_LOG_ERROR, "certificate: %s: %.*s", what,
                  (int)why.len, why.len > 0 ? why.ptr : "");
}

void opamp__certificate_key(opamp__core *c, const opamp__input *in) {
  opamp__certificate *x = c->certificate;
  opamp__buf kept = {NULL, 0, 0};
  if (x == NULL || x->made_by == OPAMP__NEVER) return;
  x->made_by = OPAMP__NEVER;
  if (in->result != OPAMP_OK) {
    not_now(c, "no key was made", in->text);
    return;
  }
  opamp__buf_wipe_free(&x->key);
  opamp__buf_wipe_free(&x->request);
  if (opamp__buf_append(&x->key, in->hash.ptr, in->hash.len) &&
      opamp__buf_append(&x->request, in->frame.ptr, in->frame.len) &&
      opamp__buf_reserve(&kept, in->hash.len + in->frame.len + 32) &&
      opamp__put_bytes(&kept, KEY, in->hash) &&
      opamp__put_bytes(&kept, REQUEST, in->frame)) {
    opamp__store_put(c, OPAMP__KEEP_KEY, &kept);
  } else {
    opamp__buf_wipe_free(&kept);
    not_now(c, "no key was made", OPAMP__LIT("out of memory"));
  }
}

/* A request whose key is nowhere but here would be of no use after a crash. */
void opamp__certificate_saved(opamp__core *c, opamp_status status,
                              opamp_str why) {
  if (c->certificate == NULL || c->certificate->request.len == 0) return;
  if (status == OPAMP_OK)
    send_request(c);
  else
    not_now(c, "its key is not saved, so that it is not asked for", why);
}

void opamp__certificate_refused(opamp__core *c) {
  if (c->certificate == NULL) return; /* a request of the application's own */
  forget(c);
  c->certificate->look_at = c->now + AGAIN_MS;
}

opamp_status opamp__certificate_restore(opamp__core *c, opamp_bytes value) {
  opamp_bytes key = opamp__packed_find(value, KEY, 0);
  opamp_bytes request = opamp__packed_find(value, REQUEST, 0);
  opamp__certificate *x = get(c);
  if (x == NULL) return OPAMP_ERR_NOMEM;
  if (key.len == 0 || request.len == 0) return OPAMP_ERR_DECODE;
  if (!opamp__buf_set(&x->key, key.ptr, key.len) ||
      !opamp__buf_set(&x->request, request.ptr, request.len))
    return OPAMP_ERR_NOMEM;
  send_request(c);
  return OPAMP_OK;
}

/* --- in time -------------------------------------------------------------- */

static bool is_wanted(const opamp__core *c) {
  return opamp__opt(c, OPAMP_OPT_REQUEST_CERTIFICATE) != 0;
}

static bool is_ours(const opamp__core *c) {
  return c->settings != NULL && c->settings->in_use.requested;
}

/* ms until the next one is due; -1: no certificate of ours. */
static int64_t due_in(const opamp__core *c) {
  const opamp__core_env *env = &c->config->env;
  if (!is_ours(c) || env->renew_in == NULL) return -1;
  return env->renew_in(env->ctx,
                       opamp__place_certificate(&c->settings->in_use,
                                                OPAMP_TLS_CERTIFICATE_CERT),
                       opamp__opt(c, OPAMP_OPT_CERTIFICATE_RENEW_PERCENT));
}

void opamp__certificate_review(opamp__core *c, bool new_uid) {
  opamp__certificate *x;
  int64_t in;
  if (c->store == NULL || (!is_wanted(c) && !is_ours(c))) return;
  x = get(c);
  if (x == NULL) return;
  in = due_in(c);
  x->look_at = in < 0 ? OPAMP__NEVER : c->now + (uint64_t)in;
  /* The one asked for has come; it is in the settings with its key. */
  if (x->key.len > 0 && is_ours(c) && !new_uid &&
      opamp__bytes_eq(
          opamp__buf_bytes(&x->key),
          opamp__place_certificate(&c->settings->in_use,
                                   OPAMP_TLS_CERTIFICATE_PRIVATE_KEY)))
    forget(c);
  if (new_uid || (!is_ours(c) && x->key.len == 0))
    opamp__certificate_request(c);
}

/* Long waits are cut: the clock that a certificate goes by may be set. */
void opamp__certificate_tick(opamp__core *c) {
  opamp__certificate *x = c->certificate;
  int64_t in;
  if (x != NULL && c->now >= x->made_by) {
    x->made_by = OPAMP__NEVER;
    not_now(c, "no key was made", OPAMP__LIT("no answer (store timeout)"));
  }
  if (x == NULL || c->now < x->look_at) return;
  in = due_in(c);
  x->look_at = OPAMP__NEVER;
  if (in > 0)
    x->look_at = c->now + (uint64_t)in;
  else if (is_ours(c) || is_wanted(c))
    opamp__certificate_request(c);
}

uint64_t opamp__certificate_deadline(const opamp__core *c) {
  const opamp__certificate *x = c->certificate;
  return x == NULL ? OPAMP__NEVER : opamp__min64(x->look_at, x->made_by);
}
