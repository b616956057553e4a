/* SPDX-License-Identifier: Apache-2.0 */
#include "rt.h"

#include <dirent.h>
#include <time.h>

enum { PATIENCE_MS = 10000 };

opamp_event *rt_wait_event(opamp_loop *l, int timeout_ms) {
  opamp_event *e;
  (void)opamp_loop_wait_event(l, timeout_ms, &e);
  return e;
}

uint64_t rt_now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

opamp_options *rt_options(const stub *s, bool websocket) {
  opamp_options *o;
  CHECK_EQ(opamp_options_new(&o), OPAMP_OK);
  opamp_options_set_text(o, OPAMP_TEXT_URL, stub_url(s, websocket));
  opamp_options_set_number(o, OPAMP_OPT_BACKOFF_MIN, 5);
  opamp_options_set_number(o, OPAMP_OPT_BACKOFF_MAX, 20);
  opamp_options_set_number(o, OPAMP_OPT_THROTTLE_WAIT, 5);
  opamp_options_set_number(o, OPAMP_OPT_RECONNECT_DELAY, 0);
  opamp_options_set_number(o, OPAMP_OPT_USEFUL_AFTER, 0);
  opamp_options_set_capabilities(
      o, OPAMP_AGENT_CAPABILITIES_REPORTS_HEALTH |
             OPAMP_AGENT_CAPABILITIES_REPORTS_HEARTBEAT |
             OPAMP_AGENT_CAPABILITIES_ACCEPTS_REMOTE_CONFIG |
             OPAMP_AGENT_CAPABILITIES_REPORTS_REMOTE_CONFIG |
             OPAMP_AGENT_CAPABILITIES_REPORTS_EFFECTIVE_CONFIG |
             OPAMP_AGENT_CAPABILITIES_ACCEPTS_RESTART_COMMAND |
             OPAMP_AGENT_CAPABILITIES_REPORTS_AVAILABLE_COMPONENTS);
  return o;
}

rt rt_new(bool websocket) {
  rt t = {.s = stub_new()};
  CHECK(t.s != NULL);
  t.o = rt_options(t.s, websocket);
  CHECK_EQ(opamp_loop_new(&t.l, 0), OPAMP_OK);
  CHECK_EQ(opamp_client_new(&t.c, t.l, t.o), OPAMP_OK);
  return t;
}

rt rt_connected(bool websocket) {
  rt t = rt_new(websocket);
  CHECK_EQ(opamp_client_start(t.c), OPAMP_OK);
  rt_skip(t.l, OPAMP_EVENT_CONNECTED);
  rt_delivered(t.l, t.c);
  return t;
}

void rt_free(rt *t) {
  opamp_client_free(t->c);
  opamp_loop_free(t->l);
  opamp_options_free(t->o);
  stub_free(t->s);
}

opamp_event *rt_event(opamp_loop *l, int kind) {
  uint64_t end = rt_now_ms() + PATIENCE_MS;
  while (rt_now_ms() < end) {
    opamp_event *e;
    while ((e = opamp_loop_next_event(l)) != NULL) {
      if (opamp_event_kind(e) == kind) return e;
      opamp_event_free(e);
    }
    CHECK(opamp_loop_poll(l, 100) >= 0);
  }
  harness_fail(__FILE__, __LINE__, "no event %s", opamp_event_kind_name(kind));
}

void rt_skip(opamp_loop *l, int kind) {
  opamp_event_free(rt_event(l, kind));
}

void rt_until(opamp_loop *l, bool (*done)(void *ctx), void *ctx) {
  uint64_t end = rt_now_ms() + PATIENCE_MS;
  while (!done(ctx)) {
    opamp_event *e;
    CHECK(rt_now_ms() < end);
    CHECK(opamp_loop_poll(l, 2) >= 0);
    while ((e = opamp_loop_next_event(l)) != NULL) opamp_event_free(e);
  }
}

typedef struct wanted {
  stub *s;
  size_t n;
} wanted;

static bool has_messages(void *ctx) {
  const wanted *w = ctx;
  return stub_messages(w->s) >= w->n;
}

void rt_messages(rt *t, size_t n) {
  wanted w = {t->s, n};
  rt_until(t->l, has_messages, &w);
}

static bool is_delivered(void *ctx) {
  opamp_client *c = ctx;
  return opamp_client_undelivered(c) == 0 &&
         opamp_client_counter(c, OPAMP_COUNT_MESSAGES_RECEIVED) > 0;
}

void rt_delivered(opamp_loop *l, opamp_client *c) {
  rt_until(l, is_delivered, c);
}

static opamp_str str(const char *z) {
  return (opamp_str){z, strlen(z)};
}

opamp_msg *rt_health(const char *text) {
  opamp_msg *m;
  CHECK_EQ(opamp_msg_new(&m, OPAMP_MSG_COMPONENT_HEALTH), OPAMP_OK);
  opamp_msg_set_str(m, OPAMP_COMPONENT_HEALTH_STATUS, str(text));
  return m;
}

opamp_msg *rt_description(const char *name) {
  opamp_msg *m, *kv, *value;
  CHECK_EQ(opamp_msg_new(&m, OPAMP_MSG_AGENT_DESCRIPTION), OPAMP_OK);
  opamp_msg_add(&kv, m, OPAMP_AGENT_DESCRIPTION_IDENTIFYING_ATTRIBUTES);
  opamp_msg_set_str(kv, OPAMP_KEY_VALUE_KEY, str("service.name"));
  opamp_msg_add(&value, kv, OPAMP_KEY_VALUE_VALUE);
  opamp_msg_set_str(value, OPAMP_ANY_VALUE_STRING_VALUE, str(name));
  return m;
}

opamp_msg *rt_offer(const char *hash, const char *body) {
  opamp_msg *m, *config, *map, *file;
  CHECK_EQ(opamp_msg_new(&m, OPAMP_MSG_SERVER_TO_AGENT), OPAMP_OK);
  opamp_msg_add(&config, m, OPAMP_SERVER_TO_AGENT_REMOTE_CONFIG);
  opamp_msg_set_bytes(config, OPAMP_AGENT_REMOTE_CONFIG_CONFIG_HASH,
                      (opamp_bytes){(const uint8_t *)hash, strlen(hash)});
  opamp_msg_add(&map, config, OPAMP_AGENT_REMOTE_CONFIG_CONFIG);
  opamp_msg_put(&file, map, OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP, str("a.yaml"));
  opamp_msg_set_bytes(file, OPAMP_AGENT_CONFIG_OBJECT_BODY,
                      (opamp_bytes){(const uint8_t *)body, strlen(body)});
  return m;
}

opamp_msg *rt_customs(const char *capability) {
  opamp_msg *m;
  CHECK_EQ(opamp_msg_new(&m, OPAMP_MSG_CUSTOM_CAPABILITIES), OPAMP_OK);
  opamp_msg_set_str(m, OPAMP_CUSTOM_CAPABILITIES_CAPABILITIES, str(capability));
  return m;
}

opamp_msg *rt_custom(const char *capability, const char *type) {
  opamp_msg *m, *custom;
  CHECK_EQ(opamp_msg_new(&m, OPAMP_MSG_SERVER_TO_AGENT), OPAMP_OK);
  opamp_msg_add(&custom, m, OPAMP_SERVER_TO_AGENT_CUSTOM_MESSAGE);
  opamp_msg_set_str(custom, OPAMP_CUSTOM_MESSAGE_CAPABILITY, str(capability));
  opamp_msg_set_str(custom, OPAMP_CUSTOM_MESSAGE_TYPE, str(type));
  return m;
}

void rt_set_health(opamp_client *c, const char *text) {
  opamp_msg *m = rt_health(text);
  CHECK_EQ(opamp_client_set_health(c, m), OPAMP_OK);
  opamp_msg_free(m);
}

void rt_set_description(opamp_client *c, const char *name) {
  opamp_msg *m = rt_description(name);
  CHECK_EQ(opamp_client_set_description(c, m), OPAMP_OK);
  opamp_msg_free(m);
}

void rt_declare(opamp_client *c, const char *capability) {
  opamp_msg *m = rt_customs(capability);
  CHECK_EQ(opamp_client_set_custom_capabilities(c, m), OPAMP_OK);
  opamp_msg_free(m);
}

const char *rt_health_of(const opamp_msg *m) {
  const opamp_msg *health = opamp_msg_sub(m, OPAMP_AGENT_TO_SERVER_HEALTH, 0);
  const char *text =
      opamp_msg_str(health, OPAMP_COMPONENT_HEALTH_STATUS, 0).ptr;
  return text == NULL ? "" : text;
}

size_t rt_descriptors(void) {
  size_t n = 0;
  DIR *d = opendir("/proc/self/fd");
  while (readdir(d) != NULL) n++;
  closedir(d);
  return n;
}
