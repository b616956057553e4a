/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"
#include "sim.h"

/* Nothing that was set is ever lost: thousands of random lives, half over
 * WebSocket and half over HTTP, each of which must end with the server's view
 * equal to what was set. A failure names its seed; OPAMP_SEED plays it alone.
 */

enum { SCHEDULES = 2000, STEPS = 150 };

static void live(uint64_t seed, bool duplex) {
  sim s;
  const char *wrong;
  sim_begin(&s, seed, duplex);
  for (int i = 0; i < STEPS && s.broken == NULL; i++) sim_step(&s);
  sim_settle(&s);
  wrong = sim_verdict(&s);
  sim_end(&s);
  if (wrong != NULL)
    harness_fail(__FILE__, __LINE__, "OPAMP_SEED=%llu over %s: %s",
                 (unsigned long long)seed, duplex ? "WebSocket" : "HTTP",
                 wrong);
}

static void live_all(bool duplex) {
  const char *one = getenv("OPAMP_SEED");
  if (one != NULL) {
    live(strtoull(one, NULL, 10), duplex);
    return;
  }
  for (uint64_t seed = 1; seed <= SCHEDULES / 2; seed++) live(seed, duplex);
}

/* Covers: STATE-1, STATE-3, STATE-14, STATE-15, CONN-1, CONN-6 */
TEST(nothing_is_lost_over_websocket) {
  live_all(true);
}

/* Covers: STATE-1, STATE-3, STATE-14, STATE-15, HTTP-3, HTTP-6, HTTP-7 */
TEST(nothing_is_lost_over_http) {
  live_all(false);
}
