/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "core/state.h"

/* The field table. What "nothing is ever lost" rests on: a row waits while its
 * newest revision is not the one that was sent, and what was sent on a
 * connection that broke, or in a request that failed, was not sent. */

#define AGENT(name) OPAMP_AGENT_CAPABILITIES_##name
#define SERVER(name) OPAMP_SERVER_CAPABILITIES_##name
#define INFO(name, field, agent, server) \
  {OPAMP_AGENT_TO_SERVER_##field, agent, server},

const opamp__row_info opamp__row_infos[OPAMP__ROWS] = {
    OPAMP__ROWS_OF_AGENT_TO_SERVER(INFO)};

int opamp__rows_find(int field) {
  for (int i = 0; i < OPAMP__ROWS; i++)
    if (opamp__row_infos[i].field == field) return i;
  return -1;
}

/* STATE-11, STATE-13. A server that never said what it can, can do it all. */
bool opamp__rows_allowed(const opamp__core *c, int row) {
  const opamp__row_info *info = &opamp__row_infos[row];
  uint64_t agent = c->view.capabilities, server = c->view.server_capabilities;
  if ((agent & info->agent_capability) != info->agent_capability) return false;
  return server == 0 ||
         (server & info->server_capability) == info->server_capability;
}

uint32_t opamp__rows_waiting(const opamp__core *c) {
  uint32_t mask = 0;
  for (int i = 0; i < OPAMP__ROWS; i++) {
    const opamp__row *r = &c->rows[i];
    if (r->set != r->sent && !r->parked && opamp__rows_allowed(c, i))
      mask |= UINT32_C(1) << i;
  }
  return mask;
}

/* Once for each row: somebody may wonder where it stays. */
static void tell_kept(opamp__core *c, int row) {
  const opamp__row_info *info = &opamp__row_infos[row];
  uint64_t missing = info->agent_capability & ~c->view.capabilities;
  if (missing != 0)
    opamp__emit_log(
        c, OPAMP_LOG_INFO, "%s is kept and not sent: the capability %s is off",
        opamp_msg_field_name(OPAMP_MSG_AGENT_TO_SERVER, info->field),
        opamp_agent_capability_name(missing));
}

opamp_status opamp__rows_set(opamp__core *c, int field, opamp__buf *value) {
  int i = opamp__rows_find(field);
  opamp__row *r;
  if (i < 0 || value->len > UINT32_MAX) return OPAMP_ERR_INVALID;
  r = &c->rows[i];
  if (r->set > 0 && r->len == value->len &&
      (r->len == 0 || memcmp(r->value, value->ptr, r->len) == 0)) {
    opamp__buf_free(value);
    return OPAMP_OK; /* STATE-6: equal values send nothing */
  }
  if (value->cap > value->len && value->len > 0) {
    uint8_t *exact = opamp__realloc(value->ptr, value->len);
    if (exact != NULL) value->ptr = exact; /* else the slack stays */
  }
  opamp__free(r->value);
  r->value = value->len > 0 ? value->ptr : NULL;
  if (value->len == 0) opamp__free(value->ptr);
  r->len = (uint32_t)value->len;
  *value = (opamp__buf){NULL, 0, 0};
  r->set++;
  if (r->set == 1) tell_kept(c, i);
  r->suspect = r->parked = false;
  c->revision++;
  c->frame_current = false;
  if (opamp__rows_allowed(c, i)) c->told_delivered = false;
  return OPAMP_OK;
}

void opamp__rows_sent(opamp__core *c, uint32_t mask, uint32_t index) {
  for (int i; (i = opamp__rows_take(&mask)) >= 0;) {
    c->rows[i].sent = c->rows[i].set;
    c->rows[i].index = index;
  }
}

void opamp__rows_lost(opamp__core *c) {
  for (int i = 0; i < OPAMP__ROWS; i++) {
    c->rows[i].sent = c->rows[i].acked;
    c->rows[i].index = 0;
  }
}

void opamp__rows_forget(opamp__core *c) {
  for (int i = 0; i < OPAMP__ROWS; i++) {
    opamp__row *r = &c->rows[i];
    /* A request is no state: an answered one is not repeated. */
    if (i == OPAMP__ROW_SETTINGS_REQUEST && r->acked == r->set) continue;
    r->sent = r->acked = r->index = 0;
  }
  c->told_delivered = false;
  c->frame_current = false;
}

void opamp__rows_answered(opamp__core *c) {
  for (int i = 0; i < OPAMP__ROWS; i++) {
    opamp__row *r = &c->rows[i];
    if (r->index == 0 || r->index > c->answered) continue;
    r->acked = r->sent;
    r->index = 0;
    r->suspect = false;
    if (i == OPAMP__ROW_COMPONENTS) c->components_full = false;
  }
  while (c->customs != NULL && c->customs->index != 0 &&
         c->customs->index <= c->answered)
    opamp__customs_pop(c);
}

/* What the message carried waits again; false when it carried nothing. */
bool opamp__rows_unreported(opamp__core *c, uint32_t index) {
  bool any = false;
  if (index == 0) return false;
  for (int i = 0; i < OPAMP__ROWS; i++) {
    opamp__row *r = &c->rows[i];
    if (r->index != index) continue;
    r->sent = r->acked;
    r->index = 0;
    any = true;
  }
  for (opamp__custom *m = c->customs; m != NULL; m = m->next) {
    if (m->index != index) continue;
    m->index = 0;
    any = true;
  }
  return any;
}

void opamp__rows_park(opamp__core *c, int row, opamp_str why) {
  opamp__row *r = &c->rows[row];
  opamp_event *e = opamp__emit_new(c, OPAMP_EVENT_PARKED);
  r->parked = true;
  r->suspect = false;
  r->index = 0;
  c->view.counters[OPAMP_COUNT_PARKED]++;
  c->unpark_at = opamp__min64(c->unpark_at,
                              c->now + opamp__opt(c, OPAMP_OPT_PARKED_RETRY));
  if (e == NULL) return;
  e->status = OPAMP_ERR_REFUSED;
  (void)opamp__event_set_text(e, why);
  opamp__event_set_number(e, OPAMP_NUM_FIELDS,
                          INT64_C(1) << opamp__row_infos[row].field);
  opamp__emit(c, e);
}

/* A custom message that was refused is not sent again (CONN-7). */
void opamp__customs_refuse(opamp__core *c, opamp_str why) {
  opamp_event *e = opamp__emit_new(c, OPAMP_EVENT_PARKED);
  opamp__customs_pop(c);
  c->view.counters[OPAMP_COUNT_PARKED]++;
  if (e == NULL) return;
  e->status = OPAMP_ERR_REFUSED;
  (void)opamp__event_set_text(e, why);
  opamp__event_set_number(e, OPAMP_NUM_FIELDS,
                          INT64_C(1) << OPAMP_AGENT_TO_SERVER_CUSTOM_MESSAGE);
  opamp__emit(c, e);
}

/* STATE-15: several rows are tried again one by one; one alone is parked. */
bool opamp__rows_refused(opamp__core *c, uint32_t index, opamp_str why) {
  int found = -1, count = 0;
  if (index == 0) return false;
  c->frame_current = false;
  for (int i = 0; i < OPAMP__ROWS; i++) {
    opamp__row *r = &c->rows[i];
    if (r->index != index) continue;
    r->index = 0;
    count++;
    if (r->set != r->sent) continue; /* a newer value waits, untried */
    found = i;
    r->suspect = true;
    r->sent = r->acked;
  }
  if (count == 1 && found >= 0) {
    opamp__rows_park(c, found, why);
    if (found == OPAMP__ROW_SETTINGS_REQUEST) {
      /* A request ends with its refusal, it does not come back by itself. */
      c->rows[found].sent = c->rows[found].acked = c->rows[found].set;
      c->rows[found].parked = false;
      opamp__certificate_refused(c);
    }
  } else if (count == 0 && c->customs != NULL && c->customs->index == index) {
    opamp__customs_refuse(c, why);
    count = 1;
  }
  return count > 0;
}

void opamp__rows_unpark(opamp__core *c) {
  for (int i = 0; i < OPAMP__ROWS; i++) {
    if (!c->rows[i].parked) continue;
    c->rows[i].parked = false;
    c->rows[i].suspect = true; /* it goes alone: it may be refused again */
    c->rows[i].sent = c->rows[i].acked;
    c->frame_current = false;
  }
  c->unpark_at = OPAMP__NEVER;
}

void opamp__rows_look(opamp__core *c) {
  uint64_t undelivered = 0, parked = 0;
  uint32_t some = 0;
  for (int i = 0; i < OPAMP__ROWS; i++)
    if (c->rows[i].set != c->rows[i].acked || c->rows[i].parked)
      some |= UINT32_C(1) << i;
  for (int i; (i = opamp__rows_take(&some)) >= 0;) {
    uint64_t bit = UINT64_C(1) << opamp__row_infos[i].field;
    if (c->rows[i].parked) parked |= bit;
    if (c->rows[i].parked || opamp__rows_allowed(c, i)) undelivered |= bit;
  }
  if (c->customs != NULL)
    undelivered |= UINT64_C(1) << OPAMP_AGENT_TO_SERVER_CUSTOM_MESSAGE;
  c->view.undelivered = undelivered;
  c->view.parked = parked;
}

/* Emits DELIVERED once for each time that all was delivered. */
void opamp__rows_tell_delivered(opamp__core *c) {
  opamp_event *e;
  opamp__rows_look(c);
  if (c->told_delivered || c->view.undelivered != 0) return;
  if (c->view.sequence_num < 0 || c->must_send || c->sent != c->answered)
    return;
  c->told_delivered = true;
  e = opamp__emit_new(c, OPAMP_EVENT_DELIVERED);
  if (e != NULL)
    opamp__event_set_number(e, OPAMP_NUM_SEQUENCE_NUM, c->view.sequence_num);
  opamp__emit(c, e);
}

void opamp__rows_free(opamp__core *c) {
  for (int i = 0; i < OPAMP__ROWS; i++) opamp__free(c->rows[i].value);
  while (c->customs != NULL) opamp__customs_pop(c);
}

/* --- custom messages: a queue beside the table (STATE-14) ----------------- */

opamp__custom *opamp__customs_waiting(const opamp__core *c) {
  opamp__custom *m = c->customs;
  while (m != NULL && m->index != 0) m = m->next;
  return m;
}

void opamp__customs_lost(opamp__core *c) {
  for (opamp__custom *m = c->customs; m != NULL; m = m->next) m->index = 0;
}

void opamp__customs_pop(opamp__core *c) {
  opamp__custom *m = c->customs;
  c->customs = m->next;
  if (c->customs == NULL) c->customs_end = &c->customs;
  opamp__buf_free(&m->value);
  opamp__free(m);
  c->view.customs--;
}
