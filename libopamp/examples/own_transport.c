/* SPDX-License-Identifier: Apache-2.0 */

/* An agent without a network connection, `own_transport SOCKET`: a datagram
 * socket in the file system stands for the message bus, serial line or mailbox
 * that a machine may have instead. Each message is one datagram; an empty one
 * says, in both directions, that the connection is over. Whatever goes wrong on
 * the bus, the library tries again and loses nothing. Ctrl-C ends it in good
 * order.
 *
 *   cc own_transport.c $(pkg-config --cflags --libs libopamp) \
 *     -o own_transport
 */

#include <errno.h>
#include <opamp/opamp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct bus {
  opamp_client *agent;
  const char *path;
  int fd;              /* -1: not connected */
  int64_t connection;  /* the agent's number for it */
  opamp_event *unsent; /* a SEND that found the bus full */
} bus;

enum { DATAGRAM_MAX = 128 * 1024 };

static uint8_t room[DATAGRAM_MAX];
static opamp_loop *loop;
static volatile sig_atomic_t stopping;

static void on_signal(int sig) {
  (void)sig;
  stopping = 1;
  opamp_loop_wake(loop); /* safe in a signal handler */
}

/* --- the bus -------------------------------------------------------------- */

static void hang_up(bus *b) {
  opamp_event_free(b->unsent);
  b->unsent = NULL;
  if (b->fd >= 0) close(b->fd);
  b->fd = -1;
}

/* The connection is over, and not because the agent wanted it. */
static void broken(bus *b, opamp_status why, const char *text) {
  hang_up(b);
  opamp_client_transport_closed(b->agent, b->connection, why, 0, -1, text);
}

static void dial(bus *b) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  snprintf(to.sun_path, sizeof to.sun_path, "%s", b->path);
  b->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  /* Bound to no name in particular, so that it can be answered. */
  if (b->fd < 0 ||
      bind(b->fd, (struct sockaddr *)&to, sizeof to.sun_family) != 0 ||
      connect(b->fd, (struct sockaddr *)&to, sizeof to) != 0)
    broken(b, OPAMP_ERR_TRANSPORT, strerror(errno));
  else
    opamp_client_transport_opened(b->agent, b->connection);
}

/* Sends what the event carries; keeps it while the bus is full. */
static void send_message(bus *b, opamp_event *e) {
  opamp_bytes m = opamp_event_bytes(e);
  b->unsent = e;
  if (send(b->fd, m.ptr, m.len, 0) == (ssize_t)m.len) {
    b->unsent = NULL;
    opamp_event_free(e);
    opamp_client_transport_written(b->agent, b->connection);
  } else if (errno != EAGAIN) {
    broken(b, OPAMP_ERR_TRANSPORT, strerror(errno));
  }
}

static void receive(bus *b) {
  ssize_t n = recv(b->fd, room, sizeof room, 0);
  if (n > 0)
    opamp_client_transport_received(b->agent, b->connection,
                                    opamp_bytes_of(room, (size_t)n));
  else if (n == 0)
    broken(b, OPAMP_ERR_CLOSED, "the other end hung up");
  else if (errno != EAGAIN)
    broken(b, OPAMP_ERR_TRANSPORT, strerror(errno));
}

static void end(bus *b, int64_t code) {
  if (b->fd < 0) return;
  if (send(b->fd, "", 0, 0) < 0) perror("own_transport: hanging up");
  hang_up(b);
  if (code != 0)
    opamp_client_transport_closed(b->agent, b->connection, OPAMP_ERR_CLOSED,
                                  (int)code, -1, NULL);
}

/* --- the agent ------------------------------------------------------------ */

/* Takes the event; false after the last one. */
static bool on_event(bus *b, opamp_event *e) {
  int kind = opamp_event_kind(e);
  switch (kind) {
    case OPAMP_EVENT_TRANSPORT_OPEN:
      hang_up(b);
      b->connection = opamp_event_number(e, OPAMP_NUM_CONNECTION);
      dial(b);
      break;
    case OPAMP_EVENT_TRANSPORT_SEND:
      if (b->fd < 0) break; /* it broke, and the agent will hear of it */
      send_message(b, e);
      return true;
    case OPAMP_EVENT_TRANSPORT_CLOSE:
      end(b, opamp_event_number(e, OPAMP_NUM_CLOSE_CODE));
      break;
    default:
      printf("%s %s\n", opamp_event_kind_name(kind),
             opamp_str_z(opamp_event_text(e)));
      break;
  }
  opamp_event_free(e);
  return kind != OPAMP_EVENT_STOPPED;
}

static bool start(bus *b) {
  opamp_options *o = NULL;
  /* "ws": both ends send when they like. A datagram cannot be pinged. */
  bool ok =
      opamp_options_new(&o) == OPAMP_OK &&
      opamp_options_set_number(o, OPAMP_OPT_OWN_TRANSPORT, 1) == OPAMP_OK &&
      opamp_options_set_text(o, OPAMP_TEXT_URL, "ws://bus") == OPAMP_OK &&
      opamp_options_set_number(o, OPAMP_OPT_PING_INTERVAL, 0) == OPAMP_OK &&
      opamp_options_set_number(o, OPAMP_OPT_MAX_SEND, DATAGRAM_MAX) ==
          OPAMP_OK &&
      opamp_client_new(&b->agent, NULL, o) == OPAMP_OK &&
      opamp_client_report_service(b->agent, "own_transport", NULL) ==
          OPAMP_OK &&
      opamp_client_report_health(b->agent, true, "running", NULL) == OPAMP_OK &&
      opamp_client_start(b->agent) == OPAMP_OK;
  opamp_options_free(o);
  return ok;
}

int main(int argc, char **argv) {
  bus b = {.path = argv[argc - 1], .fd = -1};
  bool running = true;
  if (argc != 2) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (!start(&b)) {
    fprintf(stderr, "own_transport: %s\n", opamp_errmsg());
    opamp_client_free(b.agent);
    return 1;
  }
  loop = opamp_client_loop(b.agent);
  signal(SIGINT, on_signal);
  while (running) {
    struct pollfd fds[] = {{opamp_client_fd(b.agent), POLLIN, 0},
                           {b.fd, b.unsent ? POLLIN | POLLOUT : POLLIN, 0}};
    poll(fds, 2, opamp_client_timeout_ms(b.agent));
    if (stopping) opamp_client_stop(b.agent); /* STOPPED follows */
    if (fds[1].revents & POLLOUT) send_message(&b, b.unsent);
    if (b.fd >= 0 && (fds[1].revents & (POLLIN | POLLERR))) receive(&b);
    opamp_client_poll(b.agent, 0); /* never waits */
    for (opamp_event *e;
         running && (e = opamp_client_next_event(b.agent)) != NULL;)
      running = on_event(&b, e);
  }
  hang_up(&b);
  opamp_client_free(b.agent);
}
