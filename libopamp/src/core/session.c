/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "core/state.h"

/* Connecting, failing, waiting, stopping. */

enum { FRAME_KEEP = 128 };

static void enter(opamp__core *c, opamp__state s) {
  static const int public_state[] = {
      [OPAMP__IDLE] = OPAMP_STATE_STOPPED,
      [OPAMP__OPENING] = OPAMP_STATE_CONNECTING,
      [OPAMP__OPEN] = OPAMP_STATE_CONNECTED,
      [OPAMP__WAITING] = OPAMP_STATE_WAITING,
      [OPAMP__CLOSING] = OPAMP_STATE_STOPPING,
  };
  int state = public_state[s];
  if (!c->running && s != OPAMP__IDLE) state = OPAMP_STATE_STOPPING;
  if (c->running && s == OPAMP__CLOSING) state = OPAMP_STATE_WAITING;
  c->state = s;
  if (c->view.state == state) return;
  c->view.state = state;
  c->view.since = c->now;
  opamp__emit_log(c, OPAMP_LOG_DEBUG, "state: %s", opamp_state_name(state));
}

const opamp__url *opamp__session_home(const opamp__core *c) {
  const opamp__place *place = opamp__place_now(c);
  return place != NULL && place->url.text != NULL ? &place->url
                                                  : c->config->url;
}

const opamp__url *opamp__session_url(const opamp__core *c) {
  return c->target.text != NULL ? &c->target : opamp__session_home(c);
}

bool opamp__session_at_home(const opamp__core *c) {
  return opamp__url_same_origin(opamp__session_url(c), opamp__session_home(c));
}

static void go_home(opamp__core *c) {
  if (c->target.text == NULL) return;
  opamp__url_free(&c->target);
  c->target_permanent = false;
  c->reopen = true;
}

static void forget_connection(opamp__core *c) {
  c->busy = false;
  if (c->sent > c->answered) c->must_send = true;
  c->sent = c->answered = 0;
  c->ping_at = OPAMP__NEVER;
  c->phase_until = OPAMP__NEVER;
  c->valid_message = false;
  c->leaving = false;
  c->old_uid_len = 0;
  c->hold_until = 0;
  if (c->duplex) { /* the next connection begins with it anyway */
    c->full_at = OPAMP__NEVER;
    c->full_streak = 0;
  }
  opamp__rows_lost(c);
  opamp__customs_lost(c);
  if (c->frame.cap > FRAME_KEEP && (!c->frame_failed || !c->frame_current))
    opamp__buf_free(&c->frame);
}

/* Everything that was ever set is to be sent: a new connection (CONN-1), a
 * server that asks for it (STATE-4), a new instance uid (STATE-9). */
void opamp__session_full_state(opamp__core *c) {
  opamp__rows_forget(c);
  c->must_send = true;
  c->full_revision = c->revision;
  c->full_at = OPAMP__NEVER;
  c->view.counters[OPAMP_COUNT_FULL_STATES]++;
}

static void dial(opamp__core *c) {
  opamp__action open = {.kind = OPAMP__DO_OPEN, .url = opamp__session_url(c)};
  open.credentials = opamp__session_at_home(c);
  c->reopen = false;
  c->view.retry_at = c->retry_at = OPAMP__NEVER;
  enter(c, OPAMP__OPENING);
  if (c->duplex)
    c->phase_until = c->now + opamp__opt(c, OPAMP_OPT_CONNECT_TIMEOUT);
  opamp__act(c, open);
}

static void attempt(opamp__core *c) {
  opamp_event *e = opamp__emit_new(c, OPAMP_EVENT_CONNECTING);
  c->attempt++;
  if (e != NULL) {
    (void)opamp__event_set_text(e, opamp__str(opamp__session_url(c)->text));
    opamp__event_set_number(e, OPAMP_NUM_ATTEMPT, c->attempt);
    opamp__emit(c, e);
  }
  dial(c);
}

static void abort_connection(opamp__core *c) {
  opamp__action a = {.kind = OPAMP__DO_ABORT};
  opamp__act(c, a);
}

/* A WebSocket is gone by now; over HTTP what is left of the connection goes. */
static void stopped(opamp__core *c, const char *reason) {
  opamp_event *e = opamp__emit_new(c, OPAMP_EVENT_STOPPED);
  if (!c->duplex) abort_connection(c);
  forget_connection(c);
  go_home(c);
  c->running = false;
  c->frame_current = c->frame_final = false;
  c->retry_at = c->view.retry_at = OPAMP__NEVER;
  enter(c, OPAMP__IDLE);
  opamp__trial_stopped(c);
  if (e != NULL) {
    (void)opamp__event_set_text(e, opamp__str(reason));
    opamp__event_set_number(e, OPAMP_NUM_DISCONNECT_SENT, c->disconnect_sent);
  }
  opamp__emit(c, e);
  if (c->restart) {
    c->restart = false;
    opamp__session_start(c);
  }
}

/* --- failing -------------------------------------------------------------- */

/* CONN-5: the connection had done its work; failures before it do not count any
 * more. */
static bool was_useful(opamp__core *c) {
  if (c->state != OPAMP__OPEN || !c->valid_message ||
      c->now - c->opened_at < opamp__opt(c, OPAMP_OPT_USEFUL_AFTER))
    return false;
  c->failures = c->throttles = c->short_lives = 0;
  c->duplicate_told = false;
  return true;
}

/* The connection that was left for another place is over, in whatever order. */
static void left(opamp__core *c) {
  opamp__in_closed why = {
      .text = OPAMP__LIT("left for offered connection settings")};
  bool told = c->state == OPAMP__OPEN || c->state == OPAMP__CLOSING;
  if (!c->duplex) abort_connection(c);
  if (told) opamp__tell_failure(c, &why, true, 0);
  forget_connection(c);
  opamp__trial_left(c);
}

/* The connection, or over HTTP the request, is gone; waits for the next.
 * forced: ms to wait, -1: as long as backoff says. */
static void fail(opamp__core *c, const opamp__in_closed *why, int64_t forced) {
  bool was_open = c->state != OPAMP__OPENING;
  bool useful = was_useful(c), trying = opamp__trial_trying(c);
  uint64_t delay;
  if (c->leaving) {
    left(c);
    return;
  }
  if (!useful) c->failures++;
  delay =
      forced >= 0 ? (uint64_t)forced : opamp__backoff_closed(c, why, useful);
  if (was_open && c->duplex && !useful && why->why == OPAMP_ERR_CLOSED)
    opamp__tell_short_life(c);
  /* Over HTTP the next attempt is the same request, bytes and number, unless
   * something changed since (STATE-1). */
  c->frame_failed = !c->duplex;
  forget_connection(c);
  /* HTTP-9: a redirect's target that cannot be reached or refuses is left. */
  if (!c->target_permanent || !c->duplex || !was_open) go_home(c);
  c->redirects = 0;
  if (!c->duplex) c->must_send = true;
  if (!c->running) {
    stopped(c, "the connection ended while stopping");
    return;
  }
  /* Back from a trial as after any connection that was fine until now. */
  if (trying)
    delay = opamp__random_below(c, opamp__opt(c, OPAMP_OPT_RECONNECT_DELAY));
  c->retry_at = c->view.retry_at = c->now + delay;
  c->credentials_wait =
      !trying && (why->http_status == 401 || why->http_status == 403);
  enter(c, OPAMP__WAITING);
  opamp__tell_failure(c, why, was_open, delay);
  opamp__tell_refused(c, why->http_status);
  if (trying) opamp__trial_failed(c, why->text);
}

void opamp__session_drop(opamp__core *c, opamp_status why, opamp_str text,
                         int code, int64_t delay) {
  opamp__in_closed closed = {.why = why, .text = text, .retry_after_ms = -1};
  opamp__action close = {.kind = OPAMP__DO_CLOSE, .code = (uint16_t)code};
  if (!c->duplex) {
    fail(c, &closed, delay);
    return;
  }
  (void)was_useful(c);
  c->close_status = why;
  c->close_delay = delay;
  (void)opamp__buf_set(&c->close_text, text.ptr, text.len);
  c->phase_until = c->now + opamp__opt(c, OPAMP_OPT_STOP_TIMEOUT);
  enter(c, OPAMP__CLOSING);
  opamp__act(c, close);
}

/* --- leaving for another place (SET-4) ------------------------------------- */

void opamp__session_leave(opamp__core *c) {
  opamp__in_closed given_up = {
      .text = OPAMP__LIT("given up for offered connection settings")};
  switch (c->state) {
    case OPAMP__OPEN:
    case OPAMP__CLOSING:
      c->leaving = true;
      c->leave_until = c->now + opamp__opt(c, OPAMP_OPT_STOP_TIMEOUT);
      break;
    case OPAMP__OPENING:
      abort_connection(c);
      opamp__tell_failure(c, &given_up, false, 0);
      left(c);
      break;
    case OPAMP__WAITING:
      left(c);
      break;
    case OPAMP__IDLE:
      opamp__trial_stopped(c);
      break;
  }
}

void opamp__session_moved(opamp__core *c) {
  c->view.settings++;
  opamp__url_free(&c->target);
  c->target_permanent = false;
  c->duplex = opamp__session_home(c)->websocket;
  c->reopen = true;
  c->frame_failed = c->frame_current = c->frame_final = false;
  opamp__buf_free(&c->frame);
  c->attempt = c->failures = c->throttles = c->redirects = 0;
  c->short_lives = 0;
  c->credentials_wait = c->credentials_tried = false;
  opamp__rows_unpark(c);
  /* The server there may know nothing of us. */
  if (c->running && !c->duplex) opamp__session_full_state(c);
}

void opamp__session_connect(opamp__core *c) {
  attempt(c);
}

/* --- the end of a WebSocket that is being closed --------------------------- */

/* What a WebSocket in CLOSING was closed for. */
static void finish_close(opamp__core *c) {
  opamp_str text = {(const char *)c->close_text.ptr, c->close_text.len};
  opamp__in_closed why = {
      .why = c->close_status, .text = text, .retry_after_ms = -1};
  if (!c->running) {
    stopped(c, "stopped");
    return;
  }
  if (c->leaving) {
    left(c);
    return;
  }
  fail(c, &why, c->close_delay);
  opamp__buf_free(&c->close_text);
}

/* The same request, to where the server pointed. */
static void follow(opamp__core *c) {
  if (c->duplex) {
    dial(c);
    return;
  }
  c->busy = false;
  c->sent--;
  opamp__rows_lost(c);
  opamp__customs_lost(c);
  c->frame_failed = true;
  c->reopen = true;
}

/* --- inputs --------------------------------------------------------------- */

void opamp__session_start(opamp__core *c) {
  if (c->running) return;
  if (c->state != OPAMP__IDLE) {
    c->restart = true; /* the stop under way ends first */
    return;
  }
  c->start_wanted = true;
  if (!opamp__store_loaded(c)) return;
  c->start_wanted = false;
  c->running = true;
  c->stop_silent = c->disconnect_sent = false;
  c->attempt = c->failures = c->throttles = c->redirects = 0;
  opamp__trial_start(c);
  forget_connection(c);
  if (!c->duplex) opamp__session_full_state(c);
  attempt(c);
}

void opamp__session_stop(opamp__core *c, bool silent) {
  c->restart = false;
  if (c->start_wanted) {
    c->start_wanted = false;
    stopped(c, "stopped while the store was read");
    return;
  }
  if (c->state == OPAMP__IDLE || (!c->running && !silent)) return;
  c->running = c->leaving = false;
  c->stop_silent = silent;
  c->stop_until = c->now + opamp__opt(c, OPAMP_OPT_STOP_TIMEOUT);
  switch (c->state) {
    case OPAMP__OPENING:
      /* A request in flight may yet make it a connection worth ending well. */
      if (!c->duplex && c->busy && !silent) break;
      if (c->duplex) abort_connection(c);
      stopped(c, "stopped while connecting");
      return;
    case OPAMP__WAITING:
      stopped(c, "stopped while waiting");
      return;
    default:
      if (!silent) break;
      if (c->duplex) abort_connection(c);
      stopped(c, "stopped");
      return;
  }
  enter(c, c->state);
}

static void connected(opamp__core *c) {
  opamp_event *e = opamp__emit_new(c, OPAMP_EVENT_CONNECTED);
  c->opened_at = c->now;
  c->attempt = 0;
  c->view.counters[OPAMP_COUNT_CONNECTS]++;
  enter(c, OPAMP__OPEN);
  if (e != NULL)
    (void)opamp__event_set_text(e, opamp__str(opamp__session_url(c)->text));
  opamp__emit(c, e);
}

void opamp__session_opened(opamp__core *c) {
  if (!c->duplex) { /* the request leaves now */
    if (!c->busy) return;
    opamp__compose_left(c);
    c->phase_until = c->now + opamp__opt(c, OPAMP_OPT_REQUEST_TIMEOUT);
    return;
  }
  if (c->state != OPAMP__OPENING) return;
  c->phase_until = OPAMP__NEVER;
  c->last_rx = c->now;
  c->sent = c->answered = 0;
  connected(c);
  opamp__session_full_state(c);
}

void opamp__session_written(opamp__core *c) {
  opamp__action close = {.kind = OPAMP__DO_CLOSE, .code = 1000};
  if (!c->duplex) return;
  c->busy = false;
  if (c->frame.cap > FRAME_KEEP) opamp__buf_free(&c->frame);
  if (c->state != OPAMP__OPEN || !c->frame_final) return;
  c->disconnect_sent = !c->running;
  c->frame_final = false;
  if (c->running) c->phase_until = c->leave_until;
  enter(c, OPAMP__CLOSING);
  opamp__act(c, close);
}

/* Over HTTP: the message with AgentDisconnect was answered. */
void opamp__session_finished(opamp__core *c) {
  c->frame_final = false;
  if (c->leaving) {
    left(c);
    return;
  }
  c->disconnect_sent = true;
  opamp__rows_tell_delivered(c); /* STOPPED is the last word */
  stopped(c, "stopped");
}

/* A valid message arrived: over HTTP that is the connection. */
void opamp__session_answered(opamp__core *c) {
  c->valid_message = true;
  c->credentials_tried = false;
  c->redirects = 0;
  if (c->duplex) return;
  c->phase_until = OPAMP__NEVER;
  if (c->state == OPAMP__OPENING) connected(c);
  if (!c->target_permanent) go_home(c);
}

/* 413: over HTTP it is the answer to one request, whose rows are refused. */
static bool too_large(opamp__core *c, const opamp__in_closed *why) {
  return !c->duplex && why->http_status == 413 &&
         opamp__rows_refused(c, c->sent, OPAMP__LIT("413 Content Too Large"));
}

/* An agent that stops before its first answer has nothing to say elsewhere. */
static bool may_follow(const opamp__core *c) {
  return c->running || c->state == OPAMP__OPEN;
}

void opamp__session_closed(opamp__core *c, const opamp__in_closed *why) {
  opamp__in_closed refused = *why;
  bool parts = false;
  switch (c->state) {
    case OPAMP__IDLE:
    case OPAMP__WAITING:
      return;
    case OPAMP__CLOSING:
      finish_close(c);
      return;
    default:
      break;
  }
  if (!c->duplex && !c->busy) return; /* an idle connection: no news */
  if (c->leaving) {
    left(c);
    return;
  }
  if (opamp__redirect_is(why->http_status) && may_follow(c)) {
    if (opamp__redirect_take(c, why, &refused)) {
      follow(c);
      return;
    }
  } else if (why->why == OPAMP_ERR_LIMIT || why->why == OPAMP_ERR_TEXT_FRAME ||
             why->why == OPAMP_ERR_FRAME) {
    opamp__emit_bad_message(c, why->why, why->text);
  }
  parts = too_large(c, why);
  if (parts) c->failures = 0;
  fail(c, &refused,
       parts ? (int64_t)opamp__opt(c, OPAMP_OPT_BACKOFF_MIN) : INT64_C(-1));
}

void opamp__session_headers(opamp__core *c) {
  opamp__rows_unpark(c);
  c->reopen = !c->duplex;
  /* The first fresh ones are tried at once; when those are refused as well, the
   * next wait as long as any failure does. */
  if (c->state != OPAMP__WAITING || !c->credentials_wait) return;
  if (c->credentials_tried) return;
  c->credentials_tried = true;
  attempt(c);
}

/* --- deadlines: one act and one deadline for each state ------------------- */

bool opamp__session_can_send(const opamp__core *c) {
  if (c->busy) return false;
  if (c->now < c->hold_until && c->running && !c->leaving) return false;
  if (!c->running && c->stop_silent) return false;
  if (c->duplex) return c->state == OPAMP__OPEN && !c->frame_final;
  if (!c->running) return c->state == OPAMP__OPEN;
  return c->state == OPAMP__OPEN || c->state == OPAMP__OPENING;
}

static uint64_t pong_deadline(const opamp__core *c) {
  if (c->ping_at == OPAMP__NEVER) return OPAMP__NEVER;
  return c->ping_at + opamp__opt(c, OPAMP_OPT_PONG_TIMEOUT);
}

static uint64_t ping_due(const opamp__core *c) {
  uint64_t interval = opamp__opt(c, OPAMP_OPT_PING_INTERVAL);
  if (interval == 0 || c->ping_at != OPAMP__NEVER) return OPAMP__NEVER;
  return c->last_rx + interval;
}

static uint64_t response_deadline(const opamp__core *c) {
  if (c->sent <= c->answered) return OPAMP__NEVER;
  return c->progress_at + opamp__opt(c, OPAMP_OPT_RESPONSE_TIMEOUT);
}

uint64_t opamp__session_deadline(const opamp__core *c) {
  uint64_t at = c->phase_until;
  if (c->state == OPAMP__IDLE) return OPAMP__NEVER;
  if (c->state == OPAMP__WAITING) return c->retry_at;
  if (!c->running) at = opamp__min64(at, c->stop_until);
  if (c->leaving) at = opamp__min64(at, c->leave_until);
  if (c->state != OPAMP__OPEN || !c->duplex) return at;
  at = opamp__min64(at, pong_deadline(c));
  at = opamp__min64(at, ping_due(c));
  return opamp__min64(at, response_deadline(c));
}

static void time_out(opamp__core *c, opamp_str text) {
  opamp__in_closed why = {
      .why = OPAMP_ERR_TIMEOUT, .text = text, .retry_after_ms = -1};
  abort_connection(c);
  fail(c, &why, -1);
}

/* Connecting took too long, or over HTTP what came after it. */
static void phase_over(opamp__core *c) {
  bool connecting = c->duplex || !c->frame_left;
  time_out(c, connecting ? OPAMP__LIT("connect timeout")
                         : OPAMP__LIT("request timeout"));
}

static void tick_open(opamp__core *c) {
  opamp__action ping = {.kind = OPAMP__DO_PING};
  if (c->now >= c->phase_until) {
    phase_over(c);
  } else if (!c->duplex) {
    return;
  } else if (c->now >= response_deadline(c)) {
    time_out(c, OPAMP__LIT("the server does not answer (response timeout)"));
  } else if (c->now >= pong_deadline(c)) {
    time_out(c, OPAMP__LIT("no answer to a ping (pong timeout)"));
  } else if (c->now >= ping_due(c)) {
    c->ping_at = c->now;
    opamp__act(c, ping);
  }
}

/* A mute server, or too much to say. */
static void leave_now(opamp__core *c) {
  abort_connection(c);
  left(c);
}

static void tick_closing(opamp__core *c) {
  if (c->now < c->phase_until) return;
  abort_connection(c);
  finish_close(c);
}

static bool trial_over(const opamp__core *c) {
  return opamp__trial_trying(c) && c->now >= opamp__trial_deadline(c);
}

void opamp__session_tick(opamp__core *c) {
  if (c->state != OPAMP__IDLE && c->state != OPAMP__WAITING && !c->running &&
      c->now >= c->stop_until) {
    if (c->duplex) abort_connection(c);
    stopped(c, "stop timeout");
    return;
  }
  if (c->leaving && c->now >= c->leave_until) {
    leave_now(c);
    return;
  }
  if (trial_over(c)) {
    time_out(c, OPAMP__LIT("no valid answer in time (trial timeout)"));
    return;
  }
  switch (c->state) {
    case OPAMP__OPENING:
      if (c->now >= c->phase_until) phase_over(c);
      break;
    case OPAMP__OPEN:
      tick_open(c);
      break;
    case OPAMP__WAITING:
      if (c->now >= c->retry_at) attempt(c);
      break;
    case OPAMP__CLOSING:
      tick_closing(c);
      break;
    case OPAMP__IDLE:
      break;
  }
}
