/* SPDX-License-Identifier: Apache-2.0 */
/* The least that N agents can do: one thread, one epoll, connections that send
 * the bytes of a first message and then of a heartbeat after every interval,
 * and read the answers. There is no protocol in it.
 *
 *   floor_client URL N INTERVAL_MS     until it is told to end
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READY = 1024, DIALS = 256, BODY = 200 };

typedef struct agent {
  int fd;
  bool upgraded;
  uint64_t sequence;
  uint64_t due_ms; /* of the next heartbeat; they are due in order */
} agent;

static struct {
  bool websocket;
  struct sockaddr_in to;
  agent *agents;
  size_t n, made, dialling;
  uint64_t interval_ms;
  size_t first, waiting; /* the ring of those whose heartbeat is due next */
  uint32_t *ring;
  int epoll_fd;
} f;

static uint64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- bytes ---------------------------------------------------------------- */

/* An AgentToServer: uid, number, capabilities; at first a description too. */
static size_t body(const agent *a, uint8_t *p) {
  static const char first[] =
      "\x1a\x1e\x0a\x1c\x0a\x0cservice.name"
      "\x12\x0c\x0a\x0aopamp-bare";
  size_t n = 0, i = (size_t)(a - f.agents);
  p[n++] = 0x0a;
  p[n++] = 16;
  memset(p + n, 0x5a, 16);
  memcpy(p + n, &i, sizeof i);
  n += 16;
  p[n++] = 0x10;
  for (uint64_t v = a->sequence;; v >>= 7) {
    p[n++] = (uint8_t)(v < 128 ? v : (v & 127) | 128);
    if (v < 128) break;
  }
  if (a->sequence == 0) {
    memcpy(p + n, first, sizeof first - 1);
    n += sizeof first - 1;
  }
  memcpy(p + n, "\x20\x81\x50", 3);
  return n + 3;
}

static void send_message(agent *a) {
  uint8_t out[BODY + 300];
  size_t n, head;
  if (f.websocket) {
    n = 1 + body(a, out + 7); /* the header of the message is a zero */
    out[0] = 0x82;
    out[1] = (uint8_t)(0x80 | n);
    memset(out + 2, 0, 5); /* a mask of zeros, and that zero */
    head = 6;
  } else {
    uint8_t text[BODY];
    n = body(a, text);
    head = (size_t)sprintf((char *)out,
                           "POST /v1/opamp HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                           "Content-Type: application/x-protobuf\r\n"
                           "Content-Length: %zu\r\n\r\n",
                           n);
    memcpy(out + head, text, n);
  }
  a->sequence++;
  if (send(a->fd, out, head + n, MSG_NOSIGNAL) != (ssize_t)(head + n)) exit(1);
}

/* --- life ----------------------------------------------------------------- */

static void wait_for_heartbeat(agent *a) {
  a->due_ms = now_ms() + f.interval_ms;
  f.ring[(f.first + f.waiting++) % f.n] = (uint32_t)(a - f.agents);
}

static void dial(agent *a) {
  struct epoll_event e = {.events = EPOLLOUT, .data.u32 = (uint32_t)f.made};
  int on = 1;
  a->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (a->fd < 0) exit(1);
  (void)connect(a->fd, (struct sockaddr *)&f.to, sizeof f.to);
  epoll_ctl(f.epoll_fd, EPOLL_CTL_ADD, a->fd, &e);
  f.made++;
  f.dialling++;
}

static void begin(agent *a) {
  static const char upgrade[] =
      "GET /v1/opamp HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
  struct epoll_event e = {.events = EPOLLIN,
                          .data.u32 = (uint32_t)(a - f.agents)};
  epoll_ctl(f.epoll_fd, EPOLL_CTL_MOD, a->fd, &e);
  if (f.websocket)
    (void)!write(a->fd, upgrade, sizeof upgrade - 1);
  else
    send_message(a);
}

static void hear(agent *a) {
  char in[1024];
  if (recv(a->fd, in, sizeof in, 0) <= 0) exit(1);
  if (f.websocket && !a->upgraded) {
    a->upgraded = true;
    send_message(a);
    return;
  }
  if (a->sequence == 1) f.dialling--;
  wait_for_heartbeat(a);
}

static int send_what_is_due(void) {
  uint64_t now = now_ms();
  while (f.waiting > 0) {
    agent *a = &f.agents[f.ring[f.first]];
    if (a->due_ms > now) return (int)(a->due_ms - now);
    f.first = (f.first + 1) % f.n;
    f.waiting--;
    send_message(a);
  }
  return -1;
}

int main(int argc, char **argv) {
  static struct epoll_event ready[READY];
  struct rlimit r;
  const char *colon = argc == 4 ? strrchr(argv[1], ':') : NULL;
  if (colon == NULL) return 2;
  getrlimit(RLIMIT_NOFILE, &r);
  r.rlim_cur = r.rlim_max;
  setrlimit(RLIMIT_NOFILE, &r);
  f.websocket = argv[1][0] == 'w';
  f.to = (struct sockaddr_in){
      .sin_family = AF_INET,
      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
      .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10))};
  f.n = strtoul(argv[2], NULL, 10);
  f.interval_ms = strtoull(argv[3], NULL, 10);
  f.agents = calloc(f.n, sizeof *f.agents);
  f.ring = calloc(f.n, sizeof *f.ring);
  f.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (f.agents == NULL || f.ring == NULL) return 1;
  for (;;) {
    while (f.made < f.n && f.dialling < DIALS) dial(&f.agents[f.made]);
    int n = epoll_wait(f.epoll_fd, ready, READY, send_what_is_due());
    for (int i = 0; i < n; i++) {
      agent *a = &f.agents[ready[i].data.u32];
      if (ready[i].events & EPOLLOUT)
        begin(a);
      else
        hear(a);
    }
  }
}
