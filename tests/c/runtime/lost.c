/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "rt.h"

/* Nothing that was set is ever lost: seeded schedules of setters between
 * failures of every kind, over real sockets. At the end the server knows what
 * was set last, and the numbers of the messages had no gap the wrong way. */

enum { SCHEDULES = 200, OPERATIONS = 25 };

typedef struct schedule {
  rt t;
  uint64_t random; /* of the test; the policy has its own */
  uint64_t policy_random;
  unsigned percent; /* of turning points where the server fails */
  int health, description, declared, config;
  bool down;
} schedule;

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static stub_deed misbehave(void *ctx, stub_point at) {
  static const stub_deed at_message[] = {
      STUB_RESET, STUB_UNKNOWN, STUB_UNAVAILABLE, STUB_REFUSE, STUB_CLOSE};
  schedule *s = ctx;
  uint64_t r = next_random(&s->policy_random);
  if (r % 100 >= s->percent) return STUB_SERVE;
  r /= 100;
  if (at == STUB_ACCEPTED) return STUB_RESET; /* after half a request */
  if (at == STUB_REQUEST) return r % 2 == 0 ? STUB_RESET : STUB_REFUSE;
  return at_message[r % (sizeof at_message / sizeof *at_message)];
}

static void name_of(char out[32], const char *what, int i) {
  snprintf(out, 32, "%s-%d.", what, i);
}

static void set_config(schedule *s) {
  opamp_msg *m;
  char body[32];
  name_of(body, "config", ++s->config);
  CHECK_EQ(opamp_msg_new(&m, OPAMP_MSG_EFFECTIVE_CONFIG), OPAMP_OK);
  opamp_effective_config_put(m, "f", opamp_bytes_of(body, strlen(body)), NULL);
  CHECK_EQ(opamp_client_set_effective_config(s->t.c, m), OPAMP_OK);
  opamp_msg_free(m);
}

static void poll_a_little(schedule *s) {
  opamp_event *e;
  opamp_loop_poll(s->t.l, 1);
  while ((e = opamp_loop_next_event(s->t.l)) != NULL) opamp_event_free(e);
}

static void operate(schedule *s) {
  char text[32];
  switch (next_random(&s->random) % 10) {
    case 0:
    case 1:
      name_of(text, "health", ++s->health);
      rt_set_health(s->t.c, text);
      break;
    case 2:
      name_of(text, "description", ++s->description);
      rt_set_description(s->t.c, text);
      break;
    case 3:
      name_of(text, "cap", ++s->declared);
      rt_declare(s->t.c, text);
      break;
    case 4:
      set_config(s);
      break;
    case 5:
      if (s->down)
        stub_up(s->t.s);
      else if (next_random(&s->random) % 2 == 0)
        stub_down(s->t.s);
      else
        break;
      s->down = !s->down;
      break;
    case 6:
      stub_reset_all(s->t.s);
      break;
    default:
      poll_a_little(s);
      break;
  }
}

static bool knows(stub *s, int field, const char *what, int i) {
  char text[32];
  size_t len;
  uint8_t *view;
  bool has;
  if (i == 0) return true;
  name_of(text, what, i);
  view = stub_view(s, field, &len);
  has = view != NULL && memmem(view, len, text, strlen(text)) != NULL;
  free(view);
  return has;
}

static bool knows_all(void *ctx) {
  const schedule *s = ctx;
  stub *at = s->t.s;
  return knows(at, OPAMP_AGENT_TO_SERVER_HEALTH, "health", s->health) &&
         knows(at, OPAMP_AGENT_TO_SERVER_AGENT_DESCRIPTION, "description",
               s->description) &&
         knows(at, OPAMP_AGENT_TO_SERVER_CUSTOM_CAPABILITIES, "cap",
               s->declared) &&
         knows(at, OPAMP_AGENT_TO_SERVER_EFFECTIVE_CONFIG, "config",
               s->config) &&
         opamp_client_undelivered(s->t.c) == 0;
}

static void play(unsigned seed, bool websocket) {
  schedule s = {.random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1,
                .policy_random = seed * UINT64_C(0xd1342543de82ef95) | 1,
                .percent = seed % 60};
  opamp_client *c;
  s.t = rt_new(websocket);
  opamp_client_free(s.t.c);
  opamp_options_set_number(s.t.o, OPAMP_OPT_BACKOFF_MIN, 1);
  opamp_options_set_number(s.t.o, OPAMP_OPT_BACKOFF_MAX, 4);
  opamp_options_set_number(s.t.o, OPAMP_OPT_THROTTLE_WAIT, 1);
  opamp_options_set_number(s.t.o, OPAMP_OPT_RETRY_AFTER_MAX, 4);
  CHECK_EQ(opamp_client_new(&c, s.t.l, s.t.o), OPAMP_OK);
  s.t.c = c;
  stub_set_policy(s.t.s, misbehave, &s);
  opamp_client_start(c);
  for (int i = 0; i < OPERATIONS; i++) operate(&s);
  if (s.down) stub_up(s.t.s);
  stub_set_policy(s.t.s, NULL, NULL);
  uint64_t end = rt_now_ms() + 10000;
  while (!knows_all(&s)) {
    if (rt_now_ms() >= end)
      harness_fail(__FILE__, __LINE__,
                   "seed %u: lost; state %s, undelivered %llx, health %d", seed,
                   opamp_state_name(opamp_client_state(c)),
                   (unsigned long long)opamp_client_undelivered(c), s.health);
    poll_a_little(&s);
  }
  if (!stub_numbers_ok(s.t.s))
    harness_fail(__FILE__, __LINE__, "seed %u: sequence numbers", seed);
  rt_free(&s.t);
}

/* Covers: STATE-1, STATE-3, CONN-1, CONN-6 */
TEST(nothing_is_lost_websocket) {
  for (unsigned seed = 1; seed <= SCHEDULES / 2; seed++) play(seed, true);
}

/* Covers: STATE-1, STATE-3, CONN-6 */
TEST(nothing_is_lost_http) {
  for (unsigned seed = 1; seed <= SCHEDULES / 2; seed++) play(seed, false);
}
