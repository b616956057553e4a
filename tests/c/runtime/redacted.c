/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "rt.h"

static opamp_msg *effective(const char *body, size_t len) {
  opamp_msg *m, *map, *file;
  CHECK_EQ(opamp_msg_new(&m, OPAMP_MSG_EFFECTIVE_CONFIG), OPAMP_OK);
  opamp_msg_add(&map, m, OPAMP_EFFECTIVE_CONFIG_CONFIG_MAP);
  opamp_msg_put(&file, map, OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP,
                OPAMP_STR("a.yaml"));
  opamp_msg_set_bytes(file, OPAMP_AGENT_CONFIG_OBJECT_BODY,
                      (opamp_bytes){(const uint8_t *)body, len});
  return m;
}

/* What the server has got of the body, as a text. */
static void received(rt *t, char *out, size_t size) {
  opamp_msg *m = stub_message(t->s, stub_messages(t->s) - 1);
  const opamp_msg *config =
      opamp_msg_sub(m, OPAMP_AGENT_TO_SERVER_EFFECTIVE_CONFIG, 0);
  const opamp_msg *map =
      opamp_msg_sub(config, OPAMP_EFFECTIVE_CONFIG_CONFIG_MAP, 0);
  const opamp_msg *file = opamp_msg_find(map, OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP,
                                         OPAMP_STR("a.yaml"));
  opamp_bytes body = opamp_msg_bytes(file, OPAMP_AGENT_CONFIG_OBJECT_BODY, 0);
  snprintf(out, size, "%.*s", (int)body.len, (const char *)body.ptr);
  opamp_msg_free(m);
}

static void redacted(const char *patterns, const char *body, const char *want) {
  rt t = rt_new(true);
  opamp_msg *m = effective(body, strlen(body));
  char got[200];
  opamp_client_free(t.c);
  CHECK_EQ(opamp_options_set_text(t.o, OPAMP_TEXT_REDACT, patterns), OPAMP_OK);
  CHECK_EQ(opamp_client_new(&t.c, t.l, t.o), OPAMP_OK);
  CHECK_EQ(opamp_client_set_effective_config(t.c, m), OPAMP_OK);
  opamp_msg_free(m);
  CHECK_EQ(opamp_client_start(t.c), OPAMP_OK);
  rt_delivered(t.l, t.c);
  received(&t, got, sizeof got);
  CHECK_STR(got, want);
  rt_free(&t);
}

/* Covers: SEC-4 */
TEST(secrets_of_the_effective_config_stay_here) {
  redacted("*password*,token", "db_password: abc\nport: 1\n",
           "db_password: \"***\"\nport: 1\n");
}

/* Covers: SEC-4 */
TEST(without_the_option_nothing_is_changed) {
  redacted(NULL, "password: abc\n", "password: abc\n");
}
