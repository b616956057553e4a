/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdlib.h>

#include "rt.h"

/* Every allocation of a call fails in turn: it says so, and nothing leaks. */

TEST(options_without_memory) {
  for (size_t n = 1;; n++) {
    opamp_options *o = NULL;
    opamp__mem_fail_after(n);
    opamp_status s = opamp_options_new(&o);
    if (s == OPAMP_OK)
      s = opamp_options_set_text(o, OPAMP_TEXT_URL, "ws://127.0.0.1:1/x");
    if (s == OPAMP_OK) s = opamp_options_add_header(o, "A", "b");
    if (s == OPAMP_OK)
      s = opamp_options_set_text(o, OPAMP_TEXT_TLS_MIN_VERSION, "1.3");
    opamp__mem_fail_after(0);
    opamp_options_free(o);
    if (s == OPAMP_OK) break;
    CHECK_EQ(s, OPAMP_ERR_NOMEM);
  }
}

TEST(a_changed_snapshot_without_memory) {
  rt t = rt_new(true);
  opamp_options_add_header(t.o, "A", "b");
  opamp_client *c;
  CHECK_EQ(opamp_client_new(&c, t.l, t.o), OPAMP_OK); /* shares */
  for (size_t n = 1;; n++) {
    opamp__mem_fail_after(n);
    opamp_status s = opamp_options_set_number(t.o, OPAMP_OPT_HEARTBEAT, 77);
    opamp__mem_fail_after(0);
    if (s == OPAMP_OK) break;
    CHECK_EQ(s, OPAMP_ERR_NOMEM);
    CHECK_EQ(opamp_options_number(t.o, OPAMP_OPT_HEARTBEAT), 30000);
  }
  opamp_client_free(c);
  rt_free(&t);
}

TEST(loop_without_memory) {
  for (size_t n = 1;; n++) {
    opamp_loop *l;
    opamp__mem_fail_after(n);
    opamp_status s = opamp_loop_new(&l, 0);
    opamp__mem_fail_after(0);
    if (s == OPAMP_OK) {
      opamp_loop_free(l);
      break;
    }
    CHECK_EQ(s, OPAMP_ERR_NOMEM);
    CHECK(l == NULL);
  }
}

TEST(client_without_memory) {
  rt t = rt_new(true);
  for (int own = 0; own < 2; own++) {
    for (size_t n = 1;; n++) {
      opamp_client *c;
      opamp__mem_fail_after(n);
      opamp_status s = opamp_client_new(&c, own ? NULL : t.l, t.o);
      opamp__mem_fail_after(0);
      opamp_client_free(c);
      if (s == OPAMP_OK) break;
      CHECK_EQ(s, OPAMP_ERR_NOMEM);
      CHECK(c == NULL);
    }
  }
  rt_free(&t);
}

static opamp_status set_all(opamp_client *c, opamp_msg **m) {
  const char *name = "A", *value = "b";
  opamp_callbacks cb = {.struct_size = sizeof cb};
  opamp_status s = opamp_client_set_health(c, m[0]);
  if (s == OPAMP_OK) s = opamp_client_set_description(c, m[1]);
  if (s == OPAMP_OK) s = opamp_client_set_custom_capabilities(c, m[2]);
  if (s == OPAMP_OK) s = opamp_client_set_available_components(c, m[3]);
  if (s == OPAMP_OK)
    s = opamp_client_send_custom(c, "cap", "t", opamp_bytes_of("x", 1));
  if (s == OPAMP_OK) s = opamp_client_set_headers(c, &name, &value, 1);
  if (s == OPAMP_OK)
    s = opamp_client_set_remote_config_status(c, opamp_bytes_of("h", 1), 1,
                                              "e");
  if (s == OPAMP_OK) s = opamp_client_set_callbacks(c, &cb, NULL);
  if (s == OPAMP_OK) s = opamp_client_set_callbacks(c, NULL, NULL);
  if (s == OPAMP_OK) s = opamp_client_set_heartbeat(c, 5000);
  if (s == OPAMP_OK) s = opamp_client_flush(c);
  if (s == OPAMP_OK) s = opamp_client_start(c);
  return s;
}

TEST(setters_without_memory) {
  opamp_msg *m[4] = {rt_health("x"), rt_description("y"), rt_customs("cap")};
  CHECK_EQ(opamp_msg_new(&m[3], OPAMP_MSG_AVAILABLE_COMPONENTS), OPAMP_OK);
  opamp_status s = OPAMP_ERR_NOMEM;
  for (size_t n = 1; s != OPAMP_OK; n++) {
    rt t = rt_new(true);
    opamp__mem_fail_after(n);
    s = set_all(t.c, m);
    opamp__mem_fail_after(0);
    if (s != OPAMP_OK) CHECK_EQ(s, OPAMP_ERR_NOMEM);
    rt_free(&t);
  }
  for (int i = 0; i < 4; i++) opamp_msg_free(m[i]);
}

/* What was set before memory ran out in the loop arrives when there is some
 * again. */
static void survives(bool websocket) {
  for (size_t n = 1; n <= 40; n++) {
    rt t = rt_connected(websocket);
    rt_set_health(t.c, "kept");
    opamp__mem_fail_after(n);
    for (int i = 0; i < 4; i++) opamp_loop_poll(t.l, 2);
    opamp__mem_fail_after(0);
    rt_delivered(t.l, t.c);
    size_t len;
    uint8_t *view = stub_view(t.s, OPAMP_AGENT_TO_SERVER_HEALTH, &len);
    CHECK(view != NULL && memmem(view, len, "kept", 4) != NULL);
    free(view);
    rt_free(&t);
  }
}

/* Covers: STATE-3 */
TEST(state_outlives_a_lack_of_memory_websocket) {
  survives(true);
}

/* Covers: STATE-3 */
TEST(state_outlives_a_lack_of_memory_http) {
  survives(false);
}
