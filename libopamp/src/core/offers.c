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
 * hash twice (OFFER-5). The core never says APPLIED by itself but for settings
 * that are nothing but a heartbeat interval. */

#define SETTINGS(name) OPAMP_CONNECTION_SETTINGS_OFFERS_##name

enum { APPLIED = 1, APPLYING = 2, FAILED = 3 }; /* the same in both statuses */

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
       opamp__put_bytes(&row, OPAMP_REMOTE_CONFIG_STATUS_ERROR_MESSAGE,
                        error)) &&
      opamp__rows_set(c, status_field(kind), &row) == OPAMP_OK;
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

static void take_interval(opamp__core *c, opamp__offer *o) {
  uint64_t ms;
  opamp_event *e;
  if (o->interval == OPAMP__NEVER) return;
  if (o->interval == 0) {
    /* STATE-8: unchanged, unless the application says otherwise. */
    if (opamp__opt(c, OPAMP_OPT_HEARTBEAT_ZERO_DISABLES) != 0 && c->duplex)
      c->heartbeat_off = true;
    return;
  }
  ms = opamp__min64(o->interval, opamp__opt(c, OPAMP_OPT_HEARTBEAT_MAX) / 1000);
  ms = opamp__max64(ms * 1000, opamp__opt(c, OPAMP_OPT_HEARTBEAT_MIN));
  ms = opamp__min64(ms, opamp__opt(c, OPAMP_OPT_HEARTBEAT_MAX));
  o->interval = OPAMP__NEVER;
  c->heartbeat_off = false;
  if (ms == c->heartbeat_ms && ms == c->poll_ms) return;
  c->heartbeat_ms = c->poll_ms = ms;
  e = opamp__emit_new(c, OPAMP_EVENT_HEARTBEAT_INTERVAL);
  if (e != NULL) opamp__event_set_number(e, OPAMP_NUM_INTERVAL_MS, (int64_t)ms);
  opamp__emit(c, e);
}

/* OFFER-7. */
static void want_effective_config(opamp__core *c) {
  if (opamp__rows_allowed(c, OPAMP__ROW_EFFECTIVE_CONFIG))
    opamp__emit(c, opamp__emit_new(c, OPAMP_EVENT_EFFECTIVE_CONFIG_WANTED));
}

static opamp_status report(opamp__core *c, int kind, int status,
                           opamp_str text) {
  opamp__offer *o = c->offers[kind];
  opamp_bytes hash = opamp__buf_bytes(&o->hash);
  if (!set_row(c, kind, hash, status, text)) return OPAMP_ERR_NOMEM;
  if (status == APPLYING) {
    o->state = OPAMP__OFFER_APPLYING;
    o->deadline = c->now + opamp__opt(c, OPAMP_OPT_OFFER_DEADLINE);
  } else {
    o->state = OPAMP__OFFER_DONE;
    o->deadline = OPAMP__NEVER;
  }
  emit_status(c, kind, hash, status, text);
  if (status != APPLIED) return OPAMP_OK;
  if (kind == OPAMP__OFFER_CONFIG)
    want_effective_config(c);
  else
    take_interval(c, o);
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

/* A new offer of the kind, or NULL: known already, or out of memory (then the
 * server, which hears no status, offers it again). */
static opamp__offer *new_offer(opamp__core *c, int kind, opamp_bytes hash,
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
  o->interval = OPAMP__NEVER;
  o->serial = ++c->offer_serial;
  o->state = OPAMP__OFFER_OPEN;
  o->deadline = c->now + opamp__opt(c, OPAMP_OPT_OFFER_DEADLINE);
  c->view.counters[OPAMP_COUNT_OFFERS]++;
  return o;
}

/* Hands the offer over; takes `m`. */
static void hand_over(opamp__core *c, opamp__offer *o, int event_kind,
                      opamp_msg *m) {
  opamp_event *e = opamp__emit_new(c, event_kind);
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
  o = new_offer(c, OPAMP__OFFER_CONFIG, hash, m);
  if (o != NULL) hand_over(c, o, OPAMP_EVENT_REMOTE_CONFIG, copy_of(m));
}

void opamp__offers_packages(opamp__core *c, const opamp_msg *m) {
  opamp_bytes hash =
      opamp_msg_bytes(m, OPAMP_PACKAGES_AVAILABLE_ALL_PACKAGES_HASH, 0);
  opamp__offer *o;
  if (!(c->view.capabilities & OPAMP_AGENT_CAPABILITIES_ACCEPTS_PACKAGES)) {
    ignored(c, "packages", "AcceptsPackages");
    return;
  }
  o = new_offer(c, OPAMP__OFFER_PACKAGES, hash, m);
  if (o == NULL) return;
  hand_over(c, o, OPAMP_EVENT_PACKAGES, copy_of(m));
  if (o->state == OPAMP__OFFER_OPEN) o->state = OPAMP__OFFER_DONE;
  o->deadline = OPAMP__NEVER;
}

/* The parts of a settings offer and the capability each belongs to (SET-1,
 * STATE-11). */
static const struct {
  int field;
  uint64_t capability;
} parts[] = {
    {SETTINGS(OPAMP),
     OPAMP_AGENT_CAPABILITIES_ACCEPTS_OPAMP_CONNECTION_SETTINGS},
    {SETTINGS(OWN_METRICS), OPAMP_AGENT_CAPABILITIES_REPORTS_OWN_METRICS},
    {SETTINGS(OWN_TRACES), OPAMP_AGENT_CAPABILITIES_REPORTS_OWN_TRACES},
    {SETTINGS(OWN_LOGS), OPAMP_AGENT_CAPABILITIES_REPORTS_OWN_LOGS},
    {SETTINGS(OTHER_CONNECTIONS),
     OPAMP_AGENT_CAPABILITIES_ACCEPTS_OTHER_CONNECTION_SETTINGS},
};

/* Removes what is not for this agent; says how many parts are left. */
static size_t filter_parts(const opamp__core *c, opamp_msg *m) {
  size_t left = 0;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (!(c->view.capabilities & parts[i].capability))
      (void)opamp_msg_clear(m, parts[i].field);
    else if (opamp_msg_count(m, parts[i].field) > 0)
      left++;
  }
  return left;
}

/* Whether OpAMP settings hold anything but a heartbeat interval. */
static bool interval_only(const opamp_msg *m) {
  for (size_t i = 0;
       i < opamp_msg_field_count(OPAMP_MSG_OPAMP_CONNECTION_SETTINGS); i++) {
    int field = opamp_msg_field_at(OPAMP_MSG_OPAMP_CONNECTION_SETTINGS, i);
    if (field != OPAMP_OPAMP_CONNECTION_SETTINGS_HEARTBEAT_INTERVAL_SECONDS &&
        opamp_msg_count(m, field) > 0)
      return false;
  }
  return true;
}

void opamp__offers_settings(opamp__core *c, const opamp_msg *m) {
  opamp_msg *copy = copy_of(m);
  const opamp_msg *opamp;
  opamp__offer *o;
  size_t left;
  if (copy == NULL) return;
  left = filter_parts(c, copy);
  if (left == 0 ||
      (o = new_offer(c, OPAMP__OFFER_SETTINGS,
                     opamp_msg_bytes(m, SETTINGS(HASH), 0), m)) == NULL) {
    opamp_msg_free(copy);
    return;
  }
  opamp = opamp_msg_sub(copy, SETTINGS(OPAMP), 0);
  if (opamp != NULL) {
    o->interval = opamp__min64(
        opamp_msg_u64(
            opamp, OPAMP_OPAMP_CONNECTION_SETTINGS_HEARTBEAT_INTERVAL_SECONDS,
            0),
        OPAMP__NEVER - 1);
    if (interval_only(opamp) && left == 1) {
      opamp_msg_free(copy);
      (void)report(c, OPAMP__OFFER_SETTINGS, APPLIED, (opamp_str){NULL, 0});
      return; /* SET-3 */
    }
  }
  hand_over(c, o, OPAMP_EVENT_CONNECTION_SETTINGS, copy);
}

/* --- answers -------------------------------------------------------------- */

opamp_status opamp__offers_answer(opamp__core *c, uint32_t serial,
                                  opamp__verdict verdict, opamp_str text) {
  static const int status_of[] = {[OPAMP__ACCEPT] = APPLIED,
                                  [OPAMP__REJECT] = FAILED,
                                  [OPAMP__DEFER] = APPLYING};
  for (int kind = 0; kind < OPAMP__OFFER_PACKAGES; kind++) {
    opamp__offer *o = c->offers[kind];
    if (o == NULL || o->serial != serial || o->state != OPAMP__OFFER_OPEN)
      continue;
    return report(c, kind, status_of[verdict], text);
  }
  return OPAMP_OK; /* late: after the deadline, or a newer offer */
}

/* An application that knows better, or remembers: a hash that is no offer's is
 * taken as the last one, unless a newer offer waits for its answer. */
static opamp__offer *adopt(opamp__core *c, int kind, opamp_bytes hash) {
  opamp__offer *o = offer_of(c, kind);
  if (o == NULL) return NULL;
  if (!opamp__buf_set(&o->hash, hash.ptr, hash.len) ||
      !opamp__buf_set(&o->key, hash.ptr, hash.len))
    return NULL;
  o->serial = ++c->offer_serial;
  o->interval = OPAMP__NEVER;
  return o;
}

opamp_status opamp__offers_status(opamp__core *c, int field, opamp_bytes hash,
                                  int status, opamp_str text) {
  int kind = field == OPAMP_AGENT_TO_SERVER_REMOTE_CONFIG_STATUS
                 ? OPAMP__OFFER_CONFIG
                 : OPAMP__OFFER_SETTINGS;
  opamp__offer *o = c->offers[kind];
  if (o == NULL || o->state == OPAMP__OFFER_NONE ||
      !opamp__bytes_eq(opamp__buf_bytes(&o->hash), hash)) {
    if (o != NULL &&
        (o->state == OPAMP__OFFER_OPEN || o->state == OPAMP__OFFER_APPLYING)) {
      opamp__emit_log(c, OPAMP_LOG_INFO,
                      "status for a superseded offer ignored");
      return OPAMP_OK;
    }
    if (adopt(c, kind, hash) == NULL) return OPAMP_ERR_NOMEM;
  }
  return report(c, kind, status, text);
}

void opamp__offers_forget(opamp__core *c, int kind) {
  int i = kind == OPAMP_EVENT_REMOTE_CONFIG         ? OPAMP__OFFER_CONFIG
          : kind == OPAMP_EVENT_CONNECTION_SETTINGS ? OPAMP__OFFER_SETTINGS
                                                    : OPAMP__OFFER_PACKAGES;
  /* Its status still ends in APPLIED or FAILED. */
  if (c->offers[i] != NULL) opamp__buf_free(&c->offers[i]->key);
}

/* --- time ----------------------------------------------------------------- */

static bool waits(const opamp__offer *o) {
  return o != NULL &&
         (o->state == OPAMP__OFFER_OPEN || o->state == OPAMP__OFFER_APPLYING);
}

void opamp__offers_tick(opamp__core *c) {
  for (int kind = 0; kind < OPAMP__OFFER_PACKAGES; kind++) {
    opamp__offer *o = c->offers[kind];
    if (!waits(o) || c->now < o->deadline) continue;
    if (report(c, kind, FAILED, OPAMP__LIT("not answered")) != OPAMP_OK)
      o->deadline = c->now + 1000; /* out of memory: again in a second */
  }
}

uint64_t opamp__offers_deadline(const opamp__core *c) {
  uint64_t at = OPAMP__NEVER;
  for (int kind = 0; kind < OPAMP__OFFER_PACKAGES; kind++)
    if (waits(c->offers[kind]))
      at = opamp__min64(at, c->offers[kind]->deadline);
  return at;
}

void opamp__offers_free(opamp__core *c) {
  for (int kind = 0; kind < OPAMP__OFFERS; kind++) {
    opamp__offer *o = c->offers[kind];
    if (o == NULL) continue;
    opamp__buf_free(&o->hash);
    opamp__buf_free(&o->key);
    opamp__free(o);
  }
}
