/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_server.h"

#include <stdio.h>
#include <string.h>

#include "wire/wire.h"

/* Most of the time the world is fine, so that schedules get somewhere. */
static bool trouble(sim *s) {
  return !s->calm && sim_random(s, 4) == 0;
}

/* --- the server's view ---------------------------------------------------- */

static void forget_all(sim *s) {
  for (int f = 0; f < SIM_FIELDS; f++) opamp__buf_free(&s->seen[f]);
  s->known = false;
}

static void see_field(sim *s, const opamp_msg *m, int field) {
  opamp__buf packed = {NULL, 0, 0};
  (void)opamp__msg_pack_canonical(opamp_msg_sub(m, field, 0), &packed);
  (void)opamp__buf_set(&s->seen[field], packed.ptr, packed.len);
  if (s->seen[field].ptr == NULL) (void)opamp__buf_reserve(&s->seen[field], 1);
  opamp__buf_free(&packed);
}

static void see_custom(sim *s, const opamp_msg *m) {
  opamp_bytes data = opamp_msg_bytes(m, OPAMP_CUSTOM_MESSAGE_DATA, 0);
  uint64_t n;
  if (data.len != sizeof n) return;
  memcpy(&n, data.ptr, sizeof n);
  if (n > s->customs_got + 1) s->customs_disorder = true;
  if (n == s->customs_got + 1) s->customs_got = n;
}

/* Takes the message that arrived into account. */
static void see(sim *s) {
  opamp_bytes body = {s->arrived.ptr, s->arrived.len};
  opamp_msg *m = NULL;
  if (opamp_msg_parse(&m, OPAMP_MSG_AGENT_TO_SERVER, body) != OPAMP_OK) return;
  for (int f = 3; f < SIM_FIELDS; f++) {
    if (opamp_msg_field_kind(OPAMP_MSG_AGENT_TO_SERVER, f) != OPAMP_KIND_MSG ||
        opamp_msg_count(m, f) == 0)
      continue;
    if (f == OPAMP_AGENT_TO_SERVER_CUSTOM_MESSAGE)
      see_custom(s, opamp_msg_sub(m, f, 0));
    else
      see_field(s, m, f);
  }
  opamp_msg_free(m);
}

static bool carries_custom(const sim *s) {
  opamp_bytes body = {s->arrived.ptr, s->arrived.len};
  opamp_msg *m = NULL;
  bool yes;
  if (opamp_msg_parse(&m, OPAMP_MSG_AGENT_TO_SERVER, body) != OPAMP_OK)
    return false;
  yes = opamp_msg_count(m, OPAMP_AGENT_TO_SERVER_CUSTOM_MESSAGE) > 0;
  opamp_msg_free(m);
  return yes;
}

/* --- answers -------------------------------------------------------------- */

static void deliver(sim *s, const opamp_msg *m) {
  uint8_t frame[512] = {0};
  size_t head = s->duplex ? 1 : 0, len = sizeof frame - head;
  opamp__input in = {.kind = OPAMP__IN_FRAME};
  if (opamp_msg_pack(m, frame + head, &len) != OPAMP_OK) return;
  in.frame = (opamp_bytes){frame, len + head};
  if (!s->duplex) s->in_flight = false;
  sim_feed(s, &in);
}

static void answer_error(sim *s, uint64_t type) {
  opamp_msg *m = NULL, *error, *info;
  (void)opamp_msg_new(&m, OPAMP_MSG_SERVER_TO_AGENT);
  (void)opamp_msg_add(&error, m, OPAMP_SERVER_TO_AGENT_ERROR_RESPONSE);
  (void)opamp_msg_set_u64(error, OPAMP_SERVER_ERROR_RESPONSE_TYPE, type);
  if (sim_random(s, 2)) {
    (void)opamp_msg_add(&info, error, OPAMP_SERVER_ERROR_RESPONSE_RETRY_INFO);
    (void)opamp_msg_set_u64(info, OPAMP_RETRY_INFO_RETRY_AFTER_NANOSECONDS,
                            sim_random(s, 100) * 1000000000);
  }
  deliver(s, m);
  opamp_msg_free(m);
}

/* Another header each time, which makes every offer one to be tried. */
static void offer_settings(sim *s, opamp_msg *m) {
  opamp_msg *offers, *place, *headers, *h;
  uint64_t n = ++s->offered;
  char value[24];
  snprintf(value, sizeof value, "%llu", (unsigned long long)n);
  (void)opamp_msg_add(&offers, m, OPAMP_SERVER_TO_AGENT_CONNECTION_SETTINGS);
  (void)opamp_msg_set_bytes(offers, OPAMP_CONNECTION_SETTINGS_OFFERS_HASH,
                            (opamp_bytes){(uint8_t *)&n, sizeof n});
  (void)opamp_msg_add(&place, offers, OPAMP_CONNECTION_SETTINGS_OFFERS_OPAMP);
  (void)opamp_msg_add(&headers, place, OPAMP_OPAMP_CONNECTION_SETTINGS_HEADERS);
  (void)opamp_msg_add(&h, headers, OPAMP_HEADERS_HEADERS);
  (void)opamp_msg_set_str(h, OPAMP_HEADER_KEY, (opamp_str){"n", 1});
  (void)opamp_msg_set_str(h, OPAMP_HEADER_VALUE,
                          (opamp_str){value, strlen(value)});
}

/* A server that does not know the agent asks for everything. */
static void answer_ok(sim *s) {
  opamp_msg *m = NULL;
  uint64_t flags = 0;
  (void)opamp_msg_new(&m, OPAMP_MSG_SERVER_TO_AGENT);
  if (!s->known || (!s->calm && sim_random(s, 10) == 0))
    flags |= OPAMP_SERVER_TO_AGENT_FLAGS_REPORT_FULL_STATE;
  s->known = true;
  if (!s->calm && sim_random(s, 12) == 0) offer_settings(s, m);
  (void)opamp_msg_set_u64(m, OPAMP_SERVER_TO_AGENT_FLAGS, flags);
  deliver(s, m);
  opamp_msg_free(m);
}

static void answer_garbage(sim *s) {
  uint8_t garbage[] = {0, 0xff, 0xff};
  opamp__input in = {.kind = OPAMP__IN_FRAME, .frame = {garbage, 3}};
  if (!s->duplex) s->in_flight = false;
  sim_feed(s, &in);
}

/* A custom message is sent while the one before is not answered yet, so an
 * error for one of them costs the order; rows have none. */
static void unknown_error(sim *s) {
  if (carries_custom(s)) {
    see(s);
    answer_ok(s);
  } else {
    answer_error(s, OPAMP_SERVER_ERROR_RESPONSE_TYPE_UNKNOWN);
  }
}

static void refuse(sim *s) {
  if (carries_custom(s)) {
    see(s); /* a refused custom message is gone, by design */
    answer_ok(s);
  } else {
    answer_error(s, OPAMP_SERVER_ERROR_RESPONSE_TYPE_BAD_REQUEST);
  }
}

/* The message reached the server, which answers. */
static void arrive(sim *s) {
  if (!trouble(s)) {
    see(s);
    answer_ok(s);
    return;
  }
  switch (sim_random(s, 6)) {
    case 0:
      unknown_error(s);
      break;
    case 1:
      answer_error(s, OPAMP_SERVER_ERROR_RESPONSE_TYPE_UNAVAILABLE);
      break;
    case 2:
      refuse(s);
      break;
    case 3:
      see(s);
      answer_garbage(s);
      break;
    case 4: /* processed, but the answer is lost with the connection */
      see(s);
      sim_closed(s, OPAMP_ERR_TRANSPORT, 0, 0, -1);
      break;
    default: /* restarted */
      forget_all(s);
      sim_closed(s, OPAMP_ERR_CLOSED, 0, s->duplex ? 1001 : 0, -1);
      break;
  }
}

static void http_refusal(sim *s) {
  static const int statuses[] = {500, 503, 429, 401, 404, 413, 502, 302};
  int status = statuses[sim_random(s, 8)];
  if (status == 413 && carries_custom(s)) status = 500;
  sim_closed(s, OPAMP_ERR_HTTP, status, 0,
             sim_random(s, 2) ? (int64_t)sim_random(s, 100000) : -1);
}

/* --- the network ---------------------------------------------------------- */

static void finish_dialling(sim *s) {
  opamp__input in = {.kind = OPAMP__IN_OPENED};
  if (trouble(s)) {
    sim_closed(s, OPAMP_ERR_TRANSPORT, sim_random(s, 2) ? 0 : 503, 0, -1);
    return;
  }
  s->dialling = false;
  s->connected = true;
  sim_feed(s, &in);
}

/* What was on its way is now with the server. */
static void land(sim *s) {
  opamp__buf_free(&s->arrived);
  s->arrived = s->flight;
  s->flight = (opamp__buf){NULL, 0, 0};
  s->in_flight = !s->duplex;
}

static void carry_websocket(sim *s) {
  opamp__input in = {.kind = OPAMP__IN_WRITTEN};
  if (trouble(s)) {
    sim_closed(s, OPAMP_ERR_TRANSPORT, 0, 0, -1);
    return;
  }
  land(s);
  /* The server has it before we hear that it was written, or after. */
  if (sim_random(s, 2)) {
    sim_feed(s, &in);
    if (s->connected) arrive(s);
  } else {
    arrive(s);
    if (s->connected) sim_feed(s, &in);
  }
}

static void carry_http(sim *s) {
  opamp__input in = {.kind = OPAMP__IN_OPENED};
  if (trouble(s)) {
    sim_closed(s, OPAMP_ERR_TRANSPORT, 0, 0, -1);
    return;
  }
  land(s);
  if (trouble(s)) {
    http_refusal(s);
    return;
  }
  sim_feed(s, &in);
  arrive(s);
}

void sim_network(sim *s) {
  if (s->dialling)
    finish_dialling(s);
  else if (s->in_flight && s->duplex)
    carry_websocket(s);
  else if (s->in_flight)
    carry_http(s);
  else if (s->connected && trouble(s))
    sim_closed(s, OPAMP_ERR_CLOSED, 0, 1006, -1);
}
