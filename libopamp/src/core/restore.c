/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/uuid.h"
#include "core/state.h"
#include "wire/wire.h"

/* What is kept of settings, and what an agent makes of what it kept in its last
 * life. */

/* Fields of OPAMP__KEEP_SETTINGS. A candidate that is there was on trial; an
 * error, even an empty one, means that the last offer has failed. */
enum {
  IN_USE = 1,
  CANDIDATE = 2,
  HASH = 3,
  ERROR = 4,
  APP_ERROR = 5,
  IN_USE_REQUESTED = 6,
  CANDIDATE_REQUESTED = 7
};

/* --- keeping -------------------------------------------------------------- */

static bool put_flag(opamp__buf *b, int field, bool set) {
  static const opamp_bytes one = {(const uint8_t *)"1", 1};
  return !set || opamp__put_bytes(b, field, one);
}

static bool put_place(opamp__buf *b, int field, const opamp__place *p,
                      int requested) {
  return (p->packed.len == 0 ||
          opamp__put_bytes(b, field, opamp__buf_bytes(&p->packed))) &&
         put_flag(b, requested, p->requested);
}

static bool put_offer(opamp__buf *b, const opamp__core *c) {
  const opamp__settings *s = c->settings;
  const opamp__offer *o = c->offers[OPAMP__OFFER_SETTINGS];
  if (o == NULL || o->state == OPAMP__OFFER_NONE) return true;
  return opamp__put_bytes(b, HASH, opamp__buf_bytes(&o->hash)) &&
         (!s->failed ||
          opamp__put_bytes(b, ERROR, opamp__buf_bytes(&s->error))) &&
         (!s->app_failed ||
          opamp__put_bytes(b, APP_ERROR, opamp__buf_bytes(&s->app_error)));
}

void opamp__restore_keep_settings(opamp__core *c) {
  const opamp__settings *s = c->settings;
  opamp__buf b = {NULL, 0, 0};
  bool trial = s->trial > OPAMP__TRIAL_WAITS;
  if (c->store == NULL) return;
  if (opamp__buf_reserve(&b, s->in_use.packed.len + s->candidate.packed.len +
                                 s->error.len + 256) &&
      put_place(&b, IN_USE, &s->in_use, IN_USE_REQUESTED) &&
      (!trial ||
       put_place(&b, CANDIDATE, &s->candidate, CANDIDATE_REQUESTED)) &&
      put_offer(&b, c))
    opamp__store_put(c, OPAMP__KEEP_SETTINGS, &b);
  else /* the older one stays, until the next change */
    opamp__emit_log(c, OPAMP_LOG_ERROR, "store: %s: out of memory",
                    opamp__keep_name(OPAMP__KEEP_SETTINGS));
  opamp__buf_wipe_free(&b);
}

void opamp__restore_keep_parts(opamp__core *c) {
  opamp__buf b = {NULL, 0, 0};
  if (opamp__msg_pack_canonical(c->settings->kept_parts, &b) == OPAMP_OK)
    opamp__store_put(c, OPAMP__KEEP_PARTS, &b);
  opamp__buf_wipe_free(&b);
}

/* --- who we are, where to connect ----------------------------------------- */

static void unusable(opamp__core *c, int key) {
  opamp__emit_log(c, OPAMP_LOG_ERROR, "store: %s is not used: %s",
                  opamp__keep_name(key), opamp_errmsg());
}

/* STATE-16. One that is there and could not be read is not overwritten. */
static void restore_uid(opamp__core *c, const opamp__buf *value,
                        bool unreadable) {
  opamp__buf copy = {NULL, 0, 0};
  bool usable = value->len == OPAMP_UID_LEN && !opamp__uuid_is_zero(value->ptr);
  if (opamp__opt(c, OPAMP_OPT_UID_PERSIST) == 0) return;
  if (usable && c->config->own_uid) {
    memcpy(c->view.uid, value->ptr, OPAMP_UID_LEN);
    c->uid_wanted = false;
    return;
  }
  if (unreadable || c->uid_wanted) return;
  if (usable && memcmp(c->view.uid, value->ptr, OPAMP_UID_LEN) == 0) return;
  if (opamp__buf_append(&copy, c->view.uid, OPAMP_UID_LEN))
    opamp__store_put(c, OPAMP__KEEP_UID, &copy);
}

static opamp_status read_place(opamp__place *out, opamp_bytes value, int field,
                               int requested) {
  opamp_bytes packed = opamp__packed_find(value, field, 0);
  out->requested = opamp__packed_find(value, requested, 0).len > 0;
  return packed.ptr == NULL ? OPAMP_OK : opamp__place_parse(out, packed);
}

/* What was in use is checked again: a file of the configuration that it goes
 * with may be another one now. */
static opamp_status read_settings(opamp__core *c, opamp_bytes value) {
  opamp__settings *s = opamp__settings_get(c);
  const opamp__core_env *env = &c->config->env;
  opamp_status status;
  if (s == NULL) return opamp__fail(OPAMP_ERR_NOMEM, "out of memory");
  status = read_place(&s->in_use, value, IN_USE, IN_USE_REQUESTED);
  if (status == OPAMP_OK && s->in_use.msg != NULL && env->usable != NULL)
    status = env->usable(env->ctx, s->in_use.msg);
  if (status != OPAMP_OK) {
    opamp__place_free(&s->in_use);
    return status;
  }
  status = read_place(&s->candidate, value, CANDIDATE, CANDIDATE_REQUESTED);
  if (status == OPAMP_OK && s->candidate.msg != NULL)
    s->trial = OPAMP__TRIAL_RESUMES;
  return status;
}

static uint64_t interval_of(const opamp__place *p) {
  if (p->msg == NULL) return 0;
  return opamp_msg_u64(
      p->msg, OPAMP_OPAMP_CONNECTION_SETTINGS_HEARTBEAT_INTERVAL_SECONDS, 0);
}

void opamp__restore_self(opamp__core *c, const opamp__buf values[OPAMP__KEEPS],
                         uint32_t unreadable) {
  const opamp__buf *settings = &values[OPAMP__KEEP_SETTINGS];
  if (settings->len > 0 &&
      read_settings(c, opamp__buf_bytes(settings)) != OPAMP_OK)
    unusable(c, OPAMP__KEEP_SETTINGS);
  if (c->settings != NULL) {
    opamp__settings_interval(c, interval_of(&c->settings->in_use));
    c->settings->interval = interval_of(&c->settings->candidate);
  }
  opamp__session_moved(c);
  restore_uid(c, &values[OPAMP__KEEP_UID], unreadable & 1U << OPAMP__KEEP_UID);
}

/* --- the offers that were accepted (OFFER-9) ------------------------------ */

static void ask_again(opamp__core *c, opamp__offer *o, int event_kind,
                      opamp_msg *m) {
  o->restored = true;
  o->state = OPAMP__OFFER_OPEN;
  o->serial = ++c->offer_serial;
  o->deadline = c->now + opamp__opt(c, OPAMP_OPT_OFFER_DEADLINE);
  opamp__offers_hand_over(c, o, event_kind, m);
}

static void restore_config(opamp__core *c, opamp_bytes value) {
  opamp_msg *m = NULL;
  opamp__offer *o;
  if (value.len == 0 ||
      !(c->view.capabilities & OPAMP_AGENT_CAPABILITIES_ACCEPTS_REMOTE_CONFIG))
    return;
  if (opamp_msg_parse(&m, OPAMP_MSG_AGENT_REMOTE_CONFIG, value) != OPAMP_OK) {
    unusable(c, OPAMP__KEEP_CONFIG);
    return;
  }
  o = opamp__offers_adopt(
      c, OPAMP__OFFER_CONFIG,
      opamp_msg_bytes(m, OPAMP_AGENT_REMOTE_CONFIG_CONFIG_HASH, 0));
  if (o == NULL)
    opamp_msg_free(m);
  else
    ask_again(c, o, OPAMP_EVENT_REMOTE_CONFIG, m);
}

/* The parts are those of the last offer, or of older ones; what is told of them
 * is told of the last. */
static void restore_parts(opamp__core *c, opamp_bytes value, opamp_bytes hash) {
  opamp__settings *s = opamp__settings_get(c);
  opamp_msg *m = NULL;
  opamp__offer *o;
  if (value.len == 0 || s == NULL) return;
  if (opamp_msg_parse(&s->kept_parts, OPAMP_MSG_CONNECTION_SETTINGS_OFFERS,
                      value) != OPAMP_OK) {
    unusable(c, OPAMP__KEEP_PARTS);
    return;
  }
  o = opamp__offers_adopt(c, OPAMP__OFFER_SETTINGS, hash);
  if (o == NULL || opamp_msg_dup(&m, s->kept_parts) != OPAMP_OK) return;
  s->app_waits = true;
  ask_again(c, o, OPAMP_EVENT_CONNECTION_SETTINGS, m);
}

static bool restore_error(opamp_bytes value, int field, opamp__buf *error) {
  opamp_bytes text = opamp__packed_find(value, field, 0);
  return text.ptr != NULL && opamp__buf_set(error, text.ptr, text.len);
}

/* A hash that was tried is not tried again, whatever came of it. */
static void restore_status(opamp__core *c, opamp_bytes value) {
  opamp_bytes hash = opamp__packed_find(value, HASH, 0);
  opamp__settings *s = c->settings;
  opamp__offer *o;
  if (s == NULL || hash.len == 0) return;
  s->failed = restore_error(value, ERROR, &s->error);
  if (s->app_waits) return;
  s->app_failed = restore_error(value, APP_ERROR, &s->app_error);
  o = opamp__offers_adopt(c, OPAMP__OFFER_SETTINGS, hash);
  if (o == NULL) return;
  o->restored = true;
  opamp__settings_settle(c);
}

void opamp__restore_offers(opamp__core *c,
                           const opamp__buf values[OPAMP__KEEPS]) {
  opamp_bytes settings = opamp__buf_bytes(&values[OPAMP__KEEP_SETTINGS]);
  opamp_bytes key = opamp__buf_bytes(&values[OPAMP__KEEP_KEY]);
  restore_config(c, opamp__buf_bytes(&values[OPAMP__KEEP_CONFIG]));
  restore_parts(c, opamp__buf_bytes(&values[OPAMP__KEEP_PARTS]),
                opamp__packed_find(settings, HASH, 0));
  restore_status(c, settings);
  if (key.len > 0 && opamp__certificate_restore(c, key) != OPAMP_OK)
    unusable(c, OPAMP__KEEP_KEY);
  opamp__certificate_review(c, false);
}
