/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

/* Covers: WIRE-1 */
TEST(ws_sends_and_hears_back) {
  world w;
  server s;
  client c = {0};
  world_open(&w, 8);
  server_start(&s, "ws_echo", NULL);
  target t = at("ws", &s);
  client_open(&c, &w, &t);
  run_until(&w, &c.opened, 1);
  client_send_text(&c, "hello");
  run_until(&w, &c.written, 1);
  run_until(&w, &c.frames, 1);
  CHECK_STR(server_line(&s, "request "), "GET /v1/opamp HTTP/1.1");
  CHECK_MEM(c.frame.ptr, c.frame.len, "hello", 5);
  opamp__conn_close(c.conn, 1000);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_CLOSED);
  CHECK_EQ(c.close_code, 1000);
  client_reset(&c);
  world_close(&w);
  server_stop(&s);
}
