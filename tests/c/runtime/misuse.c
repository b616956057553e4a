/* SPDX-License-Identifier: Apache-2.0 */
/* Every public function that takes a handle answers one that is of no use: with
 * OPAMP_ERR_INVALID, or with what stands for nothing, and with a text that
 * begins with its own name. tests/c/abi sees that none is missing here. */
#include <pthread.h>
#include <stdio.h>

#include "rt.h"

/* The text that is looked for, and the place of the call. */
typedef struct expected {
  const char *text;
  int line;
  const char *call;
} expected;

static void forget_text(void) {
  (void)opamp_uid_parse(NULL, (opamp_str){NULL, 0});
}

static void check_text(expected x) {
  size_t name = strcspn(x.call, "(");
  const char *got = opamp_errmsg();
  if (strncmp(got, x.call, name) != 0 || strstr(got, x.text) == NULL)
    harness_fail(__FILE__, x.line, "%s: \"%s\", not \"%.*s: … %s\"", x.call,
                 got, (int)name, x.call, x.text);
}

static void check_number(expected x, long long got, long long want) {
  if (got != want)
    harness_fail(__FILE__, x.line, "%s is %lld, not %lld", x.call, got, want);
  check_text(x);
}

/* `text` is a parameter of the functions below. */
#define GIVES(want, call)                                              \
  do {                                                                 \
    forget_text();                                                     \
    check_number((expected){text, __LINE__, #call}, (long long)(call), \
                 (long long)(want));                                   \
  } while (0)
#define GIVES_NULL(call)                                              \
  do {                                                                \
    forget_text();                                                    \
    const void *got_ = (call);                                        \
    check_number((expected){text, __LINE__, #call}, got_ != NULL, 0); \
  } while (0)
#define DOES_NOTHING(call)                         \
  do {                                             \
    forget_text();                                 \
    call;                                          \
    check_text((expected){text, __LINE__, #call}); \
  } while (0)
#define REFUSES(call) GIVES(OPAMP_ERR_INVALID, call)

static const opamp_bytes none = {NULL, 0};

static void loop_calls(opamp_loop *l, const char *text) {
  opamp_event *e;
  REFUSES(opamp_loop_prepare(l));
  REFUSES(opamp_loop_adopt(l));
  REFUSES(opamp_loop_poll(l, 0));
  REFUSES(opamp_loop_dispatch(l));
  REFUSES(opamp_loop_start_thread(l));
  REFUSES(opamp_loop_stop_thread(l));
  REFUSES(opamp_loop_wait_event(l, -1, &e));
  CHECK(e == NULL);
  GIVES_NULL(opamp_loop_next_event(l));
  GIVES(-1, opamp_loop_fd(l));
  GIVES(-1, opamp_loop_event_fd(l));
  GIVES(-1, opamp_loop_timeout_ms(l));
  DOES_NOTHING(opamp_loop_wake(l));
}

static void client_setters(opamp_client *c, const char *text) {
  const char *list[] = {"a"};
  opamp_callbacks cb = {.struct_size = sizeof cb};
  REFUSES(opamp_client_start(c));
  REFUSES(opamp_client_stop(c));
  REFUSES(opamp_client_stop_silent(c));
  REFUSES(opamp_client_set_callbacks(c, &cb, NULL));
  REFUSES(opamp_client_set_description(c, NULL));
  REFUSES(opamp_client_set_health(c, NULL));
  REFUSES(opamp_client_set_effective_config(c, NULL));
  REFUSES(opamp_client_set_package_statuses(c, NULL));
  REFUSES(opamp_client_set_available_components(c, NULL));
  REFUSES(opamp_client_set_custom_capabilities(c, NULL));
  REFUSES(opamp_client_set_capabilities(c, 1));
  REFUSES(opamp_client_set_remote_config_status(
      c, none, OPAMP_REMOTE_CONFIG_STATUSES_APPLIED, NULL));
  REFUSES(opamp_client_set_connection_settings_status(
      c, none, OPAMP_CONNECTION_SETTINGS_STATUSES_APPLIED, NULL));
  REFUSES(opamp_client_forget_offer(c, OPAMP_EVENT_REMOTE_CONFIG));
  REFUSES(opamp_client_send_custom(c, "a", "b", none));
  REFUSES(opamp_client_queue_raw(c, none));
  REFUSES(opamp_client_hold(c));
  REFUSES(opamp_client_release(c));
  REFUSES(opamp_client_flush(c));
  REFUSES(opamp_client_set_headers(c, list, list, 1));
  REFUSES(opamp_client_set_heartbeat(c, 30000));
  REFUSES(opamp_client_transport_opened(c, 1));
  REFUSES(opamp_client_transport_written(c, 1));
  REFUSES(opamp_client_transport_received(c, 1, none));
  REFUSES(opamp_client_transport_alive(c, 1));
  REFUSES(
      opamp_client_transport_closed(c, 1, OPAMP_ERR_TRANSPORT, 0, -1, NULL));
  REFUSES(opamp_client_request_certificate(c));
  REFUSES(opamp_client_store_loaded(c, 1, none));
  REFUSES(opamp_client_store_saved(c, 1));
  REFUSES(opamp_client_store_failed(c, 1, NULL));
  DOES_NOTHING(opamp_client_set_user_data(c, NULL));
}

static void client_getters(opamp_client *c, const char *text) {
  static const uint8_t zero[OPAMP_UID_LEN];
  uint8_t uid[OPAMP_UID_LEN];
  char room[8];
  size_t len = sizeof room;
  opamp_msg *m;
  GIVES_NULL(opamp_client_loop(c));
  GIVES_NULL(opamp_client_user_data(c));
  GIVES(OPAMP_STATE_STOPPED, opamp_client_state(c));
  GIVES(0, opamp_client_state_since_ms(c));
  GIVES(-1, opamp_client_next_retry_ms(c));
  GIVES(0, opamp_client_capabilities(c));
  GIVES(0, opamp_client_server_capabilities(c));
  GIVES(-1, opamp_client_sequence_num(c));
  GIVES(0, opamp_client_undelivered(c));
  GIVES(0, opamp_client_parked(c));
  GIVES(0, opamp_client_custom_room(c));
  GIVES(0, opamp_client_counter(c, OPAMP_COUNT_OFFERS));
  REFUSES(opamp_client_last_error(c, room, &len));
  REFUSES(opamp_client_remote_config_hash(c, (uint8_t *)room, &len));
  REFUSES(opamp_client_endpoint(c, room, &len));
  REFUSES(opamp_client_server_custom_capabilities(c, &m));
  CHECK(m == NULL);
  DOES_NOTHING(opamp_client_instance_uid(c, uid));
  CHECK_MEM(uid, sizeof uid, zero, sizeof zero);
}

static void client_calls(opamp_client *c, const char *text) {
  client_setters(c, text);
  client_getters(c, text);
}

static void options_calls(opamp_options *o, const char *text) {
  opamp_client *c;
  REFUSES(opamp_options_set_number(o, OPAMP_OPT_HEARTBEAT, 30000));
  REFUSES(opamp_options_set_text(o, OPAMP_TEXT_URL, NULL));
  REFUSES(opamp_options_add_header(o, "a", "b"));
  REFUSES(opamp_options_check(o));
  REFUSES(opamp_options_add_proxy_header(o, "a", "b"));
  REFUSES(opamp_options_set_instance_uid(o, none));
  REFUSES(opamp_options_set_capabilities(o, 1));
  GIVES(0, opamp_options_number(o, OPAMP_OPT_HEARTBEAT));
  REFUSES(opamp_client_new(&c, NULL, o));
  CHECK(c == NULL);
}

static void event_calls(opamp_event *e, const char *text) {
  size_t len = 0;
  REFUSES(opamp_event_raw(e, NULL, &len));
  REFUSES(opamp_event_accept(e));
  REFUSES(opamp_event_reject(e, NULL));
  REFUSES(opamp_event_defer(e));
  GIVES(0, opamp_event_kind(e));
  GIVES(OPAMP_OK, opamp_event_status(e));
  GIVES(0, opamp_event_number(e, OPAMP_NUM_SIZE));
  GIVES_NULL(opamp_event_client(e));
  GIVES_NULL(opamp_event_msg(e));
  GIVES_NULL(opamp_event_text(e).ptr);
  GIVES_NULL(opamp_event_bytes(e).ptr);
  GIVES_NULL(opamp_event_previous(e).ptr);
  forget_text();
  CHECK(opamp_event_user_data(e) == NULL);
}

static void configdir_calls(opamp_configdir *d, const char *text) {
  opamp_msg *m;
  REFUSES(opamp_configdir_allow(d, "*"));
  REFUSES(opamp_configdir_set_file_mode(d, 0600));
  REFUSES(opamp_configdir_replace(d, NULL));
  REFUSES(opamp_configdir_commit(d));
  REFUSES(opamp_configdir_rollback(d));
  REFUSES(opamp_configdir_read(d, &m));
  CHECK(m == NULL);
  GIVES(false, opamp_configdir_is_good(d));
  GIVES_NULL(opamp_configdir_path(d));
}

TEST(null_is_answered) {
  loop_calls(NULL, "the loop is NULL");
  client_calls(NULL, "the client is NULL");
  options_calls(NULL, "the options object is NULL");
  event_calls(NULL, "the event is NULL");
  configdir_calls(NULL, "the configdir is NULL");
}

/* What frees takes NULL, so that one clean-up does for every failure. */
TEST(null_is_freed) {
  opamp_client_free(NULL);
  opamp_loop_free(NULL);
  opamp_loop_abandon(NULL);
  opamp_options_free(NULL);
  opamp_event_free(NULL);
  opamp_msg_free(NULL);
  opamp_configdir_free(NULL);
}

TEST(handles_of_another_kind_are_answered) {
  rt t = rt_new(true);
  opamp_client *c;
  loop_calls((opamp_loop *)t.c, "a loop is needed, this is a client");
  client_calls((opamp_client *)t.l, "a client is needed, this is a loop");
  options_calls((opamp_options *)t.l,
                "an options object is needed, this is a loop");
  event_calls((opamp_event *)t.o,
              "an event is needed, this is an options object");
  CHECK_EQ(opamp_client_new(&c, (opamp_loop *)t.o, t.o), OPAMP_ERR_INVALID);
  {
    const char *text = "a loop is needed, this is a client";
    DOES_NOTHING(opamp_loop_free((opamp_loop *)t.c));
    DOES_NOTHING(opamp_loop_abandon((opamp_loop *)t.c));
  }
  rt_free(&t);
}

TEST(memory_that_is_no_handle_is_answered) {
  long long words[8] = {42};
  client_calls((opamp_client *)words, "this is no client");
  configdir_calls((opamp_configdir *)words, "this is no configdir");
}

/* An event keeps the client it belongs to, and so what a handle says of it. */
TEST(a_freed_client_is_answered) {
  rt t = rt_new(true);
  opamp_event *e;
  opamp_client_start(t.c);
  e = rt_event(t.l, OPAMP_EVENT_CONNECTING);
  opamp_client_free(t.c);
  client_calls(t.c, "the client was freed");
  opamp_client_free(t.c);
  CHECK(opamp_event_client(e) == NULL);
  CHECK(opamp_event_user_data(e) == NULL);
  opamp_event_free(e);
  t.c = NULL;
  rt_free(&t);
}

#ifndef NDEBUG
/* Without NDEBUG what was freed stays known for a while. */

TEST(freed_handles_are_answered) {
  rt t = rt_new(true);
  opamp_event *e;
  opamp_client_start(t.c);
  e = rt_event(t.l, OPAMP_EVENT_CONNECTING);
  opamp_event_free(e);
  event_calls(e, "the event was freed");
  opamp_event_free(e);
  rt_free(&t);
  client_calls(t.c, "the client was freed");
  opamp_client_free(t.c);
  loop_calls(t.l, "the loop was freed");
  opamp_loop_free(t.l);
  options_calls(t.o, "the options object was freed");
  opamp_options_free(t.o);
}

TEST(freed_messages_are_answered) {
  const char *text = "the message was freed";
  opamp_msg *m = rt_health("fine"), *copy;
  rt t = rt_new(true);
  size_t len = 0;
  opamp_msg_free(m);
  REFUSES(opamp_msg_set_str(m, OPAMP_COMPONENT_HEALTH_STATUS, (opamp_str){0}));
  REFUSES(opamp_msg_clear(m, OPAMP_COMPONENT_HEALTH_STATUS));
  REFUSES(opamp_msg_dup(&copy, m));
  REFUSES(opamp_msg_pack(m, NULL, &len));
  REFUSES(opamp_client_set_health(t.c, m));
  CHECK_EQ(opamp_msg_type(m), 0);
  CHECK_EQ(opamp_msg_count(m, OPAMP_COMPONENT_HEALTH_STATUS), 0);
  CHECK(opamp_msg_str(m, OPAMP_COMPONENT_HEALTH_STATUS, 0).ptr == NULL);
  opamp_msg_free(m);
  rt_free(&t);
}
#endif

/* --- the wrong place, the wrong thread ------------------------------------ */

static void in_a_callback(opamp_event *e, void *user_data) {
  const char *text = "inside a callback";
  opamp_loop *l = opamp_client_loop(opamp_event_client(e));
  bool *ran = user_data;
  if (*ran) return; /* another event */
  GIVES(OPAMP_ERR_STATE, opamp_loop_poll(l, 0));
  GIVES(OPAMP_ERR_STATE, opamp_loop_dispatch(l));
  text = "the event of a callback is freed when that returns";
  DOES_NOTHING(opamp_event_free(e));
  CHECK(opamp_event_kind(e) == OPAMP_EVENT_CONNECTING);
  *ran = true;
}

TEST(a_callback_is_told_what_it_may_not) {
  rt t = rt_new(true);
  opamp_callbacks cb = {.struct_size = sizeof cb, .on_other = in_a_callback};
  bool ran = false;
  opamp_client_set_callbacks(t.c, &cb, &ran);
  opamp_client_start(t.c);
  while (!ran) CHECK_EQ(opamp_loop_poll(t.l, 10000), 0);
  opamp_client_free(t.c);
  t.c = NULL;
  rt_free(&t);
}

TEST(a_second_driver_is_told_the_rule) {
  const char *text = "another thread drives the loop";
  rt t = rt_new(true);
  opamp_loop_start_thread(t.l);
  GIVES(OPAMP_ERR_BUSY, opamp_loop_poll(t.l, 0));
  text = "the loop has a thread";
  GIVES(OPAMP_ERR_STATE, opamp_loop_start_thread(t.l));
  rt_free(&t);
}

TEST(what_is_no_question_has_no_answer) {
  const char *text = "a connecting event is no question";
  rt t = rt_new(true);
  opamp_event *e;
  opamp_client_start(t.c);
  e = rt_event(t.l, OPAMP_EVENT_CONNECTING);
  GIVES(OPAMP_ERR_TYPE, opamp_event_accept(e));
  GIVES(OPAMP_ERR_TYPE, opamp_event_reject(e, "no"));
  GIVES(OPAMP_ERR_TYPE, opamp_event_defer(e));
  opamp_event_free(e);
  rt_free(&t);
}

TEST(a_message_of_another_type_is_told_from_the_right_one) {
  const char *text = "ComponentHealth is needed, this is AgentDescription";
  rt t = rt_new(true);
  opamp_msg *m = rt_description("x");
  GIVES(OPAMP_ERR_TYPE, opamp_client_set_health(t.c, m));
  opamp_msg_free(m);
  rt_free(&t);
}
