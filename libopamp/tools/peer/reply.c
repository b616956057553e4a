/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "common/msg_json.h"
#include "peer/internal.h"

/* What this server can do: all of it, the operator being the other half. */
static const uint64_t capabilities =
    OPAMP_SERVER_CAPABILITIES_ACCEPTS_STATUS |
    OPAMP_SERVER_CAPABILITIES_OFFERS_REMOTE_CONFIG |
    OPAMP_SERVER_CAPABILITIES_ACCEPTS_EFFECTIVE_CONFIG |
    OPAMP_SERVER_CAPABILITIES_OFFERS_PACKAGES |
    OPAMP_SERVER_CAPABILITIES_ACCEPTS_PACKAGES_STATUS |
    OPAMP_SERVER_CAPABILITIES_OFFERS_CONNECTION_SETTINGS |
    OPAMP_SERVER_CAPABILITIES_ACCEPTS_CONNECTION_SETTINGS_REQUEST;

/* --- items ---------------------------------------------------------------- */

item *item_new(item_kind kind, opamp_bytes bytes) {
  item *it = calloc(1, sizeof *it);
  if (it == NULL) return NULL;
  it->kind = kind;
  tool_buf_add(&it->bytes, bytes.ptr, bytes.len);
  if (it->bytes.failed) {
    item_free(it);
    return NULL;
  }
  return it;
}

/* Appends the encoding of a message. */
static bool pack(tool_buf *out, const opamp_msg *m) {
  size_t n = 0;
  opamp_status rc = opamp_msg_pack(m, NULL, &n);
  uint8_t *to =
      rc == OPAMP_ERR_SPACE || rc == OPAMP_OK ? tool_buf_reserve(out, n) : NULL;
  if (to == NULL || opamp_msg_pack(m, to, &n) != OPAMP_OK) return false;
  out->len += n;
  return true;
}

item *item_new_message(const opamp_msg *m) {
  item *it = item_new(ITEM_MESSAGE, (opamp_bytes){NULL, 0});
  if (it == NULL) return NULL;
  it->shown = tool_msg_to_json(m);
  if (it->shown != NULL && pack(&it->bytes, m)) return it;
  item_free(it);
  return NULL;
}

void item_free(item *it) {
  if (it == NULL) return;
  json_decref(it->shown);
  tool_buf_free(&it->bytes);
  free(it);
}

/* --- parts of a message --------------------------------------------------- */

bool reply_address(opamp_msg *m, const agent *a) {
  return opamp_msg_set_bytes(m, OPAMP_SERVER_TO_AGENT_INSTANCE_UID,
                             (opamp_bytes){a->uid, OPAMP_UID_LEN}) == OPAMP_OK;
}

bool reply_hash(opamp_msg *to, int field, const opamp_msg *over) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  tool_buf packed = {0};
  // Entries of a map are packed in the order of their names, so the same
  // objects give the same bytes.
  bool ok =
      pack(&packed, over) &&
      EVP_Digest(packed.ptr, packed.len, digest, &n, EVP_sha256(), NULL) == 1 &&
      opamp_msg_set_bytes(to, field, (opamp_bytes){digest, n}) == OPAMP_OK;
  tool_buf_free(&packed);
  return ok;
}

/* A version 7 UUID: 48 bits of time, the rest random. */
static void new_uid(uint8_t uid[OPAMP_UID_LEN]) {
  uv_timeval64_t now = {0};
  RAND_bytes(uid, OPAMP_UID_LEN);
  uv_gettimeofday(&now);
  uint64_t ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000;
  for (size_t i = 0; i < 6; i++) uid[i] = (uint8_t)(ms >> (8 * (5 - i)));
  uid[6] = (uint8_t)(0x70 | (uid[6] & 0x0f));
  uid[8] = (uint8_t)(0x80 | (uid[8] & 0x3f));
}

static bool identify(opamp_msg *m, agent *a) {
  opamp_msg *part;
  if (!a->wants_uid) return true;
  if (!a->renamed) new_uid(a->new_uid);
  a->renamed = true;
  return opamp_msg_add(&part, m, OPAMP_SERVER_TO_AGENT_AGENT_IDENTIFICATION) ==
             OPAMP_OK &&
         opamp_msg_set_bytes(part, OPAMP_AGENT_IDENTIFICATION_NEW_INSTANCE_UID,
                             (opamp_bytes){a->new_uid, OPAMP_UID_LEN}) ==
             OPAMP_OK;
}

static bool same(const tool_buf *a, const tool_buf *b) {
  return a->len == b->len && (a->len == 0 || !memcmp(a->ptr, b->ptr, a->len));
}

/* Whether the agent is to get the offer of the configuration directory: it
 * wants one, is known, and has neither this one nor been offered it here. An
 * agent may have come back before its last connection has ended, or have given
 * up a request: what was offered there it has not got. */
static bool lacks_offer(const conn *c, const agent *a) {
  const peer *p = c->peer;
  return p->offers.offer != NULL && a->known && !a->ask_full &&
         (a->capabilities & OPAMP_AGENT_CAPABILITIES_ACCEPTS_REMOTE_CONFIG) !=
             0 &&
         !same(&a->config_hash, &p->offers.hash) &&
         !(a->offered_on == c->number &&
           same(&a->offered_hash, &p->offers.hash));
}

static bool offer(opamp_msg *m, const conn *c, agent *a) {
  const peer *p = c->peer;
  opamp_msg *to, *map, *file;
  const opamp_msg *from =
      opamp_msg_sub(p->offers.offer, OPAMP_AGENT_REMOTE_CONFIG_CONFIG, 0);
  int files = OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP;
  if (opamp_msg_add(&to, m, OPAMP_SERVER_TO_AGENT_REMOTE_CONFIG) != 0 ||
      opamp_msg_add(&map, to, OPAMP_AGENT_REMOTE_CONFIG_CONFIG) != 0 ||
      opamp_msg_set_bytes(
          to, OPAMP_AGENT_REMOTE_CONFIG_CONFIG_HASH,
          (opamp_bytes){p->offers.hash.ptr, p->offers.hash.len}) != 0)
    return false;
  for (size_t i = 0; i < opamp_msg_count(from, files); i++) {
    const opamp_msg *f = opamp_msg_sub(from, files, i);
    int body = OPAMP_AGENT_CONFIG_OBJECT_BODY;
    int type = OPAMP_AGENT_CONFIG_OBJECT_CONTENT_TYPE;
    if (opamp_msg_put(&file, map, files, opamp_msg_key(from, files, i)) != 0 ||
        opamp_msg_set_bytes(file, body, opamp_msg_bytes(f, body, 0)) != 0 ||
        opamp_msg_set_str(file, type, opamp_msg_str(f, type, 0)) != 0)
      return false;
  }
  a->offered_on = c->number;
  tool_buf_clear(&a->offered_hash);
  tool_buf_add(&a->offered_hash, p->offers.hash.ptr, p->offers.hash.len);
  return !a->offered_hash.failed;
}

/* The certificate the agent asked for; false: it cannot have it, and `why`. */
static bool issue(opamp_msg *m, const peer *p, agent *a, const char **why) {
  if (!a->asks_certificate) return true;
  a->asks_certificate = false;
  return issue_offer(p, (opamp_bytes){a->csr.ptr, a->csr.len}, m, why);
}

/* --- whole messages ------------------------------------------------------- */

item *reply_make(conn *c, agent *a) {
  opamp_msg *m = NULL;
  item *it = NULL;
  const char *why = NULL;
  bool ok = opamp_msg_new(&m, OPAMP_MSG_SERVER_TO_AGENT) == 0 &&
            issue(m, c->peer, a, &why) && reply_address(m, a) &&
            opamp_msg_set_u64(m, OPAMP_SERVER_TO_AGENT_CAPABILITIES,
                              capabilities) == 0 &&
            identify(m, a);
  if (ok && a->ask_full)
    ok = opamp_msg_set_u64(m, OPAMP_SERVER_TO_AGENT_FLAGS,
                           OPAMP_SERVER_TO_AGENT_FLAGS_REPORT_FULL_STATE) == 0;
  if (ok && lacks_offer(c, a)) ok = offer(m, c, a);
  if (ok) it = item_new_message(m);
  opamp_msg_free(m);
  if (why != NULL && !ok) return reply_bad_request(c, why);
  if (it == NULL) peer_fail(c->peer, "out of memory");
  return it;
}

item *reply_bad_request(conn *c, const char *why) {
  opamp_msg *m = NULL, *error;
  item *it = NULL;
  if (opamp_msg_new(&m, OPAMP_MSG_SERVER_TO_AGENT) == 0 &&
      opamp_msg_add(&error, m, OPAMP_SERVER_TO_AGENT_ERROR_RESPONSE) == 0 &&
      opamp_msg_set_u64(error, OPAMP_SERVER_ERROR_RESPONSE_TYPE,
                        OPAMP_SERVER_ERROR_RESPONSE_TYPE_BAD_REQUEST) == 0 &&
      opamp_msg_set_str(error, OPAMP_SERVER_ERROR_RESPONSE_ERROR_MESSAGE,
                        (opamp_str){why, strlen(why)}) == 0)
    it = item_new_message(m);
  if (it == NULL) peer_fail(c->peer, "out of memory");
  opamp_msg_free(m);
  return it;
}

void reply_push_offer(conn *c) {
  if (!c->websocket || c->agent == NULL || !c->auto_reply ||
      !lacks_offer(c, c->agent))
    return;
  item *it = reply_make(c, c->agent);
  if (it != NULL) conn_ws_send(c, it);
  item_free(it);
}
