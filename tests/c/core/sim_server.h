/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_SIM_SERVER_H
#define OPAMP_TESTS_SIM_SERVER_H

#include "sim.h"

/* The network and the server of the simulated world. */

uint64_t sim_random(sim *s, uint64_t below);
void sim_feed(sim *s, const opamp__input *in);
void sim_closed(sim *s, opamp_status why, int http, int code,
                int64_t retry_after);

/* Lets what is on its way arrive, or not. */
void sim_network(sim *s);

#endif
