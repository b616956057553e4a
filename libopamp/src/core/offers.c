/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "core/state.h"
#include "wire/wire.h"

/* What the server offers, each kind a small machine keyed by hash:
 *
 *   received → OPEN → (APPLYING) → DONE: APPLIED or FAILED
 *
 * with a deadline, so that no status can hang (OFFER-4), and never the same
 * hash twice (OFFER-5). The core never says APPLIED by itself but for the OpAMP
 * part of connection settings (settings.c). */

enum { APPLIED = OPAMP__APPLIED, APPLYING = OPAMP__APPLYING };
enum { FAILED = OPAMP__FAILED }; /* the same numbers in both statuses */

static opamp__offer *offer_of(opamp__core *c, int kind) {
  if (c->offers[kind] == NULL)
    c->offers[kind] = opamp__calloc(1, sizeof **c->offers);
  return c->offers[kind];
}

static int status_field(int kind) {
  return kind == OPAMP__OFFER_CONFIG
             ? OPAMP_AGENT_TO_SERVER_REMOTE_CONFIG_STATUS
             : OPAMP_AGENT_TO_SERVER_CONNECTION_SETTINGS_STATUS;
}

/* --- status --------------------------------------------------------------- */

/* RemoteConfigStatus and ConnectionSettingsStatus have the same fields. */
static bool set_row(opamp__core *c, int kind, opamp_bytes hash, int status,
                    opamp_str text) {
  opamp_bytes error = {(const uint8_t *)text.ptr, text.len};
  opamp__buf row = {NULL, 0, 0};
  bool ok =
      (hash.len == 0 ||
       opamp__put_bytes(
           &row, OPAMP_REMOTE_CONFIG_STATUS_LAST_REMOTE_CONFIG_HASH, hash)) &&
      opamp__put_varint(&row, OPAMP_REMOTE_CONFIG_STATUS_STATUS,
                        (uint64_t)status) &&
      (error.len == 0 ||
       opamp__put_bytes(&row, OPAMP_REMOTE_CONFIG_STATUS_ERROR_MESSAGE, error));
  // It may hold what a server, a proxy or a file system said.
  if (ok && error.len > 0)
    opamp__utf8_mend(row.ptr + row.len - error.len, error.len);
  ok = ok && opamp__rows_set(c, status_field(kind), &row) == OPAMP_OK;
  opamp__buf_free(&row);
  return ok;
}

static void emit_status(opamp__core *c, int kind, opamp_bytes hash, int status,
                        opamp_str text) {
  opamp_event *e = opamp__emit_new(
      c, kind == OPAMP__OFFER_CONFIG ? OPAMP_EVENT_REMOTE_CONFIG_STATUS
                                     : OPAMP_EVENT_CONNECTION_SETTINGS_STATUS);
  if (e == NULL) return;
  (void)opamp__event_set_bytes(e, hash);
  (void)opamp__event_set_text(e, text);
  opamp__event_set_number(e, OPAMP_NUM_STATE, status);
  opamp__emit(c, e);
}

/* OFFER-7. */
static void want_effective_config(opamp__core *c) {
  if (opamp__rows_allowed(c, OPAMP__ROW_EFFECTIVE_CONFIG))
    opamp__emit(c, opamp__emit_new(c, OPAMP_EVENT_EFFECTIVE_CONFIG_WANTED));
}

bool opamp__offers_report_hash(opamp__core *c, int kind, opamp_bytes hash,
                               int status, opamp_str text) {
  uint32_t revision = c->revision;
  if (!set_row(c, kind, hash, status, text)) return false;
  if (c->revision != revision) emit_status(c, kind, hash, status, text);
  return true;
}

opamp_status opamp__offers_report(opamp__core *c, int kind, int status,
                                  opamp_str text) {
  opamp__offer *o = c->offers[kind];
  opamp_bytes hash = opamp__buf_bytes(&o->hash);
  if (!set_row(c, kind, hash, status, text)) return OPAMP_ERR_NOMEM;
  o->state = status == APPLYING ? OPAMP__OFFER_APPLYING : OPAMP__OFFER_DONE;
  emit_status(c, kind, hash, status, text);
  return OPAMP_OK;
}

bool opamp__offers_open(const opamp__core *c, int kind) {
  const opamp__offer *o = c->offers[kind];
  return o != NULL &&
         (o->state == OPAMP__OFFER_OPEN || o->state == OPAMP__OFFER_APPLYING);
}

/* An accepted configuration is kept (OFFER-9). */
static void keep_config(opamp__core *c, opamp__offer *o) {
  opamp__buf packed = {NULL, 0, 0};
  if (c->store != NULL && o->content != NULL &&
      opamp__msg_pack_canonical(o->content, &packed) == OPAMP_OK)
    opamp__store_put(c, OPAMP__KEEP_CONFIG, &packed);
  opamp__buf_wipe_free(&packed);
}

static opamp_status report_config(opamp__core *c, int status, opamp_str text) {
  opamp__offer *o = c->offers[OPAMP__OFFER_CONFIG];
  opamp_status done =
      opamp__offers_report(c, OPAMP__OFFER_CONFIG, status, text);
  if (done != OPAMP_OK) return done;
  o->deadline = status == APPLYING
                    ? c->now + opamp__opt(c, OPAMP_OPT_OFFER_DEADLINE)
                    : OPAMP__NEVER;
  if (status == APPLIED) {
    keep_config(c, o);
    want_effective_config(c);
  }
  if (status != APPLYING) {
    opamp_msg_free(o->content);
    o->content = NULL;
  }
  return OPAMP_OK;
}

/* --- receiving ------------------------------------------------------------ */

/* What an offer is known by: its hash, or its content when that is empty. */
static bool make_key(opamp__core *c, opamp_bytes hash, const opamp_msg *m,
                     opamp__buf *key) {
  uint8_t digest[32];
  opamp__buf packed = {NULL, 0, 0};
  opamp_status s;
  if (hash.len > 0) return opamp__buf_append(key, hash.ptr, hash.len);
  s = opamp__msg_pack_canonical(m, &packed);
  if (s == OPAMP_OK) c->config->env.sha256(opamp__buf_bytes(&packed), digest);
  opamp__buf_free(&packed);
  return s == OPAMP_OK && opamp__buf_append(key, digest, sizeof digest);
}

opamp__offer *opamp__offers_new(opamp__core *c, int kind, opamp_bytes hash,
                                const opamp_msg *m) {
  opamp__offer *o = offer_of(c, kind);
  opamp__buf key = {NULL, 0, 0}, copy = {NULL, 0, 0};
  if (o == NULL) return NULL;
  if (!make_key(c, hash, m, &key) ||
      !opamp__buf_append(&copy, hash.ptr, hash.len) ||
      (o->state != OPAMP__OFFER_NONE &&
       opamp__bytes_eq(opamp__buf_bytes(&key), opamp__buf_bytes(&o->key)))) {
    opamp__buf_free(&key);
    opamp__buf_free(&copy);
    return NULL;
  }
  opamp__buf_free(&o->key);
  opamp__buf_free(&o->hash);
  o->key = key;
  o->hash = copy;
  opamp_msg_free(o->content);
  o->content = NULL;
  o->restored = false;
  o->serial = ++c->offer_serial;
  o->state = OPAMP__OFFER_OPEN;
  o->deadline = c->now + opamp__opt(c, OPAMP_OPT_OFFER_DEADLINE);
  return o;
}

void opamp__offers_hand_over(opamp__core *c, opamp__offer *o, int event_kind,
                             opamp_msg *m) {
  opamp_event *e = opamp__emit_new(c, event_kind);
  c->view.counters[OPAMP_COUNT_OFFERS]++;
  if (e == NULL || m == NULL) {
    /* Without memory it cannot be delivered; its deadline says so, as FAILED,
     * and the same offer counts as new. */
    opamp__event_destroy(e);
    opamp_msg_free(m);
    opamp__buf_free(&o->key);
    return;
  }
  e->msg = m;
  e->offer = opamp__event_is_question(event_kind) ? o->serial : 0;
  if (o->restored) opamp__event_set_number(e, OPAMP_NUM_RESTORED, 1);
  (void)opamp__event_set_bytes(e, opamp__buf_bytes(&o->hash));
  opamp__emit(c, e);
}

static opamp_msg *copy_of(const opamp_msg *m) {
  opamp_msg *copy = NULL;
  return opamp_msg_dup(&copy, m) == OPAMP_OK ? copy : NULL;
}

/* STATE-11, for whoever wonders why nothing comes. */
static void ignored(opamp__core *c, const char *what, const char *capability) {
  opamp__emit_log(c, OPAMP_LOG_INFO, "offer of %s ignored: %s is off", what,
                  capability);
}

void opamp__offers_remote_config(opamp__core *c, const opamp_msg *m) {
  opamp_bytes hash =
      opamp_msg_bytes(m, OPAMP_AGENT_REMOTE_CONFIG_CONFIG_HASH, 0);
  opamp__offer *o;
  if (!(c->view.capabilities &
        OPAMP_AGENT_CAPABILITIES_ACCEPTS_REMOTE_CONFIG)) {
    ignored(c, "remote config", "AcceptsRemoteConfig");
    return;
  }
  o = opamp__offers_new(c, OPAMP__OFFER_CONFIG, hash, m);
  if (o == NULL) return;
  if (c->store != NULL) o->content = copy_of(m);
  opamp__offers_hand_over(c, o, OPAMP_EVENT_REMOTE_CONFIG, copy_of(m));
}

void opamp__offers_packages(opamp__core *c, const opamp_msg *m) {
  opamp_bytes hash =
      opamp_msg_bytes(m, OPAMP_PACKAGES_AVAILABLE_ALL_PACKAGES_HASH, 0);
  opamp__offer *o;
  if (!(c->view.capabilities & OPAMP_AGENT_CAPABILITIES_ACCEPTS_PACKAGES)) {
    ignored(c, "packages", "AcceptsPackages");
    return;
  }
  o = opamp__offers_new(c, OPAMP__OFFER_PACKAGES, hash, m);
  if (o == NULL) return;
  opamp__offers_hand_over(c, o, OPAMP_EVENT_PACKAGES, copy_of(m));
  if (o->state == OPAMP__OFFER_OPEN) o->state = OPAMP__OFFER_DONE;
  o->deadline = OPAMP__NEVER;
}

/* --- answers -------------------------------------------------------------- */

opamp_status opamp__offers_answer(opamp__core *c, uint32_t serial,
                                  opamp__verdict verdict, opamp_str text) {
  static const int status_of[] = {[OPAMP__ACCEPT] = APPLIED,
                                  [OPAMP__REJECT] = FAILED,
                                  [OPAMP__DEFER] = APPLYING};
  for (int kind = 0; kind < OPAMP__OFFER_PACKAGES; kind++) {
    opamp__offer *o = c->offers[kind];
    if (o == NULL || o->serial != serial || !opamp__offers_open(c, kind))
      continue;
    if (kind == OPAMP__OFFER_SETTINGS)
      return opamp__settings_answer(c, verdict, text);
    if (o->state == OPAMP__OFFER_OPEN)
      return report_config(c, status_of[verdict], text);
  }
  return OPAMP_OK; /* late: after the deadline, or a newer offer */
}

/* An application that knows better, or remembers: a hash that is no offer's is
 * taken as the last one, unless a newer offer waits for its answer. */
opamp__offer *opamp__offers_adopt(opamp__core *c, int kind, opamp_bytes hash) {
  opamp__offer *o = offer_of(c, kind);
  if (o == NULL) return NULL;
  if (!opamp__buf_set(&o->hash, hash.ptr, hash.len) ||
      !opamp__buf_set(&o->key, hash.ptr, hash.len))
    return NULL;
  o->serial = ++c->offer_serial;
  o->deadline = OPAMP__NEVER;
  o->restored = false;
  return o;
}

/* Of settings only what the application was asked for is its to say. */
static opamp_status settings_status(opamp__core *c, int status,
                                    opamp_str text) {
  static const opamp__verdict verdict_of[] = {[APPLIED] = OPAMP__ACCEPT,
                                              [FAILED] = OPAMP__REJECT,
                                              [APPLYING] = OPAMP__DEFER};
  if (opamp__offers_open(c, OPAMP__OFFER_SETTINGS))
    return opamp__settings_answer(c, verdict_of[status], text);
  return opamp__offers_report(c, OPAMP__OFFER_SETTINGS, status, text);
}

opamp_status opamp__offers_status(opamp__core *c, int field, opamp_bytes hash,
                                  int status, opamp_str text) {
  int kind = field == OPAMP_AGENT_TO_SERVER_REMOTE_CONFIG_STATUS
                 ? OPAMP__OFFER_CONFIG
                 : OPAMP__OFFER_SETTINGS;
  opamp__offer *o = c->offers[kind];
  if (o == NULL || o->state == OPAMP__OFFER_NONE ||
      !opamp__bytes_eq(opamp__buf_bytes(&o->hash), hash)) {
    if (opamp__offers_open(c, kind)) {
      opamp__emit_log(c, OPAMP_LOG_INFO,
                      "status for a superseded offer ignored");
      return OPAMP_OK;
    }
    if (opamp__offers_adopt(c, kind, hash) == NULL) return OPAMP_ERR_NOMEM;
  }
  return kind == OPAMP__OFFER_CONFIG ? report_config(c, status, text)
                                     : settings_status(c, status, text);
}

void opamp__offers_forget(opamp__core *c, int kind) {
  int i = kind == OPAMP_EVENT_REMOTE_CONFIG         ? OPAMP__OFFER_CONFIG
          : kind == OPAMP_EVENT_CONNECTION_SETTINGS ? OPAMP__OFFER_SETTINGS
                                                    : OPAMP__OFFER_PACKAGES;
  /* Its status still ends in APPLIED or FAILED. */
  if (c->offers[i] != NULL) opamp__buf_free(&c->offers[i]->key);
}

/* --- time ----------------------------------------------------------------- */

void opamp__offers_tick(opamp__core *c) {
  opamp__offer *o = c->offers[OPAMP__OFFER_CONFIG];
  if (opamp__offers_open(c, OPAMP__OFFER_CONFIG) && c->now >= o->deadline &&
      report_config(c, FAILED, OPAMP__LIT("not answered")) != OPAMP_OK)
    o->deadline = c->now + 1000; /* out of memory: again in a second */
  opamp__settings_tick(c);
}

uint64_t opamp__offers_deadline(const opamp__core *c) {
  uint64_t at = opamp__settings_deadline(c);
  if (opamp__offers_open(c, OPAMP__OFFER_CONFIG))
    at = opamp__min64(at, c->offers[OPAMP__OFFER_CONFIG]->deadline);
  return at;
}

void opamp__offers_free(opamp__core *c) {
  for (int kind = 0; kind < OPAMP__OFFERS; kind++) {
    opamp__offer *o = c->offers[kind];
    if (o == NULL) continue;
    opamp__buf_free(&o->hash);
    opamp__buf_free(&o->key);
    opamp_msg_free(o->content);
    opamp__free(o);
  }
}
