/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_RUNTIME_INBOX_H
#define OPAMP_RUNTIME_INBOX_H

#include "base/headers.h"
#include "core/core.h"

/* Inputs of the core that wait, with everything they point at: what was asked
 * for by other threads, and what a transport said in the middle of an action.
 * Nothing here locks. */

typedef struct opamp__command {
  struct opamp__command *next;
  opamp__input in;
  opamp__in_closed closed; /* CLOSED */
  opamp__headers headers;  /* HEADERS */
  opamp__buf value;        /* SET, CUSTOM: packed; FRAME; CLOSED: body; LOADED,
                              KEY */
  opamp__buf hash;         /* STATUS, KEY; CLOSED: location */
  opamp__buf text;         /* ANSWER, STATUS, CLOSED, LOADED, SAVED, KEY */
} opamp__command;

typedef struct opamp__inbox {
  opamp__command *head;
  opamp__command **end; /* where the next one goes; NULL while empty */
  uint64_t taken; /* the fields of those that were taken; whoever has fed them
                     clears it */
} opamp__inbox;

/* NULL when out of memory. */
opamp__command *opamp__command_new(opamp__in_kind kind);
void opamp__command_free(opamp__command *cmd);
/* Frees a whole list. */
void opamp__commands_free(opamp__command *list);
/* Points `in` at what the command owns; before it is fed. */
const opamp__input *opamp__command_input(opamp__command *cmd);

/* Which fields of AgentToServer it is about, as bits: 0 when it sets none. */
uint64_t opamp__command_fields(const opamp__command *cmd);
/* Whether it says what became of an action: an input of a transport, the store,
 * the maker of keys; and of these, whether it is about a connection. */
bool opamp__command_is_answer(const opamp__command *cmd);
bool opamp__command_is_of_connection(const opamp__command *cmd);

void opamp__inbox_append(opamp__inbox *box, opamp__command *cmd);
/* Puts a list, its order kept, before what waits. */
void opamp__inbox_prepend(opamp__inbox *box, opamp__command *list);
/* As append, but takes the place of a waiting command that it supersedes, which
 * is returned to be freed; NULL when there was none. */
opamp__command *opamp__inbox_put(opamp__inbox *box, opamp__command *cmd);
/* Takes what may be fed now. `held`: only up to the last STOP, and whatever
 * sends no state by itself. */
opamp__command *opamp__inbox_take(opamp__inbox *box, bool held);

#endif
