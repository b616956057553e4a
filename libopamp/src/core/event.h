/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_CORE_EVENT_H
#define OPAMP_CORE_EVENT_H

#include "base/buf.h"
#include "base/handle.h"
#include "opamp/event.h"

/* An event as the core makes it. The runtime queues it and hands it out; its
 * fields at the end are the runtime's alone. */

enum { OPAMP__EVENT_NUMBERS = 4 };

struct opamp_event {
  opamp__handle handle;
  int kind;
  opamp_status status;
  opamp__buf text;     /* ends with a NUL that len does not count */
  opamp__buf bytes;
  opamp__buf previous;
  opamp_msg *msg;
  uint32_t offer;      /* questions: serial number of the offer, else 0 */
  uint8_t keys[OPAMP__EVENT_NUMBERS]; /* OPAMP_NUM_…, 0 unused */
  int64_t values[OPAMP__EVENT_NUMBERS];

  /* Runtime: its place in the queue and among its client's events, whose it
   * is, answered or not. */
  struct opamp_event *next, *prev, *sibling;
  opamp_client *client;
  bool answered;
  bool called; /* waits for a callback, not for opamp_loop_next_event */
};

/* An empty event, NULL when out of memory. */
opamp_event *opamp__event_new(int kind);
/* Frees it and all it owns; knows nothing of the runtime's fields. */
void opamp__event_destroy(opamp_event *e);

/* These return false when out of memory, the event being as it was. */
bool opamp__event_set_text(opamp_event *e, opamp_str text);
bool opamp__event_set_bytes(opamp_event *e, opamp_bytes bytes);
/* Adds a number; there is room for OPAMP__EVENT_NUMBERS. */
void opamp__event_set_number(opamp_event *e, int num, int64_t value);

/* Whether the kind is a question with an answer function. */
bool opamp__event_is_question(int kind);
/* Whether a newer event of the kind replaces one that still waits (offers,
 * state); otherwise each counts. */
bool opamp__event_replaces(int kind);

#endif
