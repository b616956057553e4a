/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "opamp/store.h"
#include "runtime/runtime.h"
#include "runtime/statedir.h"
#include "transport/keys.h"

/* What survives a restart. The core asks for it to be loaded and saved; a
 * directory answers at once, the application by its inbox. */

/* What the application has been asked. */
typedef struct question {
  int64_t request;       /* 0: answered */
  opamp__in_kind answer; /* LOADED or SAVED */
} question;

struct opamp__kept {
  opamp__statedir *dir; /* NULL: the application keeps it */
  opamp_event *notes;   /* of the directory, until the client is started */
  /* Under the mutex: */
  int64_t newest; /* request */
  question questions[OPAMP__KEEPS];
};

/* --- answers -------------------------------------------------------------- */

static opamp__command *answer_new(opamp__in_kind kind, int key,
                                  opamp_status result) {
  opamp__command *cmd = opamp__command_new(kind);
  if (cmd == NULL) return NULL;
  cmd->in.number = (uint64_t)key;
  cmd->in.result = result;
  if (result != OPAMP_OK && result != OPAMP_ERR_NOTFOUND)
    (void)opamp__buf_set(&cmd->text, opamp_errmsg(), strlen(opamp_errmsg()));
  return cmd;
}

/* --- a directory ---------------------------------------------------------- */

static void note(void *ctx, int level, const char *text) {
  opamp_client *c = ctx;
  opamp_event *e, **end = &c->kept->notes;
  if ((uint64_t)level > c->options->numbers[OPAMP_OPT_LOG_LEVEL]) return;
  e = opamp__event_new(OPAMP_EVENT_LOG);
  if (e == NULL) return;
  (void)opamp__event_set_text(e, opamp__str(text));
  opamp__event_set_number(e, OPAMP_NUM_LEVEL, level);
  while (*end != NULL) end = &(*end)->next;
  *end = e;
}

static opamp__command *load(opamp_client *c, int key) {
  opamp__buf value = {NULL, 0, 0};
  opamp_status s =
      opamp__statedir_load(c->kept->dir, opamp__keep_name(key), &value);
  opamp__command *cmd = answer_new(OPAMP__IN_LOADED, key, s);
  if (cmd == NULL)
    opamp__buf_wipe_free(&value);
  else
    cmd->value = value;
  return cmd;
}

static opamp__command *save(opamp_client *c, const opamp__action *a) {
  const char *name = opamp__keep_name(a->code);
  opamp_bytes value = {a->frame, a->len};
  opamp_status s = a->kind == OPAMP__DO_ERASE
                       ? opamp__statedir_erase(c->kept->dir, name)
                       : opamp__statedir_save(c->kept->dir, name, value);
  return answer_new(OPAMP__IN_SAVED, a->code, s);
}

/* To go on under another name because of a bad disk would be worse than not at
 * all. */
static opamp_status load_into_core(opamp_client *c, int key) {
  opamp__command *cmd = load(c, key);
  opamp_status s = OPAMP_OK;
  if (cmd == NULL) return opamp__nomem();
  if (key == OPAMP__KEEP_UID && cmd->in.result != OPAMP_ERR_NOTFOUND)
    s = cmd->in.result;
  if (s == OPAMP_OK)
    (void)opamp__core_feed(c->core, opamp__command_input(cmd), opamp__now_ms());
  opamp__command_free(cmd);
  return s;
}

opamp_status opamp__kept_open(opamp_client *c) {
  const char *path = c->options->texts[OPAMP_TEXT_STATE_DIR];
  opamp_status s;
  if (!c->config.store) return OPAMP_OK;
  c->kept = opamp__calloc(1, sizeof *c->kept);
  if (c->kept == NULL) return opamp__nomem();
  if (path == NULL) return OPAMP_OK;
  s = opamp__statedir_open(&c->kept->dir, path, note, c);
  for (int key = 0; s == OPAMP_OK && key < OPAMP__KEEPS; key++)
    s = load_into_core(c, key);
  return s;
}

void opamp__kept_close(opamp_client *c) {
  if (c->kept == NULL) return;
  opamp__statedir_close(c->kept->dir);
  c->kept->dir = NULL;
  opamp__events_discard(c->kept->notes);
  c->kept->notes = NULL;
}

void opamp__kept_free(opamp_client *c) {
  opamp__kept_close(c);
  opamp__free(c->kept);
}

void opamp__kept_tell(opamp_client *c) {
  while (c->kept != NULL && c->kept->notes != NULL) {
    opamp_event *e = c->kept->notes;
    c->kept->notes = e->next;
    opamp__queue_push(c, e);
  }
}

/* --- the application ------------------------------------------------------ */

static void ask(opamp_client *c, const opamp__action *a) {
  int kind = a->kind == OPAMP__DO_LOAD   ? OPAMP_EVENT_STORE_LOAD
             : a->kind == OPAMP__DO_SAVE ? OPAMP_EVENT_STORE_SAVE
                                         : OPAMP_EVENT_STORE_ERASE;
  opamp_bytes value = {a->frame, a->len};
  opamp_event *e = opamp__event_new(kind);
  /* Without memory for it the deadline comes instead. */
  if (e == NULL ||
      !opamp__event_set_text(e, opamp__str(opamp__keep_name(a->code))) ||
      (kind == OPAMP_EVENT_STORE_SAVE && !opamp__event_set_bytes(e, value))) {
    opamp__event_destroy(e);
    return;
  }
  opamp__lock(c->loop);
  c->kept->questions[a->code] =
      (question){.request = ++c->kept->newest,
                 .answer = kind == OPAMP_EVENT_STORE_LOAD ? OPAMP__IN_LOADED
                                                          : OPAMP__IN_SAVED};
  opamp__event_set_number(e, OPAMP_NUM_REQUEST, c->kept->newest);
  opamp__unlock(c->loop);
  if (kind == OPAMP_EVENT_STORE_SAVE && opamp__keep_secret(a->code))
    opamp__event_set_number(e, OPAMP_NUM_SECRET, 1);
  opamp__queue_push(c, e);
}

/* The key of the question, which is answered now; -1 when none waits for such
 * an answer. A failure answers both kinds. */
static int claim(opamp_client *c, int64_t request, opamp_status result,
                 opamp__in_kind *kind) {
  int key = c->kept == NULL || request <= 0 ? -1 : OPAMP__KEEPS - 1;
  opamp__lock(c->loop);
  while (key >= 0 && c->kept->questions[key].request != request) key--;
  if (key >= 0 && result == OPAMP_ERR_IO)
    *kind = c->kept->questions[key].answer;
  else if (key >= 0 && c->kept->questions[key].answer != *kind)
    key = -1;
  if (key >= 0) c->kept->questions[key].request = 0;
  opamp__unlock(c->loop);
  return key;
}

static void disclaim(opamp_client *c, int key, int64_t request) {
  opamp__lock(c->loop);
  c->kept->questions[key].request = request;
  opamp__unlock(c->loop);
}

/* The text of a failure is opamp_errmsg. */
static opamp_status answer(opamp_client *c, int64_t request,
                           opamp__in_kind kind, opamp_status result,
                           opamp_bytes value, const char *function) {
  opamp_status s = OPAMP_ERR_NOMEM;
  int key = claim(c, request, result, &kind);
  opamp__command *cmd;
  if (key < 0)
    return opamp__fail(OPAMP_ERR_STATE, "%s: no request %lld waits for it",
                       function, (long long)request);
  cmd = answer_new(kind, key, result);
  if (cmd != NULL && opamp__buf_append(&cmd->value, value.ptr, value.len)) {
    s = opamp__client_post(c, cmd);
  } else {
    opamp__command_free(cmd);
    (void)opamp__nomem();
  }
  if (s == OPAMP_ERR_NOMEM) disclaim(c, key, request);
  return s;
}

opamp_status opamp_client_store_loaded(opamp_client *c, int64_t request,
                                       opamp_bytes value) {
  opamp_status s = opamp__client_check(c, __func__);
  if (s != OPAMP_OK) return s;
  return answer(c, request, OPAMP__IN_LOADED,
                value.ptr == NULL ? OPAMP_ERR_NOTFOUND : OPAMP_OK, value,
                __func__);
}

opamp_status opamp_client_store_saved(opamp_client *c, int64_t request) {
  static const opamp_bytes none = {NULL, 0};
  opamp_status s = opamp__client_check(c, __func__);
  if (s != OPAMP_OK) return s;
  return answer(c, request, OPAMP__IN_SAVED, OPAMP_OK, none, __func__);
}

opamp_status opamp_client_store_failed(opamp_client *c, int64_t request,
                                       const char *why) {
  static const opamp_bytes none = {NULL, 0};
  opamp_status s = opamp__client_check(c, __func__);
  opamp_str text =
      opamp__str(why == NULL ? "the application's store failed" : why);
  if (s != OPAMP_OK) return s;
  if (!opamp__utf8_valid((const uint8_t *)text.ptr, text.len))
    return opamp__fail(OPAMP_ERR_UTF8, "%s: the text is not UTF-8", __func__);
  (void)opamp__fail(OPAMP_ERR_IO, "%s", text.ptr);
  return answer(c, request, OPAMP__IN_SAVED, OPAMP_ERR_IO, none, __func__);
}

/* --- actions -------------------------------------------------------------- */

static opamp__command *make_key(const opamp_client *c) {
  char uid[OPAMP_UID_TEXT_LEN + 1];
  opamp__buf key = {NULL, 0, 0}, request = {NULL, 0, 0};
  opamp_status s;
  opamp__command *cmd;
  opamp_uid_format(opamp__core_look(c->core)->uid, uid);
  s = opamp__key_new(&key, &request, uid);
  cmd = answer_new(OPAMP__IN_KEY, 0, s);
  if (cmd == NULL) {
    opamp__buf_wipe_free(&key);
    opamp__buf_free(&request);
    return NULL;
  }
  cmd->hash = key;
  cmd->value = request;
  return cmd;
}

opamp__command *opamp__kept_perform(opamp_client *c, const opamp__action *a) {
  if (a->kind == OPAMP__DO_KEY) return make_key(c);
  if (c->kept->dir != NULL)
    return a->kind == OPAMP__DO_LOAD ? load(c, a->code) : save(c, a);
  ask(c, a);
  return NULL;
}
