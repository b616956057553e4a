/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/numbers.h"
#include "runtime/runtime.h"
#include "wire/wire.h"

/* Setters pack in the caller's thread and leave a command in the inbox. */

void opamp__client_put(opamp_client *c, opamp__command *cmd,
                       opamp__command **old) {
  opamp__command *gone = opamp__inbox_put(&c->inbox, cmd);
  if (gone == NULL) return;
  gone->next = *old;
  *old = gone;
}

opamp_status opamp__client_post(opamp_client *c, opamp__command *cmd) {
  opamp_loop *l = c->loop;
  opamp__command *old = NULL;
  bool gone;
  if (cmd == NULL) return opamp__nomem();
  if (opamp__forked(l)) {
    opamp__command_free(cmd);
    return OPAMP_ERR_FORKED;
  }
  opamp__lock(l);
  gone = opamp__client_gone(c);
  if (!gone) {
    opamp__client_put(c, cmd, &old);
    opamp__loop_mark(l, c);
  }
  opamp__unlock(l);
  opamp__commands_free(gone ? cmd : old);
  return gone ? opamp__fail(OPAMP_ERR_INVALID, "the client was freed")
              : OPAMP_OK;
}

/* --- state ---------------------------------------------------------------- */

static opamp_status packed(opamp__command **out, int field,
                           const opamp_msg *m) {
  opamp__command *cmd = opamp__command_new(OPAMP__IN_SET);
  opamp_status status = OPAMP_OK;
  *out = NULL;
  if (cmd == NULL) return opamp__nomem();
  cmd->in.field = field;
  if (m != NULL) status = opamp__msg_pack_canonical(m, &cmd->value);
  if (status != OPAMP_OK) {
    opamp__command_free(cmd);
    return status;
  }
  *out = cmd;
  return OPAMP_OK;
}

static opamp_status packed_redacted(opamp__command **out, const opamp_msg *m,
                                    const char *patterns) {
  opamp_msg *shown = NULL;
  opamp_status status = opamp__redacted(&shown, m, opamp__str(patterns));
  if (status == OPAMP_OK)
    status = packed(out, OPAMP_AGENT_TO_SERVER_EFFECTIVE_CONFIG, shown);
  opamp_msg_free(shown);
  return status;
}

static bool put_components_hash(opamp__command *cmd) {
  uint8_t hash[32];
  opamp__sha256(opamp__buf_bytes(&cmd->value), hash);
  return opamp__put_bytes(&cmd->value, OPAMP_AVAILABLE_COMPONENTS_HASH,
                          (opamp_bytes){hash, sizeof hash});
}

opamp_status opamp__set_command(opamp__command **out, const opamp_client *c,
                                int field, const opamp_msg *m,
                                const char *function) {
  const char *patterns = c->options->texts[OPAMP_TEXT_REDACT];
  int type = opamp_msg_field_type(OPAMP_MSG_AGENT_TO_SERVER, field);
  opamp_status status;
  *out = NULL;
  status = m != NULL ? opamp__msg_check(m, function) : OPAMP_OK;
  if (status != OPAMP_OK) return status;
  if (m != NULL && opamp_msg_type(m) != type)
    return opamp__fail(OPAMP_ERR_TYPE, "%s: %s is needed, this is %s", function,
                       opamp_msg_type_name(type),
                       opamp_msg_type_name(opamp_msg_type(m)));
  if (m != NULL && patterns != NULL && type == OPAMP_MSG_EFFECTIVE_CONFIG)
    return packed_redacted(out, m, patterns);
  status = packed(out, field, m);
  if (*out == NULL || m == NULL || type != OPAMP_MSG_AVAILABLE_COMPONENTS)
    return status;
  if (opamp_msg_bytes(m, OPAMP_AVAILABLE_COMPONENTS_HASH, 0).len > 0 ||
      put_components_hash(*out))
    return OPAMP_OK;
  opamp__command_free(*out);
  *out = NULL;
  return opamp__nomem();
}

static opamp_status set(opamp_client *c, int field, const opamp_msg *m,
                        const char *function) {
  opamp_status status = opamp__client_check(c, function);
  opamp__command *cmd;
  if (status == OPAMP_OK)
    status = opamp__set_command(&cmd, c, field, m, function);
  return status == OPAMP_OK ? opamp__client_post(c, cmd) : status;
}

opamp_status opamp_client_set_description(opamp_client *c, const opamp_msg *m) {
  return set(c, OPAMP_AGENT_TO_SERVER_AGENT_DESCRIPTION, m, __func__);
}

opamp_status opamp_client_set_health(opamp_client *c, const opamp_msg *m) {
  return set(c, OPAMP_AGENT_TO_SERVER_HEALTH, m, __func__);
}

opamp_status opamp_client_set_effective_config(opamp_client *c,
                                               const opamp_msg *m) {
  return set(c, OPAMP_AGENT_TO_SERVER_EFFECTIVE_CONFIG, m, __func__);
}

opamp_status opamp_client_set_package_statuses(opamp_client *c,
                                               const opamp_msg *m) {
  return set(c, OPAMP_AGENT_TO_SERVER_PACKAGE_STATUSES, m, __func__);
}

opamp_status opamp_client_set_available_components(opamp_client *c,
                                                   const opamp_msg *m) {
  return set(c, OPAMP_AGENT_TO_SERVER_AVAILABLE_COMPONENTS, m, __func__);
}

opamp_status opamp_client_set_custom_capabilities(opamp_client *c,
                                                  const opamp_msg *m) {
  opamp__command *cmd;
  opamp_msg *copy = NULL, *old;
  opamp_status status = opamp__client_check(c, __func__);
  if (status == OPAMP_OK)
    status = opamp__set_command(
        &cmd, c, OPAMP_AGENT_TO_SERVER_CUSTOM_CAPABILITIES, m, __func__);
  if (status != OPAMP_OK) return status;
  if (m != NULL) status = opamp_msg_dup(&copy, m);
  if (status != OPAMP_OK) {
    opamp__command_free(cmd);
    return status;
  }
  status = opamp__client_post(c, cmd);
  if (status != OPAMP_OK) {
    opamp_msg_free(copy);
    return status;
  }
  opamp__lock(c->loop);
  old = c->declared;
  c->declared = copy;
  opamp__unlock(c->loop);
  opamp_msg_free(old);
  return OPAMP_OK;
}

opamp_status opamp_client_set_capabilities(opamp_client *c,
                                           uint64_t capabilities) {
  opamp_status status = opamp__client_check(c, __func__);
  opamp__command *cmd;
  if (status != OPAMP_OK) return status;
  cmd = opamp__command_new(OPAMP__IN_CAPABILITIES);
  capabilities |= OPAMP_AGENT_CAPABILITIES_REPORTS_STATUS;
  if (cmd != NULL) cmd->in.number = capabilities;
  status = opamp__client_post(c, cmd);
  if (status != OPAMP_OK) return status;
  opamp__lock(c->loop);
  c->capabilities = capabilities;
  opamp__unlock(c->loop);
  return OPAMP_OK;
}

opamp_status opamp__status_command(opamp__command **out, int field,
                                   opamp_bytes hash, int status,
                                   opamp_str error) {
  opamp__command *cmd;
  *out = NULL;
  /* Both enumerations have the same three values. */
  if (status < OPAMP_REMOTE_CONFIG_STATUSES_APPLIED ||
      status > OPAMP_REMOTE_CONFIG_STATUSES_FAILED)
    return opamp__fail(OPAMP_ERR_INVALID, "%d is no status", status);
  if (error.len > 0 &&
      !opamp__utf8_valid((const uint8_t *)error.ptr, error.len))
    return opamp__fail(OPAMP_ERR_UTF8, "status: the error is not UTF-8");
  cmd = opamp__command_new(OPAMP__IN_STATUS);
  if (cmd == NULL || !opamp__buf_set(&cmd->hash, hash.ptr, hash.len) ||
      !opamp__buf_set(&cmd->text, error.ptr, error.len)) {
    opamp__command_free(cmd);
    return opamp__nomem();
  }
  cmd->in.field = field;
  cmd->in.status = status;
  *out = cmd;
  return OPAMP_OK;
}

static opamp_status set_status(opamp_client *c, int field, opamp_bytes hash,
                               int status, const char *error,
                               const char *function) {
  opamp_status made = opamp__client_check(c, function);
  opamp__command *cmd;
  if (made == OPAMP_OK)
    made = opamp__status_command(&cmd, field, hash, status, opamp__str(error));
  return made == OPAMP_OK ? opamp__client_post(c, cmd) : made;
}

opamp_status opamp_client_set_remote_config_status(opamp_client *c,
                                                   opamp_bytes hash, int status,
                                                   const char *error) {
  return set_status(c, OPAMP_AGENT_TO_SERVER_REMOTE_CONFIG_STATUS, hash, status,
                    error, __func__);
}

opamp_status opamp_client_set_connection_settings_status(opamp_client *c,
                                                         opamp_bytes hash,
                                                         int status,
                                                         const char *error) {
  return set_status(c, OPAMP_AGENT_TO_SERVER_CONNECTION_SETTINGS_STATUS, hash,
                    status, error, __func__);
}

opamp_status opamp_client_forget_offer(opamp_client *c, int kind) {
  opamp_status status = opamp__client_check(c, __func__);
  opamp__command *cmd;
  if (status != OPAMP_OK) return status;
  if (kind != OPAMP_EVENT_REMOTE_CONFIG &&
      kind != OPAMP_EVENT_CONNECTION_SETTINGS && kind != OPAMP_EVENT_PACKAGES)
    return opamp__fail(OPAMP_ERR_INVALID, "%d is no kind of offer", kind);
  cmd = opamp__command_new(OPAMP__IN_FORGET);
  if (cmd != NULL) cmd->in.number = (uint64_t)kind;
  return opamp__client_post(c, cmd);
}

/* --- messages ------------------------------------------------------------- */

uint32_t opamp__custom_room(const opamp_client *c) {
  uint64_t max = c->options->numbers[OPAMP_OPT_CUSTOM_QUEUE];
  uint64_t waiting = (uint64_t)c->view.customs + c->customs_posted;
  return waiting < max ? (uint32_t)(max - waiting) : 0;
}

opamp_status opamp__may_send(const opamp_client *c, const opamp_msg *declared,
                             opamp_str capability) {
  const int field = OPAMP_CUSTOM_CAPABILITIES_CAPABILITIES;
  size_t n = opamp_msg_count(declared, field), i = 0;
  while (i < n && !opamp__str_eq(opamp_msg_str(declared, field, i), capability))
    i++;
  if (i == n)
    return opamp__fail(OPAMP_ERR_INVALID, "%.*s: capability not declared",
                       capability.len > 200 ? 200 : (int)capability.len,
                       capability.ptr);
  if (opamp__custom_room(c) == 0)
    return opamp__fail(OPAMP_ERR_FULL, "%u custom messages wait",
                       (unsigned)(c->view.customs + c->customs_posted));
  return OPAMP_OK;
}

static bool pack_custom(opamp__buf *out, opamp_str capability, opamp_str type,
                        opamp_bytes data) {
  opamp_bytes cap = {(const uint8_t *)capability.ptr, capability.len};
  opamp_bytes typ = {(const uint8_t *)type.ptr, type.len};
  return opamp__put_bytes(out, OPAMP_CUSTOM_MESSAGE_CAPABILITY, cap) &&
         (typ.len == 0 ||
          opamp__put_bytes(out, OPAMP_CUSTOM_MESSAGE_TYPE, typ)) &&
         (data.len == 0 ||
          opamp__put_bytes(out, OPAMP_CUSTOM_MESSAGE_DATA, data));
}

opamp_status opamp_client_send_custom(opamp_client *c, const char *capability,
                                      const char *type, opamp_bytes data) {
  opamp_str cap = opamp__str(capability), typ = opamp__str(type);
  opamp_status status = opamp__client_check(c, __func__);
  opamp__command *cmd;
  if (status != OPAMP_OK) return status;
  if (typ.len > 0 && !opamp__utf8_valid((const uint8_t *)typ.ptr, typ.len))
    return opamp__fail(OPAMP_ERR_UTF8, "custom message: type is not UTF-8");
  cmd = opamp__command_new(OPAMP__IN_CUSTOM);
  if (cmd == NULL || !pack_custom(&cmd->value, cap, typ, data)) {
    opamp__command_free(cmd);
    return opamp__nomem();
  }
  opamp__lock(c->loop);
  status = opamp__may_send(c, c->declared, cap);
  if (status == OPAMP_OK) c->customs_posted++;
  opamp__unlock(c->loop);
  if (status != OPAMP_OK) {
    opamp__command_free(cmd);
    return status;
  }
  return opamp__client_post(c, cmd);
}

opamp_status opamp_client_hold(opamp_client *c) {
  opamp_status status = opamp__client_check(c, __func__);
  if (status != OPAMP_OK) return status;
  opamp__lock(c->loop);
  c->held++;
  opamp__unlock(c->loop);
  return OPAMP_OK;
}

opamp_status opamp_client_release(opamp_client *c) {
  opamp_status status = opamp__client_check(c, __func__);
  bool held;
  if (status != OPAMP_OK) return status;
  opamp__lock(c->loop);
  held = c->held > 0;
  if (held && --c->held == 0 && c->inbox.head != NULL)
    opamp__loop_mark(c->loop, c);
  opamp__unlock(c->loop);
  return held ? OPAMP_OK
              : opamp__fail(OPAMP_ERR_STATE, "%s: nobody holds the client",
                            __func__);
}

opamp_status opamp_client_flush(opamp_client *c) {
  opamp_status status = opamp__client_check(c, __func__);
  if (status != OPAMP_OK) return status;
  return opamp__client_post(c, opamp__command_new(OPAMP__IN_FLUSH));
}

/* --- the connection ------------------------------------------------------- */

opamp_status opamp_client_set_headers(opamp_client *c, const char *const *names,
                                      const char *const *values, size_t n) {
  opamp_status status = opamp__client_check(c, __func__);
  opamp__command *cmd;
  if (status != OPAMP_OK) return status;
  cmd = opamp__command_new(OPAMP__IN_HEADERS);
  if (cmd == NULL) return opamp__nomem();
  for (size_t i = 0; i < n; i++) {
    status = opamp__headers_add(&cmd->headers, opamp__str(names[i]),
                                opamp__str(values[i]));
    if (status == OPAMP_OK) continue;
    opamp__command_free(cmd);
    return status;
  }
  return opamp__client_post(c, cmd);
}

opamp_status opamp_client_set_heartbeat(opamp_client *c, uint64_t interval_ms) {
  const opamp__number *n = opamp__number_find(OPAMP_OPT_HEARTBEAT);
  opamp_status status = opamp__client_check(c, __func__);
  opamp__command *cmd;
  if (status != OPAMP_OK) return status;
  if (interval_ms < n->min || interval_ms > n->max)
    return opamp__fail(OPAMP_ERR_INVALID,
                       "heartbeat: %llu is not within %llu to %llu",
                       (unsigned long long)interval_ms,
                       (unsigned long long)n->min, (unsigned long long)n->max);
  cmd = opamp__command_new(OPAMP__IN_HEARTBEAT);
  if (cmd != NULL) cmd->in.number = interval_ms;
  return opamp__client_post(c, cmd);
}
