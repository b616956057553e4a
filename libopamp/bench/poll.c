/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "opamp/opamp.h"
#include "transport/dial.h"

/* opamp_loop_poll(loop, 0) never waits. Here a client is stuck in each way there
 * is: how often its thread gave up the processor of its own accord, which is
 * what waiting means, and the longest call beside that of an idle loop in the
 * same run, which is what the machine does to any call. */

enum { RUN_MS = 500 };

static int stuck_pipe[2];

static int stuck_lookup(const char *host, const char *service,
                        const struct addrinfo *hints, struct addrinfo **out) {
  struct pollfd p = {.fd = stuck_pipe[0], .events = POLLIN};
  (void)host;
  (void)service;
  (void)hints;
  (void)out;
  poll(&p, 1, -1); /* until the benchmark ends */
  return EAI_AGAIN;
}

/* A port where connecting hangs: nobody accepts, and the queue is full. */
static int black_hole(int *port) {
  struct sockaddr_in a = {.sin_family = AF_INET};
  socklen_t len = sizeof a;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
      listen(fd, 0) != 0 || getsockname(fd, (struct sockaddr *)&a, &len) != 0)
    exit(1);
  *port = ntohs(a.sin_port);
  for (int i = 0; i < 4; i++) {
    int filler = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)connect(filler, (struct sockaddr *)&a, sizeof a);
  }
  return fd;
}

/* A port that takes connections and says nothing. */
static int mute(int *port) {
  struct sockaddr_in a = {.sin_family = AF_INET};
  socklen_t len = sizeof a;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
      listen(fd, 64) != 0 || getsockname(fd, (struct sockaddr *)&a, &len) != 0)
    exit(1);
  *port = ntohs(a.sin_port);
  return fd;
}

static long voluntary_switches(void) {
  struct rusage r;
  getrusage(RUSAGE_THREAD, &r);
  return r.ru_nvcsw;
}

/* The longest of the calls that RUN_MS has room for, in ns. */
static double longest_poll(opamp_loop *loop, long *waits) {
  uint64_t end = bench_now_ns() + RUN_MS * UINT64_C(1000000), worst = 0;
  long before = voluntary_switches();
  for (uint64_t at = bench_now_ns(); at < end;) {
    uint64_t begin = at;
    opamp_event *e;
    (void)opamp_loop_poll(loop, 0);
    at = bench_now_ns();
    if (at - begin > worst) worst = at - begin;
    while ((e = opamp_loop_next_event(loop)) != NULL) opamp_event_free(e);
  }
  *waits = voluntary_switches() - before;
  return (double)worst;
}

static void measure(const char *what, const char *url, double floor) {
  opamp_options *o;
  opamp_client *c;
  long waits;
  (void)opamp_options_new(&o);
  if (opamp_options_set_text(o, OPAMP_TEXT_URL, url) != OPAMP_OK ||
      opamp_client_new(&c, NULL, o) != OPAMP_OK) {
    fprintf(stderr, "%s: %s\n", url, opamp_errmsg());
    exit(1);
  }
  opamp_options_free(o);
  (void)opamp_client_start(c);
  double worst = longest_poll(opamp_client_loop(c), &waits);
  bench_line(what, worst, "an idle loop", floor);
  printf("%-44s %9ld waits\n", "", waits);
  opamp_client_free(c);
}

int main(void) {
  opamp_loop *idle;
  char url[64];
  double floor;
  int hole, quiet, hole_port, quiet_port;
  long waits;
  if (pipe(stuck_pipe) != 0 || opamp_loop_new(&idle, 0) != OPAMP_OK) return 1;
  opamp__getaddrinfo = stuck_lookup;
  hole = black_hole(&hole_port);
  quiet = mute(&quiet_port);
  floor = longest_poll(idle, &waits);
  measure("poll(0): stuck resolver, WebSocket", "ws://stuck.test", floor);
  measure("poll(0): stuck resolver, HTTP", "http://stuck.test", floor);
  snprintf(url, sizeof url, "ws://127.0.0.1:%d", hole_port);
  measure("poll(0): SYN black hole, WebSocket", url, floor);
  snprintf(url, sizeof url, "http://127.0.0.1:%d", hole_port);
  measure("poll(0): SYN black hole, HTTP", url, floor);
  snprintf(url, sizeof url, "wss://127.0.0.1:%d", quiet_port);
  measure("poll(0): stalled TLS handshake, WebSocket", url, floor);
  snprintf(url, sizeof url, "https://127.0.0.1:%d", quiet_port);
  measure("poll(0): stalled TLS handshake, HTTP", url, floor);
  opamp_loop_free(idle);
  close(stuck_pipe[1]);
  close(hole);
  close(quiet);
  return 0;
}
