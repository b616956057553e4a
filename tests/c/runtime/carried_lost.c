/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "far.h"
#include "rt.h"

/* Nothing that was set is ever lost, over a transport of the application's own
 * either: seeded schedules of setters between failures. After every event the
 * far end also says what it can of the connection before, too late. */

enum { SCHEDULES = 200, OPERATIONS = 40 };

typedef struct schedule {
  far f;
  uint64_t random;
  int health, description;
} schedule;

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void operate(schedule *s) {
  char text[32];
  switch (next_random(&s->random) % 8) {
    case 0:
    case 1:
      snprintf(text, sizeof text, "health-%d", ++s->health);
      rt_set_health(s->f.c, text);
      break;
    case 2:
      snprintf(text, sizeof text, "description-%d", ++s->description);
      rt_set_description(s->f.c, text);
      break;
    case 3: /* out of the blue */
      opamp_client_transport_closed(s->f.c, s->f.opened, OPAMP_ERR_CLOSED, 1012,
                                    -1, NULL);
      break;
    default:
      far_turn(&s->f);
      break;
  }
}

static bool has(const far *f, int field, const char *what, int i) {
  char text[32];
  size_t len = 0;
  uint8_t packed[256];
  if (i == 0) return true;
  len = sizeof packed;
  if (opamp_msg_pack(f->view[field], packed, &len) != OPAMP_OK) return false;
  snprintf(text, sizeof text, "%s-%d", what, i);
  return memmem(packed, len, text, strlen(text)) != NULL;
}

static bool all_is_known(const schedule *s) {
  return has(&s->f, OPAMP_AGENT_TO_SERVER_HEALTH, "health", s->health) &&
         has(&s->f, OPAMP_AGENT_TO_SERVER_AGENT_DESCRIPTION, "description",
             s->description) &&
         opamp_client_undelivered(s->f.c) == 0;
}

static void short_delays(opamp_options *o) {
  opamp_options_set_number(o, OPAMP_OPT_BACKOFF_MIN, 1);
  opamp_options_set_number(o, OPAMP_OPT_BACKOFF_MAX, 2);
  opamp_options_set_number(o, OPAMP_OPT_RETRY_AFTER_MAX, 2);
  opamp_options_set_number(o, OPAMP_OPT_POLL_INTERVAL, 20);
}

static void play(unsigned seed, bool duplex) {
  schedule s = {.random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1};
  uint64_t end;
  s.f = far_new_with(duplex, short_delays);
  s.f.random = seed * UINT64_C(0xd1342543de82ef95) | 1;
  s.f.percent = seed % 60;
  opamp_client_start(s.f.c);
  for (int i = 0; i < OPERATIONS; i++) operate(&s);
  s.f.random = 0;
  end = rt_now_ms() + 10000;
  while (!all_is_known(&s)) {
    if (rt_now_ms() >= end)
      harness_fail(__FILE__, __LINE__, "seed %u: lost; state %s, %llx", seed,
                   opamp_state_name(opamp_client_state(s.f.c)),
                   (unsigned long long)opamp_client_undelivered(s.f.c));
    far_turn(&s.f);
  }
  if (s.f.out_of_order)
    harness_fail(__FILE__, __LINE__, "seed %u: sequence numbers", seed);
  far_free(&s.f);
}

/* Covers: STATE-1, STATE-3, CONN-1 */
TEST(nothing_is_lost_on_a_connection) {
  for (unsigned seed = 1; seed <= SCHEDULES / 2; seed++) play(seed, true);
}

/* Covers: STATE-1, STATE-3 */
TEST(nothing_is_lost_over_exchanges) {
  for (unsigned seed = 1; seed <= SCHEDULES / 2; seed++) play(seed, false);
}
