/* SPDX-License-Identifier: Apache-2.0 */
/* The least a server can do: one thread, one epoll, an empty ServerToAgent for
 * every message, over WebSocket or HTTP/1.1. It keeps out of the way of what is
 * measured against it; it checks next to nothing.
 *
 *   floor_server [PORT]     prints the port it listens on (0: any)
 *
 * Lines on its input: "r N" begins to count anew; "s" prints, in one line, the
 * messages and their bytes since then, and when the first and the N-th came, in
 * ns of the monotonic clock (0: not yet). The end of the input ends it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 65536, READY = 1024 };

typedef struct conn {
  bool websocket;
  uint32_t len; /* of what is kept, an incomplete message */
  uint8_t *kept;
} conn;

static conn *conns; /* by descriptor */
static size_t conns_len;
static int epoll_fd;
static uint8_t buffer[2 * ROOM];
static struct {
  unsigned long long messages, bytes, wanted, first_ns, last_ns;
} seen;

static unsigned long long now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (unsigned long long)t.tv_sec * 1000000000U +
         (unsigned long long)t.tv_nsec;
}

static void count(size_t bytes) {
  seen.messages++;
  seen.bytes += bytes;
  if (seen.messages == 1) seen.first_ns = now_ns();
  if (seen.messages == seen.wanted) seen.last_ns = now_ns();
}

/* False at the end of the input. */
static bool take_line(void) {
  char line[64];
  if (fgets(line, sizeof line, stdin) == NULL) return false;
  if (line[0] == 'r') {
    memset(&seen, 0, sizeof seen);
    seen.wanted = strtoull(line + 1, NULL, 10);
    printf("ok\n");
  } else {
    printf("%llu %llu %llu %llu\n", seen.messages, seen.bytes, seen.first_ns,
           seen.last_ns);
  }
  fflush(stdout);
  return true;
}

static void hang_up(int fd) {
  free(conns[fd].kept);
  conns[fd] = (conn){0};
  close(fd);
}

static bool say(int fd, const char *text, size_t len) {
  return send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* --- WebSocket ------------------------------------------------------------ */

static bool upgrade(int fd, const char *head) {
  static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[SHA_DIGEST_LENGTH], accept[32];
  char text[128], answer[256];
  const char *key = strcasestr(head, "\nSec-WebSocket-Key: ");
  if (key == NULL) return false;
  snprintf(text, sizeof text, "%.24s%s", key + 20, magic);
  SHA1((unsigned char *)text, strlen(text), digest);
  EVP_EncodeBlock(accept, digest, sizeof digest);
  int n = snprintf(answer, sizeof answer,
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                   accept);
  conns[fd].websocket = true;
  return say(fd, answer, (size_t)n);
}

/* How long the frame at `p` is, 0 when it is not all there. */
static size_t frame_len(const uint8_t *p, size_t n) {
  size_t head = 2, len;
  if (n < 2) return 0;
  len = p[1] & 127;
  if (len == 126) {
    if (n < 4) return 0;
    len = (size_t)p[2] << 8 | p[3];
    head = 4;
  } else if (len == 127) {
    return n < 10 ? 0 : SIZE_MAX; /* nobody here sends so much */
  }
  head += 4; /* the mask */
  return n < head + len ? 0 : head + len;
}

/* One frame: a message is answered, a ping too, a Close with a Close. */
static bool take_frame(int fd, uint8_t *p, size_t len) {
  static const char answer[] = {(char)0x82, 1, 0}, pong[] = {(char)0x8a, 0},
                    bye[] = {(char)0x88, 2, 3, (char)0xe8};
  switch (p[0] & 15) {
    case 8:
      (void)say(fd, bye, sizeof bye);
      return false;
    case 9:
      return say(fd, pong, sizeof pong);
    case 10:
      return true;
    default:
      if ((p[0] & 128) == 0) return true; /* more of the message follows */
      count((p[1] & 127) < 126 ? p[1] & 127 : len - 8);
      return say(fd, answer, sizeof answer);
  }
}

/* --- HTTP ----------------------------------------------------------------- */

/* How long the request is, 0 when it is not all there. */
static size_t request_len(const char *p, size_t n) {
  const char *end = memmem(p, n, "\r\n\r\n", 4), *length;
  size_t head, body = 0;
  if (end == NULL) return 0;
  head = (size_t)(end - p) + 4;
  length = strcasestr(p, "\ncontent-length:");
  if (length != NULL && length < end) body = strtoul(length + 16, NULL, 10);
  length = strcasestr(p, "\ntransfer-encoding: chunked");
  if (length != NULL && length < end) {
    const char *last = memmem(end, n - head + 4, "0\r\n\r\n", 5);
    return last != NULL ? (size_t)(last - p) + 5 : 0;
  }
  return n < head + body ? 0 : head + body;
}

static bool take_request(int fd, const char *p, size_t len) {
  static const char answer[] =
      "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n"
      "Content-Length: 0\r\n\r\n";
  if (strncmp(p, "GET ", 4) == 0) return upgrade(fd, p);
  count(len); /* with its head, which is sent each time */
  return say(fd, answer, sizeof answer - 1);
}

/* --- connections ---------------------------------------------------------- */

/* What could be taken of the bytes; SIZE_MAX to hang up. */
static size_t take(int fd, uint8_t *p, size_t n) {
  size_t done = 0;
  while (done < n) {
    bool websocket = conns[fd].websocket;
    size_t len = websocket ? frame_len(p + done, n - done)
                           : request_len((char *)p + done, n - done);
    if (len == 0) break;
    if (len > n - done) return SIZE_MAX;
    if (!(websocket ? take_frame(fd, p + done, len)
                    : take_request(fd, (char *)p + done, len)))
      return SIZE_MAX;
    done += len;
  }
  return done;
}

static void hear(int fd) {
  conn *c = &conns[fd];
  size_t n = c->len, done;
  if (n > 0) memcpy(buffer, c->kept, n);
  ssize_t got = recv(fd, buffer + n, ROOM - n, 0);
  if (got <= 0) {
    if (got < 0 && errno == EAGAIN) return;
    hang_up(fd);
    return;
  }
  n += (size_t)got;
  buffer[n] = '\0';
  done = take(fd, buffer, n);
  free(c->kept);
  c->kept = NULL;
  c->len = 0;
  if (done == SIZE_MAX || n - done >= ROOM) {
    hang_up(fd);
  } else if (done < n) {
    c->kept = malloc(n - done);
    if (c->kept == NULL) {
      hang_up(fd);
      return;
    }
    memcpy(c->kept, buffer + done, n - done);
    c->len = (uint32_t)(n - done);
  }
}

static void accept_all(int listener) {
  int fd, on = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
         0) {
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if ((size_t)fd >= conns_len ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0)
      close(fd);
  }
}

static int listen_on(unsigned port) {
  struct sockaddr_in a = {.sin_family = AF_INET,
                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                          .sin_port = htons((uint16_t)port)};
  socklen_t len = sizeof a;
  int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&a, len) != 0 || listen(fd, 8192) != 0)
    return -1;
  getsockname(fd, (struct sockaddr *)&a, &len);
  printf("%d\n", ntohs(a.sin_port));
  fflush(stdout);
  return fd;
}

int main(int argc, char **argv) {
  static struct epoll_event ready[READY];
  struct rlimit r;
  getrlimit(RLIMIT_NOFILE, &r);
  r.rlim_cur = r.rlim_max;
  setrlimit(RLIMIT_NOFILE, &r);
  conns_len = r.rlim_cur;
  conns = calloc(conns_len, sizeof *conns);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  int listener = listen_on(argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0);
  struct epoll_event e = {.events = EPOLLIN, .data.fd = listener};
  struct epoll_event in = {.events = EPOLLIN, .data.fd = STDIN_FILENO};
  if (conns == NULL || listener < 0 ||
      epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e) != 0 ||
      epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &in) != 0)
    return 1;
  for (;;) {
    int n = epoll_wait(epoll_fd, ready, READY, -1);
    for (int i = 0; i < n; i++) {
      if (ready[i].data.fd == listener)
        accept_all(listener);
      else if (ready[i].data.fd != STDIN_FILENO)
        hear(ready[i].data.fd);
      else if (!take_line())
        return 0;
    }
  }
}
