/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "core/state.h"

/* Offered settings are tried by connecting with them (SET-3, SET-4). Until a
 * valid message has come from there they are a candidate: whatever goes wrong,
 * the place before it is the one in use, whole. */

static opamp__settings *of(const opamp__core *c) {
  return c->settings;
}

bool opamp__trial_busy(const opamp__core *c) {
  return of(c) != NULL && of(c)->trial > OPAMP__TRIAL_WAITS;
}

bool opamp__trial_trying(const opamp__core *c) {
  return of(c) != NULL && of(c)->trial == OPAMP__TRIAL_TRYING;
}

/* --- the way there -------------------------------------------------------- */

static void leave(opamp__core *c) {
  of(c)->trial = OPAMP__TRIAL_LEAVING;
  opamp__session_leave(c);
}

/* A crash on the way must find the candidate (SET-5). */
static void begin(opamp__core *c) {
  of(c)->tried_at = c->now;
  if (c->store == NULL) {
    leave(c);
    return;
  }
  of(c)->trial = OPAMP__TRIAL_SAVING;
  opamp__restore_keep_settings(c);
}

void opamp__trial_propose(opamp__core *c) {
  opamp__settings *s = of(c);
  s->trial = OPAMP__TRIAL_WAITS;
  s->trial_at = s->tried_at == OPAMP__NEVER
                    ? c->now
                    : s->tried_at + opamp__opt(c, OPAMP_OPT_TRIAL_INTERVAL);
  opamp__trial_tick(c);
}

static void over(opamp__core *c) {
  of(c)->trial = OPAMP__TRIAL_NONE;
  opamp__place_free(&of(c)->candidate);
}

void opamp__trial_saved(opamp__core *c, opamp_status status, opamp_str why) {
  opamp__buf text = {NULL, 0, 0};
  if (of(c) == NULL || of(c)->trial != OPAMP__TRIAL_SAVING) return;
  if (status == OPAMP_OK) {
    leave(c);
    return;
  }
  over(c);
  (void)opamp__buf_printf(&text, "they cannot be saved: %.*s", (int)why.len,
                          why.len > 0 ? why.ptr : "");
  opamp__settings_tried(c, false,
                        (opamp_str){(const char *)text.ptr, text.len});
  opamp__buf_free(&text);
}

static void enter_candidate(opamp__core *c) {
  opamp__offer *o = c->offers[OPAMP__OFFER_SETTINGS];
  if (o != NULL) o->restored = false; /* what comes of it is news */
  of(c)->trial = OPAMP__TRIAL_TRYING;
  of(c)->trial_at = c->now + opamp__opt(c, OPAMP_OPT_TRIAL_TIMEOUT);
  opamp__session_moved(c);
}

void opamp__trial_left(opamp__core *c) {
  enter_candidate(c);
  opamp__session_connect(c);
}

void opamp__trial_start(opamp__core *c) {
  if (of(c) != NULL && of(c)->trial == OPAMP__TRIAL_RESUMES) enter_candidate(c);
}

void opamp__trial_stopped(opamp__core *c) {
  if (!opamp__trial_busy(c) || of(c)->trial == OPAMP__TRIAL_RESUMES) return;
  bool moved = of(c)->trial == OPAMP__TRIAL_TRYING;
  of(c)->trial = OPAMP__TRIAL_RESUMES;
  if (moved) opamp__session_moved(c);
}

/* --- the end -------------------------------------------------------------- */

void opamp__trial_answered(opamp__core *c) {
  static const opamp_str nothing = {NULL, 0};
  opamp__settings *s = of(c);
  if (!opamp__trial_trying(c)) return;
  opamp__place_move(&s->in_use, &s->candidate);
  s->trial = OPAMP__TRIAL_NONE;
  opamp__settings_interval(c, s->interval);
  opamp__restore_keep_settings(c);
  opamp__certificate_review(c, false);
  opamp__settings_tried(c, true, nothing);
}

void opamp__trial_failed(opamp__core *c, opamp_str why) {
  opamp__buf text = {NULL, 0, 0};
  /* Where to, for the operator who reads it at the server. */
  (void)opamp__buf_printf(&text, "%s: %.*s", opamp__core_url(c)->text,
                          (int)why.len, why.len > 0 ? why.ptr : "");
  over(c);
  opamp__session_moved(c);
  opamp__restore_keep_settings(c);
  opamp__settings_tried(c, false,
                        (opamp_str){(const char *)text.ptr, text.len});
  opamp__buf_free(&text);
}

/* --- time: the end of a trial is session.c's, which has the connection ----- */

/* A stop has an end of its own. */
uint64_t opamp__trial_deadline(const opamp__core *c) {
  bool waits = of(c)->trial == OPAMP__TRIAL_WAITS;
  return c->running && (waits || opamp__trial_trying(c)) ? of(c)->trial_at
                                                         : OPAMP__NEVER;
}

void opamp__trial_tick(opamp__core *c) {
  bool waits = of(c)->trial == OPAMP__TRIAL_WAITS;
  if (waits && c->now >= opamp__trial_deadline(c)) begin(c);
}
