/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "rt.h"
#include "runtime/runtime.h"

/* --- poll ----------------------------------------------------------------- */

TEST(poll_zero_never_waits) {
  rt t = rt_new(true);
  uint64_t begun = rt_now_ms();
  stub_down(t.s);
  opamp_client_start(t.c);
  for (int i = 0; i < 200; i++) CHECK(opamp_loop_poll(t.l, 0) >= 0);
  CHECK(rt_now_ms() - begun < 10000);
  rt_free(&t);
}

TEST(poll_waits_as_long_as_told) {
  rt t = rt_new(true);
  uint64_t begun = rt_now_ms();
  CHECK_EQ(opamp_loop_poll(t.l, 50), 0);
  CHECK(rt_now_ms() - begun >= 49);
  rt_free(&t);
}

TEST(poll_returns_at_once_while_events_wait) {
  rt t = rt_new(true);
  uint64_t begun = rt_now_ms();
  opamp_client_start(t.c);
  while (opamp_loop_poll(t.l, 5000) == 0) continue;
  for (int i = 0; i < 10; i++) CHECK(opamp_loop_poll(t.l, 5000) > 0);
  CHECK(rt_now_ms() - begun < 4000);
  rt_free(&t);
}

/* --- a foreign loop ------------------------------------------------------- */

typedef struct foreign {
  opamp_loop *l;
  int ep;
  int rounds;
} foreign;

static foreign foreign_new(opamp_loop *l) {
  foreign f = {l, epoll_create1(EPOLL_CLOEXEC), 0};
  struct epoll_event ev = {.events = EPOLLIN};
  CHECK_EQ(epoll_ctl(f.ep, EPOLL_CTL_ADD, opamp_loop_fd(l), &ev), 0);
  CHECK(opamp_loop_poll(l, 0) >= 0);
  return f;
}

/* One turn as any event loop would do it; `most_ms` keeps a test finite. */
static bool foreign_turn(foreign *f, int most_ms) {
  struct epoll_event ev;
  int ms = opamp_loop_timeout_ms(f->l);
  if (ms < 0 || ms > most_ms) ms = most_ms;
  int ready = epoll_wait(f->ep, &ev, 1, ms);
  f->rounds++;
  CHECK(opamp_loop_poll(f->l, 0) >= 0);
  return ready > 0;
}

static void foreign_until(foreign *f, int kind) {
  uint64_t end = rt_now_ms() + 10000;
  while (rt_now_ms() < end) {
    opamp_event *e;
    foreign_turn(f, 1000);
    while ((e = opamp_loop_next_event(f->l)) != NULL) {
      int got = opamp_event_kind(e);
      opamp_event_free(e);
      if (got == kind) return;
    }
  }
  harness_fail(__FILE__, __LINE__, "no event %s", opamp_event_kind_name(kind));
}

static void foreign_exchange(bool websocket) {
  rt t = rt_new(websocket);
  foreign f = foreign_new(t.l);
  opamp_client_start(t.c);
  foreign_until(&f, OPAMP_EVENT_CONNECTED);
  foreign_until(&f, OPAMP_EVENT_DELIVERED);
  rt_set_health(t.c, "x");
  foreign_until(&f, OPAMP_EVENT_DELIVERED);
  opamp_client_stop(t.c);
  foreign_until(&f, OPAMP_EVENT_STOPPED);
  close(f.ep);
  rt_free(&t);
}

TEST(foreign_loop_websocket) {
  foreign_exchange(true);
}

TEST(foreign_loop_http) {
  foreign_exchange(false);
}

static void *set_later(void *arg) {
  rt_set_health(arg, "from another thread");
  return NULL;
}

TEST(a_command_makes_the_descriptor_readable) {
  rt t = rt_connected(true);
  foreign f = foreign_new(t.l);
  pthread_t other;
  struct epoll_event ev;
  while (opamp_loop_timeout_ms(t.l) == 0) {
    opamp_event_free(opamp_loop_next_event(t.l));
    opamp_loop_poll(t.l, 0);
  }
  CHECK_EQ(epoll_wait(f.ep, &ev, 1, 0), 0);
  pthread_create(&other, NULL, set_later, t.c);
  CHECK_EQ(epoll_wait(f.ep, &ev, 1, 5000), 1);
  pthread_join(other, NULL);
  foreign_until(&f, OPAMP_EVENT_DELIVERED);
  close(f.ep);
  rt_free(&t);
}

/* A client that waits for its next attempt leaves its loop alone. */
/* Covers: CONN-3 */
TEST(waiting_to_retry_is_not_busy) {
  rt t = rt_new(true);
  opamp_client *c;
  foreign f;
  uint64_t end;
  stub_down(t.s);
  opamp_options_set_number(t.o, OPAMP_OPT_BACKOFF_MAX, 3600000);
  opamp_options_set_number(t.o, OPAMP_OPT_BACKOFF_MIN, 3600000);
  opamp_client_new(&c, t.l, t.o);
  opamp_client_start(c);
  f = foreign_new(t.l);
  foreign_until(&f, OPAMP_EVENT_CONNECT_FAILED);
  CHECK_EQ(opamp_client_state(c), OPAMP_STATE_WAITING);
  CHECK(opamp_client_next_retry_ms(c) > 60000);
  f.rounds = 0;
  for (end = rt_now_ms() + 300; rt_now_ms() < end;) foreign_turn(&f, 100);
  CHECK(f.rounds <= 10);
  close(f.ep);
  opamp_client_free(c);
  rt_free(&t);
}

/* --- the library's thread ------------------------------------------------- */

static opamp_event *wait_for(opamp_loop *l, int kind) {
  for (;;) {
    opamp_event *e = rt_wait_event(l, 10000);
    CHECK(e != NULL);
    if (opamp_event_kind(e) == kind) return e;
    opamp_event_free(e);
  }
}

static void threaded_exchange(bool websocket) {
  rt t = rt_new(websocket);
  opamp_event *e;
  CHECK_EQ(opamp_loop_start_thread(t.l), OPAMP_OK);
  CHECK_EQ(opamp_loop_start_thread(t.l), OPAMP_ERR_STATE);
  CHECK_EQ(opamp_loop_poll(t.l, 0), OPAMP_ERR_BUSY);
  opamp_client_start(t.c);
  opamp_event_free(wait_for(t.l, OPAMP_EVENT_CONNECTED));
  opamp_event_free(wait_for(t.l, OPAMP_EVENT_DELIVERED));
  stub_push(t.s, rt_offer("h1", "body"));
  if (!websocket) rt_set_health(t.c, "poll");
  e = wait_for(t.l, OPAMP_EVENT_REMOTE_CONFIG);
  CHECK_EQ(opamp_event_accept(e), OPAMP_OK);
  opamp_event_free(e);
  e = wait_for(t.l, OPAMP_EVENT_REMOTE_CONFIG_STATUS);
  CHECK_EQ(opamp_event_number(e, OPAMP_NUM_STATE),
           OPAMP_REMOTE_CONFIG_STATUSES_APPLIED);
  opamp_event_free(e);
  opamp_client_stop(t.c);
  opamp_event_free(wait_for(t.l, OPAMP_EVENT_STOPPED));
  CHECK_EQ(opamp_loop_stop_thread(t.l), OPAMP_OK);
  CHECK_EQ(opamp_loop_stop_thread(t.l), OPAMP_OK);
  CHECK(opamp_loop_poll(t.l, 0) >= 0);
  CHECK_EQ(opamp_loop_start_thread(t.l), OPAMP_OK);
  rt_free(&t);
}

TEST(own_thread_websocket) {
  threaded_exchange(true);
}

TEST(own_thread_http) {
  threaded_exchange(false);
}

static bool readable(int fd, int timeout_ms) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  return poll(&p, 1, timeout_ms) == 1;
}

TEST(event_fd_is_readable_while_events_wait) {
  rt t = rt_new(true);
  opamp_event *e;
  int fd = opamp_loop_event_fd(t.l);
  CHECK(fd >= 0);
  CHECK_EQ(opamp_loop_event_fd(t.l), fd);
  CHECK(!readable(fd, 0));
  CHECK_EQ(opamp_loop_start_thread(t.l), OPAMP_OK);
  opamp_client_start(t.c);
  CHECK(readable(fd, 10000));
  CHECK(readable(fd, 0)); /* as long as they wait */
  opamp_client_stop_silent(t.c);
  opamp_event_free(wait_for(t.l, OPAMP_EVENT_STOPPED));
  opamp_loop_stop_thread(t.l);
  while ((e = opamp_loop_next_event(t.l)) != NULL) opamp_event_free(e);
  CHECK(!readable(fd, 0));
  rt_free(&t);
}

TEST(wait_event_without_a_thread_does_not_wait) {
  rt t = rt_new(true);
  opamp_event *e = (opamp_event *)&t;
  CHECK_EQ(opamp_loop_wait_event(t.l, -1, &e), OPAMP_ERR_STATE);
  CHECK(e == NULL);
  rt_free(&t);
}

TEST(wait_event_gives_up_in_time) {
  rt t = rt_new(true);
  uint64_t begun = rt_now_ms();
  opamp_event *e;
  opamp_loop_start_thread(t.l);
  CHECK_EQ(opamp_loop_wait_event(t.l, 30, &e), OPAMP_ERR_TIMEOUT);
  CHECK(e == NULL);
  CHECK(rt_now_ms() - begun >= 29);
  rt_free(&t);
}

/* --- two drivers, waking -------------------------------------------------- */

static void *poll_for_long(void *arg) {
  opamp_loop *l = arg;
  return (void *)(intptr_t)opamp_loop_poll(l, 10000);
}

/* Looks inside: polling here would get in the other thread's way. */
static void wait_until_driven(opamp_loop *l) {
  for (bool driven = false; !driven; sched_yield()) {
    opamp__lock(l);
    driven = l->driven;
    opamp__unlock(l);
  }
}

TEST(a_second_driver_is_refused_and_wake_ends_a_poll) {
  rt t = rt_new(true);
  uint64_t begun = rt_now_ms();
  pthread_t other;
  void *got;
  pthread_create(&other, NULL, poll_for_long, t.l);
  wait_until_driven(t.l);
  CHECK_EQ(opamp_loop_poll(t.l, 0), OPAMP_ERR_BUSY);
  CHECK_EQ(opamp_loop_start_thread(t.l), OPAMP_ERR_BUSY);
  opamp_loop_wake(t.l);
  pthread_join(other, &got);
  CHECK_EQ((intptr_t)got, 0);
  CHECK(rt_now_ms() - begun < 9000);
  rt_free(&t);
}

static opamp_loop *signalled;

static void on_signal(int sig) {
  (void)sig;
  opamp_loop_wake(signalled);
}

TEST(wake_in_a_signal_handler_ends_a_wait) {
  rt t = rt_new(true);
  struct sigaction act = {.sa_handler = on_signal}, before;
  uint64_t begun = rt_now_ms();
  opamp_event *e;
  signalled = t.l;
  sigaction(SIGUSR1, &act, &before);
  opamp_loop_start_thread(t.l);
  raise(SIGUSR1);
  CHECK_EQ(opamp_loop_wait_event(t.l, 10000, &e), OPAMP_OK);
  CHECK(e == NULL);
  CHECK(rt_now_ms() - begun < 9000);
  sigaction(SIGUSR1, &before, NULL);
  rt_free(&t);
}

/* A loop that another thread polls is freed by that thread. */
TEST(free_while_another_thread_polls) {
  rt t = rt_new(true);
  pthread_t other;
  void *got;
  pthread_create(&other, NULL, poll_for_long, t.l);
  wait_until_driven(t.l);
  opamp_loop_free(t.l);
  pthread_join(other, &got);
  opamp_options_free(t.o);
  stub_free(t.s);
}
