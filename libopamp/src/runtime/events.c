/* SPDX-License-Identifier: Apache-2.0 */
#include "opamp/event.h"

#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "runtime/runtime.h"
#include "wire/wire.h"

/* --- reading -------------------------------------------------------------- */

static bool is_event(const opamp_event *e, const char *function) {
  return opamp__handle_check(e, OPAMP__HANDLE_EVENT, function) == OPAMP_OK;
}

int opamp_event_kind(const opamp_event *e) {
  return is_event(e, __func__) ? e->kind : 0;
}

opamp_client *opamp_event_client(const opamp_event *e) {
  if (!is_event(e, __func__)) return NULL;
  return e->client != NULL && !opamp__client_gone(e->client) ? e->client : NULL;
}

void *opamp_event_user_data(const opamp_event *e) {
  opamp_client *c = opamp_event_client(e);
  return c != NULL ? opamp_client_user_data(c) : NULL;
}

opamp_status opamp_event_status(const opamp_event *e) {
  return is_event(e, __func__) ? e->status : OPAMP_OK;
}

opamp_str opamp_event_text(const opamp_event *e) {
  if (!is_event(e, __func__)) return (opamp_str){NULL, 0};
  return (opamp_str){(const char *)e->text.ptr, e->text.len};
}

opamp_bytes opamp_event_bytes(const opamp_event *e) {
  if (!is_event(e, __func__)) return (opamp_bytes){NULL, 0};
  return opamp__buf_bytes(&e->bytes);
}

opamp_bytes opamp_event_previous(const opamp_event *e) {
  if (!is_event(e, __func__)) return (opamp_bytes){NULL, 0};
  return opamp__buf_bytes(&e->previous);
}

const opamp_msg *opamp_event_msg(const opamp_event *e) {
  return is_event(e, __func__) ? e->msg : NULL;
}

int64_t opamp_event_number(const opamp_event *e, int num) {
  if (!is_event(e, __func__) || num <= 0) return 0;
  for (int i = 0; i < OPAMP__EVENT_NUMBERS; i++)
    if (e->keys[i] == num) return e->values[i];
  return 0;
}

/* The field of ServerToAgent that an event's message is; 0: it is a whole one. */
static int part_of(int kind) {
  switch (kind) {
    case OPAMP_EVENT_REMOTE_CONFIG:
      return OPAMP_SERVER_TO_AGENT_REMOTE_CONFIG;
    case OPAMP_EVENT_CONNECTION_SETTINGS:
      return OPAMP_SERVER_TO_AGENT_CONNECTION_SETTINGS;
    case OPAMP_EVENT_PACKAGES:
      return OPAMP_SERVER_TO_AGENT_PACKAGES_AVAILABLE;
    case OPAMP_EVENT_CUSTOM_MESSAGE:
      return OPAMP_SERVER_TO_AGENT_CUSTOM_MESSAGE;
    case OPAMP_EVENT_SERVER_ERROR:
      return OPAMP_SERVER_TO_AGENT_ERROR_RESPONSE;
    default:
      return 0;
  }
}

opamp_status opamp_event_raw(const opamp_event *e, uint8_t *buf, size_t *len) {
  opamp_status status = opamp__handle_check(e, OPAMP__HANDLE_EVENT, __func__);
  opamp__buf head = {0};
  size_t size = 0, room = *len;
  int part;
  if (status != OPAMP_OK) return status;
  if (e->msg == NULL)
    return opamp__fail(OPAMP_ERR_NOTFOUND,
                       "opamp_event_raw: a %s event has no message",
                       opamp_event_kind_name(e->kind));
  part = part_of(e->kind);
  if (part == 0) return opamp_msg_pack(e->msg, buf, len);
  status = opamp_msg_pack(e->msg, NULL, &size);
  if (status != OPAMP_OK && status != OPAMP_ERR_SPACE) return status;
  *len = opamp__bytes_field_size(part, size);
  if (room < *len)
    return opamp__fail(OPAMP_ERR_SPACE, "opamp_event_raw: %zu bytes are needed",
                       *len);
  if (!opamp__put_head(&head, part, size)) return opamp__nomem();
  memcpy(buf, head.ptr, head.len);
  status = opamp_msg_pack(e->msg, buf + head.len, &size);
  opamp__buf_free(&head);
  return status;
}

/* --- answering ------------------------------------------------------------ */

/* The event is answered from here on; false when it was before, or nobody is
 * left to answer. */
static bool claim(opamp_event *e) {
  bool first;
  if (e->client == NULL) return false;
  opamp__lock(e->client->loop);
  first = !e->answered && !opamp__client_gone(e->client);
  if (first) e->answered = true;
  opamp__unlock(e->client->loop);
  return first;
}

static void disclaim(opamp_event *e) {
  opamp__lock(e->client->loop);
  e->answered = false;
  opamp__unlock(e->client->loop);
}

static opamp_status check_question(const opamp_event *e, const char *function) {
  opamp_status status = opamp__handle_check(e, OPAMP__HANDLE_EVENT, function);
  if (status != OPAMP_OK) return status;
  if (!opamp__event_is_question(e->kind))
    return opamp__fail(OPAMP_ERR_TYPE, "%s: a %s event is no question",
                       function, opamp_event_kind_name(e->kind));
  if (e->client != NULL && opamp__forked(e->client->loop))
    return OPAMP_ERR_FORKED;
  return OPAMP_OK;
}

static opamp_status answer(opamp_event *e, opamp__verdict verdict,
                           const char *text, const char *function) {
  opamp_status status = check_question(e, function);
  opamp__command *cmd;
  size_t len = text == NULL ? 0 : strlen(text);
  if (status != OPAMP_OK) return status;
  if (len > 0 && !opamp__utf8_valid((const uint8_t *)text, len))
    return opamp__fail(OPAMP_ERR_UTF8, "%s: the text is not UTF-8", function);
  if (!claim(e))
    return opamp__fail(OPAMP_ERR_STATE,
                       "%s: it was answered before, or its client is gone",
                       function);
  cmd = opamp__command_new(OPAMP__IN_ANSWER);
  if (cmd == NULL || !opamp__buf_set(&cmd->text, text, len)) {
    opamp__command_free(cmd);
    status = opamp__nomem();
  } else {
    cmd->in.offer = e->offer;
    cmd->in.verdict = verdict;
    cmd->in.field = e->kind == OPAMP_EVENT_REMOTE_CONFIG
                        ? OPAMP_AGENT_TO_SERVER_REMOTE_CONFIG_STATUS
                        : OPAMP_AGENT_TO_SERVER_CONNECTION_SETTINGS_STATUS;
    status = opamp__client_post(e->client, cmd);
  }
  if (status != OPAMP_OK) disclaim(e);
  return status;
}

opamp_status opamp_event_accept(opamp_event *e) {
  return answer(e, OPAMP__ACCEPT, NULL, __func__);
}

opamp_status opamp_event_reject(opamp_event *e, const char *text) {
  return answer(e, OPAMP__REJECT, text, __func__);
}

opamp_status opamp_event_defer(opamp_event *e) {
  return answer(e, OPAMP__DEFER, NULL, __func__);
}

void opamp__event_done(opamp_event *e) {
  /* Without memory for it the deadline of the offer says the same. */
  if (e->client != NULL && opamp__event_is_question(e->kind) && !e->answered &&
      !opamp__client_gone(e->client))
    (void)answer(e, OPAMP__DEFER, NULL, __func__);
  e->next = NULL;
  opamp__events_discard(e);
}

void opamp_event_free(opamp_event *e) {
  if (e == NULL || !is_event(e, __func__)) return;
  if (e->called)
    (void)opamp__fail(OPAMP_ERR_STATE,
                      "opamp_event_free: the event of a callback is freed when "
                      "that returns");
  else
    opamp__event_done(e);
}
