/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/headers.h"
#include "base/str.h"
#include "fixture.h"

static world w;
static server s;
static client c;

/* A connection to a server of that role; `limit` 0 for the usual one. */
static void join(const char *role, const char *o1, const char *o2,
                 size_t limit) {
  server_start(&s, role, o1, o2, NULL);
  memset(&c, 0, sizeof c);
  world_open(&w, 8);
  target t = at("ws", &s);
  t.max_receive = limit;
  client_open(&c, &w, &t);
}

static void leave(void) {
  client_reset(&c);
  world_close(&w);
  server_stop(&s);
}

/* Covers: WIRE-1, HTTP-2 */
TEST(ws_sends_and_hears_back) {
  opamp__headers headers = {0};
  CHECK_EQ(opamp__headers_add(&headers, OPAMP__LIT("Authorization"),
                              OPAMP__LIT("Bearer abc")),
           OPAMP_OK);
  server_start(&s, "ws_echo", NULL);
  memset(&c, 0, sizeof c);
  world_open(&w, 8);
  target t = at("ws", &s);
  t.path = "/a/b?c=d";
  t.headers = &headers;
  client_open(&c, &w, &t);
  run_until(&w, &c.opened, 1);
  CHECK_STR(server_line(&s, "request "), "GET /a/b?c=d HTTP/1.1");
  CHECK_STR(server_line(&s, "header authorization "), "Bearer abc");
  CHECK_STR(server_line(&s, "header cache-control "), "no-cache");
  CHECK_STR(server_line(&s, "header connection "), "Upgrade");
  char host[64];
  snprintf(host, sizeof host, "127.0.0.1:%d", s.port);
  CHECK_STR(server_line(&s, "header host "), host);
  CHECK_STR(server_line(&s, "header opamp-instance-uid "),
            "01890a5d-ac96-774b-bcce-b302099a8057");
  client_send_text(&c, "hello");
  run_until(&w, &c.written, 1);
  run_until(&w, &c.frames, 1);
  CHECK_MEM(c.frame.ptr, c.frame.len, "hello", 5);
  opamp__conn_close(c.conn, 1000);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_CLOSED);
  CHECK_EQ(c.close_code, 1000);
  opamp__headers_free(&headers);
  leave();
}

/* Covers: WIRE-1 */
TEST(ws_empty_message) {
  join("ws_echo", NULL, NULL, 0);
  run_until(&w, &c.opened, 1);
  client_send_text(&c, "");
  run_until(&w, &c.frames, 1);
  CHECK_EQ(c.frame.len, 0);
  leave();
}

/* Covers: WIRE-1 */
TEST(ws_sizes_around_the_pieces) {
  static const size_t sizes[] = {1,     125,   126,    65535,
                                 65536, 65537, 131072, 300001};
  join("ws_echo", "quiet=1", NULL, 0);
  run_until(&w, &c.opened, 1);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    uint8_t *p = (uint8_t *)malloc(sizes[i]);
    CHECK(p != NULL);
    for (size_t k = 0; k < sizes[i]; k++) p[k] = (uint8_t)(k * 7 + i);
    client_send(&c, p, sizes[i]);
    run_until(&w, &c.frames, (int)i + 1);
    run_until(&w, &c.written, (int)i + 1);
    CHECK_MEM(c.frame.ptr, c.frame.len, p, sizes[i]);
    free(p);
  }
  leave();
}

/* Covers: WIRE-1, CONN-10 */
TEST(ws_fragments_with_pings_between) {
  uint8_t want[4005];
  for (size_t i = 0; i < sizeof want; i++) want[i] = (uint8_t)(i % 251);
  join("ws_fragments", NULL, NULL, 0);
  run_until(&w, &c.frames, 1);
  CHECK_MEM(c.frame.ptr, c.frame.len, want, sizeof want);
  client_send_text(&c, "go");
  run_until(&w, &c.frames, 2);
  CHECK_MEM(c.frame.ptr, c.frame.len, "end", 3);
  CHECK(c.alive >= 2);
  CHECK_STR(server_line(&s, "pong "), "a");
  leave();
}

/* Covers: CONN-10 */
TEST(ws_ping_is_answered_and_any_byte_is_a_sign_of_life) {
  join("ws_echo", "quiet=1", NULL, 0);
  run_until(&w, &c.opened, 1);
  opamp__conn_ping(c.conn);
  run_until(&w, &c.alive, 1);
  CHECK_STR(server_line(&s, "ping"), "");
  leave();
  join("ws_trickle", NULL, NULL, 0);
  run_until(&w, &c.alive, 1);
  CHECK_EQ(c.frames, 0);
  leave();
}

/* Covers: CONN-8, HTTP-6, HTTP-7 */
TEST(ws_upgrade_refused) {
  join("http_status", "status=401 No", NULL, 0);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_HTTP);
  CHECK_EQ(c.http_status, 401);
  CHECK_EQ(c.opened, 0);
  leave();
  join("http_status", "status=429 Later", "retry=17", 0);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.http_status, 429);
  CHECK_STR(c.retry_after, "17");
  leave();
  join("http_status", "status=503 Busy", "retry=Wed, 21 Oct 2037 07:28:00 GMT",
       0);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.http_status, 503);
  CHECK_STR(c.retry_after, "Wed, 21 Oct 2037 07:28:00 GMT");
  leave();
  join("http_status", "status=200 Fine", "body=hello", 0);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_HTTP);
  CHECK_EQ(c.http_status, 200);
  leave();
}

/* Covers: HTTP-9, CONN-8 */
TEST(ws_redirect_is_reported_not_followed) {
  join("http_status", "status=302 Found", "location=ws://127.0.0.1:1/x", 0);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_HTTP);
  CHECK_EQ(c.http_status, 302);
  CHECK_STR(c.location, "ws://127.0.0.1:1/x");
  leave();
}

TEST(ws_bad_upgrades) {
  join("ws_bad_accept", NULL, NULL, 0);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_TRANSPORT);
  CHECK_STR(c.text, "bad answer to the upgrade: HS: Accept hash wrong");
  leave();
  join("hang_up", NULL, NULL, 0);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_TRANSPORT);
  CHECK_EQ(c.http_status, 0);
  leave();
  join("garbage", NULL, NULL, 0);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_TRANSPORT);
  leave();
  join("flood", NULL, NULL, 0);
  run_until(&w, &c.closed, 1);
  leave();
}

/* Covers: CONN-10 */
TEST(ws_mute_server_waits_until_aborted) {
  join("mute", NULL, NULL, 0);
  run_for(&w, 100);
  CHECK_STR(server_line(&s, "connected"), "");
  CHECK_EQ(c.closed, 0);
  opamp__conn_close(c.conn, 1000);
  CHECK_EQ(c.closed, 0);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_CLOSED);
  leave();
}

/* Covers: WIRE-4 */
TEST(ws_text_message_is_answered_with_1003) {
  join("ws_text", NULL, NULL, 0);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_TEXT_FRAME);
  CHECK_EQ(c.frames, 0);
  run_for(&w, 50);
  CHECK_STR(server_line(&s, "close "), "1003");
  leave();
}

/* Covers: WIRE-4, WIRE-5 */
TEST(ws_limit_is_answered_with_1009) {
  join("ws_send", "size=1000", NULL, 1000);
  run_until(&w, &c.frames, 1);
  CHECK_EQ(c.frame.len, 1000);
  leave();
  static const char *const roles[][2] = {{"ws_send", "size=1001"},
                                         {"ws_send", "size=100000"},
                                         {"ws_announce", "size=5000000"},
                                         {"ws_pieces", "count=20"}};
  for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
    join(roles[i][0], roles[i][1], NULL, 1000);
    run_until(&w, &c.closed, 1);
    CHECK_EQ(c.why, OPAMP_ERR_LIMIT);
    CHECK_STR(c.text, "a message is larger than 1000 bytes");
    CHECK_EQ(c.frames, 0);
    run_for(&w, 50);
    CHECK_STR(server_line(&s, "close "), "1009");
    leave();
  }
}

/* Covers: WIRE-4 */
TEST(ws_protocol_error_is_answered_with_1002) {
  join("ws_bad_opcode", NULL, NULL, 0);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_FRAME);
  run_for(&w, 50);
  CHECK_STR(server_line(&s, "close "), "1002");
  leave();
}

/* Covers: CONN-15 */
TEST(ws_close_codes_of_the_server) {
  static const char *const codes[] = {"1000", "1001", "1008", "1011", "4321"};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    char option[32];
    snprintf(option, sizeof option, "code=%s", codes[i]);
    join("ws_close", option, "reason=so it is", 0);
    run_until(&w, &c.closed, 1);
    CHECK_EQ(c.why, OPAMP_ERR_CLOSED);
    CHECK_EQ(c.close_code, atoi(codes[i]));
    CHECK(strstr(c.text, "so it is") != NULL);
    run_for(&w, 20);
    CHECK_STR(server_line(&s, "close "), codes[i]);
    leave();
  }
}

TEST(ws_hang_up_after_the_upgrade) {
  join("ws_hang_up", NULL, NULL, 0);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.opened, 1);
  CHECK_EQ(c.why, OPAMP_ERR_TRANSPORT);
  CHECK_EQ(c.close_code, 0);
  leave();
}

/* Covers: CONN-9 */
TEST(ws_close_follows_the_frame_in_hand) {
  join("ws_sink", NULL, NULL, 0);
  run_until(&w, &c.opened, 1);
  uint8_t *p = (uint8_t *)calloc(1, 1000000);
  CHECK(p != NULL);
  client_send(&c, p, 1000000);
  free(p);
  opamp__conn_close(c.conn, 1001);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_CLOSED);
  CHECK_EQ(c.close_code, 1001);
  CHECK_EQ(atoi(server_line(&s, "message ")), 1000000);
  CHECK_STR(server_line(&s, "close "), "1001");
  leave();
}

/* Covers: CONN-9 */
TEST(ws_close_that_is_never_answered_can_be_aborted) {
  join("ws_mute", NULL, NULL, 0);
  run_until(&w, &c.opened, 1);
  opamp__conn_close(c.conn, 1000);
  run_for(&w, 50);
  CHECK_STR(server_line(&s, "close "), "1000");
  CHECK_EQ(c.closed, 0);
  leave();
}

/* A peer that does not read: nothing is lost, nothing is called after abort. */
TEST(ws_abort_in_the_middle_of_a_frame) {
  join("ws_stalled", NULL, NULL, 0);
  run_until(&w, &c.opened, 1);
  size_t n = 32 << 20;
  uint8_t *p = (uint8_t *)calloc(1, n);
  CHECK(p != NULL);
  client_send(&c, p, n);
  free(p);
  run_for(&w, 50);
  CHECK_EQ(c.written, 0);
  opamp__conn_abort(c.conn);
  c.conn = NULL;
  free(c.out);
  c.out = NULL;
  run_for(&w, 50);
  CHECK_EQ(c.written + c.closed, 0);
  leave();
}

/* Covers: PROC-3 */
TEST(ws_abort_and_close_inside_callbacks) {
  server_start(&s, "ws_echo", "quiet=1", NULL);
  target t = at("ws", &s);
  memset(&c, 0, sizeof c);
  world_open(&w, 8);
  for (const char *in = "ofaw"; *in != '\0'; in++) {
    for (const char *what = "ac"; *what != '\0'; what++) {
      c.act_in = *in;
      c.act = *what;
      client_open(&c, &w, &t);
      run_until(&w, &c.opened, 1);
      if (c.conn != NULL && *in != 'o') {
        uint8_t big[3000] = {0};
        client_send(&c, big, sizeof big);
        run_until(&w,
                  *in == 'f'   ? &c.frames
                  : *in == 'a' ? &c.alive
                               : &c.written,
                  1);
      }
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
  run_until(&w, &c.opened, 1);
  client_send_text(&c, "x");
  run_until(&w, &c.frames, 10);
  leave();
}

/* Covers: PROC-3 */
TEST(ws_abort_before_anything_happened) {
  server_start(&s, "ws_echo", "quiet=1", NULL);
  target t = at("ws", &s);
  memset(&c, 0, sizeof c);
  world_open(&w, 8);
  client_open(&c, &w, &t);
  client_reset(&c);
  client_open(&c, &w, &t);
  opamp__conn_close(c.conn, 1000);
  run_until(&w, &c.closed, 1);
  client_reset(&c);
  client_open(&c, &w, &t);
  opamp__reactor_step(w.reactor, 0);
  client_reset(&c);
  for (int steps = 1; steps < 8; steps++) {
    client_open(&c, &w, &t);
    for (int i = 0; i < steps; i++) opamp__reactor_step(w.reactor, 5);
    client_reset(&c);
  }
  leave();
}

TEST(ws_refused) {
  server_start(&s, "mute", NULL);
  target t = at("ws", &s);
  server_stop(&s);
  char text[128];
  snprintf(text, sizeof text, "connect to 127.0.0.1:%d: Connection refused",
           t.port);
  memset(&c, 0, sizeof c);
  world_open(&w, 8);
  client_open(&c, &w, &t);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_TRANSPORT);
  CHECK_STR(c.text, text);
  client_reset(&c);
  world_close(&w);
}

TEST(ws_unreachable) {
  target t = {0};
  t.scheme = "ws";
  t.host = "255.255.255.255";
  t.port = 4320;
  memset(&c, 0, sizeof c);
  world_open(&w, 8);
  client_open(&c, &w, &t);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_TRANSPORT);
  CHECK(strncmp(c.text, "connect to 255.255.255.255:4320: ", 33) == 0);
  client_reset(&c);
  world_close(&w);
}

/* What the kernel tells libwebsockets of its next connection, 0: the truth. */
static int connect_errno, socket_error;

int getsockopt(int fd, int level, int name, void *value, socklen_t *size) {
  int n = (int)syscall(SYS_getsockopt, fd, level, name, value, size);
  if (n == 0 && name == SO_ERROR && socket_error != 0) {
    *(int *)value = socket_error;
    socket_error = 0;
  }
  return n;
}

/* Of sockets for datagrams the library asks which way an address has. */
int connect_or_fail(int fd, const struct sockaddr *to,
                    socklen_t size) __asm__("connect");
int connect_or_fail(int fd, const struct sockaddr *to, socklen_t size) {
  int type = 0;
  socklen_t n = sizeof type;
  CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n), 0);
  if (connect_errno == 0 || type != SOCK_STREAM)
    return (int)syscall(SYS_connect, fd, to, size);
  errno = connect_errno;
  connect_errno = 0;
  return -1;
}

/* libwebsockets closes the socket, and the error with it, and forgets its
 * handle in the loop. */
static void fails_while_connecting(void) {
  char text[128];
  join("mute", NULL, NULL, 0);
  run_until(&w, &c.closed, 1);
  snprintf(text, sizeof text, "connect to 127.0.0.1:%d: it failed at once",
           s.port);
  CHECK_EQ(c.why, OPAMP_ERR_TRANSPORT);
  CHECK_STR(c.text, text);
  leave();
}

TEST(ws_connect_fails_at_once) {
  connect_errno = EADDRNOTAVAIL;
  fails_while_connecting();
  CHECK_EQ(connect_errno, 0);
}

/* The server hangs up after the loop has seen the connection, and before
 * libwebsockets asks what became of it. */
TEST(ws_connection_reset_at_once) {
  socket_error = ECONNRESET;
  fails_while_connecting();
  CHECK_EQ(socket_error, 0);
}

/* --- compression ---------------------------------------------------------- */

static void join_deflated(const char *role, const char *o1, size_t limit) {
  server_start(&s, role, o1, NULL);
  memset(&c, 0, sizeof c);
  world_open(&w, 8);
  target t = at("ws", &s);
  t.compress = true;
  t.max_receive = limit;
  client_open(&c, &w, &t);
}

/* Covers: WIRE-1, WIRE-5 */
TEST(ws_deflate_round_trip) {
  join_deflated("ws_deflate", NULL, 0);
  run_until(&w, &c.opened, 1);
  CHECK(strstr(server_line(&s, "offer "), "permessage-deflate") != NULL);
  static const size_t sizes[] = {0, 1, 5, 1000, 16384, 16385, 70000, 900000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    uint8_t *p = (uint8_t *)malloc(sizes[i] + 1);
    CHECK(p != NULL);
    for (size_t k = 0; k < sizes[i]; k++) p[k] = (uint8_t)(k * k % 13 + i);
    client_send(&c, p, sizes[i]);
    run_until(&w, &c.written, (int)i + 1);
    run_until(&w, &c.frames, (int)i + 1);
    CHECK_MEM(c.frame.ptr, c.frame.len, p, sizes[i]);
    CHECK(strncmp(server_line(&s, "message "), "deflated", 8) == 0);
    free(p);
  }
  opamp__conn_ping(c.conn);
  int alive = c.alive;
  run_until(&w, &c.alive, alive + 1);
  opamp__conn_close(c.conn, 1000);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.close_code, 1000);
  leave();
}

/* Covers: WIRE-5 */
TEST(ws_deflate_bomb_stops_at_the_limit) {
  join_deflated("ws_deflate_bomb", "size=64000000", 100000);
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_LIMIT);
  CHECK_EQ(c.frames, 0);
  leave();
}

/* The last byte of such a message stands for more than a whole buffer. */
TEST(ws_deflate_long_runs) {
  static uint8_t run[300000];
  int n = 0;
  join_deflated("ws_deflate", NULL, 0);
  run_until(&w, &c.opened, 1);
  for (size_t size = 250; size <= sizeof run; size += size / 3) {
    client_send(&c, run, size);
    run_until(&w, &c.frames, ++n);
    run_until(&w, &c.written, n);
    CHECK_MEM(c.frame.ptr, c.frame.len, run, size);
  }
  leave();
}

TEST(ws_deflate_across_messages_and_frames) {
  join_deflated("ws_deflate_takeover", NULL, 0);
  run_until(&w, &c.frames, 3);
  CHECK_MEM(c.frame.ptr, c.frame.len, "hello hello 2", 13);
  client_send_text(&c, "go");
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.why, OPAMP_ERR_FRAME);
  CHECK_STR(c.text, "a message is not well compressed");
  CHECK_EQ(c.frames, 3);
  run_for(&w, 50);
  CHECK_STR(server_line(&s, "close "), "1007");
  leave();
}

TEST(ws_several_extensions_are_refused) {
  static const char *const answers[] = {
      "answer=permessage-deflate, permessage-deflate",
      "answer=permessage-deflate, permessage-deflate; what=?"};
  for (size_t i = 0; i < 2; i++) {
    join_deflated("ws_extensions", answers[i], 0);
    run_until(&w, &c.closed, 1);
    CHECK_EQ(c.opened, 0);
    CHECK_EQ(c.why, OPAMP_ERR_TRANSPORT);
    CHECK_STR(c.text, "bad answer to the upgrade: several extensions");
    leave();
  }
}

/* What is written is told a round later than what was written in answer. */
static void go(int frames) {
  run_until(&w, &c.written, frames - 2);
  client_send_text(&c, "go");
  run_until(&w, &c.frames, frames);
}

/* Covers: WIRE-1 */
TEST(ws_deflate_agreed_but_not_used) {
  join_deflated("ws_deflate_plain", NULL, 0);
  run_until(&w, &c.frames, 1);
  CHECK_MEM(c.frame.ptr, c.frame.len, "one", 3);
  CHECK(c.alive > 0);
  go(2);
  CHECK_EQ(c.frame.len, 4000);
  go(3);
  CHECK_MEM(c.frame.ptr, c.frame.len, "three", 5);
  go(4);
  CHECK_MEM(c.frame.ptr, c.frame.len, "four", 4);
  leave();
}
