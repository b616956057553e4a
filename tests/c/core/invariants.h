/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_INVARIANTS_H
#define OPAMP_TESTS_INVARIANTS_H

#include "core/core.h"

/* What is true of every life of a core, however it goes: with memory failing
 * and messages doubled as well as when it goes as written. */

struct player;

typedef struct invariants {
  enum { LINK_NONE, LINK_DIALLED, LINK_OPEN, LINK_CLOSING } link;
  enum { TOLD_NOTHING, TOLD_CONNECTING, TOLD_CONNECTED } told;
  bool in_flight; /* HTTP: a request */
  bool unwritten; /* WebSocket: a frame is the transport's */
  bool goodbye;   /* AgentDisconnect was sent */
  uint64_t ticked;
  int ticks; /* in a row at that time */
} invariants;

/* Before an input is fed; for each action taken; for what a message says. */
void invariants_input(struct player *p, const opamp__input *in);
void invariants_action(struct player *p, const opamp__action *a);
void invariants_message(struct player *p, const opamp_msg *m, bool again);
void invariants_event(struct player *p, const opamp_event *e);
/* A deadline at `at` is fed; false when it comes again and again. */
bool invariants_tick(struct player *p, uint64_t at);

#endif
