/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_RUNTIME_FAR_H
#define OPAMP_TESTS_RUNTIME_FAR_H

#include "harness.h"
#include "opamp/opamp.h"

/* A client whose transport is the test's, and the server at the far end of it:
 * no sockets. The far end keeps what the agent said, and misbehaves on demand.
 */

enum { FAR_FIELDS = 16 };

typedef struct far {
  opamp_options *o;
  opamp_loop *l;
  opamp_client *c;
  bool duplex;
  uint64_t random;  /* of its misbehaviour; 0: none */
  unsigned percent; /* of turning points where it fails */
  int64_t opened;   /* newest connection, or exchange */
  uint64_t next;    /* sequence number */
  bool fresh;       /* no message on this connection yet */
  bool out_of_order;
  size_t messages;
  opamp_msg *view[FAR_FIELDS]; /* what it knows of each field */
} far;

/* Short delays, all capabilities but packages. Not started. */
far far_new(bool duplex);
/* The options may be changed in between. */
far far_new_with(bool duplex, void (*change)(opamp_options *o));
void far_free(far *f);

/* Does what a TRANSPORT_… event asks for; other events are ignored. */
void far_answer(far *f, opamp_event *e);
/* Drives the loop, answering, until `done`; fails the test after 10 s. */
void far_until(far *f, bool (*done)(const far *f));
/* Drives the loop for a moment, answering. */
void far_turn(far *f);

#endif
