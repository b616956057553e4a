/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "core/state.h"

opamp_event *opamp__emit_new(opamp__core *c, int kind) {
  opamp_event *e = opamp__event_new(kind);
  if (e == NULL) c->view.counters[OPAMP_COUNT_DROPPED_EVENTS]++;
  return e;
}

void opamp__emit(opamp__core *c, opamp_event *e) {
  opamp__action a = {.kind = OPAMP__DO_EMIT, .event = e};
  if (e == NULL) return;
  if (opamp__act(c, a)) return;
  opamp__event_destroy(e);
  c->view.counters[OPAMP_COUNT_DROPPED_EVENTS]++;
}

void opamp__emit_text(opamp__core *c, int kind, opamp_status status,
                      opamp_str text) {
  opamp_event *e = opamp__emit_new(c, kind);
  if (e == NULL) return;
  e->status = status;
  /* An event that lost its text to a lack of memory still says its kind. */
  (void)opamp__event_set_text(e, text);
  opamp__emit(c, e);
}

void opamp__emit_log(opamp__core *c, int level, const char *fmt, ...) {
  opamp__buf line = {NULL, 0, 0};
  opamp_event *e;
  va_list args;
  if ((uint64_t)level > opamp__opt(c, OPAMP_OPT_LOG_LEVEL)) return;
  va_start(args, fmt);
  if (opamp__buf_vprintf(&line, fmt, args) &&
      (e = opamp__emit_new(c, OPAMP_EVENT_LOG)) != NULL) {
    e->text = line; /* moved */
    line = (opamp__buf){NULL, 0, 0};
    opamp__event_set_number(e, OPAMP_NUM_LEVEL, level);
    opamp__emit(c, e);
  }
  va_end(args);
  opamp__buf_free(&line);
}

void opamp__emit_bad_message(opamp__core *c, opamp_status status,
                             opamp_str text) {
  c->view.counters[OPAMP_COUNT_BAD_MESSAGES]++;
  opamp__emit_text(c, OPAMP_EVENT_BAD_MESSAGE, status, text);
}
