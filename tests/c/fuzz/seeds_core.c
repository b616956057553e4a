/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core_input.h"
#include "seeds.h"
#include "transcript.h"
#include "wire/wire.h"

/* Transcripts are played as they are, and what passes between the player and
 * the core is written down: the linker puts the functions below between the
 * two (--wrap). */

opamp_status __real_opamp__core_new(opamp__core **out,
                                    const opamp__core_config *config);
opamp_status __wrap_opamp__core_new(opamp__core **out,
                                    const opamp__core_config *config);
opamp_status __real_opamp__core_feed(opamp__core *core, const opamp__input *in,
                                     uint64_t now_ms);
opamp_status __wrap_opamp__core_feed(opamp__core *core, const opamp__input *in,
                                     uint64_t now_ms);
bool __real_opamp__core_next(opamp__core *core, opamp__action *out);
bool __wrap_opamp__core_next(opamp__core *core, opamp__action *out);

static struct {
  opamp__buf seed;
  const opamp__core_config *config;
  uint64_t now, random;
  bool fed; /* inputs of the application whose actions were not taken yet */
} now_playing;

/* --- writing -------------------------------------------------------------- */

static void put_byte(size_t v) {
  if (!opamp__buf_byte(&now_playing.seed, (uint8_t)v)) abort();
}

static void put_number(uint64_t v) {
  for (; v >= 0x80; v >>= 7) put_byte((size_t)(v & 0x7f) | 0x80);
  put_byte((size_t)v);
}

static void put_bytes(const void *p, size_t n) {
  put_number(n);
  if (n > 0 && !opamp__buf_append(&now_playing.seed, p, n)) abort();
}

static void put_text(opamp_str s) {
  put_bytes(s.ptr, s.len);
}

static size_t index_of(const int *list, size_t n, int what) {
  size_t i = 0;
  while (i < n && list[i] != what) i++;
  return i;
}

/* --- messages ------------------------------------------------------------- */

static void write_message(const opamp_msg *m) {
  opamp__buf out = {NULL, 0, 0};
  int type = opamp_msg_type(m);
  if (!opamp__buf_byte(&out, (uint8_t)(type - 1)) ||
      opamp__msg_pack_canonical(m, &out) != OPAMP_OK)
    abort();
  seeds_write("wire", out.ptr, out.len);
  opamp__buf_free(&out);
  for (size_t f = 0; f < opamp_msg_field_count(type); f++) {
    int field = opamp_msg_field_at(type, f);
    for (size_t i = 0; i < opamp_msg_count(m, field); i++) {
      const opamp_msg *sub = opamp_msg_sub(m, field, i);
      if (sub != NULL) write_message(sub);
    }
  }
}

static bool over_websocket(void) {
  return now_playing.config->url->websocket;
}

/* A frame that no message is in is a seed too. */
static void write_frame(int type, const uint8_t *p, size_t n) {
  size_t head = over_websocket() ? opamp__ws_header(p, n) : 0;
  opamp__buf raw = {NULL, 0, 0};
  opamp_msg *m = NULL;
  if (opamp_msg_parse(&m, type, (opamp_bytes){p + head, n - head}) ==
      OPAMP_OK) {
    write_message(m);
  } else if (opamp__buf_byte(&raw, (uint8_t)(type - 1)) &&
             opamp__buf_append(&raw, p + head, n - head)) {
    seeds_write("wire", raw.ptr, raw.len);
  }
  opamp__buf_free(&raw);
  opamp_msg_free(m);
}

/* --- inputs --------------------------------------------------------------- */

static void put_status(const opamp__input *in) {
  put_byte(CORE_STATUS);
  put_byte(in->field != OPAMP_AGENT_TO_SERVER_REMOTE_CONFIG_STATUS);
  put_bytes(in->hash.ptr, in->hash.len);
  put_byte((size_t)in->status);
  put_text(in->text);
}

static void put_answer(const opamp__input *in) {
  put_byte(CORE_ANSWER);
  put_number(in->offer);
  put_byte(in->verdict);
  put_text(in->text);
}

static void put_closed(const opamp__in_closed *c) {
  put_byte(CORE_CLOSED);
  put_byte(
      index_of((const int *)core_closed, CORE_LEN(core_closed), (int)c->why));
  put_number((uint64_t)c->http_status);
  put_number((uint64_t)c->close_code);
  put_number((uint64_t)c->retry_after_ms + 1);
  put_text(c->text);
  put_text(c->location);
  put_text(c->body);
}

static void put_with_number(int what, uint64_t number) {
  put_byte((size_t)what);
  put_number(number);
}

static void put_from_application(const opamp__input *in) {
  switch (in->kind) {
    case OPAMP__IN_START:
      put_byte(CORE_START);
      break;
    case OPAMP__IN_STOP:
      put_byte(CORE_STOP);
      put_byte(in->silent);
      break;
    case OPAMP__IN_SET:
      put_byte(CORE_SET);
      put_byte(index_of(core_rows, CORE_LEN(core_rows), in->field));
      put_bytes(in->value->ptr, in->value->len);
      break;
    case OPAMP__IN_CAPABILITIES:
      put_with_number(CORE_CAPABILITIES, in->number);
      break;
    case OPAMP__IN_CUSTOM:
      put_byte(CORE_CUSTOM);
      put_bytes(in->value->ptr, in->value->len);
      break;
    case OPAMP__IN_STATUS:
      put_status(in);
      break;
    case OPAMP__IN_ANSWER:
      put_answer(in);
      break;
    case OPAMP__IN_FORGET:
      put_with_number(CORE_FORGET, index_of(core_offers, CORE_LEN(core_offers),
                                            (int)in->number));
      break;
    case OPAMP__IN_FLUSH:
      put_byte(CORE_FLUSH);
      break;
    case OPAMP__IN_HEADERS:
      put_byte(CORE_HEADERS);
      break;
    case OPAMP__IN_HEARTBEAT:
      put_with_number(CORE_HEARTBEAT, in->number);
      break;
    case OPAMP__IN_CERTIFICATE:
      put_byte(CORE_CERTIFICATE);
      break;
    default:
      abort(); /* a kind that is not written down */
  }
  now_playing.fed = true;
}

static void put_result(opamp_status result) {
  put_byte(
      index_of((const int *)core_results, CORE_LEN(core_results), (int)result));
}

/* False: it is neither the store's nor the maker's of keys. */
static bool put_from_keeper(const opamp__input *in) {
  switch (in->kind) {
    case OPAMP__IN_LOADED:
      put_byte(CORE_LOADED);
      put_byte((size_t)in->number);
      put_result(in->result);
      put_bytes(in->frame.ptr, in->frame.len);
      return true;
    case OPAMP__IN_SAVED:
      put_byte(CORE_SAVED);
      put_byte((size_t)in->number);
      put_result(in->result);
      return true;
    case OPAMP__IN_KEY:
      put_byte(CORE_KEY);
      put_result(in->result);
      put_bytes(in->hash.ptr, in->hash.len);
      put_bytes(in->frame.ptr, in->frame.len);
      return true;
    default:
      return false;
  }
}

/* False: it is not the transport's. */
static bool put_from_outside(const opamp__input *in) {
  switch (in->kind) {
    case OPAMP__IN_OPENED:
      put_byte(CORE_OPENED);
      return true;
    case OPAMP__IN_FRAME:
      put_byte(CORE_FRAME);
      put_bytes(in->frame.ptr, in->frame.len);
      write_frame(OPAMP_MSG_SERVER_TO_AGENT, in->frame.ptr, in->frame.len);
      seeds_frame(in->frame.ptr, in->frame.len, over_websocket());
      return true;
    case OPAMP__IN_ALIVE:
      put_byte(CORE_ALIVE);
      return true;
    case OPAMP__IN_WRITTEN:
      put_byte(CORE_WRITTEN);
      return true;
    case OPAMP__IN_CLOSED:
      put_closed(in->closed);
      seeds_closed(in->closed, over_websocket());
      return true;
    case OPAMP__IN_TICK:
      put_byte(CORE_TICK);
      return true;
    default:
      return false;
  }
}

/* The core's time and randomness, as far as the input does not imply them. */
static void put_surroundings(opamp__core *core, const opamp__input *in,
                             uint64_t now_ms) {
  const opamp__core_env *env = &now_playing.config->env;
  uint64_t random = env->random(env->ctx);
  bool due = in->kind == OPAMP__IN_TICK && opamp__core_deadline(core) == now_ms;
  if (now_ms > now_playing.now && !due)
    put_with_number(CORE_TIME, now_ms - now_playing.now);
  if (random != now_playing.random) put_with_number(CORE_RANDOM, random);
  now_playing.now = now_ms;
  now_playing.random = random;
}

/* --- between the player and the core -------------------------------------- */

static void end_seed(void) {
  seeds_write("core", now_playing.seed.ptr, now_playing.seed.len);
  opamp__buf_free(&now_playing.seed);
  now_playing.random = 0;
  now_playing.fed = false;
}

opamp_status __wrap_opamp__core_new(opamp__core **out,
                                    const opamp__core_config *config) {
  uint64_t defaults[OPAMP__NUMBERS];
  size_t changed = 0;
  const opamp__number *n;
  if (now_playing.seed.len > 0) end_seed(); /* the power was cut */
  now_playing.config = config;
  opamp__numbers_default(defaults);
  put_bytes(config->url->text, strlen(config->url->text));
  put_number(config->capabilities);
  put_byte(config->store);
  for (size_t i = 0; (n = opamp__number_at(i)) != NULL; i++)
    if (config->numbers[n->key] != defaults[n->key]) changed++;
  put_byte(changed);
  for (size_t i = 0; (n = opamp__number_at(i)) != NULL; i++)
    if (config->numbers[n->key] != defaults[n->key])
      put_with_number((int)i, config->numbers[n->key]);
  return __real_opamp__core_new(out, config);
}

opamp_status __wrap_opamp__core_feed(opamp__core *core, const opamp__input *in,
                                     uint64_t now_ms) {
  put_surroundings(core, in, now_ms);
  if (!put_from_outside(in) && !put_from_keeper(in)) put_from_application(in);
  return __real_opamp__core_feed(core, in, now_ms);
}

bool __wrap_opamp__core_next(opamp__core *core, opamp__action *out) {
  bool more;
  if (now_playing.fed) put_byte(CORE_TAKE);
  now_playing.fed = false;
  more = __real_opamp__core_next(core, out);
  if (more && out->kind == OPAMP__DO_SEND)
    write_frame(OPAMP_MSG_AGENT_TO_SERVER, out->frame, out->len);
  return more;
}

/* --- transcripts ---------------------------------------------------------- */

static bool of_file(const char *path) {
  static const transcript_mode as_written;
  transcript *list;
  long n = transcript_load(path, &list);
  bool ok = n > 0;
  for (long i = 0; i < n; i++) {
    ok = transcript_play(&list[i], &as_written) && ok;
    end_seed();
    now_playing.now = 0;
  }
  if (n >= 0) transcript_free(list, (size_t)n);
  return ok;
}

static int is_txt(const struct dirent *d) {
  size_t n = strlen(d->d_name);
  return n > 4 && strcmp(d->d_name + n - 4, ".txt") == 0;
}

bool seeds_of_transcripts(const char *dir) {
  char path[4096];
  struct dirent **list;
  int n = scandir(dir, &list, is_txt, alphasort);
  bool ok = n > 0;
  for (int i = 0; i < n; i++) {
    snprintf(path, sizeof path, "%s/%s", dir, list[i]->d_name);
    ok = of_file(path) && ok;
    free(list[i]);
  }
  if (n >= 0) free(list);
  return ok;
}
