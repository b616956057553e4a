/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/str.h"
#include "core/state.h"

/* Entries on their way to the store and from it. For each key there is one
 * request at a time; a newer value waits for the answer to the older. What could
 * not be saved is tried again, but for a candidate (trial.c). */

enum { RETRY_MS = 60000 };

typedef enum entry_state {
  UNKNOWN, /* → LOADING */
  LOADING, /* → IDLE */
  IDLE,    /* nothing to do → DUE */
  DUE,     /* a value is to be saved, at `at` → SAVING */
  SAVING   /* → IDLE, DUE */
} entry_state;

typedef struct entry {
  entry_state state;
  bool asked; /* the action is out */
  bool erase; /* instead of saving a value */
  bool again; /* SAVING: another value waits in `next` */
  bool next_erase;
  uint64_t at;      /* DUE: when; LOADING, SAVING: deadline */
  opamp__buf value; /* loaded, until start; to be saved */
  opamp__buf next;
} entry;

typedef struct opamp__store {
  entry entries[OPAMP__KEEPS];
  uint32_t unreadable; /* keys whose value is there, but could not be had */
  bool ready;          /* all has been loaded */
  bool started;        /* and the offers handed out */
} opamp__store;

static const struct {
  const char *name;
  bool secret;
} keys[OPAMP__KEEPS] = {
    [OPAMP__KEEP_UID] = {"instance_uid", false},
    [OPAMP__KEEP_CONFIG] = {"remote_config", true},
    [OPAMP__KEEP_PARTS] = {"connection_settings", true},
    [OPAMP__KEEP_SETTINGS] = {"opamp_settings", true},
    [OPAMP__KEEP_KEY] = {"private_key", true},
};

const char *opamp__keep_name(int key) {
  return key >= 0 && key < OPAMP__KEEPS ? keys[key].name : NULL;
}

bool opamp__keep_secret(int key) {
  return keys[key].secret;
}

opamp_status opamp__store_new(opamp__core *c) {
  if (!c->config->store) return OPAMP_OK;
  c->store = opamp__calloc(1, sizeof *c->store);
  return c->store == NULL ? OPAMP_ERR_NOMEM : OPAMP_OK;
}

void opamp__store_free(opamp__core *c) {
  if (c->store == NULL) return;
  for (int i = 0; i < OPAMP__KEEPS; i++) {
    opamp__buf_wipe_free(&c->store->entries[i].value);
    opamp__buf_wipe_free(&c->store->entries[i].next);
  }
  opamp__free(c->store);
}

/* --- saving --------------------------------------------------------------- */

void opamp__store_put(opamp__core *c, int key, opamp__buf *value) {
  static const opamp__buf empty = {NULL, 0, 0};
  opamp__buf taken = value == NULL ? empty : *value;
  if (value != NULL) *value = empty;
  if (c->store == NULL) {
    opamp__buf_wipe_free(&taken);
    return;
  }
  entry *e = &c->store->entries[key];
  bool busy = e->state == SAVING;
  opamp__buf *slot = busy ? &e->next : &e->value;
  opamp__buf_wipe_free(slot);
  *slot = taken;
  if (busy) {
    e->again = true;
    e->next_erase = value == NULL;
    return;
  }
  e->erase = value == NULL;
  e->state = DUE;
  e->at = c->now;
}

static void follow_up(opamp__core *c, entry *e) {
  opamp__buf_wipe_free(&e->value);
  e->state = IDLE;
  if (!e->again) return;
  e->value = e->next;
  e->next = (opamp__buf){NULL, 0, 0};
  e->erase = e->next_erase;
  e->again = false;
  e->state = DUE;
  e->at = c->now;
}

static void saved(opamp__core *c, int key, opamp_status status, opamp_str why) {
  entry *e = &c->store->entries[key];
  if (e->state != SAVING) return;
  if (status != OPAMP_OK)
    opamp__emit_log(c, OPAMP_LOG_WARN, "store: %s is not saved: %.*s",
                    keys[key].name, (int)why.len, why.len > 0 ? why.ptr : "");
  if (e->again) { /* who waits, waits for the newer value */
    follow_up(c, e);
    return;
  }
  if (status == OPAMP_OK) {
    follow_up(c, e);
  } else {
    e->state = DUE;
    e->at = c->now + RETRY_MS;
  }
  if (key == OPAMP__KEEP_SETTINGS) opamp__trial_saved(c, status, why);
  if (key == OPAMP__KEEP_KEY) opamp__certificate_saved(c, status, why);
}

/* --- loading -------------------------------------------------------------- */

static bool all_loaded(const opamp__store *s) {
  for (int i = 0; i < OPAMP__KEEPS; i++)
    if (s->entries[i].state <= LOADING) return false;
  return true;
}

static void values_of(const opamp__store *s, opamp__buf values[OPAMP__KEEPS]) {
  for (int i = 0; i < OPAMP__KEEPS; i++) values[i] = s->entries[i].value;
}

static void loaded(opamp__core *c, int key, const opamp__input *in) {
  opamp__store *s = c->store;
  opamp__buf values[OPAMP__KEEPS];
  entry *e = &s->entries[key];
  if (e->state > LOADING) return;
  e->state = IDLE;
  if (in->result == OPAMP_OK &&
      !opamp__buf_append(&e->value, in->frame.ptr, in->frame.len)) {
    s->unreadable |= UINT32_C(1) << key;
    opamp__emit_log(c, OPAMP_LOG_ERROR, "store: %s: out of memory",
                    keys[key].name);
  } else if (in->result != OPAMP_OK && in->result != OPAMP_ERR_NOTFOUND) {
    s->unreadable |= UINT32_C(1) << key;
    opamp__emit_log(c, OPAMP_LOG_ERROR, "store: %s cannot be loaded: %.*s",
                    keys[key].name, (int)in->text.len,
                    in->text.len > 0 ? in->text.ptr : "");
  }
  if (!all_loaded(s) || s->ready) return;
  s->ready = true;
  values_of(s, values);
  opamp__restore_self(c, values, s->unreadable);
  if (c->start_wanted) opamp__session_start(c);
}

bool opamp__store_loaded(opamp__core *c) {
  opamp__store *s = c->store;
  opamp__buf values[OPAMP__KEEPS];
  if (s == NULL || s->started) return true;
  if (!s->ready) {
    for (int i = 0; i < OPAMP__KEEPS; i++) {
      entry *e = &s->entries[i];
      if (e->state != UNKNOWN) continue;
      e->state = LOADING;
      e->at = c->now + opamp__opt(c, OPAMP_OPT_STORE_TIMEOUT);
    }
    return false;
  }
  s->started = true;
  values_of(s, values);
  opamp__restore_offers(c, values);
  for (int i = 0; i < OPAMP__KEEPS; i++)
    if (s->entries[i].state == IDLE) opamp__buf_wipe_free(&s->entries[i].value);
  return true;
}

void opamp__store_input(opamp__core *c, const opamp__input *in) {
  int key = (int)in->number;
  if (c->store == NULL || in->number >= OPAMP__KEEPS) return;
  if (in->kind == OPAMP__IN_LOADED)
    loaded(c, key, in);
  else
    saved(c, key, in->result, in->text);
}

/* --- actions, time -------------------------------------------------------- */

static bool next_of(opamp__core *c, int key, opamp__action *out) {
  entry *e = &c->store->entries[key];
  *out = (opamp__action){.kind = OPAMP__DO_LOAD, .code = (uint16_t)key};
  if (e->state == LOADING && !e->asked) {
    e->asked = true;
    return true;
  }
  if (e->state != DUE || c->now < e->at) return false;
  e->state = SAVING;
  e->at = c->now + opamp__opt(c, OPAMP_OPT_STORE_TIMEOUT);
  out->kind = e->erase ? OPAMP__DO_ERASE : OPAMP__DO_SAVE;
  out->frame = e->value.ptr;
  out->len = e->value.len;
  return true;
}

bool opamp__store_next(opamp__core *c, opamp__action *out) {
  if (c->store == NULL) return false;
  for (int key = 0; key < OPAMP__KEEPS; key++)
    if (next_of(c, key, out)) return true;
  return false;
}

void opamp__store_tick(opamp__core *c) {
  opamp__input in = {.result = OPAMP_ERR_TIMEOUT,
                     .text = OPAMP__LIT("no answer (store timeout)")};
  if (c->store == NULL) return;
  for (int key = 0; key < OPAMP__KEEPS; key++) {
    entry_state state = c->store->entries[key].state;
    if (c->now < c->store->entries[key].at) continue;
    if (state != LOADING && state != SAVING) continue;
    in.kind = state == LOADING ? OPAMP__IN_LOADED : OPAMP__IN_SAVED;
    in.number = (uint64_t)key;
    opamp__store_input(c, &in);
  }
}

uint64_t opamp__store_deadline(const opamp__core *c) {
  uint64_t at = OPAMP__NEVER;
  if (c->store == NULL) return at;
  for (int key = 0; key < OPAMP__KEEPS; key++) {
    const entry *e = &c->store->entries[key];
    if (e->state != UNKNOWN && e->state != IDLE) at = opamp__min64(at, e->at);
  }
  return at;
}
