/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "rt.h"
#include "runtime/runtime.h"

static size_t fields_in(const opamp_msg *m) {
  size_t n = 0;
  for (int f = 5; f <= 15; f++) n += opamp_msg_count(m, f) != 0;
  return n + (opamp_msg_count(m, 3) != 0);
}

static void poll_some(opamp_loop *l) {
  for (int i = 0; i < 5; i++) CHECK(opamp_loop_poll(l, 0) >= 0);
}

/* --- one message ---------------------------------------------------------- */

static void held_goes_out_once(bool websocket) {
  rt t = rt_connected(websocket);
  size_t before = stub_messages(t.s);
  opamp_msg *m;
  CHECK_EQ(opamp_client_release(t.c), OPAMP_ERR_STATE);
  CHECK_EQ(opamp_client_hold(t.c), OPAMP_OK);
  CHECK_EQ(opamp_client_hold(t.c), OPAMP_OK);
  rt_set_health(t.c, "one");
  poll_some(t.l);
  rt_declare(t.c, "org.example");
  poll_some(t.l);
  CHECK_EQ(opamp_client_release(t.c), OPAMP_OK);
  rt_set_description(t.c, "one");
  poll_some(t.l);
  CHECK_EQ(stub_messages(t.s), before);
  CHECK(opamp_client_undelivered(t.c) != 0);
  CHECK_EQ(opamp_client_release(t.c), OPAMP_OK);
  rt_delivered(t.l, t.c);
  rt_messages(&t, before + 1);
  CHECK_EQ(stub_messages(t.s), before + 1);
  m = stub_message(t.s, before);
  CHECK_EQ(fields_in(m), 3);
  opamp_msg_free(m);
  rt_free(&t);
}

/* Covers: STATE-12 */
TEST(held_state_is_one_message_websocket) {
  held_goes_out_once(true);
}

/* Covers: STATE-12 */
TEST(held_state_is_one_message_http) {
  held_goes_out_once(false);
}

/* Covers: STATE-12 */
TEST(set_before_start_is_one_message) {
  rt t = rt_new(true);
  opamp_msg *m;
  rt_set_health(t.c, "one");
  rt_set_description(t.c, "one");
  poll_some(t.l);
  rt_set_health(t.c, "two");
  opamp_client_start(t.c);
  rt_delivered(t.l, t.c);
  CHECK_EQ(stub_messages(t.s), 1);
  m = stub_message(t.s, 0);
  CHECK_EQ(fields_in(m), 2);
  CHECK_STR(rt_health_of(m), "two");
  opamp_msg_free(m);
  rt_free(&t);
}

/* Until the loop's thread has looked at what was set. */
static void until_seen(opamp_client *c) {
  for (bool dirty = true; dirty; sched_yield()) {
    opamp__lock(c->loop);
    dirty = c->dirty;
    opamp__unlock(c->loop);
  }
}

static void set_three(opamp_event *e, void *user_data) {
  opamp_client *c = opamp_event_client(e);
  (void)user_data;
  rt_set_health(c, "three");
  until_seen(c);
  rt_set_description(c, "three");
  rt_declare(c, "org.example.three");
}

/* The callbacks run in this thread while the loop's own is at work. */
/* Covers: STATE-12 */
TEST(set_in_a_callback_is_one_message) {
  rt t = rt_new(true);
  opamp_callbacks cb = {.struct_size = sizeof cb, .on_delivered = set_three};
  opamp_msg *m;
  CHECK_EQ(opamp_client_set_callbacks(t.c, &cb, NULL), OPAMP_OK);
  CHECK_EQ(opamp_loop_start_thread(t.l), OPAMP_OK);
  opamp_client_start(t.c);
  CHECK_EQ(opamp_client_set_callbacks(t.c, NULL, NULL), OPAMP_ERR_STATE);
  for (uint64_t end = rt_now_ms() + 10000; stub_messages(t.s) < 2;) {
    CHECK(rt_now_ms() < end);
    (void)rt_wait_event(t.l, 20);
    opamp_loop_dispatch(t.l);
  }
  m = stub_message(t.s, 1);
  CHECK_EQ(fields_in(m), 3);
  opamp_msg_free(m);
  rt_free(&t);
}

/* Covers: STATE-12, CONN-9 */
TEST(stop_ends_a_hold) {
  rt t = rt_connected(true);
  opamp_msg *m;
  opamp_client_hold(t.c);
  rt_set_health(t.c, "last words");
  opamp_client_stop(t.c);
  rt_skip(t.l, OPAMP_EVENT_STOPPED);
  m = stub_message(t.s, stub_messages(t.s) - 1);
  CHECK_STR(rt_health_of(m), "last words");
  CHECK_EQ(opamp_msg_count(m, OPAMP_AGENT_TO_SERVER_AGENT_DISCONNECT), 1);
  opamp_msg_free(m);
  CHECK_EQ(opamp_client_release(t.c), OPAMP_OK);
  rt_free(&t);
}

/* Covers: STATE-6 */
TEST(components_get_a_hash) {
  rt t = rt_connected(true);
  opamp_msg *m, *sub, *seen;
  size_t before = stub_messages(t.s);
  opamp_msg_new(&m, OPAMP_MSG_AVAILABLE_COMPONENTS);
  opamp_msg_put(&sub, m, OPAMP_AVAILABLE_COMPONENTS_COMPONENTS,
                (opamp_str){"receiver", 8});
  CHECK_EQ(opamp_client_set_available_components(t.c, m), OPAMP_OK);
  rt_messages(&t, before + 1);
  seen = stub_message(t.s, before);
  opamp_bytes hash = opamp_msg_bytes(
      opamp_msg_sub(seen, OPAMP_AGENT_TO_SERVER_AVAILABLE_COMPONENTS, 0),
      OPAMP_AVAILABLE_COMPONENTS_HASH, 0);
  CHECK_EQ(hash.len, 32);
  opamp_msg_free(seen);
  opamp_msg_free(m);
  rt_free(&t);
}

TEST(setters_check_their_message) {
  rt t = rt_new(true);
  opamp_msg *health = rt_health("x");
  opamp_bytes hash = {(const uint8_t *)"h", 1};
  CHECK_EQ(opamp_client_set_description(t.c, health), OPAMP_ERR_TYPE);
  CHECK_EQ(opamp_client_set_effective_config(t.c, health), OPAMP_ERR_TYPE);
  CHECK_EQ(opamp_client_set_package_statuses(t.c, health), OPAMP_ERR_TYPE);
  CHECK_EQ(opamp_client_set_available_components(t.c, health), OPAMP_ERR_TYPE);
  CHECK_EQ(opamp_client_set_custom_capabilities(t.c, health), OPAMP_ERR_TYPE);
  CHECK_EQ(opamp_client_set_health(t.c, NULL), OPAMP_OK);
  CHECK_EQ(opamp_client_set_remote_config_status(t.c, hash, 9, NULL),
           OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_client_set_remote_config_status(t.c, hash, 0, NULL),
           OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_client_set_remote_config_status(t.c, hash, 3, "\xff"),
           OPAMP_ERR_UTF8);
  CHECK_EQ(opamp_client_set_heartbeat(t.c, 0), OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_client_forget_offer(t.c, OPAMP_EVENT_LOG), OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_client_forget_offer(t.c, OPAMP_EVENT_PACKAGES), OPAMP_OK);
  opamp_msg_free(health);
  rt_free(&t);
}

/* --- custom messages ------------------------------------------------------ */

/* Covers: STATE-14, SEC-1 */
TEST(custom_messages_are_bounded_and_in_order) {
  rt t = rt_new(true);
  opamp_bytes none = {NULL, 0};
  char type[16];
  CHECK_EQ(opamp_client_send_custom(t.c, "cap", "t", none), OPAMP_ERR_INVALID);
  rt_declare(t.c, "cap");
  CHECK_EQ(opamp_client_send_custom(t.c, "other", "t", none),
           OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_client_send_custom(t.c, "cap", "\xff", none), OPAMP_ERR_UTF8);
  for (int i = 0; i < 64; i++) {
    snprintf(type, sizeof type, "%d", i);
    CHECK_EQ(opamp_client_send_custom(t.c, "cap", type, none), OPAMP_OK);
    if (i == 30) opamp_loop_poll(t.l, 0); /* half of them are in the core */
  }
  CHECK_EQ(opamp_client_send_custom(t.c, "cap", "t", none), OPAMP_ERR_FULL);
  opamp_client_start(t.c);
  rt_messages(&t, 64);
  rt_delivered(t.l, t.c);
  int next = 0;
  for (size_t i = 0; i < stub_messages(t.s); i++) {
    opamp_msg *m = stub_message(t.s, i);
    const opamp_msg *custom =
        opamp_msg_sub(m, OPAMP_AGENT_TO_SERVER_CUSTOM_MESSAGE, 0);
    if (opamp_msg_count(m, OPAMP_AGENT_TO_SERVER_CUSTOM_MESSAGE) > 0) {
      snprintf(type, sizeof type, "%d", next++);
      CHECK_STR(opamp_msg_str(custom, OPAMP_CUSTOM_MESSAGE_TYPE, 0).ptr, type);
    }
    opamp_msg_free(m);
  }
  CHECK_EQ(next, 64);
  CHECK_EQ(opamp_client_send_custom(t.c, "cap", "t", none), OPAMP_OK);
  rt_free(&t);
}

static bool has_received(void *ctx) {
  return opamp_client_counter(ctx, OPAMP_COUNT_MESSAGES_RECEIVED) >= 81;
}

static bool has_declared(void *ctx) {
  opamp_msg *m = NULL;
  bool yes = opamp_client_server_custom_capabilities(ctx, &m) == OPAMP_OK;
  opamp_msg_free(m);
  return yes;
}

/* Covers: STATE-14 */
TEST(what_the_server_declares_is_a_getter) {
  rt t = rt_connected(true);
  opamp_msg *m = NULL, *declared;
  CHECK_EQ(opamp_client_server_custom_capabilities(t.c, &m),
           OPAMP_ERR_NOTFOUND);
  CHECK(m == NULL);
  CHECK_EQ(opamp_msg_new(&m, OPAMP_MSG_SERVER_TO_AGENT), OPAMP_OK);
  opamp_msg_add(&declared, m, OPAMP_SERVER_TO_AGENT_CUSTOM_CAPABILITIES);
  opamp_msg_set_str(declared, OPAMP_CUSTOM_CAPABILITIES_CAPABILITIES,
                    OPAMP_STR("org.example"));
  stub_push(t.s, m);
  rt_until(t.l, has_declared, t.c);
  CHECK_EQ(opamp_client_server_custom_capabilities(t.c, &m), OPAMP_OK);
  CHECK_STR(opamp_msg_str(m, OPAMP_CUSTOM_CAPABILITIES_CAPABILITIES, 0).ptr,
            "org.example");
  opamp_msg_free(m);
  rt_free(&t);
}

/* Covers: SEC-1 */
TEST(received_custom_messages_are_bounded) {
  rt t = rt_new(true);
  opamp_event *e;
  size_t custom = 0;
  int64_t dropped = 0;
  rt_declare(t.c, "cap");
  opamp_client_start(t.c);
  rt_delivered(t.l, t.c);
  for (int i = 0; i < 80; i++) stub_push(t.s, rt_custom("cap", "t"));
  for (uint64_t end = rt_now_ms() + 10000; !has_received(t.c);) {
    CHECK(rt_now_ms() < end);
    CHECK(opamp_loop_poll(t.l, 10) >= 0);
  }
  while ((e = opamp_loop_next_event(t.l)) != NULL) {
    if (opamp_event_kind(e) == OPAMP_EVENT_CUSTOM_MESSAGE) custom++;
    if (opamp_event_kind(e) == OPAMP_EVENT_DROPPED) {
      CHECK_EQ(dropped, 0); /* one event tells of them all */
      dropped = opamp_event_number(e, OPAMP_NUM_COUNT);
      CHECK_STR(opamp_event_text(e).ptr, "16 custom messages");
    }
    opamp_event_free(e);
  }
  CHECK_EQ(custom, 64);
  CHECK_EQ(dropped, 16);
  CHECK_EQ(opamp_client_counter(t.c, OPAMP_COUNT_DROPPED_EVENTS), 16);
  rt_free(&t);
}

/* A command nobody knows makes the core log a warning. */
static void push_unknown_commands(stub *s, int n) {
  for (int i = 0; i < n; i++) {
    opamp_msg *m, *command;
    CHECK_EQ(opamp_msg_new(&m, OPAMP_MSG_SERVER_TO_AGENT), OPAMP_OK);
    opamp_msg_add(&command, m, OPAMP_SERVER_TO_AGENT_COMMAND);
    opamp_msg_set_u64(command, OPAMP_SERVER_TO_AGENT_COMMAND_TYPE, 99);
    stub_push(s, m);
  }
}

static void count_logs(rt *t, opamp_client *c, uint64_t received, size_t logs,
                       int64_t dropped) {
  opamp_event *e;
  for (uint64_t end = rt_now_ms() + 10000;
       opamp_client_counter(c, OPAMP_COUNT_MESSAGES_RECEIVED) < received;) {
    CHECK(rt_now_ms() < end);
    CHECK(opamp_loop_poll(t->l, 10) >= 0);
  }
  while ((e = opamp_loop_next_event(t->l)) != NULL) {
    if (opamp_event_kind(e) == OPAMP_EVENT_LOG) {
      CHECK_EQ(opamp_event_number(e, OPAMP_NUM_LEVEL), OPAMP_LOG_WARN);
      CHECK(logs-- > 0);
    }
    if (opamp_event_kind(e) == OPAMP_EVENT_DROPPED)
      dropped -= opamp_event_number(e, OPAMP_NUM_COUNT);
    opamp_event_free(e);
  }
  CHECK_EQ(logs, 0);
  CHECK_EQ(dropped, 0);
}

/* Covers: SEC-1 */
TEST(log_records_are_bounded) {
  rt t = rt_connected(true);
  push_unknown_commands(t.s, 300);
  count_logs(&t, t.c, 301, 256, 44);
  rt_free(&t);
}

TEST(log_records_stop_at_the_level) {
  rt t = rt_new(true);
  opamp_client *c;
  opamp_options_set_number(t.o, OPAMP_OPT_LOG_LEVEL, OPAMP_LOG_ERROR);
  CHECK_EQ(opamp_client_new(&c, t.l, t.o), OPAMP_OK);
  opamp_client_start(c);
  rt_delivered(t.l, c);
  push_unknown_commands(t.s, 10);
  count_logs(&t, c, 11, 0, 0);
  opamp_client_free(c);
  rt_free(&t);
}

/* Covers: SEC-1 */
TEST(state_like_events_wait_at_most_once) {
  rt t = rt_connected(true);
  opamp_event *e;
  int offers = 0;
  for (int i = 0; i < 20; i++) {
    char hash[16];
    snprintf(hash, sizeof hash, "h%d", i);
    stub_push(t.s, rt_offer(hash, "x"));
  }
  for (uint64_t end = rt_now_ms() + 10000;
       opamp_client_counter(t.c, OPAMP_COUNT_OFFERS) < 20;) {
    CHECK(rt_now_ms() < end);
    CHECK(opamp_loop_poll(t.l, 10) >= 0);
  }
  while ((e = opamp_loop_next_event(t.l)) != NULL) {
    if (opamp_event_kind(e) == OPAMP_EVENT_REMOTE_CONFIG) {
      offers++;
      CHECK_MEM(opamp_event_bytes(e).ptr, opamp_event_bytes(e).len, "h19", 3);
    }
    opamp_event_free(e);
  }
  CHECK_EQ(offers, 1);
  rt_free(&t);
}

/* --- questions ------------------------------------------------------------ */

typedef struct reported {
  stub *s;
  uint64_t status;
} reported;

static bool has_status(void *ctx) {
  const reported *r = ctx;
  size_t len;
  uint8_t *view =
      stub_view(r->s, OPAMP_AGENT_TO_SERVER_REMOTE_CONFIG_STATUS, &len);
  opamp_msg *m = NULL;
  bool ok = view != NULL &&
            opamp_msg_parse(&m, OPAMP_MSG_REMOTE_CONFIG_STATUS,
                            (opamp_bytes){view, len}) == OPAMP_OK &&
            opamp_msg_u64(m, OPAMP_REMOTE_CONFIG_STATUS_STATUS, 0) == r->status;
  opamp_msg_free(m);
  free(view);
  return ok;
}

static void until_status(rt *t, uint64_t status) {
  reported r = {t->s, status};
  rt_until(t->l, has_status, &r);
}

static opamp_event *question(rt *t, const char *hash) {
  stub_push(t->s, rt_offer(hash, "x"));
  return rt_event(t->l, OPAMP_EVENT_REMOTE_CONFIG);
}

static void *accept_there(void *arg) {
  return (void *)(intptr_t)opamp_event_accept(arg);
}

/* Covers: OFFER-4 */
TEST(a_question_is_answered_late_from_another_thread) {
  rt t = rt_connected(true);
  opamp_event *e = question(&t, "h1");
  pthread_t other;
  void *got;
  poll_some(t.l);
  pthread_create(&other, NULL, accept_there, e);
  pthread_join(other, &got);
  CHECK_EQ((intptr_t)got, OPAMP_OK);
  CHECK_EQ(opamp_event_accept(e), OPAMP_ERR_STATE);
  CHECK_EQ(opamp_event_reject(e, "no"), OPAMP_ERR_STATE);
  opamp_event_free(e);
  until_status(&t, OPAMP_REMOTE_CONFIG_STATUSES_APPLIED);
  uint8_t hash[8];
  size_t len = sizeof hash;
  CHECK_EQ(opamp_client_remote_config_hash(t.c, hash, &len), OPAMP_OK);
  CHECK_MEM(hash, len, "h1", 2);
  rt_free(&t);
}

/* Covers: OFFER-4 */
TEST(a_question_freed_is_deferred_and_answered_by_status) {
  rt t = rt_connected(true);
  opamp_event_free(question(&t, "h1"));
  until_status(&t, OPAMP_REMOTE_CONFIG_STATUSES_APPLYING);
  CHECK_EQ(opamp_client_set_remote_config_status(
               t.c, (opamp_bytes){(const uint8_t *)"h1", 2},
               OPAMP_REMOTE_CONFIG_STATUSES_APPLIED, NULL),
           OPAMP_OK);
  until_status(&t, OPAMP_REMOTE_CONFIG_STATUSES_APPLIED);
  rt_free(&t);
}

/* Covers: OFFER-4 */
TEST(a_question_rejected_fails_with_its_text) {
  rt t = rt_connected(true);
  opamp_event *e = question(&t, "h1");
  CHECK_EQ(opamp_event_reject(e, "\xc0"), OPAMP_ERR_UTF8);
  CHECK_EQ(opamp_event_reject(e, "bad pipeline"), OPAMP_OK);
  opamp_event_free(e);
  e = rt_event(t.l, OPAMP_EVENT_REMOTE_CONFIG_STATUS);
  CHECK_EQ(opamp_event_number(e, OPAMP_NUM_STATE),
           OPAMP_REMOTE_CONFIG_STATUSES_FAILED);
  CHECK_STR(opamp_event_text(e).ptr, "bad pipeline");
  CHECK_EQ(opamp_event_accept(e), OPAMP_ERR_TYPE);
  opamp_event_free(e);
  until_status(&t, OPAMP_REMOTE_CONFIG_STATUSES_FAILED);
  rt_free(&t);
}

TEST(a_question_outlives_its_client_and_loop) {
  rt t = rt_connected(true);
  opamp_event *a = question(&t, "h1");
  opamp_client_free(t.c);
  CHECK(opamp_event_client(a) == NULL);
  CHECK(opamp_event_user_data(a) == NULL);
  CHECK_EQ(opamp_event_accept(a), OPAMP_ERR_STATE);
  opamp_loop_free(t.l);
  CHECK_EQ(opamp_event_accept(a), OPAMP_ERR_STATE);
  CHECK_MEM(opamp_event_bytes(a).ptr, opamp_event_bytes(a).len, "h1", 2);
  opamp_event_free(a);
  opamp_options_free(t.o);
  stub_free(t.s);
}
