/* SPDX-License-Identifier: Apache-2.0 */
#include "core/core.h"

#include <string.h>

#include "base/mem.h"
#include "core/state.h"

/* Life, dispatch of inputs, the action queue, deadlines. */

#define KNOWN_CAPABILITIES                                                     \
  ((uint64_t)OPAMP_AGENT_CAPABILITIES_REPORTS_CONNECTION_SETTINGS_STATUS * 2 - \
   1)

static uint64_t mask_capabilities(const opamp__core *c, uint64_t bits) {
  if (opamp__opt(c, OPAMP_OPT_ALLOW_UNKNOWN_CAPABILITIES) == 0)
    bits &= KNOWN_CAPABILITIES; /* WIRE-7 */
  return bits | OPAMP_AGENT_CAPABILITIES_REPORTS_STATUS;
}

opamp_status opamp__core_new(opamp__core **out,
                             const opamp__core_config *config) {
  opamp__core *c = opamp__calloc(1, sizeof *c);
  *out = c;
  if (c == NULL) return OPAMP_ERR_NOMEM;
  c->config = config;
  c->duplex = config->url->websocket;
  c->actions = c->inline_actions;
  c->action_cap = OPAMP__ACTIONS_INLINE;
  c->customs_end = &c->customs;
  c->retry_at = c->phase_until = c->ping_at = OPAMP__NEVER;
  c->full_at = c->unpark_at = c->restart_at = OPAMP__NEVER;
  c->heartbeat_ms = opamp__opt(c, OPAMP_OPT_HEARTBEAT);
  c->poll_ms = opamp__opt(c, OPAMP_OPT_POLL_INTERVAL);
  c->uid_wanted = opamp__opt(c, OPAMP_OPT_REQUEST_INSTANCE_UID) != 0;
  c->view.sequence_num = -1;
  c->view.retry_at = OPAMP__NEVER;
  c->view.capabilities = mask_capabilities(c, config->capabilities);
  memcpy(c->view.uid, config->uid, OPAMP_UID_LEN);
  if (opamp__store_new(c) == OPAMP_OK) return OPAMP_OK;
  *out = NULL;
  opamp__core_free(c);
  return OPAMP_ERR_NOMEM;
}

void opamp__core_free(opamp__core *c) {
  if (c == NULL) return;
  for (uint32_t i = c->action_head; i < c->action_len; i++)
    if (c->actions[i].kind == OPAMP__DO_EMIT)
      opamp__event_destroy(c->actions[i].event);
  if (c->actions != c->inline_actions) opamp__free(c->actions);
  opamp__rows_free(c);
  opamp__offers_free(c);
  opamp__settings_free(c);
  opamp__certificate_free(c);
  opamp__store_free(c);
  opamp__buf_free(&c->frame);
  opamp__buf_free(&c->close_text);
  opamp__buf_free(&c->server_customs);
  opamp__url_free(&c->target);
  opamp__free(c);
}

/* --- actions -------------------------------------------------------------- */

static bool more_actions(opamp__core *c) {
  uint32_t cap = c->action_cap * 2;
  opamp__action *more = opamp__alloc(cap * sizeof *more);
  if (more == NULL) return false;
  memcpy(more, c->actions, c->action_len * sizeof *more);
  if (c->actions != c->inline_actions) opamp__free(c->actions);
  c->actions = more;
  c->action_cap = cap;
  return true;
}

/* One input asks for at most half of the inline actions of the transport;
 * events leave that much free, so that those always fit. */
bool opamp__act(opamp__core *c, opamp__action a) {
  uint32_t reserve = a.kind == OPAMP__DO_EMIT ? OPAMP__ACTIONS_INLINE / 2 : 0;
  if (c->action_len + reserve >= c->action_cap && !more_actions(c) &&
      (a.kind == OPAMP__DO_EMIT || c->action_len >= c->action_cap))
    return false;
  c->actions[c->action_len++] = a;
  return true;
}

static bool take(opamp__core *c, opamp__action *out) {
  if (c->action_head == c->action_len) return false;
  *out = c->actions[c->action_head++];
  if (c->action_head < c->action_len) return true;
  c->action_head = c->action_len = 0;
  if (c->actions != c->inline_actions) {
    opamp__free(c->actions);
    c->actions = c->inline_actions;
    c->action_cap = OPAMP__ACTIONS_INLINE;
  }
  return true;
}

bool opamp__core_next(opamp__core *c, opamp__action *out) {
  if (take(c, out)) return true;
  if (opamp__store_next(c, out) || opamp__certificate_next(c, out)) return true;
  /* Only now, so that all inputs fed together share one message. */
  opamp__compose(c);
  if (take(c, out)) return true;
  opamp__rows_tell_delivered(c);
  return take(c, out);
}

/* --- inputs --------------------------------------------------------------- */

static opamp_status queue_custom(opamp__core *c, opamp__buf *value) {
  opamp__custom *m = opamp__calloc(1, sizeof *m);
  if (m == NULL) return OPAMP_ERR_NOMEM;
  m->value = *value;
  *value = (opamp__buf){NULL, 0, 0};
  *c->customs_end = m;
  c->customs_end = &m->next;
  c->view.customs++;
  c->told_delivered = false;
  return OPAMP_OK;
}

static void set_capabilities(opamp__core *c, uint64_t bits) {
  bits = mask_capabilities(c, bits);
  if (bits == c->view.capabilities) return;
  c->view.capabilities = bits;
  c->must_send = true; /* STATE-10 */
  c->revision++;
  c->frame_current = c->told_delivered = false;
}

static void alive(opamp__core *c) {
  c->last_rx = c->now;
  c->ping_at = OPAMP__NEVER;
}

static void flush(opamp__core *c) {
  c->told_delivered = false;
}

static void tick(opamp__core *c) {
  opamp__session_tick(c);
  opamp__offers_tick(c);
  opamp__store_tick(c);
  opamp__certificate_tick(c);
  if (c->now >= c->unpark_at) opamp__rows_unpark(c);
  if (c->now >= c->full_at) opamp__session_full_state(c);
}

static opamp_status from_application(opamp__core *c, const opamp__input *in) {
  switch (in->kind) {
    case OPAMP__IN_START:
      opamp__session_start(c);
      return OPAMP_OK;
    case OPAMP__IN_STOP:
      opamp__session_stop(c, in->silent);
      return OPAMP_OK;
    case OPAMP__IN_SET:
      return opamp__rows_set(c, in->field, in->value);
    case OPAMP__IN_CAPABILITIES:
      set_capabilities(c, in->number);
      return OPAMP_OK;
    case OPAMP__IN_CUSTOM:
      return queue_custom(c, in->value);
    case OPAMP__IN_STATUS:
      return opamp__offers_status(c, in->field, in->hash, in->status, in->text);
    case OPAMP__IN_ANSWER:
      return opamp__offers_answer(c, in->offer, in->verdict, in->text);
    case OPAMP__IN_FORGET:
      opamp__offers_forget(c, (int)in->number);
      return OPAMP_OK;
    case OPAMP__IN_FLUSH:
      flush(c);
      return OPAMP_OK;
    case OPAMP__IN_HEADERS:
      opamp__session_headers(c);
      return OPAMP_OK;
    case OPAMP__IN_HEARTBEAT:
      c->heartbeat_ms = c->poll_ms = in->number;
      c->heartbeat_off = false;
      return OPAMP_OK;
    case OPAMP__IN_CERTIFICATE:
      opamp__certificate_request(c);
      return OPAMP_OK;
    default:
      return OPAMP_ERR_INVALID;
  }
}

opamp_status opamp__core_feed(opamp__core *c, const opamp__input *in,
                              uint64_t now_ms) {
  opamp_status s = OPAMP_OK;
  c->now = opamp__max64(c->now, now_ms);
  switch (in->kind) {
    case OPAMP__IN_OPENED:
      opamp__session_opened(c);
      break;
    case OPAMP__IN_FRAME:
      alive(c);
      opamp__receive(c, in->frame);
      break;
    case OPAMP__IN_ALIVE:
      alive(c);
      break;
    case OPAMP__IN_WRITTEN:
      opamp__session_written(c);
      break;
    case OPAMP__IN_CLOSED:
      opamp__session_closed(c, in->closed);
      break;
    case OPAMP__IN_LOADED:
    case OPAMP__IN_SAVED:
      opamp__store_input(c, in);
      break;
    case OPAMP__IN_KEY:
      opamp__certificate_key(c, in);
      break;
    case OPAMP__IN_TICK:
      tick(c);
      break;
    default:
      s = from_application(c, in);
      break;
  }
  opamp__rows_look(c);
  return s;
}

uint64_t opamp__core_deadline(const opamp__core *c) {
  uint64_t at =
      opamp__min64(opamp__session_deadline(c), opamp__offers_deadline(c));
  at = opamp__min64(at, opamp__compose_deadline(c));
  at = opamp__min64(at, opamp__store_deadline(c));
  at = opamp__min64(at, opamp__certificate_deadline(c));
  at = opamp__min64(at, c->unpark_at);
  return c->state == OPAMP__OPEN ? opamp__min64(at, c->full_at) : at;
}

const opamp__core_view *opamp__core_look(const opamp__core *c) {
  return &c->view;
}

const opamp__url *opamp__core_url(const opamp__core *c) {
  return opamp__session_url(c);
}

const opamp_msg *opamp__core_settings(const opamp__core *c) {
  const opamp__place *place = opamp__place_now(c);
  return place == NULL ? NULL : place->msg;
}

opamp_bytes opamp__core_server_customs(const opamp__core *c) {
  return opamp__buf_bytes(&c->server_customs);
}
