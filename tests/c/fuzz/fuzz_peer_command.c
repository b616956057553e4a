/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of JSON to opamp-peer, with two agents: one is at a link, and the first
 * byte says what the other does over a socket. An empty line is the next
 * message of the first. Each other line gets one result. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/lines.h"
#include "fuzz.h"
#include "opamp/message.h"
#include "peer/peer.h"

enum { TURNS = 100 };

typedef struct rig {
  uv_loop_t loop;
  peer *peer;
  peer_link *link;
  int socket;
  unsigned results;
  uint16_t port;
  bool stopped;
} rig;

/* AgentToServer with nothing but an instance_uid of 16 letters. */
#define MESSAGE(letters) "\x0a\x10" letters letters

static const char link_message[] = "\0" MESSAGE("linklink");
static const char post[] =
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
    "Content-Length: 18\r\n\r\n" MESSAGE("postpost");
/* Masked with 0. */
static const char upgrade[] =
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    "\x82\x93\0\0\0\0\0" MESSAGE("upgraded");

static void on_event(void *user_data, const json_t *event) {
  rig *r = user_data;
  const char *name = json_string_value(json_object_get(event, "event"));
  const char *address = json_string_value(json_object_get(event, "address"));
  const json_t *ok = json_object_get(event, "ok");
  char *text = json_dumps(event, JSON_COMPACT);
  FUZZ_CHECK(text != NULL && name != NULL);
  free(text);
  if (address != NULL && strrchr(address, ':') != NULL)
    r->port = (uint16_t)atoi(strrchr(address, ':') + 1);
  if (strcmp(name, "result") != 0) return;
  r->results++;
  FUZZ_CHECK(json_is_boolean(ok) && json_object_get(event, "id") != NULL);
  if (json_is_true(ok))
    FUZZ_CHECK(json_is_integer(json_object_get(event, "connections")));
  else
    FUZZ_CHECK(json_string_length(json_object_get(event, "message")) > 0);
}

static void on_stopped(void *user_data, bool failed) {
  rig *r = user_data;
  FUZZ_CHECK(!failed && !r->stopped);
  r->stopped = true;
}

/* --- the agents ----------------------------------------------------------- */

static void link_asks(rig *r) {
  tool_buf answer = {0};
  if (!r->stopped)
    FUZZ_CHECK(peer_link_message(r->link, (const uint8_t *)link_message,
                                 sizeof link_message - 1, &answer));
  tool_buf_free(&answer);
}

static void turn(rig *r) {
  char bytes[4096];
  uv_run(&r->loop, UV_RUN_NOWAIT);
  while (r->socket >= 0 &&
         recv(r->socket, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
    continue;
}

static void connect_socket(rig *r, const char *bytes, size_t n) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(r->port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  r->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  FUZZ_CHECK(r->socket >= 0);
  FUZZ_CHECK(connect(r->socket, (struct sockaddr *)&to, sizeof to) == 0);
  FUZZ_CHECK(send(r->socket, bytes, n, MSG_NOSIGNAL) == (ssize_t)n);
  for (int i = 0; i < 4; i++) turn(r);
}

/* With a reset, which leaves no port in TIME_WAIT: there are thousands. */
static void hang_up(rig *r) {
  const struct linger none = {.l_onoff = 1};
  if (r->socket < 0) return;
  (void)setsockopt(r->socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close(r->socket);
  r->socket = -1;
}

/* --- a life --------------------------------------------------------------- */

static void set_up(rig *r, unsigned how) {
  char err[200] = "";
  const peer_options o = {.listen = "127.0.0.1:0",
                          .on_event = on_event,
                          .on_stopped = on_stopped,
                          .user_data = r};
  r->socket = -1;
  FUZZ_CHECK(uv_loop_init(&r->loop) == 0);
  r->peer = peer_new(&r->loop, &o, err, sizeof err);
  FUZZ_CHECK(r->peer != NULL && r->port != 0);
  r->link = peer_link_new(r->peer);
  FUZZ_CHECK(r->link != NULL);
  link_asks(r);
  if (how % 3 == 1) connect_socket(r, post, sizeof post - 1);
  if (how % 3 == 2) connect_socket(r, upgrade, sizeof upgrade - 1);
}

static void on_line(void *user_data, const char *line, size_t len) {
  rig *r = user_data;
  unsigned before = r->results;
  if (r->stopped) return;
  if (line != NULL && len == 0) {
    link_asks(r);
    return;
  }
  peer_command_line(r->peer, line, len);
  FUZZ_CHECK(r->results == before + 1);
  turn(r);
}

static void tear_down(rig *r) {
  peer_link_free(r->link);
  peer_stop(r->peer);
  turn(r);
  hang_up(r);
  for (int i = 0; i < TURNS && !r->stopped; i++)
    uv_run(&r->loop, UV_RUN_NOWAIT);
  FUZZ_CHECK(r->stopped);
  peer_free(r->peer);
  uv_run(&r->loop, UV_RUN_NOWAIT);
  FUZZ_CHECK(uv_loop_close(&r->loop) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  fuzz_in in = {bytes, bytes + n};
  rig r = {0};
  tool_lines lines = {0};
  set_up(&r, fuzz_byte(&in));
  opamp_bytes rest = fuzz_rest(&in);
  tool_lines_feed(&lines, rest.ptr, rest.len, on_line, &r);
  tool_lines_end(&lines, on_line, &r);
  tear_down(&r);
  return 0;
}
