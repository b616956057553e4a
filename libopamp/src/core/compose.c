/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "core/state.h"
#include "wire/wire.h"

/* AgentToServer out of the field table. This is the only place where a message
 * is put together and where a sequence number is given out (STATE-1). */

enum { COMPOSE_RETRY_MS = 1000, HEAD_AND_TAIL = 64 };

/* What goes into one message. */
typedef struct plan {
  uint32_t rows;         /* mask */
  opamp__custom *custom; /* or one custom message */
  bool final;            /* with AgentDisconnect */
} plan;

static opamp_bytes row_value(const opamp__core *c, int i) {
  opamp_bytes value = {c->rows[i].value, c->rows[i].len};
  return value;
}

static bool put_components_hash(opamp__core *c) {
  opamp_bytes hash = opamp__packed_find(row_value(c, OPAMP__ROW_COMPONENTS),
                                        OPAMP_AVAILABLE_COMPONENTS_HASH, 0);
  opamp__buf sub = {NULL, 0, 0};
  bool ok =
      (hash.len == 0 ||
       opamp__put_bytes(&sub, OPAMP_AVAILABLE_COMPONENTS_HASH, hash)) &&
      opamp__put_bytes(&c->frame, OPAMP_AGENT_TO_SERVER_AVAILABLE_COMPONENTS,
                       opamp__buf_bytes(&sub));
  opamp__buf_free(&sub);
  return ok;
}

/* The server gets the components' hash, and the map when it asked for it
 * (STATE-5). */
static bool hash_only(const opamp__core *c, int i) {
  return i == OPAMP__ROW_COMPONENTS && !c->components_full;
}

static size_t row_size(const opamp__core *c, int i) {
  if (hash_only(c, i)) return 64;
  return opamp__bytes_field_size(opamp__row_infos[i].field, c->rows[i].len);
}

static bool put_head(opamp__core *c) {
  opamp_bytes uid = {c->view.uid, OPAMP_UID_LEN};
  static const uint8_t room[OPAMP__CORE_FRAME_ROOM];
  opamp__buf_clear(&c->frame);
  return opamp__buf_append(&c->frame, room, sizeof room) &&
         (!c->duplex || opamp__buf_byte(&c->frame, 0)) && /* WIRE-1 */
         opamp__put_bytes(&c->frame, OPAMP_AGENT_TO_SERVER_INSTANCE_UID, uid) &&
         (c->sequence == 0 ||
          opamp__put_varint(&c->frame, OPAMP_AGENT_TO_SERVER_SEQUENCE_NUM,
                            c->sequence)) &&
         opamp__put_varint(&c->frame, OPAMP_AGENT_TO_SERVER_CAPABILITIES,
                           c->view.capabilities) &&
         (!c->uid_wanted ||
          opamp__put_varint(&c->frame, OPAMP_AGENT_TO_SERVER_FLAGS,
                            OPAMP_AGENT_TO_SERVER_FLAGS_REQUEST_INSTANCE_UID));
}

/* WIRE-6: a row too big for any message is parked; what is too much for this
 * one waits for the next. */
static uint32_t fit(opamp__core *c, uint32_t rows) {
  uint64_t max = opamp__opt(c, OPAMP_OPT_MAX_SEND);
  uint64_t size = HEAD_AND_TAIL;
  uint32_t left = rows;
  for (int i; (i = opamp__rows_take(&left)) >= 0;) {
    uint32_t bit = UINT32_C(1) << i;
    if (HEAD_AND_TAIL + row_size(c, i) > max) {
      opamp__rows_park(c, i, OPAMP__LIT("over the send limit (max-send)"));
      rows &= ~bit;
    } else if (size + row_size(c, i) > max) {
      rows &= ~bit;
    } else {
      size += row_size(c, i);
    }
  }
  return rows;
}

static bool put_body(opamp__core *c, const plan *p) {
  static const opamp_bytes empty = {NULL, 0};
  uint32_t rows = p->rows;
  for (int i; (i = opamp__rows_take(&rows)) >= 0;) {
    if (hash_only(c, i)
            ? !put_components_hash(c)
            : !opamp__put_bytes(&c->frame, opamp__row_infos[i].field,
                                row_value(c, i)))
      return false;
  }
  if (p->custom != NULL &&
      !opamp__put_bytes(&c->frame, OPAMP_AGENT_TO_SERVER_CUSTOM_MESSAGE,
                        opamp__buf_bytes(&p->custom->value)))
    return false;
  return !p->final ||
         opamp__put_bytes(&c->frame, OPAMP_AGENT_TO_SERVER_AGENT_DISCONNECT,
                          empty);
}

static int64_t frame_fields(const opamp__core *c) {
  int64_t fields = (INT64_C(1) << OPAMP_AGENT_TO_SERVER_INSTANCE_UID) |
                   (INT64_C(1) << OPAMP_AGENT_TO_SERVER_SEQUENCE_NUM) |
                   (INT64_C(1) << OPAMP_AGENT_TO_SERVER_CAPABILITIES);
  uint32_t rows = c->frame_rows;
  for (int i; (i = opamp__rows_take(&rows)) >= 0;)
    fields |= INT64_C(1) << opamp__row_infos[i].field;
  if (c->frame_custom)
    fields |= INT64_C(1) << OPAMP_AGENT_TO_SERVER_CUSTOM_MESSAGE;
  if (c->frame_final)
    fields |= INT64_C(1) << OPAMP_AGENT_TO_SERVER_AGENT_DISCONNECT;
  if (c->uid_wanted) fields |= INT64_C(1) << OPAMP_AGENT_TO_SERVER_FLAGS;
  return fields;
}

/* A WebSocket takes a message at once; over HTTP it leaves when there is a
 * connection for it. */
void opamp__compose_left(opamp__core *c) {
  size_t size = c->frame.len - OPAMP__CORE_FRAME_ROOM;
  opamp_event *e;
  if (c->frame_left) return;
  c->frame_left = true;
  c->view.counters[OPAMP_COUNT_MESSAGES_SENT]++;
  c->view.counters[OPAMP_COUNT_BYTES_SENT] += size;
  if (opamp__opt(c, OPAMP_OPT_TRACE_MESSAGES) == 0) return;
  e = opamp__emit_new(c, OPAMP_EVENT_MESSAGE_SENT);
  if (e == NULL) return;
  opamp__event_set_number(e, OPAMP_NUM_SEQUENCE_NUM, c->view.sequence_num);
  opamp__event_set_number(e, OPAMP_NUM_SIZE, (int64_t)size);
  opamp__event_set_number(e, OPAMP_NUM_FIELDS, frame_fields(c));
  opamp__emit(c, e);
}

/* Over HTTP the URL or a header may have changed since the last request. */
static void push_send(opamp__core *c) {
  opamp__action open = {.kind = OPAMP__DO_OPEN, .url = opamp__session_url(c)};
  opamp__action send = {.kind = OPAMP__DO_SEND,
                        .frame = c->frame.ptr + OPAMP__CORE_FRAME_ROOM,
                        .len = c->frame.len - OPAMP__CORE_FRAME_ROOM};
  if (c->reopen) {
    open.credentials = opamp__session_at_home(c);
    opamp__act(c, open);
    c->reopen = false;
  }
  opamp__act(c, send);
}

/* What follows from a message having been handed to the transport. */
static void sent(opamp__core *c, const plan *p) {
  if (c->sent == c->answered) c->progress_at = c->now;
  c->sent++;
  c->busy = true;
  c->frame_failed = c->frame_left = false;
  c->frame_rows = p->rows;
  c->frame_custom = p->custom != NULL;
  c->frame_final = p->final;
  c->must_send = false;
  c->last_sent = c->now;
  if (!c->duplex)
    c->phase_until = c->now + opamp__opt(c, OPAMP_OPT_CONNECT_TIMEOUT);
  opamp__rows_sent(c, p->rows, c->sent);
  if (p->custom != NULL) p->custom->index = c->sent;
  if (c->duplex) opamp__compose_left(c);
}

static void send_plan(opamp__core *c, const plan *p) {
  if (!put_head(c) || !put_body(c, p)) {
    c->compose_at = c->now + COMPOSE_RETRY_MS;
    opamp__buf_free(&c->frame);
    return;
  }
  c->view.sequence_num = (int64_t)c->sequence++;
  push_send(c);
  sent(c, p);
  c->frame_current = true;
}

/* HTTP: the same bytes again, under the same number (STATE-1). */
static void send_again(opamp__core *c) {
  plan p = {.rows = c->frame_rows,
            .custom = c->frame_custom ? c->customs : NULL,
            .final = c->frame_final};
  push_send(c);
  sent(c, &p);
}

static bool heartbeat_due(const opamp__core *c) {
  if (c->duplex) {
    if (c->heartbeat_off ||
        !(c->view.capabilities & OPAMP_AGENT_CAPABILITIES_REPORTS_HEARTBEAT))
      return false;
    return c->now >= c->last_sent + c->heartbeat_ms;
  }
  return c->now >= c->last_sent + c->poll_ms;
}

static uint32_t suspects(const opamp__core *c, uint32_t rows) {
  uint32_t mask = 0;
  for (int i; (i = opamp__rows_take(&rows)) >= 0;)
    if (c->rows[i].suspect) mask |= UINT32_C(1) << i;
  return mask;
}

/* A custom message over the limit can never be sent. */
static opamp__custom *next_custom(opamp__core *c) {
  uint64_t max = opamp__opt(c, OPAMP_OPT_MAX_SEND);
  opamp__custom *m = opamp__customs_waiting(c);
  while (m != NULL && m == c->customs && m->value.len + HEAD_AND_TAIL > max) {
    opamp__customs_refuse(c, OPAMP__LIT("over the send limit (max-send)"));
    m = opamp__customs_waiting(c);
  }
  return m;
}

/* The order of things: the state in one message, then rows that were refused
 * together and go alone, then custom messages one by one. A stopping agent says
 * all of that, the state in its last message (CONN-9). */
static bool next_plan(opamp__core *c, bool stopping, plan *p) {
  uint32_t waiting = fit(c, opamp__rows_waiting(c));
  uint32_t alone = suspects(c, waiting);
  if (c->leaving) { /* what else waits goes to the next place */
    *p = (plan){waiting, NULL, true};
    return true;
  }
  *p = (plan){waiting & ~alone, NULL, false};
  if (!stopping && (p->rows != 0 || c->must_send)) return true;
  *p = (plan){alone & (~alone + 1), NULL, false}; /* the lowest of them */
  if (p->rows != 0 || (p->custom = next_custom(c)) != NULL) return true;
  if (stopping) {
    *p = (plan){waiting, NULL, true};
    return true;
  }
  if (!heartbeat_due(c)) return false;
  c->view.counters[OPAMP_COUNT_HEARTBEATS]++;
  return true;
}

void opamp__compose(opamp__core *c) {
  bool stopping = !c->running && !c->stop_silent;
  plan p;
  if (!opamp__session_can_send(c) || c->now < c->compose_at) return;
  c->compose_at = 0;
  if (c->frame_failed && c->frame_current &&
      ((!stopping && !c->leaving) || c->frame_final))
    send_again(c);
  else if (next_plan(c, stopping, &p))
    send_plan(c, &p);
}

uint64_t opamp__compose_deadline(const opamp__core *c) {
  if (c->busy ||
      (c->state != OPAMP__OPEN && (c->duplex || c->state != OPAMP__OPENING)))
    return OPAMP__NEVER;
  if (c->compose_at != 0) return opamp__max64(c->compose_at, c->hold_until);
  if (c->now < c->hold_until) return c->hold_until;
  if (!c->duplex) return c->last_sent + c->poll_ms;
  if (c->heartbeat_off ||
      !(c->view.capabilities & OPAMP_AGENT_CAPABILITIES_REPORTS_HEARTBEAT))
    return OPAMP__NEVER;
  return c->last_sent + c->heartbeat_ms;
}
