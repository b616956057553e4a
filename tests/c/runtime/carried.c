/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "far.h"
#include "rt.h"

/* A transport of the application's own, event by event. */

static int64_t number_of(opamp_event *e) {
  return opamp_event_number(e, OPAMP_NUM_CONNECTION);
}

/* Takes the event of that kind, and says which connection it is about. */
static int64_t asked(far *f, int kind) {
  opamp_event *e = rt_event(f->l, kind);
  int64_t number = number_of(e);
  CHECK(number > 0);
  opamp_event_free(e);
  return number;
}

static int64_t open_connection(far *f) {
  CHECK_EQ(opamp_client_start(f->c), OPAMP_OK);
  int64_t n = asked(f, OPAMP_EVENT_TRANSPORT_OPEN);
  CHECK_EQ(opamp_client_transport_opened(f->c, n), OPAMP_OK);
  CHECK_EQ(asked(f, OPAMP_EVENT_TRANSPORT_SEND), n);
  return n;
}

static opamp_bytes nothing_said(bool duplex) {
  return opamp_bytes_of("", duplex ? 1 : 0);
}

static void answered(far *f, int64_t n) {
  if (f->duplex) CHECK_EQ(opamp_client_transport_written(f->c, n), OPAMP_OK);
  CHECK_EQ(opamp_client_transport_received(f->c, n, nothing_said(f->duplex)),
           OPAMP_OK);
}

static void poll_some(opamp_loop *l) {
  for (int i = 0; i < 5; i++) CHECK(opamp_loop_poll(l, 0) >= 0);
}

/* --- as it should be ------------------------------------------------------ */

/* Covers: CONN-1, CONN-9 */
TEST(a_connection_from_open_to_close) {
  far f = far_new(true);
  rt_set_health(f.c, "fine");
  opamp_client_start(f.c);
  opamp_event *e = rt_event(f.l, OPAMP_EVENT_TRANSPORT_OPEN);
  int64_t n = number_of(e);
  CHECK_STR(opamp_event_text(e).ptr, "ws://bus/agents");
  opamp_event_free(e);
  CHECK_EQ(opamp_client_state(f.c), OPAMP_STATE_CONNECTING);
  opamp_client_transport_opened(f.c, n);
  rt_skip(f.l, OPAMP_EVENT_CONNECTED);
  e = rt_event(f.l, OPAMP_EVENT_TRANSPORT_SEND);
  opamp_bytes b = opamp_event_bytes(e);
  opamp_msg *m;
  CHECK_EQ(b.ptr[0], 0);
  CHECK_EQ(opamp_msg_parse(&m, OPAMP_MSG_AGENT_TO_SERVER,
                           opamp_bytes_of(b.ptr + 1, b.len - 1)),
           OPAMP_OK);
  CHECK_STR(rt_health_of(m), "fine");
  opamp_msg_free(m);
  opamp_event_free(e);
  answered(&f, n);
  rt_skip(f.l, OPAMP_EVENT_DELIVERED);
  opamp_client_stop(f.c);
  CHECK_EQ(asked(&f, OPAMP_EVENT_TRANSPORT_SEND), n);
  opamp_client_transport_written(f.c, n);
  e = rt_event(f.l, OPAMP_EVENT_TRANSPORT_CLOSE);
  CHECK_EQ(opamp_event_number(e, OPAMP_NUM_CLOSE_CODE), 1000);
  opamp_event_free(e);
  opamp_client_transport_closed(f.c, n, OPAMP_ERR_CLOSED, 1000, -1, NULL);
  e = rt_event(f.l, OPAMP_EVENT_STOPPED);
  CHECK_EQ(opamp_event_number(e, OPAMP_NUM_DISCONNECT_SENT), 1);
  opamp_event_free(e);
  far_free(&f);
}

/* Covers: STATE-3, HTTP-6 */
TEST(an_exchange_and_one_that_is_refused) {
  far f = far_new(false);
  opamp_client_start(f.c);
  opamp_event *e = rt_event(f.l, OPAMP_EVENT_TRANSPORT_SEND);
  int64_t first = number_of(e), second;
  CHECK_STR(opamp_event_text(e).ptr, "http://bus/agents");
  opamp_event_free(e);
  answered(&f, first);
  rt_skip(f.l, OPAMP_EVENT_CONNECTED);
  rt_skip(f.l, OPAMP_EVENT_DELIVERED);
  rt_set_health(f.c, "fine");
  second = asked(&f, OPAMP_EVENT_TRANSPORT_SEND);
  CHECK(second > first);
  opamp_client_transport_closed(f.c, second, OPAMP_ERR_HTTP, 503, 60000,
                                "too busy");
  e = rt_event(f.l, OPAMP_EVENT_DISCONNECTED);
  CHECK_EQ(opamp_event_number(e, OPAMP_NUM_HTTP_STATUS), 503);
  CHECK(opamp_event_number(e, OPAMP_NUM_RETRY_IN_MS) >= 60000);
  CHECK_STR(opamp_event_text(e).ptr, "too busy");
  opamp_event_free(e);
  CHECK(opamp_client_undelivered(f.c) != 0);
  far_free(&f);
}

TEST(one_message_is_under_way_at_a_time) {
  far f = far_new(true);
  int64_t n = open_connection(&f);
  rt_set_health(f.c, "fine");
  poll_some(f.l);
  for (opamp_event *e; (e = opamp_loop_next_event(f.l)) != NULL;) {
    CHECK(opamp_event_kind(e) != OPAMP_EVENT_TRANSPORT_SEND);
    opamp_event_free(e);
  }
  opamp_client_transport_written(f.c, n);
  CHECK_EQ(asked(&f, OPAMP_EVENT_TRANSPORT_SEND), n);
  far_free(&f);
}

/* Covers: CONN-15 */
TEST(the_close_code_of_the_server_is_told) {
  far f = far_new(true);
  int64_t n = open_connection(&f);
  opamp_client_transport_closed(f.c, n, OPAMP_ERR_CLOSED, 1008, -1, "policy");
  opamp_event *e = rt_event(f.l, OPAMP_EVENT_DISCONNECTED);
  CHECK_EQ(opamp_event_number(e, OPAMP_NUM_CLOSE_CODE), 1008);
  CHECK_EQ(opamp_event_status(e), OPAMP_ERR_CLOSED);
  opamp_event_free(e);
  far_free(&f);
}

/* --- deadlines ------------------------------------------------------------ */

static void impatient(opamp_options *o) {
  opamp_options_set_number(o, OPAMP_OPT_CONNECT_TIMEOUT, 20);
  opamp_options_set_number(o, OPAMP_OPT_REQUEST_TIMEOUT, 20);
  opamp_options_set_number(o, OPAMP_OPT_PING_INTERVAL, 20);
  opamp_options_set_number(o, OPAMP_OPT_PONG_TIMEOUT, 20);
  opamp_options_set_number(o, OPAMP_OPT_STOP_TIMEOUT, 20);
}

static void patient(opamp_options *o) {
  impatient(o);
  opamp_options_set_number(o, OPAMP_OPT_PING_INTERVAL, 0);
  opamp_options_set_number(o, OPAMP_OPT_RESPONSE_TIMEOUT, 20);
}

static void timed_out(far *f, int64_t n, int kind, const char *why) {
  opamp_event *e = rt_event(f->l, OPAMP_EVENT_TRANSPORT_CLOSE);
  CHECK_EQ(number_of(e), n);
  CHECK_EQ(opamp_event_number(e, OPAMP_NUM_CLOSE_CODE), 0);
  opamp_event_free(e);
  e = rt_event(f->l, kind);
  CHECK_EQ(opamp_event_status(e), OPAMP_ERR_TIMEOUT);
  CHECK(strstr(opamp_event_text(e).ptr, why) != NULL);
  opamp_event_free(e);
}

/* Covers: CONN-10 */
TEST(an_open_that_is_not_answered_ends) {
  far f = far_new_with(true, impatient);
  opamp_client_start(f.c);
  int64_t n = asked(&f, OPAMP_EVENT_TRANSPORT_OPEN);
  timed_out(&f, n, OPAMP_EVENT_CONNECT_FAILED, "connect timeout");
  CHECK_EQ(asked(&f, OPAMP_EVENT_TRANSPORT_OPEN), n + 1);
  far_free(&f);
}

/* Covers: CONN-10 */
TEST(a_request_that_is_not_answered_ends) {
  far f = far_new_with(false, impatient);
  opamp_client_start(f.c);
  int64_t n = asked(&f, OPAMP_EVENT_TRANSPORT_SEND);
  timed_out(&f, n, OPAMP_EVENT_CONNECT_FAILED, "request timeout");
  CHECK_EQ(asked(&f, OPAMP_EVENT_TRANSPORT_SEND), n + 1);
  far_free(&f);
}

/* Covers: CONN-10 */
TEST(a_ping_that_is_not_answered_ends_the_connection) {
  far f = far_new_with(true, impatient);
  int64_t n = open_connection(&f);
  answered(&f, n);
  CHECK_EQ(asked(&f, OPAMP_EVENT_TRANSPORT_PING), n);
  opamp_client_transport_alive(f.c, n);
  CHECK_EQ(asked(&f, OPAMP_EVENT_TRANSPORT_PING), n); /* it lives */
  timed_out(&f, n, OPAMP_EVENT_DISCONNECTED, "pong timeout");
  far_free(&f);
}

/* Covers: CONN-10 */
TEST(a_message_that_is_not_answered_ends_the_connection) {
  far f = far_new_with(true, patient);
  int64_t n = open_connection(&f);
  opamp_client_transport_written(f.c, n);
  timed_out(&f, n, OPAMP_EVENT_DISCONNECTED, "response timeout");
  far_free(&f);
}

/* Covers: CONN-9 */
TEST(a_stop_ends_though_nothing_is_answered) {
  far f = far_new_with(true, patient);
  int64_t n = open_connection(&f);
  opamp_client_stop(f.c);
  opamp_event *e = rt_event(f.l, OPAMP_EVENT_TRANSPORT_CLOSE);
  CHECK_EQ(number_of(e), n);
  CHECK_EQ(opamp_event_number(e, OPAMP_NUM_CLOSE_CODE), 0);
  opamp_event_free(e);
  rt_skip(f.l, OPAMP_EVENT_STOPPED);
  far_free(&f);
}

/* --- too late ------------------------------------------------------------- */

TEST(answers_of_an_earlier_connection_have_no_effect) {
  far f = far_new(true);
  int64_t old = open_connection(&f), n;
  opamp_client_transport_closed(f.c, old, OPAMP_ERR_TRANSPORT, 0, -1, NULL);
  n = asked(&f, OPAMP_EVENT_TRANSPORT_OPEN);
  CHECK(n > old);
  CHECK_EQ(opamp_client_transport_opened(f.c, old), OPAMP_OK);
  poll_some(f.l);
  CHECK_EQ(opamp_client_state(f.c), OPAMP_STATE_CONNECTING);
  opamp_client_transport_opened(f.c, n);
  CHECK_EQ(asked(&f, OPAMP_EVENT_TRANSPORT_SEND), n);
  uint64_t got = opamp_client_counter(f.c, OPAMP_COUNT_MESSAGES_RECEIVED);
  answered(&f, old);
  opamp_client_transport_closed(f.c, old, OPAMP_ERR_CLOSED, 1000, -1, NULL);
  opamp_client_transport_closed(f.c, n + 1, OPAMP_ERR_CLOSED, 0, -1, NULL);
  poll_some(f.l);
  CHECK_EQ(opamp_client_state(f.c), OPAMP_STATE_CONNECTED);
  CHECK_EQ(opamp_client_counter(f.c, OPAMP_COUNT_MESSAGES_RECEIVED), got);
  answered(&f, n);
  rt_skip(f.l, OPAMP_EVENT_DELIVERED);
  far_free(&f);
}

/* An exchange has one response. */
TEST(a_second_response_has_no_effect) {
  far f = far_new(false);
  opamp_client_start(f.c);
  int64_t n = asked(&f, OPAMP_EVENT_TRANSPORT_SEND);
  answered(&f, n);
  answered(&f, n);
  opamp_client_transport_closed(f.c, n, OPAMP_ERR_HTTP, 500, -1, NULL);
  rt_skip(f.l, OPAMP_EVENT_DELIVERED);
  poll_some(f.l);
  CHECK_EQ(opamp_client_state(f.c), OPAMP_STATE_CONNECTED);
  CHECK_EQ(opamp_client_counter(f.c, OPAMP_COUNT_MESSAGES_RECEIVED), 1);
  far_free(&f);
}

/* --- events that wait ----------------------------------------------------- */

static void fail_often(const far *f) {
  uint64_t end = rt_now_ms() + 10000;
  while (opamp_client_counter(f->c, OPAMP_COUNT_CONNECT_FAILURES) < 5) {
    CHECK(rt_now_ms() < end);
    CHECK(opamp_loop_poll(f->l, 2) >= 0);
  }
}

static void nobody_takes(bool duplex) {
  far f = far_new_with(duplex, impatient);
  int asks = 0;
  opamp_client_start(f.c);
  fail_often(&f);
  for (opamp_event *e; (e = opamp_loop_next_event(f.l)) != NULL;) {
    int kind = opamp_event_kind(e);
    CHECK(kind != OPAMP_EVENT_DROPPED && kind != OPAMP_EVENT_TRANSPORT_CLOSE);
    if (kind ==
        (duplex ? OPAMP_EVENT_TRANSPORT_OPEN : OPAMP_EVENT_TRANSPORT_SEND)) {
      CHECK(number_of(e) >= 5);
      asks++;
    }
    opamp_event_free(e);
  }
  CHECK(asks <= 1);
  far_free(&f);
}

TEST(what_nobody_took_is_withdrawn_on_a_connection) {
  nobody_takes(true);
}

TEST(what_nobody_took_is_withdrawn_over_exchanges) {
  nobody_takes(false);
}

/* The end of a connection that was taken is told, however late it is asked for.
 */
TEST(an_end_waits_while_later_connections_fail) {
  far f = far_new_with(true, impatient);
  int closes = 0, opens = 0;
  opamp_client_start(f.c);
  int64_t n = asked(&f, OPAMP_EVENT_TRANSPORT_OPEN);
  fail_often(&f);
  for (opamp_event *e; (e = opamp_loop_next_event(f.l)) != NULL;) {
    if (opamp_event_kind(e) == OPAMP_EVENT_TRANSPORT_CLOSE) {
      CHECK_EQ(number_of(e), n);
      CHECK_EQ(opens, 0);
      closes++;
    }
    opens += opamp_event_kind(e) == OPAMP_EVENT_TRANSPORT_OPEN;
    opamp_event_free(e);
  }
  CHECK_EQ(closes, 1);
  far_free(&f);
}

/* --- what is refused ------------------------------------------------------ */

TEST(answers_need_the_option_and_make_sense) {
  rt t = rt_new(true);
  CHECK_EQ(opamp_client_transport_opened(t.c, 1), OPAMP_ERR_STATE);
  CHECK_EQ(opamp_client_transport_received(t.c, 1, opamp_bytes_of("", 1)),
           OPAMP_ERR_STATE);
  rt_free(&t);
  far f = far_new(true);
  opamp_client *c = f.c;
  CHECK_EQ(opamp_client_transport_closed(c, 1, OPAMP_OK, 0, -1, NULL),
           OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_client_transport_closed(c, 1, -7777, 0, -1, NULL),
           OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_client_transport_closed(c, 1, OPAMP_ERR_HTTP, 42, -1, NULL),
           OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_client_transport_closed(c, 1, OPAMP_ERR_HTTP, 500, -1, "\xff"),
           OPAMP_ERR_UTF8);
  far_free(&f);
}

static void with_tls(opamp_options *o) {
  opamp_options_set_text(o, OPAMP_TEXT_URL, "wss://bus/agents");
  opamp_options_set_text(o, OPAMP_TEXT_TLS_CA_FILE, "/nowhere/ca.pem");
}

/* It is the application's TLS. */
TEST(files_of_tls_are_not_read) {
  far f = far_new_with(true, with_tls);
  (void)open_connection(&f);
  far_free(&f);
}

/* --- hold, callbacks, threads, memory ------------------------------------- */

static bool health_is_known(const far *f) {
  return f->view[OPAMP_AGENT_TO_SERVER_HEALTH] != NULL &&
         opamp_client_undelivered(f->c) == 0;
}

/* Covers: STATE-12 */
TEST(a_hold_does_not_hold_the_transport) {
  far f = far_new(true);
  opamp_client_start(f.c);
  int64_t n = asked(&f, OPAMP_EVENT_TRANSPORT_OPEN);
  f.opened = n;
  opamp_client_hold(f.c);
  rt_set_health(f.c, "held");
  opamp_client_transport_opened(f.c, n);
  opamp_event *e = rt_event(f.l, OPAMP_EVENT_TRANSPORT_SEND);
  far_answer(&f, e);
  opamp_event_free(e);
  CHECK(f.view[OPAMP_AGENT_TO_SERVER_HEALTH] == NULL);
  opamp_client_release(f.c);
  far_until(&f, health_is_known);
  far_free(&f);
}

static void answer_inside(opamp_event *e, void *user_data) {
  far_answer(user_data, e);
}

TEST(answers_may_be_given_in_a_callback) {
  for (int duplex = 0; duplex < 2; duplex++) {
    far f = far_new(duplex != 0);
    opamp_callbacks cb = {.struct_size = sizeof cb, .on_other = answer_inside};
    CHECK_EQ(opamp_client_set_callbacks(f.c, &cb, &f), OPAMP_OK);
    rt_set_health(f.c, "fine");
    opamp_client_start(f.c);
    far_until(&f, health_is_known);
    far_free(&f);
  }
}

typedef struct shared {
  far f;
  atomic_bool quit;
} shared;

static void *serve(void *ctx) {
  shared *s = ctx;
  while (!atomic_load(&s->quit)) {
    opamp_event *e = rt_wait_event(s->f.l, 100);
    if (e == NULL) continue;
    far_answer(&s->f, e);
    opamp_event_free(e);
  }
  return NULL;
}

/* Setters in this thread, the transport in another, the loop in its own.
 * Between them it breaks. */
static void threads(bool duplex) {
  shared s = {.f = far_new(duplex)};
  pthread_t thread;
  uint64_t end = rt_now_ms() + 10000;
  s.f.random = 77;
  s.f.percent = 20;
  CHECK_EQ(opamp_loop_start_thread(s.f.l), OPAMP_OK);
  CHECK_EQ(pthread_create(&thread, NULL, serve, &s), 0);
  opamp_client_start(s.f.c);
  for (int i = 0; i < 200; i++) rt_set_health(s.f.c, i % 2 ? "odd" : "even");
  rt_set_health(s.f.c, "last");
  while (opamp_client_undelivered(s.f.c) != 0) {
    CHECK(rt_now_ms() < end);
    sched_yield();
  }
  atomic_store(&s.quit, true);
  opamp_loop_wake(s.f.l);
  pthread_join(thread, NULL);
  CHECK_EQ(opamp_loop_stop_thread(s.f.l), OPAMP_OK);
  CHECK_STR(opamp_msg_str(s.f.view[OPAMP_AGENT_TO_SERVER_HEALTH],
                          OPAMP_COMPONENT_HEALTH_STATUS, 0)
                .ptr,
            "last");
  far_free(&s.f);
}

/* Covers: STATE-3 */
TEST(another_thread_carries_a_connection) {
  threads(true);
}

/* Covers: STATE-3 */
TEST(another_thread_carries_exchanges) {
  threads(false);
}

static void quick(opamp_options *o) {
  impatient(o);
  opamp_options_set_number(o, OPAMP_OPT_RESPONSE_TIMEOUT, 20);
}

static void survives(bool duplex) {
  for (size_t n = 1; n <= 40; n++) {
    far f = far_new_with(duplex, quick);
    opamp_client_start(f.c);
    rt_set_health(f.c, "kept");
    opamp__mem_fail_after(n);
    for (int i = 0; i < 4; i++) opamp_loop_poll(f.l, 1);
    opamp__mem_fail_after(0);
    far_until(&f, health_is_known);
    far_free(&f);
  }
}

/* Covers: STATE-3 */
TEST(a_lack_of_memory_ends_no_more_than_a_connection) {
  survives(true);
  survives(false);
}
