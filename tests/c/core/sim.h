/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_SIM_H
#define OPAMP_TESTS_SIM_H

#include "core/core.h"

/* A simulated world for one core: an application that sets things, a network
 * that breaks, a server that misbehaves, all from one seed, in virtual time. */

enum { SIM_FIELDS = 16 };

typedef struct sim {
  uint64_t seed; /* of the generator, as it goes on */
  uint64_t now;
  uint64_t numbers[OPAMP__NUMBERS];
  opamp__url url;
  opamp__core_config config;
  opamp__core *core;
  bool duplex;
  bool calm; /* the world behaves from now on */

  /* What the application set last, packed, by field; len 0 and ptr NULL: not
   * set. Custom messages are numbered from 1. */
  opamp__buf set[SIM_FIELDS];
  uint64_t customs_queued;

  /* The network. */
  bool dialling, connected, in_flight;
  opamp__buf flight;  /* the message on its way, without its header */
  opamp__buf arrived; /* the one the server has in hand */

  /* What the server knows. */
  opamp__buf seen[SIM_FIELDS];
  bool known;           /* has had a full state since it started */
  uint64_t customs_got; /* the highest number received */
  bool customs_disorder;

  /* Connection settings, numbered from 1: offered, and with a final status. */
  uint64_t offered, settled;

  /* Sequence numbers. */
  opamp__buf last_frame;
  int64_t last_seq;
  const char *broken; /* the first invariant that broke, NULL none */
} sim;

void sim_begin(sim *s, uint64_t seed, bool duplex);
/* One random step of the application, the network, the server or time. */
void sim_step(sim *s);
/* The world behaves; time passes until nothing is left to do. */
void sim_settle(sim *s);
/* NULL when the server's view is what was set, else what is wrong. */
const char *sim_verdict(const sim *s);
void sim_end(sim *s);

#endif
