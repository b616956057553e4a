/* SPDX-License-Identifier: Apache-2.0 */
#include "sim.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "sim_server.h"
#include "wire/wire.h"

enum { SETTLE_MS = 4 * 3600 * 1000, MAX_TURNS = 20000 };

static const int fields[] = {OPAMP_AGENT_TO_SERVER_AGENT_DESCRIPTION,
                             OPAMP_AGENT_TO_SERVER_HEALTH,
                             OPAMP_AGENT_TO_SERVER_EFFECTIVE_CONFIG,
                             OPAMP_AGENT_TO_SERVER_PACKAGE_STATUSES,
                             OPAMP_AGENT_TO_SERVER_CUSTOM_CAPABILITIES,
                             OPAMP_AGENT_TO_SERVER_AVAILABLE_COMPONENTS};

uint64_t sim_random(sim *s, uint64_t below) {
  uint64_t z = (s->seed += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (z ^ (z >> 31)) % below;
}

static uint64_t core_random(void *ctx) {
  return sim_random(ctx, UINT64_MAX);
}

static void core_digest(opamp_bytes in, uint8_t out[32]) {
  memset(out, (int)in.len, 32);
}

/* --- actions -------------------------------------------------------------- */

/* STATE-1: the next number, or the very same bytes again. */
static void check_sequence(sim *s, opamp_bytes body, const uint8_t *frame,
                           size_t len) {
  opamp_msg *m = NULL;
  int64_t seq;
  bool again =
      s->last_frame.len == len && memcmp(s->last_frame.ptr, frame, len) == 0;
  if (opamp_msg_parse(&m, OPAMP_MSG_AGENT_TO_SERVER, body) != OPAMP_OK) {
    s->broken = "a message that cannot be parsed";
    return;
  }
  seq = (int64_t)opamp_msg_u64(m, OPAMP_AGENT_TO_SERVER_SEQUENCE_NUM, 0);
  if (again ? seq != s->last_seq : seq != s->last_seq + 1)
    s->broken = "sequence_num";
  s->last_seq = seq;
  (void)opamp__buf_set(&s->last_frame, frame, len);
  opamp_msg_free(m);
}

static void take_send(sim *s, const opamp__action *a) {
  size_t header = s->duplex ? 1 : 0;
  opamp_bytes body = {a->frame + header, a->len - header};
  if (s->in_flight) s->broken = "a second frame while one is on its way";
  if (s->duplex && !s->connected) s->broken = "a frame without a connection";
  check_sequence(s, body, a->frame, a->len);
  (void)opamp__buf_set(&s->flight, body.ptr, body.len);
  s->in_flight = true;
  if (s->duplex) memset(a->frame, 0xee, a->len);
}

static int64_t status_of(const opamp_event *e) {
  for (int i = 0; i < OPAMP__EVENT_NUMBERS; i++)
    if (e->keys[i] == OPAMP_NUM_STATE) return e->values[i];
  return 0;
}

/* SET-1: each offer has one final status, none is left APPLYING, and they come
 * in order. */
static void see_status(sim *s, const opamp_event *e) {
  uint64_t n = 0;
  if (e->kind != OPAMP_EVENT_CONNECTION_SETTINGS_STATUS ||
      status_of(e) == OPAMP_CONNECTION_SETTINGS_STATUSES_APPLYING)
    return;
  if (e->bytes.len == sizeof n) memcpy(&n, e->bytes.ptr, sizeof n);
  if (n <= s->settled) s->broken = "settings with two final statuses";
  s->settled = n;
}

static void take(sim *s, const opamp__action *a) {
  switch (a->kind) {
    case OPAMP__DO_OPEN:
      s->dialling = s->duplex;
      s->connected = false;
      break;
    case OPAMP__DO_SEND:
      take_send(s, a);
      break;
    case OPAMP__DO_EMIT:
      see_status(s, a->event);
      opamp__event_destroy(a->event);
      break;
    case OPAMP__DO_CLOSE:
      s->in_flight = false;
      sim_closed(s, OPAMP_ERR_CLOSED, 0, a->code, -1);
      break;
    case OPAMP__DO_ABORT:
      s->dialling = s->connected = s->in_flight = false;
      break;
    default:
      break;
  }
}

void sim_feed(sim *s, const opamp__input *in) {
  opamp__action a;
  if (opamp__core_feed(s->core, in, s->now) != OPAMP_OK)
    s->broken = "an input was not taken";
  while (opamp__core_next(s->core, &a)) take(s, &a);
}

void sim_closed(sim *s, opamp_status why, int http, int code,
                int64_t retry_after) {
  opamp__in_closed closed = {.why = why,
                             .http_status = http,
                             .close_code = code,
                             .retry_after_ms = retry_after};
  opamp__input in = {.kind = OPAMP__IN_CLOSED, .closed = &closed};
  s->dialling = s->connected = s->in_flight = false;
  sim_feed(s, &in);
}

/* --- the application ------------------------------------------------------ */

/* A value that is new most of the time, and sometimes empty. */
static void set_something(sim *s) {
  int field = fields[sim_random(s, sizeof fields / sizeof *fields)];
  opamp__buf value = {NULL, 0, 0};
  opamp__input in = {.kind = OPAMP__IN_SET, .field = field, .value = &value};
  uint8_t content[8];
  uint64_t r = sim_random(s, 1000);
  /* The hash of available components; elsewhere a field nobody knows. */
  int inner = field == OPAMP_AGENT_TO_SERVER_AVAILABLE_COMPONENTS
                  ? OPAMP_AVAILABLE_COMPONENTS_HASH
                  : 99;
  memcpy(content, &r, sizeof content);
  if (r % 7 != 0)
    (void)opamp__put_bytes(&value, inner,
                           (opamp_bytes){content, sizeof content});
  (void)opamp__buf_set(&s->set[field], value.ptr, value.len);
  if (s->set[field].ptr == NULL) (void)opamp__buf_reserve(&s->set[field], 1);
  sim_feed(s, &in);
  opamp__buf_free(&value);
}

static void queue_custom(sim *s) {
  opamp__buf value = {NULL, 0, 0};
  opamp__input in = {.kind = OPAMP__IN_CUSTOM, .value = &value};
  uint64_t n = s->customs_queued + 1;
  if (opamp__core_look(s->core)->customs >= 64) return;
  (void)opamp__put_bytes(&value, OPAMP_CUSTOM_MESSAGE_DATA,
                         (opamp_bytes){(uint8_t *)&n, sizeof n});
  s->customs_queued = n;
  sim_feed(s, &in);
  opamp__buf_free(&value);
}

static void application(sim *s) {
  opamp__input in = {.kind = OPAMP__IN_START};
  switch (sim_random(s, 8)) {
    case 0:
      queue_custom(s);
      break;
    case 1:
      in.kind = OPAMP__IN_HEADERS;
      sim_feed(s, &in);
      break;
    case 2:
      if (sim_random(s, 20) == 0) {
        in.kind = OPAMP__IN_STOP;
        sim_feed(s, &in);
        in.kind = OPAMP__IN_START;
        sim_feed(s, &in);
      }
      break;
    default:
      set_something(s);
      break;
  }
}

/* --- time ----------------------------------------------------------------- */

static void pass_time(sim *s, uint64_t to) {
  opamp__input tick = {.kind = OPAMP__IN_TICK};
  for (int turns = 0; opamp__core_deadline(s->core) <= to; turns++) {
    uint64_t at = opamp__core_deadline(s->core);
    if (turns > 1000) {
      s->broken = "a busy loop";
      return;
    }
    if (at > s->now) s->now = at;
    sim_feed(s, &tick);
  }
  s->now = to;
}

void sim_step(sim *s) {
  switch (sim_random(s, 6)) {
    case 0:
    case 1:
      application(s);
      break;
    case 2:
      pass_time(s, s->now + sim_random(s, 100));
      break;
    case 3:
      pass_time(s, s->now + sim_random(s, 40000));
      break;
    default:
      sim_network(s);
      break;
  }
}

void sim_settle(sim *s) {
  uint64_t end = s->now + SETTLE_MS;
  s->calm = true;
  for (int turns = 0; s->broken == NULL && s->now < end; turns++) {
    uint64_t at = opamp__core_deadline(s->core);
    if (s->dialling || s->in_flight)
      sim_network(s);
    else
      pass_time(s, at < end ? at : end);
    if (turns > MAX_TURNS) s->broken = "it does not come to rest";
  }
}

/* --- life ----------------------------------------------------------------- */

void sim_begin(sim *s, uint64_t seed, bool duplex) {
  opamp__input start = {.kind = OPAMP__IN_START};
  *s = (sim){.seed = seed, .duplex = duplex, .last_seq = -1};
  opamp__numbers_default(s->numbers);
  (void)opamp__url_parse(&s->url,
                         opamp__str(duplex ? "ws://server" : "http://server"));
  s->config.numbers = s->numbers;
  s->config.url = &s->url;
  s->config.capabilities = 0xffff;
  memset(s->config.uid, 7, OPAMP_UID_LEN);
  s->config.env =
      (opamp__core_env){.random = core_random, .sha256 = core_digest, .ctx = s};
  (void)opamp__core_new(&s->core, &s->config);
  if (sim_random(s, 2)) set_something(s);
  sim_feed(s, &start);
}

const char *sim_verdict(const sim *s) {
  static char text[80];
  if (s->broken != NULL) return s->broken;
  for (int f = 0; f < SIM_FIELDS; f++) {
    const opamp__buf *set = &s->set[f], *seen = &s->seen[f];
    if (set->ptr == NULL) continue;
    if (seen->ptr == NULL || seen->len != set->len ||
        (set->len > 0 && memcmp(seen->ptr, set->ptr, set->len) != 0)) {
      snprintf(text, sizeof text,
               "the server's view of field %d is not what was set", f);
      return text;
    }
  }
  if (s->settled != s->offered) return "settings without a final status";
  if (s->customs_disorder) return "custom messages out of order";
  if (s->customs_got != s->customs_queued) return "a custom message was lost";
  if (opamp__core_look(s->core)->undelivered != 0)
    return "undelivered is not 0";
  return NULL;
}

void sim_end(sim *s) {
  opamp__core_free(s->core);
  opamp__url_free(&s->url);
  for (int f = 0; f < SIM_FIELDS; f++) {
    opamp__buf_free(&s->set[f]);
    opamp__buf_free(&s->seen[f]);
  }
  opamp__buf_free(&s->flight);
  opamp__buf_free(&s->arrived);
  opamp__buf_free(&s->last_frame);
}
