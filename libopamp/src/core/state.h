/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_CORE_STATE_H
#define OPAMP_CORE_STATE_H

#include "core/core.h"
#include "core/settings.h"

/* What the files of the core share; core.h is what others see.
 *
 *   core.c     life, dispatch of inputs, the action queue, deadlines
 *   session.c  connecting, failing, stopping: one function per state
 *   redirect.c which redirects are followed
 *   backoff.c  how long to wait before the next attempt
 *   tell.c     failures, as the application hears of them
 *   rows.c     the field table: set, sent, delivered, lost, refused
 *   compose.c  AgentToServer out of the table
 *   packed.c   looking into a row's packed value
 *   receive.c  ServerToAgent: checks and order of processing
 *   offers.c   remote config, packages, and what all offers share
 *   emit.c     events
 *
 * settings.h has those of connection settings and the store. */

#define OPAMP__NEVER UINT64_MAX

/* Where the connection stands. Over HTTP there is none to speak of: OPENING is
 * until the first answer, OPEN from then until a request fails. */
typedef enum opamp__state {
  OPAMP__IDLE = 0, /* → OPENING (start) */
  OPAMP__OPENING,  /* → OPEN, WAITING (failed), IDLE (stop) */
  OPAMP__OPEN,     /* → CLOSING, WAITING (lost), IDLE (stopped, HTTP) */
  OPAMP__WAITING,  /* → OPENING (time, new headers), IDLE (stop) */
  OPAMP__CLOSING   /* WebSocket: Close was sent → WAITING, IDLE (stopping) */
} opamp__state;

/* --- the field table ------------------------------------------------------ */

/* Each sub-message of AgentToServer that the application sets, or the core for
 * it: its name, its field, and the capabilities of agent and server without
 * which it is not sent, 0 for none. All else follows from a row: when it is
 * sent, what a full state has, what is lost, refused, parked, undelivered. */
#define OPAMP__ROWS_OF_AGENT_TO_SERVER(ROW)                                  \
  ROW(DESCRIPTION, AGENT_DESCRIPTION, 0, 0)                                  \
  ROW(HEALTH, HEALTH, AGENT(REPORTS_HEALTH), 0)                              \
  ROW(EFFECTIVE_CONFIG, EFFECTIVE_CONFIG, AGENT(REPORTS_EFFECTIVE_CONFIG),   \
      SERVER(ACCEPTS_EFFECTIVE_CONFIG))                                      \
  ROW(REMOTE_CONFIG_STATUS, REMOTE_CONFIG_STATUS,                            \
      AGENT(REPORTS_REMOTE_CONFIG), 0)                                       \
  ROW(PACKAGE_STATUSES, PACKAGE_STATUSES, AGENT(REPORTS_PACKAGE_STATUSES),   \
      SERVER(ACCEPTS_PACKAGES_STATUS))                                       \
  ROW(CUSTOM_CAPABILITIES, CUSTOM_CAPABILITIES, 0, 0)                        \
  ROW(COMPONENTS, AVAILABLE_COMPONENTS,                                      \
      AGENT(REPORTS_AVAILABLE_COMPONENTS), 0)                                \
  ROW(SETTINGS_STATUS, CONNECTION_SETTINGS_STATUS,                           \
      AGENT(REPORTS_CONNECTION_SETTINGS_STATUS), 0)                          \
  ROW(SETTINGS_REQUEST, CONNECTION_SETTINGS_REQUEST,                         \
      AGENT(ACCEPTS_OPAMP_CONNECTION_SETTINGS),                              \
      SERVER(ACCEPTS_CONNECTION_SETTINGS_REQUEST))

#define OPAMP__ROW_NAME(name, field, agent, server) OPAMP__ROW_##name,
enum { OPAMP__ROWS_OF_AGENT_TO_SERVER(OPAMP__ROW_NAME) OPAMP__ROWS };

/* One sub-message of AgentToServer. Revisions count the values it has had:
 * `set` the newest, `sent` the last one put into a message, `acked` the last
 * one delivered; 0 is none. It waits to be sent while sent != set. */
typedef struct opamp__row {
  uint8_t *value; /* packed canonical bytes; may be NULL when len is 0 */
  uint32_t len;
  uint32_t set, sent, acked;
  uint32_t index; /* the message of this connection that carried `sent` */
  bool suspect;   /* was in a refused message: goes alone */
  bool parked;    /* was refused alone */
} opamp__row;

/* What is fixed about a row. */
typedef struct opamp__row_info {
  int field;
  uint64_t agent_capability;  /* 0: none needed */
  uint64_t server_capability; /* 0: none needed */
} opamp__row_info;

extern const opamp__row_info opamp__row_infos[OPAMP__ROWS];

/* For a mask of rows, which is empty most of the time: takes the lowest out of
 * it; -1 when there is none. */
static inline int opamp__rows_take(uint32_t *mask) {
  int row = *mask == 0 ? -1 : __builtin_ctz(*mask);
  *mask &= *mask - 1;
  return row;
}

/* --- offers --------------------------------------------------------------- */

typedef enum opamp__offer_state {
  OPAMP__OFFER_NONE = 0,
  OPAMP__OFFER_OPEN,     /* handed to the application, no answer yet */
  OPAMP__OFFER_APPLYING, /* deferred */
  OPAMP__OFFER_DONE      /* APPLIED or FAILED */
} opamp__offer_state;

/* The newest offer of one kind. */
typedef struct opamp__offer {
  opamp__buf hash; /* exactly as received */
  opamp__buf key;  /* the hash, or the content's digest when that is empty */
  opamp__offer_state state;
  uint32_t serial;
  uint64_t deadline; /* of the application, for its answer; NEVER none */
  opamp_msg *content; /* to be kept when it is accepted (with a store) */
  bool restored;      /* of the last life */
} opamp__offer;

enum {
  OPAMP__OFFER_CONFIG,
  OPAMP__OFFER_SETTINGS,
  OPAMP__OFFER_PACKAGES, /* only its hash is used */
  OPAMP__OFFERS
};

/* --- custom messages ------------------------------------------------------ */

typedef struct opamp__custom {
  struct opamp__custom *next;
  uint32_t index; /* the message of this connection that carried it, 0 none */
  opamp__buf value;
} opamp__custom;

/* --- everything ----------------------------------------------------------- */

enum { OPAMP__OLD_UIDS = 2, OPAMP__ACTIONS_INLINE = 8 };

struct opamp__core {
  const opamp__core_config *config;
  opamp__core_view view;
  uint64_t now;
  opamp__state state;
  bool running;  /* desired state */
  bool duplex;   /* WebSocket */

  /* Actions that wait to be taken: inline first, on the heap when more. */
  opamp__action inline_actions[OPAMP__ACTIONS_INLINE];
  opamp__action *actions;
  uint32_t action_head, action_len, action_cap;

  /* The message in hand. */
  opamp__buf frame; /* with room in front */
  uint32_t frame_rows;
  bool frame_custom;  /* it carries the first custom message */
  bool frame_final;   /* it carries AgentDisconnect */
  bool frame_current; /* nothing changed since it was put together */
  bool frame_failed;  /* HTTP: and it was not delivered */
  bool frame_left;    /* it is on its way */
  bool busy;          /* WebSocket: not written; HTTP: not answered */

  /* This connection. */
  uint32_t sent;      /* messages sent on it */
  uint32_t answered;  /* messages of the server received on it */
  uint64_t opened_at;
  uint64_t last_sent;
  uint64_t last_rx;
  uint64_t progress_at; /* of unanswered messages */
  uint64_t ping_at;     /* when the unanswered ping was sent, NEVER none */
  uint64_t phase_until; /* OPENING: connect; HTTP: connect, then request;
                           CLOSING: the Close handshake */
  bool valid_message;   /* a valid ServerToAgent was received */
  bool reopen;          /* HTTP: headers, uid or URL changed */
  uint8_t old_uids[OPAMP__OLD_UIDS][OPAMP_UID_LEN];
  uint32_t old_uid_len;

  /* Attempts. */
  uint32_t attempt, failures, throttles, short_lives, error_streak;
  uint64_t retry_at;
  uint64_t hold_until;     /* an Unknown error: nothing is sent before */
  bool credentials_wait;   /* because of 401 or 403 */
  bool credentials_tried;  /* fresh ones, at once, since the last success */
  bool duplicate_told;
  opamp__url target;       /* of a redirect; text is NULL when at home */
  bool target_permanent;
  uint32_t redirects;

  /* Why a connection in CLOSING ends. */
  opamp_status close_status;
  opamp__buf close_text;
  int64_t close_delay; /* ms to wait then, -1: backoff */

  /* For another place. */
  bool leaving;
  uint64_t leave_until;

  /* Stopping. */
  uint64_t stop_until;
  bool stop_silent, disconnect_sent;
  bool restart; /* start was called while stopping */
  bool start_wanted; /* and waits for the store */

  /* What is to be said. */
  opamp__row rows[OPAMP__ROWS];
  uint32_t revision;       /* grows with every change of state */
  uint32_t full_revision;  /* at the last full state asked for */
  uint32_t full_streak;
  uint64_t full_at;        /* a delayed full state, NEVER none */
  uint64_t unpark_at;
  uint64_t compose_at;     /* out of memory: when to try again */
  bool must_send;          /* a message, even without any row */
  bool components_full;    /* the server asked for the whole map */
  bool uid_wanted;         /* RequestInstanceUid until answered */
  bool told_delivered;     /* DELIVERED was emitted for what is set */
  bool heartbeat_off;
  uint64_t heartbeat_ms, poll_ms;
  uint64_t sequence;
  opamp__custom *customs, **customs_end;

  opamp__offer *offers[OPAMP__OFFERS]; /* made on first use */
  uint32_t offer_serial;
  opamp__settings *settings;               /* made on first use */
  struct opamp__certificate *certificate;  /* likewise */
  struct opamp__store *store;              /* NULL: there is none */
  uint64_t restart_at; /* when a restart command was delivered, NEVER none */
  opamp__buf server_customs; /* packed CustomCapabilities of the server */
};

static inline uint64_t opamp__opt(const opamp__core *c, int key) {
  return c->config->numbers[key];
}
static inline uint64_t opamp__min64(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}
static inline uint64_t opamp__max64(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

/* core.c */
/* Room for transport actions is always left, so that only events can fail. */
bool opamp__act(opamp__core *c, opamp__action a);

/* emit.c: all give up quietly (counted) when out of memory. */
opamp_event *opamp__emit_new(opamp__core *c, int kind);
void opamp__emit(opamp__core *c, opamp_event *e);
void opamp__emit_text(opamp__core *c, int kind, opamp_status status,
                      opamp_str text);
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void opamp__emit_log(opamp__core *c, int level, const char *fmt, ...);
void opamp__emit_bad_message(opamp__core *c, opamp_status status,
                             opamp_str text);

/* session.c */
void opamp__session_start(opamp__core *c);
void opamp__session_stop(opamp__core *c, bool silent);
void opamp__session_opened(opamp__core *c);
void opamp__session_written(opamp__core *c);
void opamp__session_closed(opamp__core *c, const opamp__in_closed *why);
void opamp__session_headers(opamp__core *c);
void opamp__session_answered(opamp__core *c);
void opamp__session_finished(opamp__core *c);
void opamp__session_full_state(opamp__core *c);
void opamp__session_tick(opamp__core *c);
uint64_t opamp__session_deadline(const opamp__core *c);
bool opamp__session_can_send(const opamp__core *c);
/* Ends the connection because of `why`; a WebSocket is closed with `code`.
 * delay: -1 backoff. */
void opamp__session_drop(opamp__core *c, opamp_status why, opamp_str text,
                         int code, int64_t delay);
const opamp__url *opamp__session_url(const opamp__core *c);
/* Where the agent belongs: as it is configured, or as it was offered. */
const opamp__url *opamp__session_home(const opamp__core *c);
/* Whether the application's headers may go where the next request goes. */
bool opamp__session_at_home(const opamp__core *c);
/* Ends the connection in good order, for opamp__trial_left. */
void opamp__session_leave(opamp__core *c);
/* The place is another one: nothing of the connection before holds. */
void opamp__session_moved(opamp__core *c);
/* Connects there now; there is no connection. */
void opamp__session_connect(opamp__core *c);

/* redirect.c */
bool opamp__redirect_is(int status);
/* Takes over where the server points to, or says why not. */
bool opamp__redirect_take(opamp__core *c, const opamp__in_closed *why,
                          opamp__in_closed *refused);

/* tell.c */
void opamp__tell_failure(opamp__core *c, const opamp__in_closed *why,
                         bool was_open, uint64_t delay);
void opamp__tell_refused(opamp__core *c, int http_status);
void opamp__tell_short_life(opamp__core *c);

/* backoff.c */
uint64_t opamp__random_below(opamp__core *c, uint64_t n); /* 0 … n */
uint64_t opamp__backoff(opamp__core *c, uint32_t failures);
uint64_t opamp__backoff_closed(opamp__core *c, const opamp__in_closed *why,
                               bool useful);
/* A delay the server asked for: capped, never earlier, up to 10 % later. */
uint64_t opamp__backoff_asked(opamp__core *c, uint64_t ms);

/* rows.c */
opamp_status opamp__rows_set(opamp__core *c, int field, opamp__buf *value);
int opamp__rows_find(int field); /* -1 none */
bool opamp__rows_allowed(const opamp__core *c, int row);
uint32_t opamp__rows_waiting(const opamp__core *c); /* mask of rows to send */
void opamp__rows_sent(opamp__core *c, uint32_t mask, uint32_t index);
void opamp__rows_lost(opamp__core *c);      /* what was not answered */
void opamp__rows_forget(opamp__core *c);    /* the server has nothing of us */
void opamp__rows_answered(opamp__core *c);  /* up to c->answered */
/* The rows of message `index` were refused; false when it carried none. */
bool opamp__rows_refused(opamp__core *c, uint32_t index, opamp_str why);
bool opamp__rows_unreported(opamp__core *c, uint32_t index);
void opamp__rows_park(opamp__core *c, int row, opamp_str why);
void opamp__rows_unpark(opamp__core *c);
void opamp__rows_look(opamp__core *c); /* brings the view up to date */
void opamp__rows_tell_delivered(opamp__core *c);
void opamp__rows_free(opamp__core *c);
void opamp__customs_lost(opamp__core *c);
opamp__custom *opamp__customs_waiting(const opamp__core *c);
void opamp__customs_pop(opamp__core *c);
/* The first one is not sent again. */
void opamp__customs_refuse(opamp__core *c, opamp_str why);

/* compose.c */
/* Puts the next message, if one is due, into the action queue. */
void opamp__compose(opamp__core *c);
/* The message in hand is on its way. */
void opamp__compose_left(opamp__core *c);
uint64_t opamp__compose_deadline(const opamp__core *c);

/* packed.c: the i-th (from 0) value of the length-delimited `field` at the top
 * of a packed message; absent when there is none. */
opamp_bytes opamp__packed_find(opamp_bytes packed, int field, size_t i);
/* Appends the field as it stands there; false when out of memory. */
bool opamp__packed_copy(opamp__buf *out, opamp_bytes packed, int field);

/* receive.c */
void opamp__receive(opamp__core *c, opamp_bytes frame);

/* offers.c */
enum { OPAMP__APPLIED = 1, OPAMP__APPLYING = 2, OPAMP__FAILED = 3 };
void opamp__offers_remote_config(opamp__core *c, const opamp_msg *m);
void opamp__offers_packages(opamp__core *c, const opamp_msg *m);
opamp_status opamp__offers_answer(opamp__core *c, uint32_t serial,
                                  opamp__verdict verdict, opamp_str text);
opamp_status opamp__offers_status(opamp__core *c, int field, opamp_bytes hash,
                                  int status, opamp_str text);
void opamp__offers_forget(opamp__core *c, int kind);
void opamp__offers_tick(opamp__core *c);
uint64_t opamp__offers_deadline(const opamp__core *c);
void opamp__offers_free(opamp__core *c);
/* A new offer of the kind, or NULL: known already, or out of memory (then the
 * server, which hears no status, offers it again). */
opamp__offer *opamp__offers_new(opamp__core *c, int kind, opamp_bytes hash,
                                const opamp_msg *m);
/* Hands it to the application; takes `m`. */
void opamp__offers_hand_over(opamp__core *c, opamp__offer *o, int event_kind,
                             opamp_msg *m);
/* The status of the newest offer of the kind: to the server, and as an event. */
opamp_status opamp__offers_report(opamp__core *c, int kind, int status,
                                  opamp_str text);
/* The same for a hash that is no offer's. */
bool opamp__offers_report_hash(opamp__core *c, int kind, opamp_bytes hash,
                               int status, opamp_str text);
/* An offer that the application remembers: taken as the newest one. */
opamp__offer *opamp__offers_adopt(opamp__core *c, int kind, opamp_bytes hash);
/* Whether it has no final status yet. */
bool opamp__offers_open(const opamp__core *c, int kind);

#endif
