/* SPDX-License-Identifier: Apache-2.0 */
#include "player.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "msg_text.h"
#include "wire/wire.h"
#include "world.h"

enum { MAX_TICKS = 2000 };

static void say(player *p, const char *fmt, va_list args) {
  p->failed = true;
  fprintf(stderr, "%s:%zu: ", p->t->file, p->t->first_line + p->line);
  vfprintf(stderr, fmt, args);
  fputc('\n', stderr);
}

void player_fail(player *p, const char *fmt, ...) {
  va_list args;
  if (p->mode->loose) return;
  va_start(args, fmt);
  say(p, fmt, args);
  va_end(args);
}

void player_broken(player *p, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  say(p, fmt, args);
  va_end(args);
}

/* --- what came out -------------------------------------------------------- */

static output *add_output(player *p, int kind, const char *text) {
  output *o;
  p->outputs = realloc(p->outputs, (p->output_len + 1) * sizeof *p->outputs);
  o = &p->outputs[p->output_len++];
  *o = (output){.kind = kind, .text = strdup(text)};
  return o;
}

void player_clear(player *p) {
  for (size_t i = 0; i < p->output_len; i++) {
    free(p->outputs[i].text);
    opamp_msg_free(p->outputs[i].sent);
    opamp__event_destroy(p->outputs[i].event);
  }
  free(p->outputs);
  p->outputs = NULL;
  p->output_len = p->output_next = 0;
}

static void describe_message(const opamp_msg *m, char *out, size_t cap) {
  static const int head[] = {OPAMP_AGENT_TO_SERVER_INSTANCE_UID,
                             OPAMP_AGENT_TO_SERVER_SEQUENCE_NUM,
                             OPAMP_AGENT_TO_SERVER_CAPABILITIES};
  opamp_msg *rest = NULL;
  size_t n = strlen(out);
  if (opamp_msg_dup(&rest, m) != OPAMP_OK) return;
  for (size_t i = 0; i < 3; i++) (void)opamp_msg_clear(rest, head[i]);
  if (msg_text_print(rest, out + n, cap - n) == 0) strcat(out, "nothing");
  opamp_msg_free(rest);
}

static void took_send(player *p, const opamp__action *a) {
  char text[PLAYER_TEXT];
  opamp_bytes body = {a->frame, a->len};
  opamp_msg *m = NULL;
  bool again = a->len == p->last_frame.len &&
               memcmp(a->frame, p->last_frame.ptr, a->len) == 0;
  size_t header = p->duplex ? opamp__ws_header(a->frame, a->len) : 0;
  output *o;
  if (p->duplex && header != 1) player_broken(p, "bad message header");
  (void)opamp__buf_set(&p->last_frame, a->frame, a->len);
  body.ptr += header;
  body.len -= header;
  if (opamp_msg_parse(&m, OPAMP_MSG_AGENT_TO_SERVER, body) != OPAMP_OK) {
    player_broken(p, "sent what cannot be parsed: %s", opamp_errmsg());
    return;
  }
  invariants_message(p, m, again);
  p->last_seq =
      (int64_t)opamp_msg_u64(m, OPAMP_AGENT_TO_SERVER_SEQUENCE_NUM, 0);
  snprintf(text, sizeof text, "send %s%" PRId64 ": ", again ? "again " : "",
           p->last_seq);
  describe_message(m, text, sizeof text);
  o = add_output(p, OPAMP__DO_SEND, text);
  o->sent = m;
  o->again = again;
  /* The transport may overwrite it. */
  if (p->duplex) memset(a->frame, 0xee, a->len);
}

static void took_event(player *p, opamp_event *e) {
  char text[PLAYER_TEXT];
  int n =
      snprintf(text, sizeof text, "event %s", opamp_event_kind_name(e->kind));
  if (e->status != OPAMP_OK)
    n += snprintf(text + n, sizeof text - (size_t)n, " status=%s",
                  opamp_status_name(e->status) + strlen("OPAMP_"));
  for (int i = 0; i < OPAMP__EVENT_NUMBERS && e->keys[i] != 0; i++)
    n += snprintf(text + n, sizeof text - (size_t)n, " %d:%" PRId64, e->keys[i],
                  e->values[i]);
  if (e->text.len > 0)
    n += snprintf(text + n, sizeof text - (size_t)n, " text=\"%s\"",
                  (const char *)e->text.ptr);
  if (e->msg != NULL) {
    n += snprintf(text + n, sizeof text - (size_t)n, " msg=");
    msg_text_print(e->msg, text + n, sizeof text - (size_t)n);
  }
  invariants_event(p, e);
  if (e->offer != 0) p->last_offer = e->offer;
  add_output(p, OPAMP__DO_EMIT, text)->event = e;
}

static void took(player *p, const opamp__action *a) {
  char text[512];
  invariants_action(p, a);
  switch (a->kind) {
    case OPAMP__DO_SEND:
      took_send(p, a);
      return;
    case OPAMP__DO_EMIT:
      took_event(p, a->event);
      return;
    case OPAMP__DO_OPEN:
      snprintf(text, sizeof text, "open %s%s", a->url->text,
               a->credentials ? "" : " without-headers");
      p->duplex = a->url->websocket;
      break;
    case OPAMP__DO_CLOSE:
      snprintf(text, sizeof text, "close %d", a->code);
      break;
    case OPAMP__DO_LOAD:
    case OPAMP__DO_SAVE:
    case OPAMP__DO_ERASE:
    case OPAMP__DO_KEY:
      if (world_took(p, a, text, sizeof text)) return;
      break;
    default:
      snprintf(text, sizeof text, "%s",
               a->kind == OPAMP__DO_PING ? "ping" : "abort");
      break;
  }
  add_output(p, (int)a->kind, text);
}

void player_memory(player *p, bool own) {
  size_t count = opamp__mem_count();
  if (own) {
    p->fail_left = p->fail_at > count ? p->fail_at - count : 0;
    opamp__mem_fail_after(0);
  } else {
    p->fail_at = count + p->fail_left;
    opamp__mem_fail_after(p->fail_left);
  }
}

/* Takes all actions. A WebSocket frame counts as written at once, unless the
 * transcript says when. */
void player_drain(player *p) {
  opamp__action a;
  bool sent, written, answered;
  do {
    sent = false;
    while (opamp__core_next(p->core, &a)) {
      player_memory(p, true);
      took(p, &a);
      player_memory(p, false);
      sent = sent || a.kind == OPAMP__DO_SEND;
    }
    answered = world_answer(p);
    written = sent && p->duplex && !p->manual_written;
    if (written) {
      opamp__input in = {.kind = OPAMP__IN_WRITTEN};
      player_feed(p, &in);
    }
  } while (written || answered);
}

void player_feed(player *p, const opamp__input *in) {
  opamp_status s;
  invariants_input(p, in);
  s = opamp__core_feed(p->core, in, p->now);
  if (s != OPAMP_OK && !(s == OPAMP_ERR_NOMEM && p->mode->fail_after != 0))
    player_broken(p, "the core says %s", opamp_status_name(s));
}

/* --- time ----------------------------------------------------------------- */

static void unexpected(player *p) {
  for (; p->output_next < p->output_len; p->output_next++)
    player_fail(p, "@%" PRIu64 " not in the transcript: %s", p->now,
                p->outputs[p->output_next].text);
  player_clear(p);
}

/* Lets time pass. Whatever a deadline on the way brings forth must be written
 * down, with a tick at that very time. */
static void advance(player *p, uint64_t to, bool to_tick) {
  opamp__input tick = {.kind = OPAMP__IN_TICK};
  for (int ticks = 0; ticks < MAX_TICKS; ticks++) {
    uint64_t at = opamp__core_deadline(p->core);
    if (at > to || (at == to && to_tick)) break;
    if (at > p->now) p->now = at;
    if (!invariants_tick(p, p->now)) return;
    player_feed(p, &tick);
    player_drain(p);
    unexpected(p);
  }
  p->now = to;
}

/* --- the player ----------------------------------------------------------- */

static uint64_t next_random(void *ctx) {
  return ((player *)ctx)->random;
}

/* Not SHA-256: the core does not care what the function is. */
static void digest(opamp_bytes in, uint8_t out[32]) {
  uint64_t h = 1469598103934665603u;
  for (size_t i = 0; i < in.len; i++) h = (h ^ in.ptr[i]) * 1099511628211u;
  for (size_t i = 0; i < 32; i++) out[i] = (uint8_t)(h >> (i % 8 * 8));
}

void player_set_up(player *p, const transcript *t,
                   const transcript_mode *mode) {
  *p = (player){.t = t, .mode = mode, .last_seq = -1};
  opamp__numbers_default(p->numbers);
  p->config.numbers = p->numbers;
  p->config.url = &p->url;
  p->config.capabilities = OPAMP_AGENT_CAPABILITIES_REPORTS_HEALTH |
                           OPAMP_AGENT_CAPABILITIES_REPORTS_HEARTBEAT;
  memcpy(p->config.uid, "0123456789abcdef", OPAMP_UID_LEN);
  p->config.tls_min = 12;
  p->config.env = (opamp__core_env){.random = next_random,
                                    .sha256 = digest,
                                    .usable = world_usable,
                                    .renew_in = world_renew_in,
                                    .ctx = p};
  p->world.saving = -1;
  (void)opamp__url_parse(&p->url, (opamp_str){"ws://server", 11});
}

void player_tear_down(player *p) {
  opamp__mem_fail_after(0);
  player_clear(p);
  opamp__core_free(p->core);
  opamp__url_free(&p->url);
  opamp__buf_free(&p->last_frame);
  world_free(p);
}

bool player_begin(player *p) {
  opamp_status s;
  if (p->core != NULL) return true;
  p->duplex = p->url.websocket;
  if (p->fail_at == 0) p->fail_left = p->mode->fail_after;
  player_memory(p, false);
  s = opamp__core_new(&p->core, &p->config);
  if (s != OPAMP_OK) player_fail(p, "%s", opamp_status_name(s));
  return s == OPAMP_OK;
}

static bool is_expectation(const char *line) {
  return line[0] == ' ' && strncmp(line + strspn(line, " "), "and ", 4) != 0;
}

/* The next line that is neither empty nor a comment; NULL at the end. */
static const char *peek(player *p) {
  while (p->line < p->t->len) {
    const char *line = p->t->lines[p->line];
    const char *text = line + strspn(line, " ");
    if (*text != '\0' && *text != '#') return line;
    p->line++;
  }
  return NULL;
}

static void play_moment(player *p, const char *line) {
  char *end;
  uint64_t at = strtoull(line + 1, &end, 10);
  const char *text = end + strspn(end, " ");
  bool understood;
  if (strcmp(text, "asleep") == 0)
    p->now = at; /* no deadline was noticed on the way */
  else
    advance(p, at, strcmp(text, "tick") == 0);
  if (strcmp(text, "tick") == 0 && opamp__core_deadline(p->core) > at)
    player_fail(p, "no deadline comes at @%" PRIu64, at);
  understood = player_input(p, text);
  p->line++;
  while (understood && (line = peek(p)) != NULL && line[0] == ' ' &&
         !is_expectation(line)) {
    understood = player_input(p, line + strspn(line, " ") + 4);
    p->line++;
  }
  if (!understood) player_fail(p, "not understood (the line before): %s", text);
  player_drain(p);
  while ((line = peek(p)) != NULL && is_expectation(line)) {
    player_expect(p, line + strspn(line, " "));
    p->line++;
  }
  p->line--;
  unexpected(p);
  p->line++;
}

static void play(player *p) {
  const char *line;
  while (!p->failed && (line = peek(p)) != NULL) {
    if (line[0] == '@') {
      if (!player_begin(p)) return;
      play_moment(p, line);
    } else {
      if (!player_setting(p, line)) player_fail(p, "not understood: %s", line);
      p->line++;
    }
  }
}

bool transcript_play(const transcript *t, const transcript_mode *mode) {
  player p;
  player_set_up(&p, t, mode);
  play(&p);
  player_tear_down(&p);
  return !p.failed;
}
