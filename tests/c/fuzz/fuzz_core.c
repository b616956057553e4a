/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a core, in any order of inputs; core_input.h says how they are
 * written. What must hold are the invariants of the transcripts, and that it
 * can be stopped at the end. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "core_input.h"
#include "fuzz.h"
#include "player.h"
#include "wire/wire.h"

enum { TICK_FAR = 48 /* hours */ };

typedef struct life {
  player p;
  transcript_mode mode;
  fuzz_in in;
  size_t no_memory; /* in the next input */
  bool fed;         /* inputs of the application that share one message */
} life;

static const char *const names[] = {
    [OPAMP__IN_START] = "start",
    [OPAMP__IN_STOP] = "stop",
    [OPAMP__IN_SET] = "set",
    [OPAMP__IN_CAPABILITIES] = "capabilities",
    [OPAMP__IN_CUSTOM] = "custom",
    [OPAMP__IN_STATUS] = "status",
    [OPAMP__IN_ANSWER] = "answer",
    [OPAMP__IN_FORGET] = "forget",
    [OPAMP__IN_FLUSH] = "flush",
    [OPAMP__IN_HEADERS] = "headers",
    [OPAMP__IN_HEARTBEAT] = "heartbeat",
    [OPAMP__IN_CERTIFICATE] = "certificate",
    [OPAMP__IN_OPENED] = "opened",
    [OPAMP__IN_FRAME] = "frame",
    [OPAMP__IN_ALIVE] = "alive",
    [OPAMP__IN_WRITTEN] = "written",
    [OPAMP__IN_CLOSED] = "closed",
    [OPAMP__IN_LOADED] = "loaded",
    [OPAMP__IN_SAVED] = "saved",
    [OPAMP__IN_KEY] = "key",
    [OPAMP__IN_TICK] = "tick",
};

/* With FUZZ_TRACE in the environment it tells the life, as a transcript. */
static void trace(const life *l) {
  if (getenv("FUZZ_TRACE") == NULL) return;
  for (size_t i = 0; i < l->p.output_len; i++)
    fprintf(stderr, "       %s\n", l->p.outputs[i].text);
}

static void trace_input(const life *l, opamp__in_kind kind) {
  if (getenv("FUZZ_TRACE") == NULL) return;
  fprintf(stderr, "@%-5" PRIu64 " %s\n", l->p.now, names[kind]);
}

static void take_all(life *l) {
  player_drain(&l->p);
  trace(l);
  player_clear(&l->p);
  l->fed = false;
}

static void feed(life *l, const opamp__input *in) {
  player *p = &l->p;
  trace_input(l, in->kind);
  if (l->no_memory > 0) {
    /* From now on one event of a pair may be missing. */
    l->mode.fail_after = p->fail_left = l->no_memory;
    player_memory(p, false);
  }
  player_feed(p, in);
  if (l->no_memory > 0) {
    take_all(l);
    l->no_memory = p->fail_at = p->fail_left = 0;
    opamp__mem_fail_after(0);
  }
}

/* --- the application ------------------------------------------------------ */

/* The runtime lets only C strings through that are UTF-8. */
static opamp_str read_text(life *l) {
  opamp_bytes b = fuzz_bytes(&l->in);
  const uint8_t *nul = b.len > 0 ? memchr(b.ptr, 0, b.len) : NULL;
  if (nul != NULL) b.len = (size_t)(nul - b.ptr);
  if (!opamp__utf8_valid(b.ptr, b.len)) b.len = 0;
  return fuzz_str(b);
}

/* Bytes that are no message are passed over. */
static void feed_value(life *l, opamp__in_kind kind, int field, int type) {
  opamp_bytes bytes = fuzz_bytes(&l->in);
  opamp__buf value = {NULL, 0, 0};
  opamp__input in = {.kind = kind, .field = field, .value = &value};
  opamp_msg *m = NULL;
  if (opamp_msg_parse(&m, type, bytes) != OPAMP_OK) return;
  FUZZ_CHECK(opamp__msg_pack_canonical(m, &value) == OPAMP_OK);
  opamp_msg_free(m);
  feed(l, &in);
  opamp__buf_free(&value);
}

static void feed_set(life *l) {
  int field = core_rows[fuzz_byte(&l->in) % CORE_LEN(core_rows)];
  feed_value(l, OPAMP__IN_SET, field,
             opamp_msg_field_type(OPAMP_MSG_AGENT_TO_SERVER, field));
}

static void feed_status(life *l) {
  opamp__input in = {.kind = OPAMP__IN_STATUS};
  in.field = fuzz_byte(&l->in) % 2 == 0
                 ? OPAMP_AGENT_TO_SERVER_REMOTE_CONFIG_STATUS
                 : OPAMP_AGENT_TO_SERVER_CONNECTION_SETTINGS_STATUS;
  in.hash = fuzz_bytes(&l->in);
  in.status = 1 + (fuzz_byte(&l->in) + 2) % 3;
  in.text = read_text(l);
  feed(l, &in);
}

static void feed_answer(life *l) {
  opamp__input in = {.kind = OPAMP__IN_ANSWER};
  in.offer = (uint32_t)fuzz_varint(&l->in);
  in.verdict = (opamp__verdict)(1 + (fuzz_byte(&l->in) + 2) % 3);
  in.text = read_text(l);
  feed(l, &in);
}

static uint64_t within(int key, uint64_t v) {
  const opamp__number *n = opamp__number_find(key);
  return v < n->min ? n->min : v > n->max ? n->max : v;
}

static void feed_number(life *l, opamp__in_kind kind) {
  opamp__input in = {.kind = kind, .number = fuzz_varint(&l->in)};
  if (kind == OPAMP__IN_HEARTBEAT)
    in.number = within(OPAMP_OPT_HEARTBEAT, in.number);
  if (kind == OPAMP__IN_FORGET)
    in.number = (uint64_t)core_offers[in.number % CORE_LEN(core_offers)];
  feed(l, &in);
}

static void feed_plain(life *l, opamp__in_kind kind) {
  opamp__input in = {.kind = kind};
  feed(l, &in);
}

/* False: it is none of the application's. */
static bool application(life *l, int what) {
  opamp__input stop = {.kind = OPAMP__IN_STOP};
  switch (what) {
    case CORE_START:
      feed_plain(l, OPAMP__IN_START);
      return true;
    case CORE_STOP:
      stop.silent = fuzz_byte(&l->in) % 2 != 0;
      feed(l, &stop);
      return true;
    case CORE_SET:
      feed_set(l);
      return true;
    case CORE_CAPABILITIES:
      feed_number(l, OPAMP__IN_CAPABILITIES);
      return true;
    case CORE_CUSTOM:
      feed_value(l, OPAMP__IN_CUSTOM, 0, OPAMP_MSG_CUSTOM_MESSAGE);
      return true;
    case CORE_STATUS:
      feed_status(l);
      return true;
    case CORE_ANSWER:
      feed_answer(l);
      return true;
    case CORE_FORGET:
      feed_number(l, OPAMP__IN_FORGET);
      return true;
    case CORE_FLUSH:
      feed_plain(l, OPAMP__IN_FLUSH);
      return true;
    case CORE_HEADERS:
      feed_plain(l, OPAMP__IN_HEADERS);
      return true;
    case CORE_HEARTBEAT:
      feed_number(l, OPAMP__IN_HEARTBEAT);
      return true;
    case CORE_CERTIFICATE:
      feed_plain(l, OPAMP__IN_CERTIFICATE);
      return true;
    default:
      return false;
  }
}

/* --- the store and the maker of keys -------------------------------------- */

/* Answers that nobody asked for are among them: they change nothing. False: it
 * is none of theirs. */
static bool keeper(life *l, int what) {
  opamp__input in = {.text = OPAMP__LIT("why")};
  if (what != CORE_LOADED && what != CORE_SAVED && what != CORE_KEY)
    return false;
  if (what != CORE_KEY) in.number = fuzz_byte(&l->in) % OPAMP__KEEPS;
  in.result = core_results[fuzz_byte(&l->in) % CORE_LEN(core_results)];
  if (what == CORE_KEY) in.hash = fuzz_bytes(&l->in);
  if (what != CORE_SAVED) in.frame = fuzz_bytes(&l->in);
  in.kind = what == CORE_LOADED  ? OPAMP__IN_LOADED
            : what == CORE_SAVED ? OPAMP__IN_SAVED
                                 : OPAMP__IN_KEY;
  feed(l, &in);
  return true;
}

/* --- the transport -------------------------------------------------------- */

static bool connected(const player *p) {
  if (!p->duplex) return p->invariants.in_flight;
  return p->invariants.link == LINK_OPEN || p->invariants.link == LINK_CLOSING;
}

static void feed_frame(life *l) {
  opamp_bytes bytes = fuzz_bytes(&l->in);
  uint8_t *frame = fuzz_exact(bytes);
  opamp__input in = {.kind = OPAMP__IN_FRAME, .frame = {frame, bytes.len}};
  if (connected(&l->p)) feed(l, &in);
  free(frame);
}

static void feed_closed(life *l) {
  opamp__in_closed closed = {0};
  bool ws = l->p.duplex;
  uint64_t after;
  opamp__input in = {.kind = OPAMP__IN_CLOSED, .closed = &closed};
  closed.why = core_closed[fuzz_byte(&l->in) % CORE_LEN(core_closed)];
  closed.http_status = (int)(fuzz_varint(&l->in) % 1000);
  closed.close_code = (int)(fuzz_varint(&l->in) & 0xffff);
  after = fuzz_varint(&l->in);
  closed.retry_after_ms = after > INT64_MAX ? INT64_MAX : (int64_t)after - 1;
  closed.text = fuzz_str(fuzz_bytes(&l->in));
  closed.location = fuzz_str(fuzz_bytes(&l->in));
  closed.body = fuzz_str(fuzz_bytes(&l->in));
  /* Only the upgrade of a WebSocket is answered with a status. */
  if (ws && l->p.invariants.link != LINK_DIALLED) closed.http_status = 0;
  if (!ws || l->p.invariants.link != LINK_NONE) feed(l, &in);
}

static void transport(life *l, int what) {
  const player *p = &l->p;
  const invariants *v = &p->invariants;
  switch (what) {
    case CORE_OPENED:
      if (p->duplex ? v->link == LINK_DIALLED : v->in_flight)
        feed_plain(l, OPAMP__IN_OPENED);
      break;
    case CORE_ALIVE:
      if (connected(p)) feed_plain(l, OPAMP__IN_ALIVE);
      break;
    case CORE_WRITTEN:
      if (v->unwritten) feed_plain(l, OPAMP__IN_WRITTEN);
      break;
    case CORE_FRAME:
      feed_frame(l);
      break;
    default:
      feed_closed(l);
      break;
  }
}

/* --- the clock ------------------------------------------------------------ */

/* The next deadline comes, and is over when its actions are done: one that
 * stays is a busy loop. False when there is none soon. */
static bool tick(life *l) {
  uint64_t at = opamp__core_deadline(l->p.core);
  if (at > l->p.now + (uint64_t)TICK_FAR * 3600 * 1000) return false;
  if (at > l->p.now) l->p.now = at;
  do {
    if (!invariants_tick(&l->p, l->p.now)) return false;
    feed_plain(l, OPAMP__IN_TICK);
    take_all(l);
  } while (opamp__core_deadline(l->p.core) <= l->p.now);
  return true;
}

/* --- a life --------------------------------------------------------------- */

static void step(life *l) {
  int what = fuzz_byte(&l->in) % CORE_INPUTS;
  l->p.line++;
  switch (what) {
    case CORE_TAKE:
      take_all(l);
      return;
    case CORE_TIME:
      l->p.now += fuzz_varint(&l->in) & UINT32_MAX;
      return;
    case CORE_RANDOM:
      l->p.random = fuzz_varint(&l->in);
      return;
    case CORE_NO_MEMORY:
      l->no_memory = fuzz_byte(&l->in);
      return;
    default:
      break;
  }
  if (what != CORE_TICK) l->p.invariants.ticks = 0;
  if (application(l, what)) {
    l->fed = true;
    return;
  }
  if (l->fed) take_all(l);
  if (what == CORE_TICK)
    (void)tick(l);
  else if (!keeper(l, what))
    transport(l, what);
  take_all(l);
}

static void read_settings(life *l) {
  player *p = &l->p;
  opamp__url url;
  if (opamp__url_parse(&url, fuzz_str(fuzz_bytes(&l->in))) == OPAMP_OK) {
    opamp__url_free(&p->url);
    p->url = url;
  }
  p->config.capabilities = fuzz_varint(&l->in);
  p->config.store = p->config.own_uid = fuzz_byte(&l->in) % 2 != 0;
  p->world.load_by_hand = p->world.by_hand = true;
  for (int n = fuzz_byte(&l->in) % OPAMP__NUMBERS; n > 0; n--) {
    const opamp__number *number = opamp__number_at(fuzz_byte(&l->in));
    uint64_t value = fuzz_varint(&l->in);
    if (number != NULL) p->numbers[number->key] = within(number->key, value);
  }
  p->manual_written = true;
}

/* Without anything from the transport it is over when the time is. */
static void stop(life *l) {
  opamp__input in = {.kind = OPAMP__IN_STOP};
  uint64_t end = l->p.now + l->p.numbers[OPAMP_OPT_STOP_TIMEOUT];
  take_all(l);
  l->p.invariants.ticks = 0;
  feed(l, &in);
  take_all(l);
  while (opamp__core_deadline(l->p.core) <= end && tick(l)) continue;
  if (opamp__core_look(l->p.core)->state != OPAMP_STATE_STOPPED)
    player_broken(&l->p, "it does not stop");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  static const transcript none = {.file = "input"};
  life l = {.mode = {.loose = true}, .in = {bytes, bytes + n}};
  player_set_up(&l.p, &none, &l.mode);
  read_settings(&l);
  FUZZ_CHECK(player_begin(&l.p));
  while (l.in.p < l.in.end && !l.p.failed) step(&l);
  if (!l.p.failed) stop(&l);
  FUZZ_CHECK(!l.p.failed);
  player_tear_down(&l.p);
  return 0;
}
