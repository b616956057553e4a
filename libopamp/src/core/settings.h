/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_CORE_SETTINGS_H
#define OPAMP_CORE_SETTINGS_H

#include "core/core.h"

/* Connection settings: offers of them, their trial, the certificate asked for,
 * and what the store keeps of all that.
 *
 *   settings.c     one offer: its parts, its one status
 *   place.c        an offer laid over what is in use; what it may not weaken
 *   trial.c        the attempt to connect with it, and the way back
 *   certificate.c  asking for a certificate, and for the next one in time
 *   store.c        entries on their way to the store and from it
 *   restore.c      what an agent knows of its last life */

/* Where to connect, and with what, as far as it was offered. */
typedef struct opamp__place {
  opamp__buf packed; /* OpAMPConnectionSettings, canonical; empty: as
                        configured. A sub-message that is there, but empty,
                        stands for none */
  opamp_msg *msg;    /* the same, to be read */
  opamp__url url;    /* its endpoint; text is NULL: the configured one */
  bool requested;    /* its certificate belongs to a key of our own */
} opamp__place;

/* An offer is tried only after the one before it, and not too soon:
 *
 *   NONE → WAITS (its turn) → SAVING (so that a crash is survived)
 *        → LEAVING (AgentDisconnect, Close) → TRYING → NONE: kept, or given back
 *
 * A client that stops, or a process that ends, in the last three goes on with
 * RESUMES → TRYING at its next start. */
typedef enum opamp__trial {
  OPAMP__TRIAL_NONE = 0,
  OPAMP__TRIAL_WAITS,
  OPAMP__TRIAL_SAVING,
  OPAMP__TRIAL_LEAVING,
  OPAMP__TRIAL_TRYING,
  OPAMP__TRIAL_RESUMES
} opamp__trial;

/* Made on first use. */
typedef struct opamp__settings {
  opamp__place in_use, candidate;
  opamp__trial trial;
  uint64_t trial_at; /* WAITS: its turn; TRYING: the end of it */
  uint64_t tried_at; /* when the last one began, NEVER */
  opamp_msg *next;   /* an offer that came during a trial */
  /* The newest offer. */
  uint64_t interval;     /* of heartbeats, in seconds; 0 none */
  bool app_waits;        /* the application has not answered for its parts */
  bool failed;           /* the OpAMP part, because of */
  opamp__buf error;
  bool app_failed;       /* the other parts, because of */
  opamp__buf app_error;
  uint64_t settle_at;    /* out of memory: when to try again, NEVER none */
  opamp_msg *parts;      /* the application's, without a verdict yet */
  opamp_msg *kept_parts; /* the accepted ones of all offers (with a store) */
} opamp__settings;

/* settings.c */
void opamp__settings_offer(opamp__core *c, const opamp_msg *m);
/* The application's verdict on its parts. */
opamp_status opamp__settings_answer(opamp__core *c, opamp__verdict verdict,
                                    opamp_str text);
/* Something has been decided: says so when that was the last thing. */
void opamp__settings_settle(opamp__core *c);
/* The trial is over: kept, or given back because of `why`. */
void opamp__settings_tried(opamp__core *c, bool kept, opamp_str why);
void opamp__settings_tick(opamp__core *c);
uint64_t opamp__settings_deadline(const opamp__core *c);
/* What is known of all offers, made on first use; NULL: out of memory. */
opamp__settings *opamp__settings_get(opamp__core *c);
/* An interval that the server wants, clamped (STATE-8). */
void opamp__settings_interval(opamp__core *c, uint64_t seconds);
void opamp__settings_free(opamp__core *c);

/* place.c */
/* The offer laid over what is in use. OPAMP_ERR_INVALID: it weakens or cannot be
 * used, as opamp_errmsg says; OPAMP_ERR_NOMEM. */
opamp_status opamp__place_merge(opamp__place *out, const opamp__core *c,
                                const opamp_msg *offer);
/* From bytes that were accepted once. */
opamp_status opamp__place_parse(opamp__place *out, opamp_bytes packed);
/* Whether both lead to the same connection; the interval is not part of it. */
bool opamp__place_same(const opamp__place *a, const opamp__place *b);
/* `from` becomes `to`, and is empty then. */
void opamp__place_move(opamp__place *to, opamp__place *from);
void opamp__place_free(opamp__place *p);
/* The one that connections are made with now; NULL: as configured. */
const opamp__place *opamp__place_now(const opamp__core *c);
/* Certificate and key, empty when it has none of its own. */
opamp_bytes opamp__place_certificate(const opamp__place *p, int field);

/* trial.c */
/* s->candidate is to be tried when its turn comes. */
void opamp__trial_propose(opamp__core *c);
/* Whether offers have to wait for the end of one. */
bool opamp__trial_busy(const opamp__core *c);
bool opamp__trial_trying(const opamp__core *c);
void opamp__trial_saved(opamp__core *c, opamp_status status, opamp_str why);
/* The connection before it has ended. */
void opamp__trial_left(opamp__core *c);
/* Before the first connection of a client that is started. */
void opamp__trial_start(opamp__core *c);
void opamp__trial_stopped(opamp__core *c);
/* The candidate has sent a valid message; has failed. */
void opamp__trial_answered(opamp__core *c);
void opamp__trial_failed(opamp__core *c, opamp_str why);
void opamp__trial_tick(opamp__core *c);
uint64_t opamp__trial_deadline(const opamp__core *c);

/* certificate.c */
void opamp__certificate_request(opamp__core *c);
/* Another instance uid, other settings: whether a certificate is missing. */
void opamp__certificate_review(opamp__core *c, bool new_uid);
void opamp__certificate_key(opamp__core *c, const opamp__input *in);
void opamp__certificate_saved(opamp__core *c, opamp_status status,
                              opamp_str why);
void opamp__certificate_refused(opamp__core *c);
bool opamp__certificate_next(opamp__core *c, opamp__action *out);
/* The key that a certificate without one must belong to. */
opamp_bytes opamp__certificate_pending(const opamp__core *c);
opamp_status opamp__certificate_restore(opamp__core *c, opamp_bytes value);
void opamp__certificate_tick(opamp__core *c);
uint64_t opamp__certificate_deadline(const opamp__core *c);
void opamp__certificate_free(opamp__core *c);

/* store.c: all of it does nothing in a core without a store. */
opamp_status opamp__store_new(opamp__core *c);
/* Takes the value; replaces what waits to be saved under that key. NULL erases.
 */
void opamp__store_put(opamp__core *c, int key, opamp__buf *value);
/* False, having asked for what is missing, until all has been loaded. */
bool opamp__store_loaded(opamp__core *c);
void opamp__store_input(opamp__core *c, const opamp__input *in);
bool opamp__store_next(opamp__core *c, opamp__action *out);
void opamp__store_tick(opamp__core *c);
uint64_t opamp__store_deadline(const opamp__core *c);
void opamp__store_free(opamp__core *c);

/* restore.c */
/* All has been loaded: who we are, where to connect. */
void opamp__restore_self(opamp__core *c, const opamp__buf values[OPAMP__KEEPS],
                         uint32_t unreadable);
/* At start: the offers that were accepted, as questions (OFFER-9). */
void opamp__restore_offers(opamp__core *c,
                           const opamp__buf values[OPAMP__KEEPS]);
/* Saves what is known of settings now. */
void opamp__restore_keep_settings(opamp__core *c);
void opamp__restore_keep_parts(opamp__core *c);

#endif
