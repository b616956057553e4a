/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "peer/peer.h"

/* The example that carries frames over a datagram socket, run as a program; at
 * the other end the peer as a library, in this process. */

typedef struct world {
  uv_loop_t loop;
  peer *peer;
  peer_link *link;
  uv_poll_t poll;
  int fd;
  struct sockaddr_un path, agent;
  socklen_t agent_len;
  pid_t pid;
  json_int_t messages, full, next;
  bool hung_up, said_goodbye, stopped;
} world;

static void on_message(world *w, const json_t *event) {
  const json_t *m = json_object_get(event, "message");
  json_int_t number =
      json_integer_value(json_object_get(event, "sequence_num"));
  const json_t *health = json_object_get(m, "health");
  CHECK_EQ(number, w->next);
  w->next++;
  w->messages++;
  if (json_object_get(m, "agent_description") != NULL) {
    CHECK_STR(json_string_value(json_object_get(health, "status")), "running");
    w->full++;
  }
  if (json_object_get(m, "agent_disconnect") != NULL) w->said_goodbye = true;
}

static void on_event(void *user_data, const json_t *event) {
  const char *name = json_string_value(json_object_get(event, "event"));
  CHECK(strcmp(name, "bad_message") != 0);
  if (strcmp(name, "message") == 0) on_message(user_data, event);
}

static void on_stopped(void *user_data, bool failed) {
  world *w = user_data;
  w->stopped = !failed;
}

static void send_back(const world *w, const void *bytes, size_t n) {
  CHECK_EQ(sendto(w->fd, bytes, n, 0, (const struct sockaddr *)&w->agent,
                  w->agent_len),
           n);
}

static void end_link(world *w) {
  peer_link_free(w->link);
  w->link = NULL;
}

/* After the first message the connection ends, after that of the second one the
 * agent is told to stop. */
static void follow(world *w) {
  if (w->full == 1) {
    w->hung_up = true;
    end_link(w);
    send_back(w, "", 0);
  } else if (!w->said_goodbye) {
    kill(w->pid, SIGINT);
  }
}

static void on_readable(uv_poll_t *p, int status, int events) {
  static uint8_t room[65536];
  world *w = p->data;
  tool_buf answer = {0};
  ssize_t n;
  (void)status;
  (void)events;
  w->agent_len = sizeof w->agent;
  n = recvfrom(w->fd, room, sizeof room, 0, (struct sockaddr *)&w->agent,
               &w->agent_len);
  CHECK(n >= 0);
  if (n == 0) { /* the agent hung up */
    CHECK(w->said_goodbye);
    end_link(w);
    uv_close((uv_handle_t *)p, NULL);
    peer_stop(w->peer);
    return;
  }
  if (w->link == NULL) w->link = peer_link_new(w->peer);
  CHECK(peer_link_message(w->link, room, (size_t)n, &answer));
  /* After its last message the agent does not wait. */
  if (answer.len > 0 && !w->said_goodbye) send_back(w, answer.ptr, answer.len);
  tool_buf_free(&answer);
  follow(w);
}

static void listen_on_bus(world *w, const char *dir) {
  w->path.sun_family = AF_UNIX;
  snprintf(w->path.sun_path, sizeof w->path.sun_path, "%s/bus", dir);
  w->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  CHECK_EQ(bind(w->fd, (struct sockaddr *)&w->path, sizeof w->path), 0);
  uv_poll_init(&w->loop, &w->poll, w->fd);
  w->poll.data = w;
  uv_poll_start(&w->poll, UV_READABLE, on_readable);
}

static pid_t run_agent(const char *path) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  execl(OWN_TRANSPORT, "own_transport", path, (char *)NULL);
  _exit(127);
}

/* Covers: CONN-1, CONN-9, STATE-1, STATE-3 */
TEST(an_agent_on_datagrams_reconnects_and_says_goodbye) {
  char dir[] = "/tmp/own_transport.XXXXXX", err[200] = "";
  world *w = calloc(1, sizeof *w);
  peer_options o = {.listen = "127.0.0.1:0",
                    .on_event = on_event,
                    .on_stopped = on_stopped,
                    .user_data = w};
  int status = -1;
  CHECK(w != NULL && mkdtemp(dir) != NULL);
  uv_loop_init(&w->loop);
  w->peer = peer_new(&w->loop, &o, err, sizeof err);
  CHECK_STR(err, "");
  listen_on_bus(w, dir);
  w->pid = run_agent(w->path.sun_path);
  uv_run(&w->loop, UV_RUN_DEFAULT);
  CHECK_EQ(waitpid(w->pid, &status, 0), w->pid);
  CHECK_EQ(status, 0);
  CHECK(w->stopped && w->hung_up && w->said_goodbye && w->link == NULL);
  CHECK_EQ(w->full, 2);
  peer_free(w->peer);
  CHECK_EQ(uv_loop_close(&w->loop), 0);
  close(w->fd);
  unlink(w->path.sun_path);
  rmdir(dir);
  free(w);
}
