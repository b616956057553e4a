/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

/* Covers: HTTP-1, HTTP-2 */
TEST(http_posts_and_hears_back) {
  world w;
  server s;
  client c = {0};
  world_open(&w, 8);
  server_start(&s, "http_echo", NULL);
  target t = at("http", &s);
  client_open(&c, &w, &t);
  client_send_text(&c, "hello");
  run_until(&w, &c.frames, 1);
  CHECK_STR(server_line(&s, "request "), "POST /v1/opamp HTTP/1.1");
  CHECK_EQ(c.opened, 1);
  CHECK_MEM(c.frame.ptr, c.frame.len, "hello", 5);
  client_reset(&c);
  world_close(&w);
  server_stop(&s);
}
