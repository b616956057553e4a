/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "runtime/reactor_uv.h"

enum {
  BUSY_TURNS = 20,
  TURNS = 2000, /* of a millisecond at most: whatever ends, ends by then */
  WORLD_USES = 256,
  SENDS = 3, /* messages of the client */
  PIECES = 64,
  SMALL_MAX = 100,
  LARGE_MAX = 65536
};

/* --- what the client is told ---------------------------------------------- */

static void send_one(rig *r) {
  uint8_t *frame = r->out + OPAMP__FRAME_ROOM;
  size_t n = sizeof r->out - OPAMP__FRAME_ROOM;
  if (r->conn == NULL || r->in_hand || r->closing || r->sends == SENDS) return;
  memset(frame, 'a', n);
  r->sends++;
  r->in_hand = true;
  FUZZ_CHECK(opamp__conn_send(r->conn, frame, n) == OPAMP_OK);
}

static void act(rig *r, int abort, int close) {
  opamp__conn *c = r->conn;
  int what = r->how % RIG_ACTS;
  if (what == abort) {
    r->conn = NULL;
    opamp__conn_abort(c);
  } else if (what == close && !r->closing) {
    r->closing = true;
    opamp__conn_close(c, 1000);
  }
}

static void on_opened(void *ctx) {
  rig *r = ctx;
  FUZZ_CHECK(r->conn != NULL && !r->open);
  r->open = true;
  act(r, RIG_ABORT_OPENED, -1);
  if (r->websocket) send_one(r);
}

/* A message is told once: each takes two bytes at least. That all of it can be
 * read is seen when it is copied. */
static void on_frame(void *ctx, const uint8_t *p, size_t n) {
  rig *r = ctx;
  free(fuzz_exact((opamp_bytes){p, n}));
  FUZZ_CHECK(r->conn != NULL && r->open);
  FUZZ_CHECK(n <= r->max_receive);
  FUZZ_CHECK(2 * ++r->frames <= r->said);
  if (!r->websocket) {
    FUZZ_CHECK(r->in_hand);
    r->in_hand = r->open = false;
  }
  act(r, RIG_ABORT_FRAME, RIG_CLOSE_FRAME);
  if (r->conn != NULL && r->how % RIG_ACTS == RIG_PING_FRAME)
    opamp__conn_ping(r->conn);
  send_one(r);
}

static void on_alive(void *ctx) {
  rig *r = ctx;
  FUZZ_CHECK(r->conn != NULL && r->open);
  act(r, RIG_ABORT_ALIVE, RIG_CLOSE_ALIVE);
}

static void on_written(void *ctx) {
  rig *r = ctx;
  FUZZ_CHECK(r->conn != NULL && r->websocket && r->in_hand);
  r->in_hand = false;
  act(r, RIG_ABORT_WRITTEN, -1);
  send_one(r);
}

static bool plain(opamp_str s) {
  for (size_t i = 0; i < s.len; i++)
    if (s.ptr[i] < ' ' || s.ptr[i] > '~') return false;
  return true;
}

static void on_closed(void *ctx, const opamp__closed *e) {
  rig *r = ctx;
  FUZZ_CHECK(r->conn != NULL);
  r->conn = NULL;
  FUZZ_CHECK(e->why != OPAMP_OK && e->why != OPAMP_ERR_NOMEM);
  FUZZ_CHECK(e->text.len > 0 && strlen(e->text.ptr) == e->text.len);
  FUZZ_CHECK((e->why == OPAMP_ERR_HTTP) == (e->http_status != 0));
  FUZZ_CHECK(r->websocket || e->http_status / 100 != 2);
  FUZZ_CHECK(e->close_code == 0 || e->why == OPAMP_ERR_CLOSED);
  FUZZ_CHECK(e->close_code >= 0 && e->close_code <= 0xffff);
  FUZZ_CHECK(plain(e->body));
  FUZZ_CHECK(e->http_status != 0 ||
             (e->location.len == 0 && e->retry_after.len == 0));
}

static const opamp__sink sink = {on_opened, on_frame, on_alive, on_written,
                                 on_closed};

/* Loop and transport. A context of libwebsockets takes milliseconds to make, so
 * that they serve many inputs. */
static struct {
  opamp__reactor *reactor;
  opamp__transport *transport;
  unsigned used;
} world;

/* --- the server ----------------------------------------------------------- */

static int listener = -1;
static uint16_t port;

static void listen_now(void) {
  struct sockaddr_in a = {.sin_family = AF_INET};
  socklen_t n = sizeof a;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  FUZZ_CHECK(listener >= 0);
  FUZZ_CHECK(bind(listener, (struct sockaddr *)&a, n) == 0);
  FUZZ_CHECK(listen(listener, 8) == 0);
  FUZZ_CHECK(getsockname(listener, (struct sockaddr *)&a, &n) == 0);
  port = ntohs(a.sin_port);
}

/* With a reset, which leaves no port in TIME_WAIT: there are thousands. */
static void hang_up(rig *r) {
  const struct linger none = {.l_onoff = 1};
  if (r->socket < 0) return;
  (void)setsockopt(r->socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close(r->socket);
  r->socket = -1;
}

static void hear(rig *r) {
  char bytes[4096];
  ssize_t n;
  while (r->socket >= 0 &&
         (n = recv(r->socket, bytes, sizeof bytes, MSG_DONTWAIT)) != -1) {
    size_t room = sizeof r->request - 1 - r->request_len, got = (size_t)n;
    if (n == 0) hang_up(r);
    if (got > room) got = room;
    memcpy(r->request + r->request_len, bytes, got);
    r->request_len += got;
    r->request[r->request_len] = '\0';
  }
  if (r->socket >= 0 && errno != EAGAIN) hang_up(r);
}

/* The i-th turn of a wait: what comes from this machine is there soon. */
static void turn(rig *r, int i) {
  opamp__reactor_step(world.reactor, i < BUSY_TURNS ? 0 : 1);
  hear(r);
  if (r->socket >= 0) return;
  r->socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  hear(r);
}

/* --- the world ------------------------------------------------------------ */

/* A descriptor that is left makes it rise. */
static int free_number(void) {
  int fd = dup(listener);
  FUZZ_CHECK(fd >= 0);
  close(fd);
  return fd;
}

static void drop_world(void) {
  if (world.reactor == NULL) return;
  opamp__transport_shutdown(world.transport);
  for (int i = 0; i < TURNS && !opamp__transport_idle(world.transport); i++)
    opamp__reactor_step(world.reactor, i < BUSY_TURNS ? 0 : 1);
  FUZZ_CHECK(opamp__transport_idle(world.transport));
  opamp__transport_free(world.transport);
  FUZZ_CHECK(opamp__reactor_free(world.reactor));
  world.reactor = NULL;
}

/* Between inputs libFuzzer may open some of its own. */
static void begin(rig *r, const char *scheme, uint8_t how) {
  char text[64];
  opamp__url url;
  memset(r, 0, sizeof *r);
  r->descriptors = free_number();
  r->socket = -1;
  r->how = how;
  r->max_receive = (how & RIG_SMALL) != 0 ? SMALL_MAX : LARGE_MAX;
  snprintf(text, sizeof text, "%s://127.0.0.1:%u/", scheme, (unsigned)port);
  FUZZ_CHECK(opamp__url_parse(&url, opamp__str(text)) == OPAMP_OK);
  const opamp__endpoint ep = {
      .url = &url,
      .instance_uid = "01890a5d-ac96-774b-bcce-b302099a8057",
      .max_receive = r->max_receive,
      .compress = (how & RIG_COMPRESS) != 0,
      .numeric_hosts = true};
  r->websocket = url.websocket;
  FUZZ_CHECK(opamp__conn_open(&r->conn, world.transport, &ep, &sink, r) ==
             OPAMP_OK);
  opamp__url_free(&url);
  if (!r->websocket) send_one(r);
}

/* An HTTP connection without a request is over when its owner says so. */
static bool over(const rig *r) {
  return r->conn == NULL || (!r->websocket && !r->in_hand && !r->closing);
}

static void end(rig *r) {
  for (int i = 0; i < TURNS && !over(r); i++) {
    if ((r->how & RIG_RESET) != 0)
      hang_up(r);
    else if (r->socket >= 0)
      (void)shutdown(r->socket, SHUT_WR);
    turn(r, i);
  }
  FUZZ_CHECK(over(r));
  opamp__conn_abort(r->conn);
  r->conn = NULL;
  opamp__transport_close_idle(world.transport);
}

/* The server hangs up on whoever is there. */
static void leave(rig *r) {
  hang_up(r);
  while ((r->socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
    hang_up(r);
}

/* The first connection of a transport brings descriptors that stay. */
static void new_world(const char *scheme) {
  rig r;
  FUZZ_CHECK(opamp__reactor_new(&world.reactor) == OPAMP_OK);
  FUZZ_CHECK(opamp__transport_new(&world.transport, world.reactor, 8) ==
             OPAMP_OK);
  begin(&r, scheme, RIG_NOTHING);
  (void)rig_request(&r);
  end(&r);
  for (int i = 0; i < BUSY_TURNS; i++) {
    leave(&r);
    opamp__reactor_step(world.reactor, 0);
  }
  world.used = 0;
}

/* --- a life --------------------------------------------------------------- */

void rig_open(rig *r, const char *scheme, uint8_t how) {
  if (listener < 0) {
    listen_now();
    (void)atexit(drop_world);
  }
  if (world.reactor == NULL) new_world(scheme);
  begin(r, scheme, how);
}

bool rig_request(rig *r) {
  for (int i = 0; i < TURNS && r->conn != NULL; i++) {
    turn(r, i);
    if (strstr(r->request, "\r\n\r\n") != NULL) return true;
  }
  FUZZ_CHECK(r->conn == NULL);
  return false;
}

void rig_say(rig *r, const void *bytes, size_t n) {
  r->said += n;
  if (r->socket >= 0 && n > 0)
    (void)send(r->socket, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
  turn(r, 0);
}

/* HTTP: the client may have sent again, over a connection of its own. */
static void await_request(rig *r) {
  if (r->websocket) return;
  for (int i = 0; i < TURNS && r->socket < 0 && !over(r); i++) turn(r, i);
}

void rig_say_pieces(rig *r, fuzz_in *in) {
  for (int i = 0; i < PIECES && in->p < in->end && r->conn != NULL; i++) {
    opamp_bytes piece = fuzz_bytes(in);
    await_request(r);
    rig_say(r, piece.ptr, piece.len);
  }
}

/* Nothing is left of the connection when libwebsockets has let go of it, which
 * may be later. */
void rig_close(rig *r) {
  end(r);
  leave(r);
  for (int i = 0; i < TURNS && free_number() != r->descriptors; i++) {
    opamp__reactor_step(world.reactor, i < BUSY_TURNS ? 0 : 1);
    leave(r);
  }
  FUZZ_CHECK(free_number() == r->descriptors);
  if (++world.used == WORLD_USES) drop_world();
}
