/* SPDX-License-Identifier: Apache-2.0 */
#include "core/core.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "bench.h"
#include "opamp/typed.h"
#include "wire/wire.h"

/* The core alone, without a transport: what one agent costs in time and
 * memory. The floor is what the wire format alone costs for the same bytes. */

enum { FILES = 100, IDLE = 1000 };

typedef struct agent {
  uint64_t numbers[OPAMP__NUMBERS];
  opamp__url url;
  opamp__core_config config;
  opamp__core *core;
  uint64_t now;
  uint8_t reply[64];
  size_t reply_len;
  opamp__buf offers[2];
  unsigned turn;
} agent;

static uint64_t no_random(void *ctx) {
  (void)ctx;
  return 0;
}

static void no_digest(opamp_bytes in, uint8_t out[32]) {
  (void)in;
  memset(out, 0, 32);
}

static void feed(agent *a, opamp__in_kind kind, opamp_bytes frame) {
  opamp__input in = {.kind = kind, .frame = frame};
  opamp__action act;
  bool sent = false;
  (void)opamp__core_feed(a->core, &in, a->now);
  while (opamp__core_next(a->core, &act)) {
    if (act.kind == OPAMP__DO_EMIT) opamp__event_destroy(act.event);
    if (act.kind == OPAMP__DO_SEND) sent = true;
  }
  if (sent) feed(a, OPAMP__IN_WRITTEN, (opamp_bytes){NULL, 0});
}

static void set_description(agent *a) {
  opamp_msg *m = NULL;
  opamp__buf packed = {NULL, 0, 0};
  opamp__input in = {.kind = OPAMP__IN_SET,
                     .field = OPAMP_AGENT_TO_SERVER_AGENT_DESCRIPTION,
                     .value = &packed};
  (void)opamp_msg_new(&m, OPAMP_MSG_AGENT_DESCRIPTION);
  for (int i = 0; i < 6; i++) {
    char key[32];
    snprintf(key, sizeof key, "some.attribute.%d", i);
    (void)opamp_attr_str(m, OPAMP_AGENT_DESCRIPTION_IDENTIFYING_ATTRIBUTES, key,
                         "a value as agents have them");
  }
  (void)opamp__msg_pack_canonical(m, &packed);
  opamp_msg_free(m);
  (void)opamp__core_feed(a->core, &in, a->now);
}

static void connect_agent(agent *a) {
  static const opamp_bytes none = {NULL, 0};
  (void)opamp__core_new(&a->core, &a->config);
  set_description(a);
  feed(a, OPAMP__IN_START, none);
  feed(a, OPAMP__IN_OPENED, none);
  feed(a, OPAMP__IN_FRAME, (opamp_bytes){a->reply, a->reply_len});
}

/* A reply as servers send it: the uid and their capabilities. */
static void make_reply(agent *a) {
  opamp_msg *m = NULL;
  size_t len = sizeof a->reply - 1;
  (void)opamp_msg_new(&m, OPAMP_MSG_SERVER_TO_AGENT);
  (void)opamp_msg_set_bytes(m, OPAMP_SERVER_TO_AGENT_INSTANCE_UID,
                            (opamp_bytes){a->config.uid, OPAMP_UID_LEN});
  (void)opamp_msg_set_u64(m, OPAMP_SERVER_TO_AGENT_CAPABILITIES, 0x7f);
  (void)opamp_msg_pack(m, a->reply + 1, &len);
  a->reply_len = len + 1;
  opamp_msg_free(m);
}

static void make_offer(agent *a, int which) {
  opamp_msg *m = NULL, *offer, *config, *file;
  char name[32], body[1000];
  memset(body, 'x', sizeof body);
  (void)opamp_msg_new(&m, OPAMP_MSG_SERVER_TO_AGENT);
  (void)opamp_msg_add(&offer, m, OPAMP_SERVER_TO_AGENT_REMOTE_CONFIG);
  (void)opamp_msg_set_bytes(offer, OPAMP_AGENT_REMOTE_CONFIG_CONFIG_HASH,
                            (opamp_bytes){(uint8_t *)&which, sizeof which});
  (void)opamp_msg_add(&config, offer, OPAMP_AGENT_REMOTE_CONFIG_CONFIG);
  for (int i = 0; i < FILES; i++) {
    snprintf(name, sizeof name, "conf.d/%03d.yaml", i);
    (void)opamp_msg_put(&file, config, OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP,
                        opamp__str(name));
    (void)opamp_msg_set_bytes(file, OPAMP_AGENT_CONFIG_OBJECT_BODY,
                              (opamp_bytes){(uint8_t *)body, sizeof body});
  }
  (void)opamp__buf_byte(&a->offers[which], 0);
  (void)opamp__msg_pack_canonical(m, &a->offers[which]);
  opamp_msg_free(m);
}

static void set_up(agent *a) {
  memset(a, 0, sizeof *a);
  opamp__numbers_default(a->numbers);
  (void)opamp__url_parse(&a->url, opamp__str("ws://server"));
  a->config.numbers = a->numbers;
  a->config.url = &a->url;
  a->config.capabilities = OPAMP_AGENT_CAPABILITIES_REPORTS_HEARTBEAT |
                           OPAMP_AGENT_CAPABILITIES_ACCEPTS_REMOTE_CONFIG;
  memset(a->config.uid, 1, OPAMP_UID_LEN);
  a->config.env = (opamp__core_env){.random = no_random, .sha256 = no_digest};
  make_reply(a);
  make_offer(a, 0);
  make_offer(a, 1);
  connect_agent(a);
}

static void tear_down(agent *a) {
  opamp__core_free(a->core);
  opamp__url_free(&a->url);
  opamp__buf_free(&a->offers[0]);
  opamp__buf_free(&a->offers[1]);
}

/* --- what is measured ----------------------------------------------------- */

static void heartbeat(void *ctx) {
  agent *a = ctx;
  a->now += 30000;
  feed(a, OPAMP__IN_TICK, (opamp_bytes){NULL, 0});
  feed(a, OPAMP__IN_FRAME, (opamp_bytes){a->reply, a->reply_len});
}

static void parse_only(const opamp_bytes wire) {
  opamp_msg *m = NULL;
  (void)opamp_msg_parse(&m, OPAMP_MSG_SERVER_TO_AGENT, wire);
  opamp_msg_free(m);
}

static void heartbeat_floor(void *ctx) {
  agent *a = ctx;
  parse_only((opamp_bytes){a->reply + 1, a->reply_len - 1});
}

static void offer(void *ctx) {
  agent *a = ctx;
  feed(a, OPAMP__IN_FRAME, opamp__buf_bytes(&a->offers[a->turn++ % 2]));
}

static void offer_floor(void *ctx) {
  agent *a = ctx;
  const opamp__buf *b = &a->offers[a->turn++ % 2];
  parse_only((opamp_bytes){b->ptr + 1, b->len - 1});
}

static size_t heap_in_use(void) {
  return mallinfo2().uordblks;
}

static double idle_bytes(agent *a) {
  static opamp__core *cores[IDLE];
  opamp__core *mine = a->core;
  size_t before = heap_in_use(), after;
  for (int i = 0; i < IDLE; i++) {
    connect_agent(a);
    heartbeat(a);
    cores[i] = a->core;
  }
  after = heap_in_use();
  for (int i = 0; i < IDLE; i++) opamp__core_free(cores[i]);
  a->core = mine;
  return (double)(after - before) / IDLE;
}

int main(void) {
  agent a;
  size_t allocations;
  set_up(&a);
  heartbeat(&a);
  allocations = opamp__mem_count();
  for (int i = 0; i < 1000; i++) heartbeat(&a);
  allocations = opamp__mem_count() - allocations;
  bench_line("core: heartbeat and its answer",
             bench_best_ns(heartbeat, &a, 20000, 10), "parsing the answer",
             bench_best_ns(heartbeat_floor, &a, 20000, 10));
  bench_line("core: remote config of 100 files",
             bench_best_ns(offer, &a, 200, 10), "parsing it",
             bench_best_ns(offer_floor, &a, 200, 10));
  printf("core: allocations per heartbeat              %9.1f\n",
         (double)allocations / 1000);
  printf(
      "core: memory of an idle, connected agent     %9.0f bytes "
      "(6 attributes)\n",
      idle_bytes(&a));
  tear_down(&a);
  return 0;
}
