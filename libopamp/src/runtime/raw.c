/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/mem.h"
#include "runtime/runtime.h"
#include "wire/wire.h"

/* A packed AgentToServer is taken apart into the commands of the setters, so
 * that there is one way into the core. */

#define A2S(name) OPAMP_AGENT_TO_SERVER_##name

/* What came out of a message. */
typedef struct parts {
  opamp__command *list, **end;
  opamp__command *custom;  /* one of the list, or NULL */
  opamp__command *numbers; /* capabilities: likewise */
  opamp_msg *declared;     /* CustomCapabilities, when it has them */
} parts;

static void add(parts *p, opamp__command *cmd) {
  *p->end = cmd;
  p->end = &cmd->next;
}

/* What is left when all that is known has been cleared. */
static opamp_status check_unknown(opamp_msg *m) {
  size_t n = opamp_msg_field_count(OPAMP_MSG_AGENT_TO_SERVER), len = 0;
  for (size_t i = 0; i < n; i++)
    (void)opamp_msg_clear(m, opamp_msg_field_at(OPAMP_MSG_AGENT_TO_SERVER, i));
  (void)opamp_msg_pack(m, NULL, &len);
  if (len == 0) return OPAMP_OK;
  return opamp__fail(OPAMP_ERR_UNSUPPORTED,
                     "raw: AgentToServer has a field that is not known");
}

/* Through the machine of the offer, which would otherwise say FAILED in the
 * end. Both statuses have the same fields. */
static opamp_status add_status(parts *p, int field, const opamp_msg *sub) {
  opamp_bytes hash = opamp_msg_bytes(
      sub, OPAMP_REMOTE_CONFIG_STATUS_LAST_REMOTE_CONFIG_HASH, 0);
  int value = (int)opamp_msg_u64(sub, OPAMP_REMOTE_CONFIG_STATUS_STATUS, 0);
  opamp_str error =
      opamp_msg_str(sub, OPAMP_REMOTE_CONFIG_STATUS_ERROR_MESSAGE, 0);
  opamp__command *cmd;
  opamp_status status = opamp__status_command(&cmd, field, hash, value, error);
  if (status == OPAMP_OK) add(p, cmd);
  return status;
}

static opamp_status add_custom(parts *p, const opamp_msg *sub) {
  opamp_status status;
  p->custom = opamp__command_new(OPAMP__IN_CUSTOM);
  if (p->custom == NULL) return opamp__nomem();
  add(p, p->custom);
  status = opamp__msg_pack_canonical(sub, &p->custom->value);
  return status;
}

static opamp_status add_part(parts *p, const opamp_client *c, int field,
                             const opamp_msg *sub) {
  opamp__command *cmd;
  opamp_status status;
  switch (field) {
    case A2S(REMOTE_CONFIG_STATUS):
    case A2S(CONNECTION_SETTINGS_STATUS):
      return add_status(p, field, sub);
    case A2S(CUSTOM_MESSAGE):
      return add_custom(p, sub);
    case A2S(AGENT_DISCONNECT):
      return opamp__fail(OPAMP_ERR_INVALID,
                         "raw: agent_disconnect: use opamp_client_stop");
    case A2S(CUSTOM_CAPABILITIES):
      status = opamp_msg_dup(&p->declared, sub);
      if (status != OPAMP_OK) return status;
      break;
    default:
      break;
  }
  status = opamp__set_command(&cmd, c, field, sub, "opamp_client_queue_raw");
  if (status == OPAMP_OK) add(p, cmd);
  return status;
}

static opamp_status add_capabilities(parts *p, const opamp_msg *m) {
  uint64_t bits = opamp_msg_u64(m, A2S(CAPABILITIES), 0);
  if (bits == 0) return OPAMP_OK; /* absent */
  p->numbers = opamp__command_new(OPAMP__IN_CAPABILITIES);
  if (p->numbers == NULL) return opamp__nomem();
  p->numbers->in.number = bits | OPAMP_AGENT_CAPABILITIES_REPORTS_STATUS;
  add(p, p->numbers);
  return OPAMP_OK;
}

static opamp_status take_apart(parts *p, const opamp_client *c,
                               const opamp_msg *m) {
  opamp_status status = add_capabilities(p, m);
  for (size_t i = 0; i < opamp_msg_field_count(OPAMP_MSG_AGENT_TO_SERVER);
       i++) {
    int field = opamp_msg_field_at(OPAMP_MSG_AGENT_TO_SERVER, i);
    const opamp_msg *sub = opamp_msg_sub(m, field, 0);
    if (status != OPAMP_OK) break;
    if (sub != NULL) status = add_part(p, c, field, sub);
  }
  return status;
}

/* Under the mutex: all of it, or nothing. */
static opamp_status hand_over(opamp_client *c, parts *p, opamp_str capability,
                              opamp__command **old) {
  const opamp_msg *declared = p->declared != NULL ? p->declared : c->declared;
  opamp_status status = OPAMP_OK;
  if (opamp__client_gone(c))
    return opamp__fail(OPAMP_ERR_INVALID, "the client was freed");
  if (p->custom != NULL) status = opamp__may_send(c, declared, capability);
  if (status != OPAMP_OK) return status;
  if (p->custom != NULL) c->customs_posted++;
  if (p->numbers != NULL) c->capabilities = p->numbers->in.number;
  if (p->declared != NULL) {
    opamp_msg *before = c->declared;
    c->declared = p->declared;
    p->declared = before;
  }
  while (p->list != NULL) {
    opamp__command *cmd = p->list;
    p->list = cmd->next;
    opamp__client_put(c, cmd, old);
  }
  opamp__loop_mark(c->loop, c);
  return OPAMP_OK;
}

opamp_status opamp_client_queue_raw(opamp_client *c, opamp_bytes wire) {
  parts p = {.list = NULL};
  opamp__command *old = NULL;
  opamp_msg *m = NULL, *custom = NULL;
  opamp_status status = opamp__client_check(c, __func__);
  if (status != OPAMP_OK) return status;
  p.end = &p.list;
  status = opamp_msg_parse(&m, OPAMP_MSG_AGENT_TO_SERVER, wire);
  if (status == OPAMP_OK) status = take_apart(&p, c, m);
  if (status == OPAMP_OK && p.custom != NULL)
    status = opamp_msg_dup(&custom, opamp_msg_sub(m, A2S(CUSTOM_MESSAGE), 0));
  if (status == OPAMP_OK) status = check_unknown(m);
  if (status != OPAMP_OK) goto done;
  opamp__lock(c->loop);
  status = hand_over(
      c, &p, opamp_msg_str(custom, OPAMP_CUSTOM_MESSAGE_CAPABILITY, 0), &old);
  opamp__unlock(c->loop);

done:
  opamp__commands_free(old);
  opamp__commands_free(p.list);
  opamp_msg_free(p.declared);
  opamp_msg_free(custom);
  opamp_msg_free(m);
  return status;
}
