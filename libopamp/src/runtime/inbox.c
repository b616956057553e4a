/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/inbox.h"

#include "base/mem.h"
#include "base/str.h"
#include "opamp/fields.h"

opamp__command *opamp__command_new(opamp__in_kind kind) {
  opamp__command *cmd = opamp__calloc(1, sizeof *cmd);
  if (cmd != NULL) cmd->in.kind = kind;
  return cmd;
}

void opamp__command_free(opamp__command *cmd) {
  if (cmd == NULL) return;
  opamp__headers_free(&cmd->headers);
  opamp__buf_wipe_free(&cmd->value); /* these two may be a key */
  opamp__buf_wipe_free(&cmd->hash);
  opamp__buf_free(&cmd->text);
  opamp__free(cmd);
}

void opamp__commands_free(opamp__command *list) {
  while (list != NULL) {
    opamp__command *next = list->next;
    opamp__command_free(list);
    list = next;
  }
}

static opamp_str text_of(const opamp__buf *b) {
  return (opamp_str){(const char *)b->ptr, b->len};
}

const opamp__input *opamp__command_input(opamp__command *cmd) {
  opamp__input *in = &cmd->in;
  if (in->kind == OPAMP__IN_SET || in->kind == OPAMP__IN_CUSTOM)
    in->value = &cmd->value;
  in->hash = opamp__buf_bytes(&cmd->hash);
  in->text = text_of(&cmd->text);
  in->frame = opamp__buf_bytes(&cmd->value);
  if (in->kind == OPAMP__IN_CLOSED) {
    cmd->closed.text = text_of(&cmd->text);
    cmd->closed.location = text_of(&cmd->hash);
    cmd->closed.body = text_of(&cmd->value);
    in->closed = &cmd->closed;
  }
  return in;
}

uint64_t opamp__command_fields(const opamp__command *cmd) {
  switch (cmd->in.kind) {
    case OPAMP__IN_SET:
    case OPAMP__IN_STATUS:
    case OPAMP__IN_ANSWER:
      return UINT64_C(1) << (unsigned)cmd->in.field;
    case OPAMP__IN_CUSTOM:
      return UINT64_C(1) << OPAMP_AGENT_TO_SERVER_CUSTOM_MESSAGE;
    default:
      return 0;
  }
}

/* Whether only the newer of the two has a meaning. */
static bool supersedes(const opamp__command *a, const opamp__command *b) {
  if (a->in.kind != b->in.kind) return false;
  switch (a->in.kind) {
    case OPAMP__IN_SET:
      return a->in.field == b->in.field;
    case OPAMP__IN_STATUS:
      return a->in.field == b->in.field &&
             opamp__bytes_eq(opamp__buf_bytes(&a->hash),
                             opamp__buf_bytes(&b->hash));
    case OPAMP__IN_FORGET:
      return a->in.number == b->in.number;
    case OPAMP__IN_CAPABILITIES:
    case OPAMP__IN_HEARTBEAT:
    case OPAMP__IN_HEADERS:
    case OPAMP__IN_FLUSH:
    case OPAMP__IN_CERTIFICATE:
      return true;
    default:
      return false;
  }
}

void opamp__inbox_append(opamp__inbox *box, opamp__command *cmd) {
  cmd->next = NULL;
  if (box->head == NULL) box->end = &box->head;
  *box->end = cmd;
  box->end = &cmd->next;
}

void opamp__inbox_prepend(opamp__inbox *box, opamp__command *list) {
  opamp__command *last = list;
  if (list == NULL) return;
  while (last->next != NULL) last = last->next;
  if (box->head == NULL) box->end = &last->next;
  last->next = box->head;
  box->head = list;
}

opamp__command *opamp__inbox_put(opamp__inbox *box, opamp__command *cmd) {
  for (opamp__command **at = &box->head; *at != NULL; at = &(*at)->next) {
    opamp__command *old = *at;
    if (!supersedes(cmd, old)) continue;
    cmd->next = old->next;
    *at = cmd;
    if (box->end == &old->next) box->end = &cmd->next;
    return old;
  }
  opamp__inbox_append(box, cmd);
  return NULL;
}

bool opamp__command_is_answer(const opamp__command *cmd) {
  return cmd->in.kind >= OPAMP__IN_OPENED && cmd->in.kind <= OPAMP__IN_KEY;
}

bool opamp__command_is_of_connection(const opamp__command *cmd) {
  return cmd->in.kind >= OPAMP__IN_OPENED && cmd->in.kind <= OPAMP__IN_CLOSED;
}

static bool ignores_hold(const opamp__command *cmd) {
  return cmd->in.kind == OPAMP__IN_START || cmd->in.kind == OPAMP__IN_HEADERS ||
         opamp__command_is_answer(cmd);
}

static opamp__command *take_some(opamp__inbox *box) {
  opamp__command *taken = NULL, **end = &taken, **at = &box->head;
  const opamp__command *stop = NULL;
  for (opamp__command *cmd = box->head; cmd != NULL; cmd = cmd->next)
    if (cmd->in.kind == OPAMP__IN_STOP) stop = cmd;
  while (*at != NULL) {
    opamp__command *cmd = *at;
    if (stop == NULL && !ignores_hold(cmd)) {
      at = &cmd->next;
      continue;
    }
    if (cmd == stop) stop = NULL;
    *at = cmd->next;
    cmd->next = NULL;
    *end = cmd;
    end = &cmd->next;
  }
  box->end = box->head == NULL ? NULL : at;
  return taken;
}

opamp__command *opamp__inbox_take(opamp__inbox *box, bool held) {
  opamp__command *taken = box->head;
  if (held) {
    taken = take_some(box);
  } else {
    box->head = NULL;
    box->end = NULL;
  }
  for (opamp__command *cmd = taken; cmd != NULL; cmd = cmd->next)
    box->taken |= opamp__command_fields(cmd);
  return taken;
}
