/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <zlib.h>

#include "base/headers.h"
#include "base/str.h"
#include "fixture.h"

/* One world, one server, one client, opened and a frame sent. */
static world w;
static server s;
static client c;

static void post(const target *t, const char *text) {
  memset(&c, 0, sizeof c);
  world_open(&w, 8);
  client_open(&c, &w, t);
  client_send_text(&c, text);
}

static void leave(void) {
  client_reset(&c);
  world_close(&w);
  server_stop(&s);
}

/* The line "header NAME value" of the server, or a failure. */
static void check_header(const char *name, const char *value) {
  char line[256];
  snprintf(line, sizeof line, "header %s ", name);
  CHECK_STR(server_line(&s, line), value);
}

/* Covers: HTTP-1, HTTP-2, HTTP-5 */
TEST(http_posts_and_hears_back) {
  opamp__headers headers = {0};
  CHECK_EQ(opamp__headers_add(&headers, OPAMP__LIT("Authorization"),
                              OPAMP__LIT("Bearer abc")),
           OPAMP_OK);
  CHECK_EQ(opamp__headers_add(&headers, OPAMP__LIT("X-Empty"), OPAMP__LIT("")),
           OPAMP_OK);
  server_start(&s, "http_echo", NULL);
  target t = at("http", &s);
  t.headers = &headers;
  post(&t, "hello");
  run_until(&w, &c.frames, 1);
  char host[64], crc[64];
  snprintf(host, sizeof host, "127.0.0.1:%d", s.port);
  CHECK_STR(server_line(&s, "request "), "POST /v1/opamp HTTP/1.1");
  check_header("accept", "*/*");
  check_header("accept-encoding", "gzip");
  check_header("authorization", "Bearer abc");
  check_header("content-length", "5");
  check_header("content-type", "application/x-protobuf");
  check_header("host", host);
  check_header("opamp-instance-uid", "01890a5d-ac96-774b-bcce-b302099a8057");
  check_header("x-empty", "");
  snprintf(crc, sizeof crc, "5 %lu", crc32(0, (const Bytef *)"hello", 5));
  CHECK_STR(server_line(&s, "body "), crc);
  CHECK_EQ(c.opened, 1);
  CHECK(c.alive > 0);
  CHECK_MEM(c.frame.ptr, c.frame.len, "hello", 5);
  client_send_text(&c, "");
  run_until(&w, &c.frames, 2);
  CHECK_EQ(c.frame.len, 0);
  CHECK_EQ(c.closed, 0);
  opamp__headers_free(&headers);
  leave();
}

/* Covers: HTTP-5 */
TEST(http_compresses_both_ways) {
  static char text[100000];
  memset(text, 'x', sizeof text - 1);
  server_start(&s, "http_echo", "gzip=1", NULL);
  target t = at("http", &s);
  t.compress = true;
  post(&t, text);
  run_until(&w, &c.frames, 1);
  CHECK_STR(server_line(&s, "request "), "POST /v1/opamp HTTP/1.1");
  check_header("accept", "*/*");
  check_header("accept-encoding", "gzip");
  check_header("content-encoding", "gzip");
  CHECK(atoi(server_line(&s, "header content-length ")) < 1000);
  CHECK_MEM(c.frame.ptr, c.frame.len, text, sizeof text - 1);
  leave();
}

/* Covers: HTTP-1 */
TEST(http_response_in_chunks) {
  server_start(&s, "http_chunked", NULL);
  target t = at("http", &s);
  post(&t, "x");
  run_until(&w, &c.frames, 1);
  CHECK_MEM(c.frame.ptr, c.frame.len, "one two three", 13);
  leave();
}

/* Covers: WIRE-5 */
TEST(http_body_up_to_the_limit_and_not_beyond) {
  server_start(&s, "http_big", "size=1000", NULL);
  target t = at("http", &s);
  t.max_receive = 1000;
  post(&t, "x");
  run_until(&w, &c.frames, 1);
  CHECK_EQ(c.frame.len, 1000);
  client_reset(&c);
  t.max_receive = 999;
  client_open(&c, &w, &t);
  client_send_text(&c, "x");
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_LIMIT);
  CHECK_STR(c.text, "the response is larger than 999 bytes");
  CHECK_EQ(c.frames, 0);
  leave();
}

/* Covers: WIRE-5 */
TEST(http_bomb_stops_at_the_limit) {
  server_start(&s, "http_big", "size=200000000", "gzip=1", NULL);
  target t = at("http", &s);
  t.max_receive = 100000;
  post(&t, "x");
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_LIMIT);
  leave();
}

/* Which is no lack of memory, though curl cannot tell. */
TEST(http_bytes_behind_a_compressed_body) {
  server_start(&s, "http_big", "size=1000", "gzip=1", "behind=more", NULL);
  target t = at("http", &s);
  post(&t, "x");
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_TRANSPORT);
  CHECK_STR(c.text, "the response cannot be decompressed");
  CHECK_EQ(c.frames, 0);
  leave();
}

TEST(http_status_that_is_none) {
  server_start(&s, "http_status", "status=-12 Odd", NULL);
  target t = at("http", &s);
  post(&t, "x");
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_TRANSPORT);
  CHECK_EQ(c.http_status, 0);
  leave();
}

/* Covers: HTTP-6 */
TEST(http_status_with_retry_after_and_body) {
  server_start(&s, "http_status", "status=429 Slow Down", "retry=17",
               "body=too \x01\xff many\nrequests", NULL);
  target t = at("http", &s);
  post(&t, "x");
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_HTTP);
  CHECK_EQ(c.http_status, 429);
  CHECK_STR(c.retry_after, "17");
  CHECK_STR(c.body, "too many requests");
  CHECK_STR(c.location, "");
  leave();
}

/* Covers: HTTP-9 */
TEST(http_redirect_is_reported_not_followed) {
  server_start(&s, "http_status", "status=307 Elsewhere",
               "location=http://127.0.0.1:1/other", NULL);
  target t = at("http", &s);
  post(&t, "x");
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_HTTP);
  CHECK_EQ(c.http_status, 307);
  CHECK_STR(c.location, "http://127.0.0.1:1/other");
  leave();
}

TEST(http_error_body_is_cut) {
  char body[1200] = "body=";
  memset(body + 5, 'y', 1000);
  server_start(&s, "http_status", "status=500 No", body, NULL);
  target t = at("http", &s);
  post(&t, "x");
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.http_status, 500);
  CHECK_EQ(strlen(c.body), 200);
  leave();
}

TEST(http_garbage) {
  server_start(&s, "garbage", "stay=1", NULL);
  target t = at("http", &s);
  post(&t, "x");
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_TRANSPORT);
  leave();
}

/* An answer of no bytes is a good one; one that does not get as far is none.
 * Covers: STATE-3 */
TEST(http_hang_up_and_a_head_that_is_cut_off) {
  static const char *const bytes[] = {"bytes=0",  "bytes=12", "bytes=15",
                                      "bytes=17", "bytes=28", "bytes=29"};
  for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
    server_start(&s, "hang_up", bytes[i], NULL);
    target t = at("http", &s);
    post(&t, "x");
    run_until(&w, &c.closed, 1);
    CHECK_EQ(c.why, OPAMP_ERR_TRANSPORT);
    CHECK_EQ(c.http_status, 0);
    CHECK_EQ(c.frames, 0);
    leave();
  }
  server_start(&s, "hang_up", "bytes=30", NULL);
  target t = at("http", &s);
  post(&t, "x");
  run_until(&w, &c.frames, 1);
  CHECK_EQ(c.frame.len, 0);
  leave();
}

/* Nothing ends by itself here: the deadlines are the core's. */
TEST(http_mute_and_half_answers_wait_until_aborted) {
  server_start(&s, "mute", NULL);
  target t = at("http", &s);
  post(&t, "x");
  run_until(&w, &c.opened, 1);
  run_for(&w, 100);
  CHECK_STR(server_line(&s, "connected"), "");
  CHECK_EQ(c.closed, 0);
  opamp__conn_close(c.conn, 1000);
  CHECK_EQ(c.closed, 0);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_CLOSED);
  leave();
  server_start(&s, "half_open", NULL);
  t = at("http", &s);
  post(&t, "x");
  run_until(&w, &c.alive, 3);
  run_for(&w, 50);
  CHECK_EQ(c.closed, 0);
  leave();
}

TEST(http_flood_of_headers_ends) {
  server_start(&s, "flood", NULL);
  target t = at("http", &s);
  post(&t, "x");
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.frames, 0);
  leave();
}

/* Covers: HTTP-8 */
TEST(http_keep_alive_race_is_repeated_once) {
  server_start(&s, "http_race", NULL);
  target t = at("http", &s);
  post(&t, "first");
  run_until(&w, &c.frames, 1);
  client_send_text(&c, "second");
  run_until(&w, &c.frames, 2);
  CHECK_STR(server_line(&s, "dropped "), "6");
  CHECK_MEM(c.frame.ptr, c.frame.len, "one", 3);
  CHECK_EQ(c.opened, 2);
  CHECK_EQ(c.closed, 0);
  leave();
}

/* Covers: HTTP-8 */
TEST(http_a_fresh_connection_is_not_tried_again) {
  server_start(&s, "http_race_all", NULL);
  target t = at("http", &s);
  post(&t, "first");
  run_until(&w, &c.frames, 1);
  client_send_text(&c, "second");
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_TRANSPORT);
  CHECK_STR(server_line(&s, "request "), "1");
  CHECK_STR(server_line(&s, "request "), "1");
  CHECK_STR(server_line(&s, "request "), "2");
  leave();
}

TEST(http_refused) {
  server_start(&s, "mute", NULL);
  target t = at("http", &s);
  server_stop(&s);
  char text[128];
  snprintf(text, sizeof text, "connect to 127.0.0.1:%d: Connection refused",
           t.port);
  post(&t, "x");
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_TRANSPORT);
  CHECK_STR(c.text, text);
  CHECK_EQ(c.opened, 0);
  client_reset(&c);
  world_close(&w);
}

TEST(http_one_request_at_a_time) {
  server_start(&s, "mute", NULL);
  target t = at("http", &s);
  post(&t, "x");
  CHECK_EQ(opamp__conn_send(c.conn, NULL, 0), OPAMP_ERR_STATE);
  leave();
}

/* Covers: PROC-3 */
TEST(http_abort_and_close_inside_callbacks) {
  server_start(&s, "http_echo", "quiet=1", NULL);
  target t = at("http", &s);
  memset(&c, 0, sizeof c);
  world_open(&w, 8);
  for (const char *in = "ofa"; *in != '\0'; in++) {
    for (const char *what = "ac"; *what != '\0'; what++) {
      c.act_in = *in;
      c.act = *what;
      client_open(&c, &w, &t);
      client_send_text(&c, "x");
      run_until(&w,
                *in == 'o'   ? &c.opened
                : *in == 'f' ? &c.frames
                             : &c.alive,
                1);
      if (*what == 'c') run_until(&w, &c.closed, 1);
      run_for(&w, 20);
      CHECK_EQ(c.closed, *what == 'c');
      CHECK(c.conn == NULL);
      client_reset(&c);
    }
  }
  c.act_in = 'f';
  c.act = 's';
  client_open(&c, &w, &t);
  client_send_text(&c, "x");
  run_until(&w, &c.frames, 10);
  leave();
}

/* More than there are connections for: they wait for each other, and those that
 * are given up meanwhile for nobody. */
TEST(http_many_at_once) {
  enum { MANY = 100, CONNECTIONS = 16 };
  static client many[MANY];
  server_start(&s, "http_echo", "quiet=1", NULL);
  world_open(&w, 8);
  target t = at("http", &s);
  int files = open_files(), answered = 0, given_up = 0;
  memset(many, 0, sizeof many);
  for (int i = 0; i < MANY; i++) {
    char text[16];
    client_open(&many[i], &w, &t);
    snprintf(text, sizeof text, "%d", i);
    client_send_text(&many[i], text);
  }
  /* The last, the first and some between, waiting or not. */
  for (int i = 0; i < MANY; i += 11, given_up++) client_reset(&many[i]);
  opamp__conn_close(many[50].conn, 1000);
  for (int i = 0; i < MANY; i++) {
    char text[16];
    if (i % 11 == 0) continue;
    run_until(&w, i == 50 ? &many[i].closed : &many[i].frames, 1);
    if (i == 50) continue;
    snprintf(text, sizeof text, "%d", i);
    CHECK_MEM(many[i].frame.ptr, many[i].frame.len, text, strlen(text));
    answered++;
  }
  CHECK_EQ(answered, MANY - given_up - 1);
  /* The loop's own two, curl's two and its connections. */
  CHECK(open_files() <= files + CONNECTIONS + 4);
  for (int i = 0; i < MANY; i++) client_reset(&many[i]);
  world_close(&w);
  server_stop(&s);
}
