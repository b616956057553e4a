/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "msg_text.h"

static const opamp_str silent = {NULL, 0};

static int key_of(const char *name) {
  for (int i = 0; i < OPAMP__KEEPS; i++)
    if (strcmp(opamp__keep_name(i), name) == 0) return i;
  return -1;
}

static void keep(player *p, int key, bool there, opamp_bytes value) {
  p->world.kept[key].len = 0;
  p->world.there[key] = there;
  if (there) (void)opamp__buf_append(&p->world.kept[key], value.ptr, value.len);
}

/* What was asked to be saved last, to be answered by hand. */
static void commit(player *p) {
  int key = p->world.saving;
  if (key < 0) return;
  keep(p, key, !p->world.erasing, opamp__buf_bytes(&p->world.held));
  p->world.saving = -1;
}

/* --- settings and inputs -------------------------------------------------- */

bool world_setting(player *p, const char *line) {
  if (strcmp(line, "store") == 0) {
    p->config.store = p->config.own_uid = true;
  } else if (strcmp(line, "saved by hand") == 0) {
    p->world.by_hand = true;
  } else if (strcmp(line, "loaded by hand") == 0) {
    p->world.load_by_hand = true;
  } else if (strcmp(line, "chosen uid") == 0) {
    p->config.own_uid = false;
  } else {
    return false;
  }
  return true;
}

static void feed_store(player *p, opamp__in_kind kind, int key,
                       opamp_status result, opamp_str why) {
  opamp__input in = {
      .kind = kind, .number = (uint64_t)key, .result = result, .text = why};
  if (kind == OPAMP__IN_LOADED && result == OPAMP_OK)
    in.frame = opamp__buf_bytes(&p->world.kept[key]);
  player_feed(p, &in);
}

/* saved [fail "why"]: the answer to what was saved last. */
static bool input_saved(player *p, const char *line) {
  char why[256] = "";
  int key = p->world.saving;
  if (key < 0) return false;
  if (strncmp(line, "fail ", 5) == 0) {
    line += 5;
    if (msg_text_string(&line, why, sizeof why) < 0) return false;
    p->world.saving = -1;
    feed_store(p, OPAMP__IN_SAVED, key, OPAMP_ERR_IO, opamp__str(why));
    return true;
  }
  player_memory(p, true);
  commit(p);
  player_memory(p, false);
  feed_store(p, OPAMP__IN_SAVED, key, OPAMP_OK, silent);
  return true;
}

/* loaded KEY [fail "why"]: what is kept there, or that it cannot be read. */
static bool input_loaded(player *p, const char *line) {
  char name[40], why[256] = "";
  int n = 0, key;
  if (sscanf(line, "%39[a-z_] %n", name, &n) != 1) return false;
  key = key_of(name);
  line += n;
  if (key < 0) return false;
  if (strncmp(line, "fail ", 5) == 0) {
    line += 5;
    if (msg_text_string(&line, why, sizeof why) < 0) return false;
    feed_store(p, OPAMP__IN_LOADED, key, OPAMP_ERR_IO, opamp__str(why));
  } else {
    feed_store(p, OPAMP__IN_LOADED, key,
               p->world.there[key] ? OPAMP_OK : OPAMP_ERR_NOTFOUND, silent);
  }
  return true;
}

/* key "K" "request": the maker's answer; key fail "why". */
static bool input_key(player *p, const char *line) {
  char key[64] = "", request[64] = "";
  opamp__input in = {.kind = OPAMP__IN_KEY};
  if (strncmp(line, "fail ", 5) == 0) {
    line += 5;
    if (msg_text_string(&line, key, sizeof key) < 0) return false;
    in.result = OPAMP_ERR_IO;
    in.text = opamp__str(key);
  } else {
    if (msg_text_string(&line, key, sizeof key) < 0) return false;
    line += strspn(line, " ");
    if (msg_text_string(&line, request, sizeof request) < 0) return false;
    in.hash = (opamp_bytes){(const uint8_t *)key, strlen(key)};
    in.frame = (opamp_bytes){(const uint8_t *)request, strlen(request)};
  }
  player_feed(p, &in);
  return true;
}

/* power cut [saved]: another core, with what was kept; what is being saved has
 * reached the disk, or not. */
static void power_cut(player *p, bool saved) {
  player_memory(p, true);
  if (saved) commit(p);
  p->world.saving = -1;
  p->world.due = 0;
  opamp__core_free(p->core);
  p->core = NULL;
  p->last_seq = -1;
  p->last_offer = 0;
  p->last_frame.len = 0;
  p->invariants = (invariants){0};
  player_memory(p, false);
}

bool world_input(player *p, const char *line) {
  if (strncmp(line, "saved", 5) == 0)
    return input_saved(p, line + 5 + strspn(line + 5, " "));
  if (strncmp(line, "loaded ", 7) == 0) return input_loaded(p, line + 7);
  if (strncmp(line, "key ", 4) == 0) return input_key(p, line + 4);
  if (strncmp(line, "renew in ", 9) == 0) {
    p->world.renew_in = atoll(line + 9);
    return true;
  }
  if (strncmp(line, "power cut", 9) != 0) return false;
  power_cut(p, strstr(line, "saved") != NULL);
  if (player_begin(p)) return true;
  p->fail_left = 0; /* that was the allocation to fail */
  return player_begin(p);
}

/* --- outputs -------------------------------------------------------------- */

bool world_took(player *p, const opamp__action *a, char *text, size_t size) {
  int key = a->code;
  world *w = &p->world;
  if (a->kind == OPAMP__DO_LOAD) {
    snprintf(text, size, "load %s", opamp__keep_name(key));
    if (w->load_by_hand) return false;
    w->due |= 1U << key;
    return true;
  }
  if (a->kind == OPAMP__DO_KEY) {
    snprintf(text, size, "make a key");
    return false;
  }
  snprintf(text, size, "%s %s", a->kind == OPAMP__DO_SAVE ? "save" : "erase",
           opamp__keep_name(key));
  if (w->by_hand) {
    w->saving = key;
    w->erasing = a->kind == OPAMP__DO_ERASE;
    w->held.len = 0;
    (void)opamp__buf_append(&w->held, a->frame, a->len);
    return false;
  }
  keep(p, key, a->kind == OPAMP__DO_SAVE, (opamp_bytes){a->frame, a->len});
  w->due |= 1U << (OPAMP__KEEPS + key);
  return false;
}

bool world_answer(player *p) {
  unsigned due = p->world.due;
  p->world.due = 0;
  for (int key = 0; key < OPAMP__KEEPS; key++) {
    if (due & 1U << key)
      feed_store(p, OPAMP__IN_LOADED, key,
                 p->world.there[key] ? OPAMP_OK : OPAMP_ERR_NOTFOUND, silent);
    if (due & 1U << (OPAMP__KEEPS + key))
      feed_store(p, OPAMP__IN_SAVED, key, OPAMP_OK, silent);
  }
  return due != 0;
}

/* --- what OpenSSL would say ----------------------------------------------- */

opamp_status world_usable(void *ctx, const opamp_msg *m) {
  const opamp_msg *cert =
      opamp_msg_sub(m, OPAMP_OPAMP_CONNECTION_SETTINGS_CERTIFICATE, 0);
  const opamp_msg *proxy =
      opamp_msg_sub(m, OPAMP_OPAMP_CONNECTION_SETTINGS_PROXY, 0);
  opamp_bytes own = opamp_msg_bytes(cert, OPAMP_TLS_CERTIFICATE_CERT, 0);
  opamp_bytes key = opamp_msg_bytes(cert, OPAMP_TLS_CERTIFICATE_PRIVATE_KEY, 0);
  opamp_str url = opamp_msg_str(proxy, OPAMP_PROXY_CONNECTION_SETTINGS_URL, 0);
  (void)ctx;
  if (own.len > 0 &&
      (own.len != key.len + 2 || memcmp(own.ptr + 2, key.ptr, key.len) != 0))
    return opamp__fail(OPAMP_ERR_TLS, "the key does not match");
  if (opamp__str_eq(url, OPAMP__LIT("nowhere")))
    return opamp__fail(OPAMP_ERR_INVALID, "proxy.url: there is no such thing");
  return OPAMP_OK;
}

int64_t world_renew_in(void *ctx, opamp_bytes pem, uint64_t percent) {
  const player *p = ctx;
  (void)pem;
  (void)percent;
  return p->world.renew_in == 0 ? INT64_C(1) << 40
         : p->world.renew_in > (int64_t)p->now
             ? p->world.renew_in - (int64_t)p->now
             : 0;
}

void world_free(player *p) {
  for (int i = 0; i < OPAMP__KEEPS; i++) opamp__buf_free(&p->world.kept[i]);
  opamp__buf_free(&p->world.held);
}
