/* SPDX-License-Identifier: Apache-2.0 */
#include "core/settings.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/state.h"
#include "wire/wire.h"

/* One offer of connection settings has up to five parts and one status (SET-1).
 * The OpAMP part is the library's: it is checked, tried, kept or given back. All
 * others are the application's, one question for them together. When nothing
 * waits any more the offer is APPLIED, or FAILED with all reasons. */

#define SETTINGS(name) OPAMP_CONNECTION_SETTINGS_OFFERS_##name
#define PLACE(name) OPAMP_OPAMP_CONNECTION_SETTINGS_##name

enum { AGAIN_MS = 1000 /* out of memory */ };

static const opamp_str nothing = {NULL, 0};

opamp__settings *opamp__settings_get(opamp__core *c) {
  if (c->settings != NULL) return c->settings;
  c->settings = opamp__calloc(1, sizeof *c->settings);
  if (c->settings == NULL) return NULL;
  c->settings->tried_at = c->settings->settle_at = OPAMP__NEVER;
  return c->settings;
}

void opamp__settings_free(opamp__core *c) {
  opamp__settings *s = c->settings;
  if (s == NULL) return;
  opamp__place_free(&s->in_use);
  opamp__place_free(&s->candidate);
  opamp_msg_free(s->next);
  opamp_msg_free(s->parts);
  opamp_msg_free(s->kept_parts);
  opamp__buf_free(&s->error);
  opamp__buf_free(&s->app_error);
  opamp__free(s);
  c->settings = NULL;
}

/* --- the heartbeat interval ----------------------------------------------- */

void opamp__settings_interval(opamp__core *c, uint64_t seconds) {
  uint64_t ms;
  opamp_event *e;
  if (seconds == 0) {
    /* STATE-8: unchanged, unless the application says otherwise. */
    if (opamp__opt(c, OPAMP_OPT_HEARTBEAT_ZERO_DISABLES) != 0 && c->duplex)
      c->heartbeat_off = true;
    return;
  }
  ms = opamp__min64(seconds, opamp__opt(c, OPAMP_OPT_HEARTBEAT_MAX) / 1000);
  ms = opamp__max64(ms * 1000, opamp__opt(c, OPAMP_OPT_HEARTBEAT_MIN));
  ms = opamp__min64(ms, opamp__opt(c, OPAMP_OPT_HEARTBEAT_MAX));
  c->heartbeat_off = false;
  if (ms == c->heartbeat_ms && ms == c->poll_ms) return;
  c->heartbeat_ms = c->poll_ms = ms;
  e = opamp__emit_new(c, OPAMP_EVENT_HEARTBEAT_INTERVAL);
  if (e != NULL) opamp__event_set_number(e, OPAMP_NUM_INTERVAL_MS, (int64_t)ms);
  opamp__emit(c, e);
}

/* --- the one status ------------------------------------------------------- */

/* Out of memory: once more in a moment. */
static void settle_later(opamp__core *c) {
  c->settings->settle_at = c->now + AGAIN_MS;
}

/* "opamp: why", and what the application said. */
static bool reasons(const opamp__settings *s, opamp__buf *text) {
  return (!s->failed ||
          opamp__buf_printf(
              text, "opamp: %.*s", (int)s->error.len,
              s->error.len > 0 ? (const char *)s->error.ptr : "")) &&
         (!s->failed || !s->app_failed || opamp__buf_append(text, "; ", 2)) &&
         opamp__buf_append(text, s->app_error.ptr, s->app_error.len);
}

static opamp_status report(opamp__core *c) {
  const opamp__settings *s = c->settings;
  opamp__buf text = {NULL, 0, 0};
  opamp_status done = OPAMP_ERR_NOMEM;
  if (s->app_waits || s->trial != OPAMP__TRIAL_NONE)
    return opamp__offers_report(c, OPAMP__OFFER_SETTINGS, OPAMP__APPLYING,
                                nothing);
  if (reasons(s, &text))
    done = opamp__offers_report(
        c, OPAMP__OFFER_SETTINGS,
        s->failed || s->app_failed ? OPAMP__FAILED : OPAMP__APPLIED,
        (opamp_str){(const char *)text.ptr, text.len});
  opamp__buf_free(&text);
  return done;
}

static void take_next(opamp__core *c) {
  opamp_msg *next = c->settings->next;
  c->settings->next = NULL;
  if (next != NULL) opamp__settings_offer(c, next);
  opamp_msg_free(next);
}

/* Something has been decided. */
void opamp__settings_settle(opamp__core *c) {
  opamp__settings *s = c->settings;
  const opamp__offer *o = c->offers[OPAMP__OFFER_SETTINGS];
  bool waits = s->app_waits || s->trial != OPAMP__TRIAL_NONE;
  if (o == NULL)
    return; /* of the last life, and forgotten for lack of memory */
  /* An open question alone is no reason to say APPLYING yet. */
  if (waits &&
      (s->trial == OPAMP__TRIAL_NONE || o->state == OPAMP__OFFER_APPLYING))
    return;
  if (report(c) != OPAMP_OK) {
    settle_later(c);
    return;
  }
  s->settle_at = OPAMP__NEVER;
  if (waits) return;
  if (!o->restored) opamp__restore_keep_settings(c);
  take_next(c);
}

static void fail_part(opamp__core *c, opamp_str why) {
  c->settings->failed = true;
  (void)opamp__buf_set(&c->settings->error, why.ptr, why.len);
}

void opamp__settings_tried(opamp__core *c, bool kept, opamp_str why) {
  if (!kept) fail_part(c, why);
  opamp__settings_settle(c);
}

/* --- the application's parts ---------------------------------------------- */

/* The parts of an offer and the capability each belongs to (STATE-11). */
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

/* Removes what is not for this agent, and names it; how many parts are left. */
static size_t filter(const opamp__core *c, opamp_msg *m, opamp__buf *off) {
  size_t left = 0;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (opamp_msg_count(m, parts[i].field) == 0) continue;
    if (c->view.capabilities & parts[i].capability) {
      left++;
      continue;
    }
    (void)opamp_msg_clear(m, parts[i].field);
    (void)opamp__buf_printf(
        off, "%s%s: the capability %s is off", off->len > 0 ? "; " : "",
        opamp_msg_field_name(OPAMP_MSG_CONNECTION_SETTINGS_OFFERS,
                             parts[i].field),
        opamp_agent_capability_name(parts[i].capability));
  }
  return left;
}

/* Of the OpAMP part the application sees where it leads, and no secret. */
static void hide_secrets(opamp_msg *offer) {
  opamp_msg *place;
  if (opamp_msg_count(offer, SETTINGS(OPAMP)) == 0 ||
      opamp_msg_add(&place, offer, SETTINGS(OPAMP)) != OPAMP_OK)
    return;
  (void)opamp_msg_clear(place, PLACE(HEADERS));
  (void)opamp_msg_clear(place, PLACE(CERTIFICATE));
  (void)opamp_msg_clear(place, PLACE(PROXY));
}

/* Accepted: kept beside those of older offers, each in place of its elder. */
static void keep_parts(opamp__core *c) {
  opamp__settings *s = c->settings;
  opamp__buf before = {NULL, 0, 0}, now = {NULL, 0, 0}, both = {NULL, 0, 0};
  opamp_msg *m = NULL;
  bool ok = c->store != NULL && s->parts != NULL &&
            opamp__msg_pack_canonical(s->kept_parts, &before) == OPAMP_OK &&
            opamp__msg_pack_canonical(s->parts, &now) == OPAMP_OK &&
            opamp__buf_reserve(&both, before.len + now.len);
  for (size_t i = 1; ok && i < sizeof parts / sizeof *parts; i++) {
    bool newer = opamp_msg_count(s->parts, parts[i].field) > 0;
    ok = opamp__packed_copy(&both, opamp__buf_bytes(newer ? &now : &before),
                            parts[i].field);
  }
  if (ok && opamp_msg_parse(&m, OPAMP_MSG_CONNECTION_SETTINGS_OFFERS,
                            opamp__buf_bytes(&both)) == OPAMP_OK) {
    opamp_msg_free(s->kept_parts);
    s->kept_parts = m;
    opamp__restore_keep_parts(c);
  }
  opamp__buf_wipe_free(&before);
  opamp__buf_wipe_free(&now);
  opamp__buf_wipe_free(&both);
}

opamp_status opamp__settings_answer(opamp__core *c, opamp__verdict verdict,
                                    opamp_str text) {
  opamp__settings *s = c->settings;
  opamp__offer *o = c->offers[OPAMP__OFFER_SETTINGS];
  if (s == NULL || !s->app_waits) return OPAMP_OK;
  if (verdict == OPAMP__DEFER) {
    o->deadline = c->now + opamp__opt(c, OPAMP_OPT_OFFER_DEADLINE);
    return o->state == OPAMP__OFFER_APPLYING ? OPAMP_OK : report(c);
  }
  if (!opamp__buf_set(&s->app_error, text.ptr, text.len))
    return OPAMP_ERR_NOMEM;
  s->app_waits = false;
  s->app_failed = verdict == OPAMP__REJECT;
  o->deadline = OPAMP__NEVER;
  if (!s->app_failed) keep_parts(c);
  opamp_msg_free(s->parts);
  s->parts = NULL;
  opamp__settings_settle(c);
  return OPAMP_OK;
}

/* --- one offer ------------------------------------------------------------ */

/* The OpAMP part: refused, in use already, or to be tried (SET-3). */
static void decide(opamp__core *c, opamp_status merged, opamp_str why,
                   opamp__place *offered) {
  opamp__settings *s = c->settings;
  if (merged != OPAMP_OK) {
    fail_part(c, why);
  } else if (opamp__place_same(offered, &s->in_use)) {
    opamp__place_move(&s->in_use, offered);
    c->view.settings++;
    opamp__settings_interval(c, s->interval);
  } else {
    opamp__place_move(&s->candidate, offered);
    opamp__trial_propose(c);
  }
}

/* A newer offer takes the place of one without a final status. */
static void supersede(opamp__core *c) {
  opamp__settings *s = c->settings;
  bool open = opamp__offers_open(c, OPAMP__OFFER_SETTINGS);
  s->app_waits = s->app_failed = s->failed = false;
  s->trial = OPAMP__TRIAL_NONE;
  opamp__buf_clear(&s->error);
  opamp__buf_clear(&s->app_error);
  opamp__place_free(&s->candidate);
  opamp_msg_free(s->parts);
  s->parts = NULL;
  if (open)
    (void)opamp__offers_report(c, OPAMP__OFFER_SETTINGS, OPAMP__FAILED,
                               OPAMP__LIT("superseded by a newer offer"));
}

/* `left` parts of the offer are for this agent. */
static void begin(opamp__core *c, opamp__offer *o, const opamp_msg *offer,
                  opamp_msg *shown, size_t left) {
  opamp__settings *s = c->settings;
  const opamp_msg *mine = opamp_msg_sub(shown, SETTINGS(OPAMP), 0);
  opamp__place place = {.msg = NULL};
  opamp__buf why = {NULL, 0, 0};
  opamp_status merged = OPAMP_OK;
  if (mine != NULL)
    merged =
        opamp__place_merge(&place, c, opamp_msg_sub(offer, SETTINGS(OPAMP), 0));
  if (merged != OPAMP_OK)
    (void)opamp__buf_printf(
        &why, "%s",
        merged == OPAMP_ERR_NOMEM ? "out of memory" : opamp_errmsg());
  s->interval = opamp_msg_u64(mine, PLACE(HEARTBEAT_INTERVAL_SECONDS), 0);
  s->app_waits = left > (mine != NULL);
  if (s->app_waits && opamp_msg_dup(&s->parts, shown) == OPAMP_OK)
    (void)opamp_msg_clear(s->parts, SETTINGS(OPAMP));
  o->deadline = s->app_waits ? c->now + opamp__opt(c, OPAMP_OPT_OFFER_DEADLINE)
                             : OPAMP__NEVER;
  bool opamp_part = mine != NULL;
  hide_secrets(shown);
  opamp__offers_hand_over(c, o, OPAMP_EVENT_CONNECTION_SETTINGS, shown);
  if (opamp_part)
    decide(c, merged, (opamp_str){(const char *)why.ptr, why.len}, &place);
  opamp__place_free(&place);
  opamp__buf_free(&why);
  /* The server may offer it again. */
  if (merged == OPAMP_ERR_NOMEM) opamp__buf_free(&o->key);
}

/* What has no name cannot be told from others, nor answered. */
static void refuse_nameless(opamp__core *c) {
  if (opamp__offers_open(c, OPAMP__OFFER_SETTINGS))
    opamp__emit_log(c, OPAMP_LOG_WARN,
                    "offer of connection settings without hash ignored");
  else
    (void)opamp__offers_report_hash(c, OPAMP__OFFER_SETTINGS,
                                    (opamp_bytes){NULL, 0}, OPAMP__FAILED,
                                    OPAMP__LIT("the offer has no hash"));
}

static bool is_known(const opamp__core *c, opamp_bytes hash) {
  const opamp__offer *o = c->offers[OPAMP__OFFER_SETTINGS];
  return o != NULL && o->state != OPAMP__OFFER_NONE &&
         opamp__bytes_eq(hash, opamp__buf_bytes(&o->key));
}

static bool reports_status(const opamp__core *c) {
  return (c->view.capabilities &
          OPAMP_AGENT_CAPABILITIES_REPORTS_CONNECTION_SETTINGS_STATUS) != 0;
}

/* Offered during a trial: the newest waits for its end (SET-10). */
static void keep_for_later(opamp__core *c, const opamp_msg *m) {
  opamp_msg *copy;
  if (opamp_msg_dup(&copy, m) != OPAMP_OK) return;
  opamp_msg_free(c->settings->next);
  c->settings->next = copy;
}

void opamp__settings_offer(opamp__core *c, const opamp_msg *m) {
  opamp_bytes hash = opamp_msg_bytes(m, SETTINGS(HASH), 0);
  opamp__settings *s = opamp__settings_get(c);
  opamp_msg *shown;
  opamp__buf off = {NULL, 0, 0};
  opamp__offer *o;
  size_t left;
  if (s == NULL || is_known(c, hash)) return;
  if (hash.len == 0) {
    refuse_nameless(c);
    return;
  }
  if (opamp__trial_busy(c)) {
    keep_for_later(c, m);
    return;
  }
  if (opamp_msg_dup(&shown, m) != OPAMP_OK) return;
  left = filter(c, shown, &off);
  if (left == 0 && off.len > 0 && !reports_status(c)) {
    opamp__emit_log(c, OPAMP_LOG_INFO, "offer ignored: %s", (char *)off.ptr);
    opamp_msg_free(shown);
    opamp__buf_free(&off);
    return;
  }
  supersede(c);
  o = opamp__offers_new(c, OPAMP__OFFER_SETTINGS, hash, m);
  if (o == NULL) {
    opamp_msg_free(shown);
  } else if (left == 0) {
    s->app_failed = off.len > 0;
    (void)opamp__buf_set(&s->app_error, off.ptr, off.len);
    opamp_msg_free(shown);
    opamp__settings_settle(c);
  } else {
    begin(c, o, m, shown, left);
    opamp__settings_settle(c);
  }
  opamp__buf_free(&off);
}

/* --- time ----------------------------------------------------------------- */

void opamp__settings_tick(opamp__core *c) {
  opamp__offer *o = c->offers[OPAMP__OFFER_SETTINGS];
  opamp__settings *s = c->settings;
  if (s == NULL) return;
  if (s->app_waits && c->now >= o->deadline &&
      opamp__settings_answer(c, OPAMP__REJECT, OPAMP__LIT("not answered")) !=
          OPAMP_OK)
    o->deadline = c->now + AGAIN_MS;
  if (c->now >= s->settle_at) opamp__settings_settle(c);
  opamp__trial_tick(c);
}

uint64_t opamp__settings_deadline(const opamp__core *c) {
  const opamp__settings *s = c->settings;
  uint64_t at;
  if (s == NULL) return OPAMP__NEVER;
  at = opamp__min64(s->settle_at, opamp__trial_deadline(c));
  if (s->app_waits)
    at = opamp__min64(at, c->offers[OPAMP__OFFER_SETTINGS]->deadline);
  return at;
}
