/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/command.h"
#include "common/msg_json.h"

/* One of the getters that copy a text. */
static void add_text(json_t *state, const char *key, const agent *a,
                     opamp_status (*get)(const opamp_client *, char *,
                                         size_t *)) {
  char text[4096];
  size_t len = sizeof text - 1;
  if (get(a->client, text, &len) != OPAMP_OK) len = 0;
  json_object_set_new(state, key, json_stringn(text, len));
}

static const char *transport(const agent *a) {
  return strncmp(a->options.connection.url, "http", 4) == 0 ? "http"
                                                            : "websocket";
}

static json_t *counters(const agent *a) {
  json_t *all = json_object();
  for (int i = 0; i < OPAMP_COUNT_END; i++)
    json_object_set_new(
        all, opamp_counter_name(i),
        json_integer((json_int_t)opamp_client_counter(a->client, i)));
  return all;
}

json_t *command_state(agent *a) {
  const opamp_client *c = a->client;
  uint8_t uid[OPAMP_UID_LEN], hash[256];
  size_t hash_len = sizeof hash;
  json_t *s = json_object();
  add_text(s, "endpoint", a, opamp_client_endpoint);
  opamp_client_instance_uid(c, uid);
  out_uid(s, "instance_uid", (opamp_bytes){uid, sizeof uid});
  json_object_set_new(s, "state",
                      json_string(opamp_state_name(opamp_client_state(c))));
  json_object_set_new(s, "since_ms",
                      json_integer((json_int_t)opamp_client_state_since_ms(c)));
  json_object_set_new(s, "transport", json_string(transport(a)));
  json_object_set_new(s, "sequence_num",
                      json_integer(opamp_client_sequence_num(c)));
  json_object_set_new(s, "undelivered",
                      event_field_names(OPAMP_MSG_AGENT_TO_SERVER,
                                        opamp_client_undelivered(c)));
  json_object_set_new(
      s, "parked",
      event_field_names(OPAMP_MSG_AGENT_TO_SERVER, opamp_client_parked(c)));
  json_object_set_new(s, "next_retry_ms",
                      json_integer(opamp_client_next_retry_ms(c)));
  json_object_set_new(
      s, "server_capabilities",
      tool_server_capabilities_to_json(opamp_client_server_capabilities(c)));
  add_text(s, "last_error", a, opamp_client_last_error);
  if (opamp_client_remote_config_hash(c, hash, &hash_len) != OPAMP_OK)
    hash_len = 0;
  out_hex(s, "remote_config_hash", (opamp_bytes){hash, hash_len});
  json_object_set_new(s, "counters", counters(a));
  return s;
}
