/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"

/* What a loop does to the process around it, and what the process does to it.
 */

static world w;
static server s;
static client c;

static void exchange(const char *scheme, opamp__tls *tls) {
  target t = at(scheme, &s);
  t.tls = tls;
  memset(&c, 0, sizeof c);
  client_open(&c, &w, &t);
  if (scheme[0] == 'w') run_until(&w, &c.opened, 1);
  client_send_text(&c, "hello");
  run_until(&w, &c.frames, 1);
}

static bool is_open(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}

/* A thread of the host's that takes, or frees, a descriptor just before curl
 * makes its pair. */
static enum { ALONE, TAKES, FREES } neighbour;
static int neighbour_fd = -1;

/* Of ThreadSanitizer, which follows descriptors, when it is there. */
int __interceptor_socketpair(int domain, int type, int protocol, int pair[2])
    __attribute__((weak));

int socketpair(int domain, int type, int protocol, int pair[2]) {
  if ((type & SOCK_CLOEXEC) == 0 && neighbour != ALONE) {
    if (neighbour == TAKES)
      neighbour_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    else
      close(neighbour_fd);
    neighbour = ALONE;
  }
  if (__interceptor_socketpair != NULL)
    return __interceptor_socketpair(domain, type, protocol, pair);
  return (int)syscall(SYS_socketpair, domain, type, protocol, pair);
}

/* `more` are left, of the neighbour's. */
static void descriptors_close_on_exec(int more) {
  bool before[256];
  server h;
  server_start(&s, "ws_echo", "quiet=1", NULL);
  server_start(&h, "http_echo", "quiet=1", NULL);
  /* libuv's first loop makes a pipe for the whole process. */
  world_open(&w, 8);
  world_close(&w);
  for (int fd = 0; fd < 256; fd++) before[fd] = is_open(fd);
  if (neighbour_fd >= 0) before[neighbour_fd] = false;
  int files = open_files();
  world_open(&w, 8);
  exchange("ws", NULL);
  client first = c;
  target t = at("http", &h);
  memset(&c, 0, sizeof c);
  client_open(&c, &w, &t);
  client_send_text(&c, "x");
  run_until(&w, &c.frames, 1);
  CHECK(open_files() > files);
  for (int fd = 0; fd < 256; fd++)
    if (!before[fd] && is_open(fd) && (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) {
      char link[64], path[64];
      snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
      ssize_t n = readlink(path, link, sizeof link - 1);
      link[n > 0 ? n : 0] = '\0';
      harness_fail(__FILE__, __LINE__, "descriptor %d (%s) is inherited", fd,
                   link);
    }
  client_reset(&first);
  client_reset(&c);
  world_close(&w);
  CHECK_EQ(open_files(), files + more);
  server_stop(&s);
  server_stop(&h);
}

/* Covers: PROC-1 */
TEST(process_descriptors_close_on_exec_and_none_is_left) {
  descriptors_close_on_exec(0);
}

/* Covers: PROC-1 */
TEST(process_descriptors_beside_a_thread_that_opens_some) {
  neighbour = TAKES;
  descriptors_close_on_exec(1);
  CHECK_EQ(neighbour, ALONE);
}

/* Covers: PROC-1 */
TEST(process_descriptors_beside_a_thread_that_closes_some) {
  neighbour_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  neighbour = FREES;
  descriptors_close_on_exec(-1);
  CHECK_EQ(neighbour, ALONE);
}

static volatile sig_atomic_t pipes;

static void on_pipe(int sig) {
  (void)sig;
  pipes++;
}

/* The server is gone when we write: no SIGPIPE reaches the host's handler, and
 * the handler is still the host's.
 * Covers: PROC-1 */
TEST(process_sigpipe_belongs_to_the_host) {
  struct sigaction mine = {.sa_handler = on_pipe}, now;
  sigset_t mask;
  CHECK_EQ(sigaction(SIGPIPE, &mine, NULL), 0);
  opamp__tls *tls;
  CHECK_EQ(opamp__tls_new(&tls, &(opamp__tls_options){.insecure = true}),
           OPAMP_OK);
  for (int i = 0; i < 2; i++) {
    server_start(&s, "ws_hang_up", cert_option("cert", "server.pem"),
                 cert_option("key", "server.key"), NULL);
    world_open(&w, 8);
    target t = at("wss", &s);
    t.tls = tls;
    memset(&c, 0, sizeof c);
    client_open(&c, &w, &t);
    run_until(&w, &c.opened, 1);
    server_stop(&s);
    opamp__reactor_enter(w.reactor);
    for (int k = 0; k < 3 && c.conn != NULL; k++) {
      uint8_t *p = (uint8_t *)calloc(1, 100000);
      CHECK(p != NULL);
      if (c.written == k) client_send(&c, p, 100000);
      free(p);
      opamp__reactor_step(w.reactor, 5);
    }
    opamp__reactor_leave(w.reactor);
    run_until(&w, &c.closed, 1);
    client_reset(&c);
    world_close(&w);
  }
  opamp__tls_unref(tls);
  CHECK_EQ(pipes, 0);
  CHECK_EQ(sigaction(SIGPIPE, NULL, &now), 0);
  CHECK(now.sa_handler == on_pipe);
  CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
  CHECK(!sigismember(&mask, SIGPIPE));
  CHECK_EQ(raise(SIGPIPE), 0);
  CHECK_EQ(pipes, 1);
  signal(SIGPIPE, SIG_DFL);
}

/* Covers: PROC-1 */
TEST(process_nothing_is_printed) {
  int saved[2], file[2];
  char text[200] = "";
  server_start(&s, "ws_many", NULL);
  for (int i = 0; i < 2; i++) {
    char name[] = "/tmp/opamp-output-XXXXXX";
    saved[i] = fcntl(i + 1, F_DUPFD_CLOEXEC, 10);
    file[i] = mkstemp(name);
    CHECK(saved[i] >= 0 && file[i] >= 0);
    unlink(name);
    dup2(file[i], i + 1);
  }
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  world_open(&w, 8);
  for (int i = 0; i < 8; i++) {
    target t = at("ws", &s);
    memset(&c, 0, sizeof c);
    client_open(&c, &w, &t);
    run_until(&w, i % 4 == 2 ? &c.opened : &c.closed, 1);
    client_reset(&c);
  }
  world_close(&w);
  unsetenv("http_proxy");
  for (int i = 0; i < 2; i++) {
    dup2(saved[i], i + 1);
    close(saved[i]);
    ssize_t n = pread(file[i], text, sizeof text - 1, 0);
    close(file[i]);
    text[n > 0 ? n : 0] = '\0';
    CHECK_STR(text, "");
  }
  server_stop(&s);
}

TEST(process_proxies_of_the_environment_are_not_used) {
  server h;
  server_start(&s, "ws_echo", "quiet=1", NULL);
  server_start(&h, "http_echo", "quiet=1", NULL);
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
  world_open(&w, 8);
  exchange("ws", NULL);
  client_reset(&c);
  target t = at("http", &h);
  client_open(&c, &w, &t);
  client_send_text(&c, "x");
  run_until(&w, &c.frames, 1);
  client_reset(&c);
  world_close(&w);
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
  server_stop(&s);
  server_stop(&h);
}

/* Covers: PROC-1 */
TEST(process_descriptors_stay_flat_over_many_connections) {
  enum { CYCLES = 1000, AT_ONCE = 20 };
  static client many[AT_ONCE];
  server_start(&s, "ws_many", NULL);
  world_open(&w, AT_ONCE);
  target t = at("ws", &s);
  int files = 0;
  for (int i = 0; i < CYCLES / AT_ONCE; i++) {
    for (int k = 0; k < AT_ONCE; k++) {
      memset(&many[k], 0, sizeof many[k]);
      client_open(&many[k], &w, &t);
    }
    /* Every fourth stays open and is aborted by us. */
    for (int left = AT_ONCE; left > AT_ONCE / 4;) {
      opamp__reactor_step(w.reactor, 20);
      left = 0;
      for (int k = 0; k < AT_ONCE; k++) left += many[k].closed == 0;
    }
    for (int k = 0; k < AT_ONCE; k++) client_reset(&many[k]);
    run_for(&w, 5);
    if (i == 1) files = open_files();
  }
  CHECK(open_files() <= files + 2);
  world_close(&w);
  server_stop(&s);
}

/* The limit is raised after the loop was made, and 1,500 files are open: the
 * next descriptor has a number that libwebsockets' table never heard of. */
TEST(process_high_descriptors) {
  enum { FILES = 1500 };
  static int files[FILES];
  struct rlimit old, low, high;
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  low = high = old;
  low.rlim_cur = 1024;
  high.rlim_cur = 4000;
  CHECK(old.rlim_max >= high.rlim_cur);
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  server_start(&s, "ws_echo", "quiet=1", NULL);
  world_open(&w, 64);
  exchange("ws", NULL);
  client_reset(&c);
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &high), 0);
  for (int i = 0; i < FILES; i++) {
    files[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(files[i] >= 0);
  }
  exchange("ws", NULL);
  client_reset(&c);
  for (int i = 0; i < FILES; i++) close(files[i]);
  world_close(&w);
  server_stop(&s);
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
}

TEST(process_more_connections_than_promised) {
  enum { MANY = 40 };
  static client many[MANY];
  server_start(&s, "ws_echo", "quiet=1", NULL);
  world_open(&w, 4);
  target t = at("ws", &s);
  int opened = 0, closed = 0;
  memset(many, 0, sizeof many);
  for (int k = 0; k < MANY; k++) client_open(&many[k], &w, &t);
  while (opened + closed < MANY) {
    opamp__reactor_step(w.reactor, 20);
    opened = closed = 0;
    for (int k = 0; k < MANY; k++) {
      opened += many[k].opened;
      closed += many[k].closed;
    }
  }
  CHECK(opened >= 4);
  CHECK(closed > 0);
  for (int k = 0; k < MANY; k++) client_reset(&many[k]);
  world_close(&w);
  server_stop(&s);
}

/* What this thread has computed: how busy the machine is does not count. */
static int64_t busy_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Covers: WIRE-5, WIRE-6 */
TEST(process_64_mib_both_ways_and_nobody_waits) {
  enum { SIZE = 64 << 20 };
  server_start(&s, "ws_echo", "quiet=1", NULL);
  world_open(&w, 8);
  memset(&c, 0, sizeof c);
  target t = at("ws", &s);
  t.max_receive = SIZE;
  client_open(&c, &w, &t);
  run_until(&w, &c.opened, 1);
  uint8_t *p = (uint8_t *)malloc(SIZE);
  CHECK(p != NULL);
  for (size_t i = 0; i < SIZE; i++) p[i] = (uint8_t)(i * 31 + (i >> 12));
  client_send(&c, p, SIZE);
  int64_t worst = 0, end = now_ms() + 60000;
  while (c.frames == 0 && now_ms() < end) {
    int64_t before = busy_ms();
    opamp__reactor_step(w.reactor, 100);
    int64_t took = busy_ms() - before;
    if (took > worst) worst = took;
  }
  CHECK_EQ(c.frames, 1);
  run_until(&w, &c.written, 1);
  CHECK(c.frame.len == SIZE && memcmp(c.frame.ptr, p, SIZE) == 0);
  free(p);
  /* Copying the whole once, at its end, is the longest there is. */
#ifndef UNDER_TSAN
  CHECK(worst < 500);
#endif
  client_reset(&c);
  world_close(&w);
  server_stop(&s);
}

static void *one_loop(void *arg) {
  const server *peer = (const server *)arg;
  for (int round = 0; round < 3; round++) {
    world mine;
    client ws = {0}, http = {0};
    world_open(&mine, 8);
    target t = at("ws", peer);
    client_open(&ws, &mine, &t);
    t.scheme = "http";
    t.port = peer[1].port;
    t.host = "localhost";
    client_open(&http, &mine, &t);
    client_send_text(&http, "hello");
    run_until(&mine, &ws.opened, 1);
    client_send_text(&ws, "hello");
    run_until(&mine, &ws.frames, 1);
    run_until(&mine, &http.frames, 1);
    client_reset(&ws);
    client_reset(&http);
    world_close(&mine);
  }
  return NULL;
}

TEST(process_loops_in_several_threads) {
  enum { THREADS = 4 };
  static server both[2];
  pthread_t threads[THREADS];
  server_start(&both[0], "ws_echo", "quiet=1", NULL);
  server_start(&both[1], "http_echo", "quiet=1", NULL);
  for (int i = 0; i < THREADS; i++)
    CHECK_EQ(pthread_create(&threads[i], NULL, one_loop, both), 0);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  server_stop(&both[0]);
  server_stop(&both[1]);
}

#ifndef UNDER_TSAN /* which has its own close there */
/* In place of the C library's, also for libwebsockets. */
static atomic_int closed_in_vain;
static int taker = -1, taken = -1; /* of another thread's: what, and where */

static bool is_event(int fd) {
  char path[64], link[64] = {0};
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return readlink(path, link, sizeof link - 1) > 0 &&
         strcmp(link, "anon_inode:[eventfd]") == 0;
}

int close(int fd) {
  bool take = taker >= 0 && is_event(fd);
  long r = syscall(SYS_close, fd);
  if (r != 0 && errno == EBADF) closed_in_vain++;
  if (take) {
    taken = dup2(taker, fd);
    taker = -1;
  }
  return (int)r;
}

/* libwebsockets closes one twice when a loop goes: by the second time it may
 * belong to another thread. */
TEST(process_no_descriptor_is_closed_twice) {
  server_start(&s, "ws_echo", "quiet=1", NULL);
  world_open(&w, 8);
  exchange("ws", NULL);
  client_reset(&c);
  closed_in_vain = 0;
  world_close(&w);
  CHECK_EQ(closed_in_vain, 0);
  server_stop(&s);
}

/* Another thread has got the number by the second time.
 * Covers: PROC-1 */
TEST(process_what_another_thread_has_there_is_not_closed) {
  int pair[2];
  char byte = 0;
  server_start(&s, "ws_echo", "quiet=1", NULL);
  world_open(&w, 8);
  exchange("ws", NULL);
  client_reset(&c);
  CHECK_EQ(pipe(pair), 0);
  taker = pair[0];
  world_close(&w);
  CHECK(taken >= 0);
  CHECK(write(pair[1], "x", 1) == 1 && read(taken, &byte, 1) == 1);
  CHECK_EQ(byte, 'x');
  close(taken);
  close(pair[0]);
  close(pair[1]);
  /* Another loop does not mind what that one left. */
  world_open(&w, 8);
  exchange("ws", NULL);
  client_reset(&c);
  world_close(&w);
  server_stop(&s);
}
#endif

TEST(process_random_and_hash) {
  uint8_t a[16] = {0}, b[16] = {0}, hash[32];
  CHECK(opamp__random(a, sizeof a) && opamp__random(b, sizeof b));
  CHECK(memcmp(a, b, sizeof a) != 0);
  opamp__sha256((opamp_bytes){(const uint8_t *)"abc", 3}, hash);
  CHECK_MEM(hash, 8, "\xba\x78\x16\xbf\x8f\x01\xcf\xea", 8);
  opamp__sha256((opamp_bytes){NULL, 0}, hash);
  CHECK_MEM(hash, 8, "\xe3\xb0\xc4\x42\x98\xfc\x1c\x14", 8);
}
