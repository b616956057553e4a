/* SPDX-License-Identifier: Apache-2.0 */
#include "rt.h"

/* Every callback, and in each of them everything a careless one might do. */

typedef enum deed {
  DO_STOP,
  DO_STOP_AND_START,
  DO_FREE_CLIENT,
  DO_FREE_LOOP,
  DO_FREE_BOTH,
  DO_EVERY_CALL,
  DEEDS
} deed;

/* How a kind of event is brought about. */
typedef struct cause {
  int kind;
  bool websocket;
  stub_point at; /* what the server does there */
  stub_deed how;
  int message; /* what it says: the kind again, 0 nothing */
} cause;

static const cause causes[] = {
    {OPAMP_EVENT_CONNECTING, true, STUB_ACCEPTED, STUB_SERVE, 0},
    {OPAMP_EVENT_CONNECTED, true, STUB_ACCEPTED, STUB_SERVE, 0},
    {OPAMP_EVENT_CONNECTED, false, STUB_ACCEPTED, STUB_SERVE, 0},
    {OPAMP_EVENT_CONNECT_FAILED, true, STUB_REQUEST, STUB_REFUSE, 0},
    {OPAMP_EVENT_CONNECT_FAILED, false, STUB_REQUEST, STUB_RESET, 0},
    {OPAMP_EVENT_DISCONNECTED, true, STUB_MESSAGE, STUB_RESET, 0},
    {OPAMP_EVENT_DELIVERED, true, STUB_ACCEPTED, STUB_SERVE, 0},
    {OPAMP_EVENT_DELIVERED, false, STUB_ACCEPTED, STUB_SERVE, 0},
    {OPAMP_EVENT_SERVER_ERROR, true, STUB_MESSAGE, STUB_UNKNOWN, 0},
    {OPAMP_EVENT_CREDENTIALS_WANTED, true, STUB_REQUEST, STUB_FORBID, 0},
    {OPAMP_EVENT_CREDENTIALS_WANTED, false, STUB_REQUEST, STUB_FORBID, 0},
    {OPAMP_EVENT_LOG, true, STUB_ACCEPTED, STUB_SERVE, OPAMP_EVENT_LOG},
    {OPAMP_EVENT_REMOTE_CONFIG, true, STUB_ACCEPTED, STUB_SERVE,
     OPAMP_EVENT_REMOTE_CONFIG},
    {OPAMP_EVENT_REMOTE_CONFIG, false, STUB_ACCEPTED, STUB_SERVE,
     OPAMP_EVENT_REMOTE_CONFIG},
    {OPAMP_EVENT_EFFECTIVE_CONFIG_WANTED, true, STUB_ACCEPTED, STUB_SERVE,
     OPAMP_EVENT_REMOTE_CONFIG},
    {OPAMP_EVENT_CONNECTION_SETTINGS, true, STUB_ACCEPTED, STUB_SERVE,
     OPAMP_EVENT_CONNECTION_SETTINGS},
    {OPAMP_EVENT_PACKAGES, true, STUB_ACCEPTED, STUB_SERVE,
     OPAMP_EVENT_PACKAGES},
    {OPAMP_EVENT_COMMAND, true, STUB_ACCEPTED, STUB_SERVE, OPAMP_EVENT_COMMAND},
    {OPAMP_EVENT_CUSTOM_MESSAGE, true, STUB_ACCEPTED, STUB_SERVE,
     OPAMP_EVENT_CUSTOM_MESSAGE},
    {OPAMP_EVENT_IDENTITY, true, STUB_ACCEPTED, STUB_SERVE,
     OPAMP_EVENT_IDENTITY},
    {OPAMP_EVENT_STOPPED, true, STUB_ACCEPTED, STUB_SERVE, 0}};

static opamp_msg *message_for(int kind) {
  static const uint8_t uid[OPAMP_UID_LEN] = {1, 2, 3};
  opamp_msg *m, *sub, *part;
  opamp_bytes hash = {(const uint8_t *)"h", 1};
  if (kind == OPAMP_EVENT_REMOTE_CONFIG) return rt_offer("h", "x");
  if (kind == OPAMP_EVENT_CUSTOM_MESSAGE) return rt_custom("cap", "t");
  CHECK_EQ(opamp_msg_new(&m, OPAMP_MSG_SERVER_TO_AGENT), OPAMP_OK);
  if (kind == OPAMP_EVENT_CONNECTION_SETTINGS) {
    opamp_msg_add(&sub, m, OPAMP_SERVER_TO_AGENT_CONNECTION_SETTINGS);
    opamp_msg_set_bytes(sub, OPAMP_CONNECTION_SETTINGS_OFFERS_HASH, hash);
    opamp_msg_add(&part, sub, OPAMP_CONNECTION_SETTINGS_OFFERS_OWN_LOGS);
    opamp_msg_set_str(part,
                      OPAMP_TELEMETRY_CONNECTION_SETTINGS_DESTINATION_ENDPOINT,
                      OPAMP_STR("http://x"));
  } else if (kind == OPAMP_EVENT_PACKAGES) {
    opamp_msg_add(&sub, m, OPAMP_SERVER_TO_AGENT_PACKAGES_AVAILABLE);
    opamp_msg_set_bytes(sub, OPAMP_PACKAGES_AVAILABLE_ALL_PACKAGES_HASH, hash);
  } else if (kind == OPAMP_EVENT_COMMAND) {
    opamp_msg_add(&sub, m, OPAMP_SERVER_TO_AGENT_COMMAND);
  } else if (kind == OPAMP_EVENT_LOG) { /* of a command nobody knows */
    opamp_msg_add(&sub, m, OPAMP_SERVER_TO_AGENT_COMMAND);
    opamp_msg_set_u64(sub, OPAMP_SERVER_TO_AGENT_COMMAND_TYPE, 99);
  } else if (kind == OPAMP_EVENT_IDENTITY) {
    opamp_msg_add(&sub, m, OPAMP_SERVER_TO_AGENT_AGENT_IDENTIFICATION);
    opamp_msg_set_bytes(sub, OPAMP_AGENT_IDENTIFICATION_NEW_INSTANCE_UID,
                        (opamp_bytes){uid, sizeof uid});
  }
  return m;
}

static stub_deed policy(void *ctx, stub_point at) {
  const cause *c = ctx;
  return at == c->at ? c->how : STUB_SERVE;
}

typedef struct scene {
  rt t;
  const cause *cause;
  deed deed;
  bool done; /* the deed */
  bool gone; /* the client is freed: nothing may come any more */
  bool stopped;
} scene;

/* Whatever is not about one kind of event: none may deadlock or crash. */
static void every_call(rt *t, opamp_event *e) {
  opamp_client *c = opamp_event_client(e);
  char text[300];
  size_t len = sizeof text;
  uint8_t uid[OPAMP_UID_LEN];
  CHECK(c == t->c);
  CHECK_EQ(opamp_loop_poll(t->l, 0), OPAMP_ERR_STATE);
  CHECK_EQ(opamp_loop_dispatch(t->l), OPAMP_ERR_STATE);
  CHECK(opamp_loop_next_event(t->l) == NULL);
  CHECK(rt_wait_event(t->l, 0) == NULL);
  CHECK(opamp_loop_timeout_ms(t->l) >= -1);
  CHECK_EQ(opamp_loop_start_thread(t->l), OPAMP_ERR_BUSY);
  CHECK_EQ(opamp_loop_stop_thread(t->l), OPAMP_OK);
  CHECK(opamp_loop_event_fd(t->l) >= 0);
  opamp_loop_wake(t->l);
  CHECK_EQ(opamp_client_hold(c), OPAMP_OK);
  rt_set_health(c, "in a callback");
  rt_set_description(c, "in a callback");
  CHECK_EQ(opamp_client_release(c), OPAMP_OK);
  CHECK_EQ(opamp_client_flush(c), OPAMP_OK);
  CHECK_EQ(opamp_client_start(c), OPAMP_OK);
  CHECK_EQ(opamp_client_set_headers(c, NULL, NULL, 0), OPAMP_OK);
  CHECK_EQ(opamp_client_set_capabilities(c, opamp_client_capabilities(c)),
           OPAMP_OK);
  CHECK_EQ(opamp_client_last_error(c, text, &len), OPAMP_OK);
  len = sizeof text;
  CHECK_EQ(opamp_client_endpoint(c, text, &len), OPAMP_OK);
  opamp_client_instance_uid(c, uid);
  CHECK(opamp_state_name(opamp_client_state(c)) != NULL);
}

static void do_deed(scene *s, opamp_event *e) {
  switch (s->deed) {
    case DO_STOP:
      opamp_client_stop(s->t.c);
      break;
    case DO_STOP_AND_START:
      opamp_client_stop(s->t.c);
      opamp_client_start(s->t.c);
      opamp_client_stop_silent(s->t.c);
      break;
    case DO_FREE_CLIENT:
      opamp_client_free(s->t.c);
      s->gone = true;
      break;
    case DO_FREE_LOOP:
      opamp_loop_free(s->t.l);
      s->gone = true;
      break;
    case DO_FREE_BOTH:
      opamp_client_free(s->t.c);
      opamp_loop_free(s->t.l);
      s->gone = true;
      break;
    default:
      every_call(&s->t, e);
      opamp_client_stop(s->t.c);
      break;
  }
  /* The event is the callback's until it returns. */
  CHECK_EQ(opamp_event_kind(e), s->cause->kind);
  CHECK(opamp_event_text(e).len < 10000);
}

static void on_any(opamp_event *e, void *user_data) {
  scene *s = user_data;
  int kind = opamp_event_kind(e);
  CHECK(!s->gone);
  if (kind == OPAMP_EVENT_REMOTE_CONFIG) opamp_event_accept(e);
  if (kind == OPAMP_EVENT_CONNECTED && s->cause->kind == OPAMP_EVENT_STOPPED)
    opamp_client_stop(opamp_event_client(e));
  if (kind == OPAMP_EVENT_STOPPED) s->stopped = true;
  if (kind != s->cause->kind || s->done) return;
  s->done = true;
  do_deed(s, e);
}

static scene set_scene(const cause *c, deed d) {
  scene s = {.cause = c, .deed = d};
  s.t.s = stub_new();
  s.t.o = rt_options(s.t.s, c->websocket);
  stub_set_policy(s.t.s, policy, (void *)(uintptr_t)c);
  opamp_options_set_number(s.t.o, OPAMP_OPT_LOG_LEVEL, OPAMP_LOG_DEBUG);
  opamp_options_set_capabilities(
      s.t.o, OPAMP_AGENT_CAPABILITIES_ACCEPTS_REMOTE_CONFIG |
                 OPAMP_AGENT_CAPABILITIES_REPORTS_REMOTE_CONFIG |
                 OPAMP_AGENT_CAPABILITIES_REPORTS_EFFECTIVE_CONFIG |
                 OPAMP_AGENT_CAPABILITIES_ACCEPTS_PACKAGES |
                 OPAMP_AGENT_CAPABILITIES_REPORTS_OWN_LOGS |
                 OPAMP_AGENT_CAPABILITIES_REPORTS_HEALTH |
                 OPAMP_AGENT_CAPABILITIES_ACCEPTS_RESTART_COMMAND);
  if (c->message != 0) stub_push(s.t.s, message_for(c->message));
  CHECK_EQ(opamp_loop_new(&s.t.l, 0), OPAMP_OK);
  CHECK_EQ(opamp_client_new(&s.t.c, s.t.l, s.t.o), OPAMP_OK);
  rt_declare(s.t.c, "cap");
  rt_set_health(s.t.c, "fine");
  return s;
}

static bool is_over(const scene *s) {
  return s->gone || (s->done && (s->stopped || opamp_client_state(s->t.c) ==
                                                   OPAMP_STATE_STOPPED));
}

static void play(const cause *c, deed d, bool threaded) {
  scene s = set_scene(c, d);
  opamp_callbacks cb = {sizeof cb, on_any, on_any, on_any, on_any, on_any,
                        on_any,    on_any, on_any, on_any, on_any, on_any,
                        on_any,    on_any, on_any, on_any, on_any};
  uint64_t end = rt_now_ms() + 10000;
  CHECK_EQ(opamp_client_set_callbacks(s.t.c, &cb, &s), OPAMP_OK);
  if (threaded) CHECK_EQ(opamp_loop_start_thread(s.t.l), OPAMP_OK);
  CHECK_EQ(opamp_client_start(s.t.c), OPAMP_OK);
  while (!is_over(&s)) {
    if (rt_now_ms() >= end)
      harness_fail(__FILE__, __LINE__, "%s, deed %d: nothing happened",
                   opamp_event_kind_name(c->kind), d);
    if (threaded) {
      CHECK(rt_wait_event(s.t.l, 100) == NULL);
      opamp_loop_dispatch(s.t.l);
    } else {
      CHECK_EQ(opamp_loop_poll(s.t.l, 100), 0);
    }
  }
  if (s.deed == DO_FREE_CLIENT)
    for (int i = 0; i < 3; i++) opamp_loop_poll(s.t.l, 0);
  if (!s.gone) opamp_client_free(s.t.c);
  if (d != DO_FREE_LOOP && d != DO_FREE_BOTH) opamp_loop_free(s.t.l);
  opamp_options_free(s.t.o);
  stub_free(s.t.s);
}

static void play_all(deed d, bool threaded) {
  for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
    play(&causes[i], d, threaded);
}

/* Covers: PROC-3 */
TEST(stop_in_every_callback) {
  play_all(DO_STOP, false);
}

/* Covers: PROC-3 */
TEST(stop_and_start_in_every_callback) {
  play_all(DO_STOP_AND_START, false);
}

/* Covers: PROC-3 */
TEST(free_the_client_in_every_callback) {
  play_all(DO_FREE_CLIENT, false);
}

/* Covers: PROC-3 */
TEST(free_the_loop_in_every_callback) {
  play_all(DO_FREE_LOOP, false);
  play_all(DO_FREE_BOTH, false);
}

/* Covers: PROC-3 */
TEST(every_call_in_every_callback) {
  play_all(DO_EVERY_CALL, false);
}

/* Covers: PROC-3 */
TEST(stop_and_free_while_the_loop_has_a_thread) {
  play_all(DO_STOP, true);
  play_all(DO_FREE_CLIENT, true);
  play_all(DO_FREE_BOTH, true);
}

/* A client with a loop of its own takes it along. */
/* Covers: PROC-3 */
TEST(free_a_client_with_its_own_loop_in_a_callback) {
  scene s = set_scene(&causes[1], DO_FREE_CLIENT);
  opamp_callbacks cb = {.struct_size = sizeof cb, .on_connected = on_any};
  opamp_client_free(s.t.c);
  opamp_loop_free(s.t.l);
  CHECK_EQ(opamp_client_new(&s.t.c, NULL, s.t.o), OPAMP_OK);
  s.t.l = opamp_client_loop(s.t.c);
  opamp_client_set_callbacks(s.t.c, &cb, &s);
  cb.on_packages = on_any;
  CHECK_EQ(opamp_client_start(s.t.c), OPAMP_ERR_INVALID);
  opamp_client_set_callbacks(s.t.c, &cb, &s);
  CHECK_EQ(opamp_client_start(s.t.c), OPAMP_OK);
  while (!s.gone) opamp_loop_poll(s.t.l, 100);
  opamp_options_free(s.t.o);
  stub_free(s.t.s);
}

static int calls_to_other;

static void count_other(opamp_event *e, void *user_data) {
  (void)e;
  (void)user_data;
  calls_to_other++;
}

/* A table of an older program ends before on_other. */
TEST(a_shorter_table_is_taken_as_far_as_it_goes) {
  rt t = rt_new(true);
  opamp_callbacks cb = {.struct_size = offsetof(opamp_callbacks, on_other),
                        .on_connected = count_other,
                        .on_other = count_other};
  calls_to_other = 0;
  CHECK_EQ(opamp_client_set_callbacks(t.c, &cb, NULL), OPAMP_OK);
  opamp_client_start(t.c);
  rt_delivered(t.l, t.c);
  CHECK_EQ(calls_to_other, 1);
  cb.struct_size = 0;
  opamp_client_stop_silent(t.c);
  opamp_loop_poll(t.l, 10);
  CHECK_EQ(opamp_client_set_callbacks(t.c, &cb, NULL), OPAMP_ERR_INVALID);
  rt_free(&t);
}
