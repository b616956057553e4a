/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/error.h"
#include "runtime/runtime.h"

/* Getters read what the driving thread published last. They are const for the
 * caller; the mutex they take is the loop's. */

/* False, with the text of the error: there is nothing to be read, nor a mutex
 * to be taken, which another thread may hold for ever in a forked child. */
static bool readable(const opamp_client *c, const char *function) {
  return opamp__client_check(c, function) == OPAMP_OK;
}

int opamp_client_state(const opamp_client *c) {
  if (!readable(c, __func__)) return OPAMP_STATE_STOPPED;
  opamp__lock(c->loop);
  int state = c->view.state;
  opamp__unlock(c->loop);
  return state;
}

uint64_t opamp_client_state_since_ms(const opamp_client *c) {
  uint64_t now = opamp__now_ms();
  if (!readable(c, __func__)) return 0;
  opamp__lock(c->loop);
  uint64_t since = c->view.since == 0 ? c->made_at : c->view.since;
  opamp__unlock(c->loop);
  return now > since ? now - since : 0;
}

int64_t opamp_client_next_retry_ms(const opamp_client *c) {
  uint64_t now = opamp__now_ms();
  if (!readable(c, __func__)) return -1;
  opamp__lock(c->loop);
  uint64_t at = c->view.retry_at;
  opamp__unlock(c->loop);
  if (at == UINT64_MAX) return -1;
  return at > now ? (int64_t)(at - now) : 0;
}

void opamp_client_instance_uid(const opamp_client *c, uint8_t *uid) {
  memset(uid, 0, OPAMP_UID_LEN);
  if (!readable(c, __func__)) return;
  opamp__lock(c->loop);
  memcpy(uid, c->view.uid, OPAMP_UID_LEN);
  opamp__unlock(c->loop);
}

uint64_t opamp_client_capabilities(const opamp_client *c) {
  if (!readable(c, __func__)) return 0;
  opamp__lock(c->loop);
  uint64_t capabilities = c->capabilities;
  opamp__unlock(c->loop);
  return capabilities;
}

uint64_t opamp_client_server_capabilities(const opamp_client *c) {
  if (!readable(c, __func__)) return 0;
  opamp__lock(c->loop);
  uint64_t capabilities = c->view.server_capabilities;
  opamp__unlock(c->loop);
  return capabilities;
}

int64_t opamp_client_sequence_num(const opamp_client *c) {
  if (!readable(c, __func__)) return -1;
  opamp__lock(c->loop);
  int64_t sequence = c->view.sequence_num;
  opamp__unlock(c->loop);
  return sequence;
}

uint64_t opamp_client_undelivered(const opamp_client *c) {
  if (!readable(c, __func__)) return 0;
  opamp__lock(c->loop);
  uint64_t fields = c->view.undelivered | c->inbox.taken;
  for (const opamp__command *cmd = c->inbox.head; cmd != NULL; cmd = cmd->next)
    fields |= opamp__command_fields(cmd);
  opamp__unlock(c->loop);
  return fields;
}

uint64_t opamp_client_parked(const opamp_client *c) {
  if (!readable(c, __func__)) return 0;
  opamp__lock(c->loop);
  uint64_t fields = c->view.parked;
  opamp__unlock(c->loop);
  return fields;
}

size_t opamp_client_custom_room(const opamp_client *c) {
  if (!readable(c, __func__)) return 0;
  opamp__lock(c->loop);
  size_t room = opamp__custom_room(c);
  opamp__unlock(c->loop);
  return room;
}

uint64_t opamp_client_counter(const opamp_client *c, int counter) {
  uint64_t n;
  if (counter < 0 || counter >= OPAMP_COUNT_END || !readable(c, __func__))
    return 0;
  opamp__lock(c->loop);
  n = c->view.counters[counter];
  if (counter == OPAMP_COUNT_DROPPED_EVENTS) n += c->mailbox.dropped_total;
  opamp__unlock(c->loop);
  return n;
}

/* --- copies --------------------------------------------------------------- */

/* Under the mutex. `text`: a NUL follows when there is room for it. */
static opamp_status copy_out(const void *from, size_t n, bool text, void *buf,
                             size_t *len) {
  size_t room = *len;
  *len = n;
  if (n > room) return OPAMP_ERR_SPACE;
  if (n > 0) memcpy(buf, from, n);
  if (text && room > n) ((char *)buf)[n] = '\0';
  return OPAMP_OK;
}

static opamp_status told(opamp_status status, size_t len) {
  if (status == OPAMP_OK) return status;
  return opamp__fail(status, "it takes %zu bytes", len);
}

opamp_status opamp_client_last_error(const opamp_client *c, char *buf,
                                     size_t *len) {
  opamp_status status = opamp__client_check(c, __func__);
  if (status != OPAMP_OK) return status;
  opamp__lock(c->loop);
  status =
      copy_out(c->last_error, c->last_error == NULL ? 0 : strlen(c->last_error),
               true, buf, len);
  opamp__unlock(c->loop);
  return told(status, *len);
}

opamp_status opamp_client_server_custom_capabilities(const opamp_client *c,
                                                     opamp_msg **out) {
  opamp__buf packed = {NULL, 0, 0};
  opamp_status status = opamp__client_check(c, __func__);
  bool any;
  *out = NULL;
  if (status != OPAMP_OK) return status;
  opamp__lock(c->loop);
  any = c->view.server_customs > 0;
  if (!opamp__buf_append(&packed, c->server_customs.ptr, c->server_customs.len))
    status = opamp__nomem();
  opamp__unlock(c->loop);
  if (!any)
    status = opamp__fail(OPAMP_ERR_NOTFOUND,
                         "the server has declared no custom capabilities");
  if (status == OPAMP_OK)
    status = opamp_msg_parse(out, OPAMP_MSG_CUSTOM_CAPABILITIES,
                             opamp__buf_bytes(&packed));
  opamp__buf_free(&packed);
  return status;
}

opamp_status opamp_client_remote_config_hash(const opamp_client *c,
                                             uint8_t *buf, size_t *len) {
  opamp_status status = opamp__client_check(c, __func__);
  if (status != OPAMP_OK) return status;
  opamp__lock(c->loop);
  status = copy_out(c->config_hash.ptr, c->config_hash.len, false, buf, len);
  opamp__unlock(c->loop);
  return told(status, *len);
}

opamp_status opamp_client_endpoint(const opamp_client *c, char *buf,
                                   size_t *len) {
  opamp_status status = opamp__client_check(c, __func__);
  if (status != OPAMP_OK) return status;
  opamp__lock(c->loop);
  const char *url = c->url.text != NULL ? c->url.text : c->options->url.text;
  status = copy_out(url, strlen(url), true, buf, len);
  opamp__unlock(c->loop);
  return told(status, *len);
}
