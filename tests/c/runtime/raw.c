/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "rt.h"

/* opamp_client_queue_raw: many setters in one packed message. */

#define A2S(name) OPAMP_AGENT_TO_SERVER_##name

static opamp_msg *agent_to_server(void) {
  opamp_msg *m;
  CHECK_EQ(opamp_msg_new(&m, OPAMP_MSG_AGENT_TO_SERVER), OPAMP_OK);
  return m;
}

static opamp_msg *add(opamp_msg *m, int field) {
  opamp_msg *sub;
  CHECK_EQ(opamp_msg_add(&sub, m, field), OPAMP_OK);
  return sub;
}

static void add_health(opamp_msg *m, const char *text) {
  opamp_health_set(add(m, A2S(HEALTH)), true, text, NULL);
}

static void add_declared(opamp_msg *m, const char *capability) {
  opamp_msg_set_str(add(m, A2S(CUSTOM_CAPABILITIES)),
                    OPAMP_CUSTOM_CAPABILITIES_CAPABILITIES,
                    opamp_str_of(capability));
}

static void add_custom(opamp_msg *m, const char *capability) {
  opamp_msg_set_str(add(m, A2S(CUSTOM_MESSAGE)),
                    OPAMP_CUSTOM_MESSAGE_CAPABILITY, opamp_str_of(capability));
}

/* Frees `m`. */
static opamp_status queue(opamp_client *c, opamp_msg *m) {
  size_t len = 0;
  uint8_t *packed;
  opamp_status status;
  (void)opamp_msg_pack(m, NULL, &len);
  packed = malloc(len + 1);
  CHECK_EQ(opamp_msg_pack(m, packed, &len), OPAMP_OK);
  status = opamp_client_queue_raw(c, opamp_bytes_of(packed, len));
  free(packed);
  opamp_msg_free(m);
  return status;
}

static opamp_msg *last_message(rt *t) {
  return stub_message(t->s, stub_messages(t->s) - 1);
}

/* Covers: STATE-2, STATE-12 */
TEST(what_is_present_replaces_and_the_rest_stays) {
  rt t = rt_new(true);
  rt_set_description(t.c, "kept");
  rt_set_health(t.c, "old");
  opamp_client_start(t.c);
  rt_skip(t.l, OPAMP_EVENT_CONNECTED);
  rt_delivered(t.l, t.c);
  size_t before = stub_messages(t.s);
  opamp_msg *m = agent_to_server();
  add_health(m, "new");
  add_declared(m, "org.example");
  opamp_msg_set_bytes(m, A2S(INSTANCE_UID),
                      opamp_bytes_of("0123456789abcdef", 16));
  opamp_msg_set_u64(m, A2S(SEQUENCE_NUM), 77);
  opamp_msg_set_u64(m, A2S(FLAGS), 1);
  CHECK_EQ(queue(t.c, m), OPAMP_OK);
  rt_messages(&t, before + 1);
  rt_delivered(t.l, t.c);
  CHECK_EQ(stub_messages(t.s), before + 1);
  m = last_message(&t);
  CHECK_STR(rt_health_of(m), "new");
  CHECK_EQ(opamp_msg_count(m, A2S(CUSTOM_CAPABILITIES)), 1);
  CHECK_EQ(opamp_msg_count(m, A2S(AGENT_DESCRIPTION)), 0);
  CHECK_EQ(opamp_msg_u64(m, A2S(FLAGS), 0), 0);
  CHECK_EQ(opamp_msg_u64(m, A2S(SEQUENCE_NUM), 0), before);
  CHECK(memcmp(opamp_msg_bytes(m, A2S(INSTANCE_UID), 0).ptr, "0123", 4) != 0);
  opamp_msg_free(m);
  rt_free(&t);
}

/* Covers: STATE-6 */
TEST(an_equal_value_in_another_order_sends_nothing) {
  static const char *const keys[] = {"b", "a"};
  rt t = rt_new(true);
  opamp_msg *one = agent_to_server(), *other = agent_to_server();
  opamp_msg *d1 = add(one, A2S(AGENT_DESCRIPTION));
  opamp_msg *d2 = add(other, A2S(AGENT_DESCRIPTION));
  for (int i = 0; i < 2; i++) {
    opamp_description_identify(d1, keys[i], "x");
    opamp_description_identify(d2, keys[1 - i], "x");
  }
  CHECK_EQ(queue(t.c, one), OPAMP_OK);
  opamp_client_start(t.c);
  rt_skip(t.l, OPAMP_EVENT_CONNECTED);
  rt_delivered(t.l, t.c);
  size_t before = stub_messages(t.s);
  CHECK_EQ(queue(t.c, other), OPAMP_OK);
  rt_set_health(t.c, "mark");
  rt_messages(&t, before + 1);
  rt_delivered(t.l, t.c);
  opamp_msg *m = stub_message(t.s, before);
  CHECK_EQ(opamp_msg_count(m, A2S(AGENT_DESCRIPTION)), 0);
  CHECK_STR(rt_health_of(m), "mark");
  opamp_msg_free(m);
  rt_free(&t);
}

/* Covers: STATE-10, STATE-14 */
TEST(capabilities_and_a_custom_message_are_taken) {
  rt t = rt_connected(true);
  const uint64_t wanted = OPAMP_AGENT_CAPABILITIES_REPORTS_STATUS |
                          OPAMP_AGENT_CAPABILITIES_REPORTS_HEALTH;
  opamp_msg *m = agent_to_server();
  opamp_msg_set_u64(m, A2S(CAPABILITIES), wanted);
  add_declared(m, "org.example");
  add_custom(m, "org.example");
  CHECK_EQ(queue(t.c, m), OPAMP_OK);
  CHECK_EQ(opamp_client_capabilities(t.c), wanted);
  rt_delivered(t.l, t.c);
  m = last_message(&t);
  CHECK_EQ(opamp_msg_count(m, A2S(CUSTOM_MESSAGE)), 1);
  CHECK_EQ(opamp_msg_u64(m, A2S(CAPABILITIES), 0), wanted);
  opamp_msg_free(m);
  /* Declared is declared, for the setter too. */
  CHECK_EQ(opamp_client_send_custom(t.c, "org.example", NULL,
                                    opamp_bytes_of("x", 1)),
           OPAMP_OK);
  rt_free(&t);
}

static opamp_msg *raw_of(const opamp_event *e) {
  uint8_t bytes[256];
  size_t len = 0, size;
  opamp_msg *m;
  CHECK_EQ(opamp_event_raw(e, NULL, &len), OPAMP_ERR_SPACE);
  size = len;
  len = size - 1;
  CHECK_EQ(opamp_event_raw(e, bytes, &len), OPAMP_ERR_SPACE);
  CHECK_EQ(len, size);
  CHECK_EQ(opamp_event_raw(e, bytes, &len), OPAMP_OK);
  CHECK_EQ(len, size);
  CHECK_EQ(opamp_msg_parse(&m, OPAMP_MSG_SERVER_TO_AGENT,
                           opamp_bytes_of(bytes, len)),
           OPAMP_OK);
  return m;
}

TEST(an_event_gives_what_the_server_said) {
  rt t = rt_new(true);
  size_t len = 0;
  CHECK_EQ(opamp_options_set_number(t.o, OPAMP_OPT_TRACE_MESSAGES, 1),
           OPAMP_OK);
  opamp_client *c;
  CHECK_EQ(opamp_client_new(&c, t.l, t.o), OPAMP_OK);
  CHECK_EQ(opamp_client_start(c), OPAMP_OK);
  rt_skip(t.l, OPAMP_EVENT_CONNECTED);
  rt_skip(t.l, OPAMP_EVENT_MESSAGE_RECEIVED);
  stub_push(t.s, rt_offer("h1", "a: 1"));
  opamp_event *whole = rt_event(t.l, OPAMP_EVENT_MESSAGE_RECEIVED);
  opamp_event *e = rt_event(t.l, OPAMP_EVENT_REMOTE_CONFIG);
  opamp_msg *all = raw_of(whole), *part = raw_of(e);
  const opamp_msg *offer =
      opamp_msg_sub(part, OPAMP_SERVER_TO_AGENT_REMOTE_CONFIG, 0);
  CHECK(opamp_msg_count(all, OPAMP_SERVER_TO_AGENT_REMOTE_CONFIG) == 1);
  CHECK(opamp_bytes_equal(
      opamp_msg_bytes(offer, OPAMP_AGENT_REMOTE_CONFIG_CONFIG_HASH, 0),
      opamp_bytes_of("h1", 2)));
  opamp_msg_free(all);
  opamp_msg_free(part);
  CHECK_EQ(opamp_event_accept(e), OPAMP_OK);
  opamp_event_free(e);
  opamp_event_free(whole);
  e = rt_event(t.l, OPAMP_EVENT_REMOTE_CONFIG_STATUS);
  CHECK_EQ(opamp_event_raw(e, NULL, &len), OPAMP_ERR_NOTFOUND);
  opamp_event_free(e);
  opamp_client_free(c);
  rt_free(&t);
}

/* A status goes the way of its setter: the offer is answered by it. */
/* Covers: OFFER-4 */
TEST(a_status_answers_its_offer) {
  rt t = rt_connected(true);
  stub_push(t.s, rt_offer("h1", "a: 1"));
  opamp_event *e = rt_event(t.l, OPAMP_EVENT_REMOTE_CONFIG);
  opamp_msg *m = agent_to_server(), *status;
  status = add(m, A2S(REMOTE_CONFIG_STATUS));
  opamp_msg_set_bytes(status,
                      OPAMP_REMOTE_CONFIG_STATUS_LAST_REMOTE_CONFIG_HASH,
                      opamp_bytes_of("h1", 2));
  opamp_msg_set_u64(status, OPAMP_REMOTE_CONFIG_STATUS_STATUS,
                    OPAMP_REMOTE_CONFIG_STATUSES_APPLIED);
  CHECK_EQ(queue(t.c, m), OPAMP_OK);
  opamp_event_free(e);
  e = rt_event(t.l, OPAMP_EVENT_REMOTE_CONFIG_STATUS);
  CHECK_EQ(opamp_event_number(e, OPAMP_NUM_STATE),
           OPAMP_REMOTE_CONFIG_STATUSES_APPLIED);
  opamp_event_free(e);
  rt_delivered(t.l, t.c);
  uint8_t hash[8];
  size_t len = sizeof hash;
  CHECK_EQ(opamp_client_remote_config_hash(t.c, hash, &len), OPAMP_OK);
  CHECK_MEM(hash, len, "h1", 2);
  rt_free(&t);
}

/* Secrets do not get past the option by this door. */
/* Covers: SEC-1 */
TEST(the_effective_config_is_redacted) {
  rt t = rt_new(true);
  opamp_client *c;
  opamp_client_free(t.c);
  opamp_options_set_text(t.o, OPAMP_TEXT_REDACT, "password");
  CHECK_EQ(opamp_client_new(&c, t.l, t.o), OPAMP_OK);
  t.c = c;
  opamp_msg *m = agent_to_server();
  opamp_effective_config_put(add(m, A2S(EFFECTIVE_CONFIG)), "f",
                             opamp_bytes_of("password: hunter2\n", 18), NULL);
  CHECK_EQ(queue(c, m), OPAMP_OK);
  opamp_client_start(c);
  rt_skip(t.l, OPAMP_EVENT_CONNECTED);
  rt_delivered(t.l, c);
  size_t len;
  uint8_t *view = stub_view(t.s, A2S(EFFECTIVE_CONFIG), &len);
  CHECK(view != NULL && memmem(view, len, "hunter2", 7) == NULL);
  free(view);
  rt_free(&t);
}

/* --- refused, all of it --------------------------------------------------- */

static void refused(opamp_msg *m, opamp_status status, const char *why) {
  rt t = rt_new(true);
  add_health(m, "must not be set");
  CHECK_EQ(queue(t.c, m), status);
  CHECK(strstr(opamp_errmsg(), why) != NULL);
  opamp_client_start(t.c);
  rt_skip(t.l, OPAMP_EVENT_CONNECTED);
  rt_delivered(t.l, t.c);
  m = stub_message(t.s, 0);
  CHECK_EQ(opamp_msg_count(m, A2S(HEALTH)), 0);
  opamp_msg_free(m);
  rt_free(&t);
}

TEST(what_cannot_be_taken_refuses_it_all) {
  opamp_msg *m = agent_to_server();
  add(m, A2S(AGENT_DISCONNECT));
  refused(m, OPAMP_ERR_INVALID, "opamp_client_stop");
  m = agent_to_server();
  add(m, A2S(REMOTE_CONFIG_STATUS));
  refused(m, OPAMP_ERR_INVALID, "no status");
  m = agent_to_server();
  add_custom(m, "org.example");
  refused(m, OPAMP_ERR_INVALID, "org.example");
}

TEST(unknown_fields_and_other_bytes_are_refused) {
  rt t = rt_new(true);
  static const uint8_t field_99[] = {0x9a, 0x06, 0x01, 'x'};
  CHECK_EQ(
      opamp_client_queue_raw(t.c, opamp_bytes_of(field_99, sizeof field_99)),
      OPAMP_ERR_UNSUPPORTED);
  CHECK_EQ(opamp_client_queue_raw(t.c, opamp_bytes_of("\xff", 1)),
           OPAMP_ERR_DECODE);
  CHECK_EQ(opamp_client_queue_raw(t.c, opamp_bytes_of(NULL, 0)), OPAMP_OK);
  rt_free(&t);
}

/* Covers: STATE-14 */
TEST(the_queue_of_custom_messages_is_finite) {
  rt t = rt_new(true);
  opamp_msg *m;
  for (int i = 0; i < 64; i++) {
    m = agent_to_server();
    add_declared(m, "org.example");
    add_custom(m, "org.example");
    CHECK_EQ(queue(t.c, m), OPAMP_OK);
  }
  m = agent_to_server();
  add_custom(m, "org.example");
  CHECK_EQ(queue(t.c, m), OPAMP_ERR_FULL);
  rt_free(&t);
}

TEST(without_memory_nothing_is_taken) {
  for (size_t n = 1;; n++) {
    rt t = rt_new(true);
    opamp_msg *m = agent_to_server();
    uint8_t packed[200];
    size_t len = sizeof packed;
    add_health(m, "x");
    add_declared(m, "org.example");
    add_custom(m, "org.example");
    CHECK_EQ(opamp_msg_pack(m, packed, &len), OPAMP_OK);
    opamp_msg_free(m);
    opamp__mem_fail_after(n);
    opamp_status s = opamp_client_queue_raw(t.c, opamp_bytes_of(packed, len));
    opamp__mem_fail_after(0);
    CHECK(s == OPAMP_OK || s == OPAMP_ERR_NOMEM);
    if (s != OPAMP_OK) {
      opamp_loop_poll(t.l, 0);
      CHECK_EQ(opamp_client_send_custom(t.c, "org.example", NULL,
                                        opamp_bytes_of("x", 1)),
               OPAMP_ERR_INVALID);
    }
    rt_free(&t);
    if (s == OPAMP_OK) break;
  }
}

/* --- from other threads --------------------------------------------------- */

enum { THREADS = 4, TIMES = 50 };

static void *queue_many(void *ctx) {
  opamp_client *c = ctx;
  for (int i = 0; i < TIMES; i++) {
    opamp_msg *m = agent_to_server();
    char text[16];
    snprintf(text, sizeof text, "%d", i);
    add_health(m, text);
    add_declared(m, "org.example");
    CHECK_EQ(queue(c, m), OPAMP_OK);
  }
  return NULL;
}

/* Covers: STATE-3 */
TEST(any_thread_may_queue) {
  rt t = rt_connected(true);
  pthread_t threads[THREADS];
  CHECK_EQ(opamp_loop_start_thread(t.l), OPAMP_OK);
  for (int i = 0; i < THREADS; i++)
    CHECK_EQ(pthread_create(&threads[i], NULL, queue_many, t.c), 0);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  CHECK_EQ(opamp_loop_stop_thread(t.l), OPAMP_OK);
  rt_delivered(t.l, t.c);
  size_t len;
  uint8_t *view = stub_view(t.s, A2S(HEALTH), &len);
  CHECK(view != NULL && memmem(view, len, "49", 2) != NULL);
  free(view);
  rt_free(&t);
}
