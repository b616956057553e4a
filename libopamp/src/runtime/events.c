/* SPDX-License-Identifier: Apache-2.0 */
#include "opamp/event.h"

#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "runtime/runtime.h"

/* --- reading -------------------------------------------------------------- */

int opamp_event_kind(const opamp_event *e) {
  return e->kind;
}

opamp_client *opamp_event_client(const opamp_event *e) {
  if (e->client == NULL || atomic_load(&e->client->freed)) return NULL;
  return e->client;
}

void *opamp_event_user_data(const opamp_event *e) {
  return opamp_client_user_data(opamp_event_client(e));
}

opamp_status opamp_event_status(const opamp_event *e) {
  return e->status;
}

opamp_str opamp_event_text(const opamp_event *e) {
  return (opamp_str){(const char *)e->text.ptr, e->text.len};
}

opamp_bytes opamp_event_bytes(const opamp_event *e) {
  return opamp__buf_bytes(&e->bytes);
}

opamp_bytes opamp_event_previous(const opamp_event *e) {
  return opamp__buf_bytes(&e->previous);
}

const opamp_msg *opamp_event_msg(const opamp_event *e) {
  return e->msg;
}

int64_t opamp_event_number(const opamp_event *e, int num) {
  if (num <= 0) return 0;
  for (int i = 0; i < OPAMP__EVENT_NUMBERS; i++)
    if (e->keys[i] == num) return e->values[i];
  return 0;
}

/* --- answering ------------------------------------------------------------ */

/* The event is answered from here on; false when it was before, or nobody is
 * left to answer. */
static bool claim(opamp_event *e) {
  bool first;
  if (e->client == NULL) return false;
  opamp__lock(e->client->loop);
  first = !e->answered && !atomic_load(&e->client->freed);
  if (first) e->answered = true;
  opamp__unlock(e->client->loop);
  return first;
}

static void disclaim(opamp_event *e) {
  opamp__lock(e->client->loop);
  e->answered = false;
  opamp__unlock(e->client->loop);
}

static opamp_status answer(opamp_event *e, opamp__verdict verdict,
                           const char *text) {
  opamp_status status = OPAMP_ERR_NOMEM;
  opamp__command *cmd;
  size_t len = text == NULL ? 0 : strlen(text);
  if (!opamp__event_is_question(e->kind))
    return opamp__fail(OPAMP_ERR_TYPE, "a %s event is no question",
                       opamp_event_kind_name(e->kind));
  if (len > 0 && !opamp__utf8_valid((const uint8_t *)text, len))
    return opamp__fail(OPAMP_ERR_UTF8, "reject: the text is not UTF-8");
  if (e->client != NULL && opamp__forked(e->client->loop))
    return OPAMP_ERR_FORKED;
  if (!claim(e))
    return opamp__fail(OPAMP_ERR_STATE,
                       "the question was answered, or its client is gone");
  cmd = opamp__command_new(OPAMP__IN_ANSWER);
  if (cmd == NULL || !opamp__buf_set(&cmd->text, text, len)) {
    opamp__command_free(cmd);
    opamp__nomem();
  } else {
    cmd->in.offer = e->offer;
    cmd->in.verdict = verdict;
    status = opamp__client_post(e->client, cmd);
  }
  if (status != OPAMP_OK) disclaim(e);
  return status;
}

opamp_status opamp_event_accept(opamp_event *e) {
  return answer(e, OPAMP__ACCEPT, NULL);
}

opamp_status opamp_event_reject(opamp_event *e, const char *text) {
  return answer(e, OPAMP__REJECT, text);
}

opamp_status opamp_event_defer(opamp_event *e) {
  return answer(e, OPAMP__DEFER, NULL);
}

void opamp_event_free(opamp_event *e) {
  if (e == NULL) return;
  /* Without memory for it the deadline of the offer says the same. */
  if (e->client != NULL && opamp__event_is_question(e->kind) && !e->answered &&
      !atomic_load(&e->client->freed))
    (void)answer(e, OPAMP__DEFER, NULL);
  e->next = NULL;
  opamp__events_discard(e);
}
