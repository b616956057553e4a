/* SPDX-License-Identifier: Apache-2.0 */
#include "rt.h"

static void full_exchange(bool websocket) {
  rt t = rt_new(websocket);
  opamp_msg *m;
  opamp_event *e;
  uint8_t uid[OPAMP_UID_LEN];
  rt_set_health(t.c, "fine");
  CHECK_EQ(opamp_client_start(t.c), OPAMP_OK);
  e = rt_event(t.l, OPAMP_EVENT_CONNECTED);
  CHECK_STR(opamp_event_text(e).ptr, stub_url(t.s, websocket));
  CHECK(opamp_event_client(e) == t.c);
  opamp_event_free(e);
  rt_delivered(t.l, t.c);
  m = stub_message(t.s, 0);
  opamp_client_instance_uid(t.c, uid);
  opamp_bytes sent = opamp_msg_bytes(m, OPAMP_AGENT_TO_SERVER_INSTANCE_UID, 0);
  CHECK_MEM(sent.ptr, sent.len, uid, sizeof uid);
  CHECK_STR(rt_health_of(m), "fine");
  opamp_msg_free(m);
  rt_set_health(t.c, "worse");
  rt_messages(&t, 2);
  m = stub_message(t.s, 1);
  CHECK_STR(rt_health_of(m), "worse");
  CHECK_EQ(stub_seq(t.s, 1), 1);
  opamp_msg_free(m);
  CHECK_EQ(opamp_client_stop(t.c), OPAMP_OK);
  e = rt_event(t.l, OPAMP_EVENT_STOPPED);
  CHECK_EQ(opamp_event_number(e, OPAMP_NUM_DISCONNECT_SENT), 1);
  opamp_event_free(e);
  m = stub_message(t.s, 2);
  CHECK_EQ(opamp_msg_count(m, OPAMP_AGENT_TO_SERVER_AGENT_DISCONNECT), 1);
  opamp_msg_free(m);
  CHECK(stub_numbers_ok(t.s));
  rt_free(&t);
}

/* Covers: CONN-1, WIRE-1 */
TEST(websocket_from_start_to_stop) {
  full_exchange(true);
}

/* Covers: CONN-1, HTTP-1 */
TEST(http_from_start_to_stop) {
  full_exchange(false);
}
