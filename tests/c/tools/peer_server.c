/* SPDX-License-Identifier: Apache-2.0 */
/* The peer as a library, in this process and on a loop of ours. */
#include "peer/peer.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "harness.h"

/* One peer and one client that sends `request` and reads to the end. */
typedef struct world {
  uv_loop_t loop;
  peer *peer;
  int port;
  bool stopped;
  tool_buf events; /* names, each with a space */
  uv_tcp_t client;
  uv_connect_t connect;
  uv_write_t write;
  tool_buf answer;
  char room[4096];
} world;

static const char request[] =
    "POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    "Content-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";

static void on_event(void *user_data, const json_t *event) {
  world *w = user_data;
  const char *name = json_string_value(json_object_get(event, "event"));
  const char *address = json_string_value(json_object_get(event, "address"));
  tool_buf_printf(&w->events, "%s ", name);
  if (address != NULL) w->port = atoi(strrchr(address, ':') + 1);
}

static void on_stopped(void *user_data, bool failed) {
  world *w = user_data;
  w->stopped = !failed;
}

static void give_room(uv_handle_t *h, size_t hint, uv_buf_t *buf) {
  world *w = h->data;
  (void)hint;
  *buf = uv_buf_init(w->room, sizeof w->room);
}

static void got(uv_stream_t *s, ssize_t n, const uv_buf_t *buf) {
  world *w = s->data;
  if (n > 0) {
    tool_buf_add(&w->answer, buf->base, (size_t)n);
  } else if (n < 0) {
    uv_close((uv_handle_t *)s, NULL);
    peer_command_line(w->peer, "{\"command\":\"stop\"}", 18);
  }
}

static void on_connect(uv_connect_t *c, int status) {
  world *w = c->data;
  uv_buf_t buf = uv_buf_init((char *)(uintptr_t)request, sizeof request - 1);
  CHECK_EQ(status, 0);
  uv_write(&w->write, c->handle, &buf, 1, NULL);
  uv_read_start(c->handle, give_room, got);
}

static void ask(world *w) {
  struct sockaddr_in to;
  uv_ip4_addr("127.0.0.1", w->port, &to);
  uv_tcp_init(&w->loop, &w->client);
  w->client.data = w->connect.data = w;
  uv_tcp_connect(&w->connect, &w->client, (struct sockaddr *)&to, on_connect);
}

TEST(starts_answers_and_stops) {
  char err[200] = "";
  world *w = calloc(1, sizeof *w);
  CHECK(w != NULL);
  peer_options o = {.listen = "127.0.0.1:0",
                    .on_event = on_event,
                    .on_stopped = on_stopped,
                    .user_data = w};
  uv_loop_init(&w->loop);
  w->peer = peer_new(&w->loop, &o, err, sizeof err);
  CHECK_STR(err, "");
  CHECK(w->port > 0);
  ask(w);
  uv_run(&w->loop, UV_RUN_DEFAULT);
  CHECK(w->stopped);
  tool_buf_add(&w->events, "", 1);
  CHECK_STR((char *)w->events.ptr,
            "listening connected message sent result closed ");
  CHECK(w->answer.len > 15 && !memcmp(w->answer.ptr, "HTTP/1.1 200 OK", 15));
  peer_free(w->peer);
  CHECK_EQ(uv_loop_close(&w->loop), 0);
  tool_buf_free(&w->events);
  tool_buf_free(&w->answer);
  free(w);
}

TEST(a_start_that_fails_leaves_nothing) {
  static const peer_options rows[] = {
      {.listen = "nowhere"},
      {.listen = "127.0.0.1:0", .config_dir = "/nonexistent"},
      {.listen = "127.0.0.1:0", .tls_cert = "/nonexistent"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char err[200] = "";
    uv_loop_t loop;
    peer_options o = rows[i];
    o.on_event = on_event;
    uv_loop_init(&loop);
    CHECK(peer_new(&loop, &o, err, sizeof err) == NULL);
    CHECK(strstr(err, i == 0 ? "nowhere" : "/nonexistent") != NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK_EQ(uv_loop_close(&loop), 0);
  }
}
