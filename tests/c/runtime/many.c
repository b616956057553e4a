/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "rt.h"

/* --- several clients on one loop ------------------------------------------ */

TEST(two_clients_with_different_servers) {
  rt t = rt_new(true);
  stub *other = stub_new();
  opamp_client *c;
  int first, second;
  opamp_options_set_text(t.o, OPAMP_TEXT_URL, stub_url(other, false));
  CHECK_EQ(opamp_client_new(&c, t.l, t.o), OPAMP_OK);
  opamp_client_set_user_data(t.c, &first);
  opamp_client_set_user_data(c, &second);
  rt_set_health(t.c, "first");
  rt_set_health(c, "second");
  opamp_client_start(t.c);
  opamp_client_start(c);
  for (int seen = 0; seen != 3;) {
    opamp_event *e = rt_event(t.l, OPAMP_EVENT_CONNECTED);
    bool is_first = opamp_event_client(e) == t.c;
    CHECK(opamp_event_user_data(e) == (is_first ? &first : &second));
    CHECK_STR(opamp_event_text(e).ptr,
              is_first ? stub_url(t.s, true) : stub_url(other, false));
    seen |= is_first ? 1 : 2;
    opamp_event_free(e);
  }
  rt_delivered(t.l, t.c);
  rt_delivered(t.l, c);
  opamp_msg *m = stub_message(t.s, 0), *n = stub_message(other, 0);
  CHECK_STR(rt_health_of(m), "first");
  CHECK_STR(rt_health_of(n), "second");
  opamp_msg_free(m);
  opamp_msg_free(n);
  opamp_client_free(c);
  rt_free(&t);
  stub_free(other);
}

enum { MANY = 200 };

typedef struct fleet {
  stub *s;
  opamp_loop *l;
  opamp_client *c[MANY];
} fleet;

static bool all_delivered(void *ctx) {
  const fleet *f = ctx;
  for (int i = 0; i < MANY; i++)
    if (opamp_client_undelivered(f->c[i]) != 0 ||
        opamp_client_counter(f->c[i], OPAMP_COUNT_MESSAGES_RECEIVED) == 0)
      return false;
  return true;
}

static void fleet_of(bool websocket) {
  fleet f = {.s = stub_new()};
  opamp_options *o = rt_options(f.s, websocket);
  CHECK_EQ(opamp_loop_new(&f.l, MANY), OPAMP_OK);
  for (int i = 0; i < MANY; i++) {
    CHECK_EQ(opamp_client_new(&f.c[i], f.l, o), OPAMP_OK);
    rt_set_health(f.c[i], "one of many");
    CHECK_EQ(opamp_client_start(f.c[i]), OPAMP_OK);
  }
  opamp_options_free(o);
  rt_until(f.l, all_delivered, &f);
  if (websocket) {
    CHECK_EQ(stub_connections(f.s), MANY);
    stub_reset_all(f.s);
  }
  for (int i = 0; i < MANY; i++) rt_set_health(f.c[i], "again");
  rt_until(f.l, all_delivered, &f);
  CHECK(stub_messages(f.s) >= 2 * MANY);
  for (int i = 0; i < MANY; i += 2) opamp_client_free(f.c[i]);
  CHECK(opamp_loop_poll(f.l, 0) >= 0);
  opamp_loop_free(f.l); /* and the other half */
  stub_free(f.s);
}

TEST(two_hundred_clients_websocket) {
  fleet_of(true);
}

TEST(two_hundred_clients_http) {
  fleet_of(false);
}

/* --- threads -------------------------------------------------------------- */

enum { THREADS = 8, SETS = 150 };

typedef struct setters {
  opamp_client *c;
  atomic_int running;
} setters;

static void *set_much(void *arg) {
  setters *s = arg;
  char text[32];
  for (int i = 0; i < SETS; i++) {
    snprintf(text, sizeof text, "%d", i);
    opamp_client_hold(s->c);
    rt_set_health(s->c, text);
    rt_set_description(s->c, text);
    opamp_client_release(s->c);
    opamp_client_send_custom(s->c, "cap", text, (opamp_bytes){NULL, 0});
    (void)opamp_client_state(s->c);
    (void)opamp_client_next_retry_ms(s->c);
    (void)opamp_client_counter(s->c, OPAMP_COUNT_CONNECTS);
    opamp_client_flush(s->c);
  }
  atomic_fetch_sub(&s->running, 1);
  return NULL;
}

static bool view_has(stub *s, const char *text) {
  size_t len;
  uint8_t *view = stub_view(s, OPAMP_AGENT_TO_SERVER_HEALTH, &len);
  bool has = view != NULL && memmem(view, len, text, strlen(text)) != NULL;
  free(view);
  return has;
}

static void setters_race(bool websocket) {
  rt t = rt_new(websocket);
  setters s = {t.c, THREADS};
  pthread_t threads[THREADS];
  uint64_t end = rt_now_ms() + 20000;
  size_t resets = 0;
  rt_declare(t.c, "cap");
  CHECK_EQ(opamp_loop_start_thread(t.l), OPAMP_OK);
  opamp_client_start(t.c);
  for (int i = 0; i < THREADS; i++)
    pthread_create(&threads[i], NULL, set_much, &s);
  while (atomic_load(&s.running) > 0) {
    opamp_event_free(rt_wait_event(t.l, 5));
    if (stub_messages(t.s) >= 20 * (resets + 1)) {
      stub_reset_all(t.s);
      resets++;
    }
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  rt_set_health(t.c, "the last word");
  while (!view_has(t.s, "the last word")) {
    if (rt_now_ms() >= end)
      harness_fail(__FILE__, __LINE__,
                   "state %s for %llu ms, undelivered %llx, %zu messages, "
                   "%zu connections, %llu failures",
                   opamp_state_name(opamp_client_state(t.c)),
                   (unsigned long long)opamp_client_state_since_ms(t.c),
                   (unsigned long long)opamp_client_undelivered(t.c),
                   stub_messages(t.s), stub_connections(t.s),
                   (unsigned long long)opamp_client_counter(
                       t.c, OPAMP_COUNT_CONNECT_FAILURES));
    opamp_event_free(rt_wait_event(t.l, 5));
  }
  CHECK(stub_numbers_ok(t.s));
  rt_free(&t);
}

/* Covers: STATE-3 */
TEST(eight_threads_set_while_it_reconnects_websocket) {
  setters_race(true);
}

/* Covers: STATE-3 */
TEST(eight_threads_set_while_it_reconnects_http) {
  setters_race(false);
}

static void *new_and_free(void *arg) {
  rt *t = arg;
  for (int i = 0; i < 20; i++) {
    opamp_client *c;
    if (opamp_client_new(&c, t->l, t->o) != OPAMP_OK) return arg;
    opamp_client_start(c);
    if (i % 2 == 0) opamp_client_stop(c);
    opamp_client_free(c);
  }
  return NULL;
}

TEST(clients_come_and_go_in_other_threads) {
  rt t = rt_new(true);
  pthread_t threads[4];
  CHECK_EQ(opamp_loop_start_thread(t.l), OPAMP_OK);
  opamp_client_start(t.c);
  for (int i = 0; i < 4; i++)
    pthread_create(&threads[i], NULL, new_and_free, &t);
  for (int i = 0; i < 4; i++) {
    void *failed;
    pthread_join(threads[i], &failed);
    CHECK(failed == NULL);
  }
  rt_free(&t);
}

/* --- descriptors ---------------------------------------------------------- */

static stub_deed reset_messages(void *ctx, stub_point at) {
  (void)ctx;
  return at == STUB_MESSAGE ? STUB_RESET : STUB_SERVE;
}

static bool accepted_enough(void *ctx) {
  return stub_accepted(ctx) >= 1000;
}

/* Covers: CONN-3 */
TEST(descriptors_stay_flat_over_a_thousand_reconnects) {
  rt t = rt_new(true);
  opamp_client *c;
  size_t before;
  opamp_options_set_number(t.o, OPAMP_OPT_BACKOFF_MIN, 1);
  opamp_options_set_number(t.o, OPAMP_OPT_BACKOFF_MAX, 1);
  stub_set_policy(t.s, reset_messages, NULL);
  opamp_client_new(&c, t.l, t.o);
  opamp_client_start(c);
  while (stub_accepted(t.s) < 20) {
    opamp_event_free(opamp_loop_next_event(t.l));
    opamp_loop_poll(t.l, 10);
  }
  before = rt_descriptors();
  rt_until(t.l, accepted_enough, t.s);
  CHECK(rt_descriptors() <= before + 4);
  opamp_client_free(c);
  rt_free(&t);
}

/* The limit is raised after the loop has been at work, and most of it is taken
 * by others: a connection may get a high number. */
TEST(connects_with_a_high_descriptor) {
  struct rlimit was, low, high;
  int fds[1500];
  rt t;
  opamp_client *c;
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &was), 0);
  low = high = was;
  low.rlim_cur = 1024;
  high.rlim_cur = was.rlim_max < 4096 ? was.rlim_max : 4096;
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  t = rt_connected(true);
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &high), 0);
  for (int i = 0; i < 1500; i++) {
    fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(fds[i] >= 0);
  }
  CHECK_EQ(opamp_client_new(&c, t.l, t.o), OPAMP_OK);
  opamp_client_start(c);
  rt_delivered(t.l, c);
  CHECK_EQ(opamp_client_state(c), OPAMP_STATE_CONNECTED);
  for (int i = 0; i < 1500; i++) close(fds[i]);
  opamp_client_free(c);
  rt_free(&t);
  setrlimit(RLIMIT_NOFILE, &was);
}
