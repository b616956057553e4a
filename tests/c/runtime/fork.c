/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../transport/fixture.h"
#include "rt.h"
#include "transport/dial.h"

/* A forked child abandons the loop of its parent, which goes on: on the same
 * connection, with the next number. Whatever the child wrote would show there:
 * a byte too many in a request, a WebSocket frame or a TLS record ends the
 * connection. */

typedef enum drive_mode { POLLED, FOREIGN, THREAD, MODES } drive_mode;

/* What is under way when the child is made. */
typedef enum moment {
  IDLE,
  MESSAGE,   /* sent, and not answered */
  UPGRADE,   /* sent, and not answered */
  HANDSHAKE, /* of TLS: the server has our first bytes */
  MOMENTS
} moment;

static const char *const schemes[] = {"ws", "wss", "http", "https"};

typedef struct place {
  drive_mode mode;
  moment when;
  bool tls, websocket;
  const char *through; /* scheme of a proxy, NULL: none */
  stub *s;
  server relay; /* TLS on this side, the stub on the other */
  server proxy;
  opamp_options *o;
  opamp_loop *l;
  opamp_client *c;
  int epoll; /* FOREIGN */
  size_t descriptors;
  char watched[4096]; /* what no child may change */
} place;

/* Of LeakSanitizer, when it is there. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
void __lsan_register_root_region(const void *p, size_t n) __attribute__((weak));
void __lsan_unregister_root_region(const void *p, size_t n)
    __attribute__((weak));

/* --- a server that waits for the test's word ------------------------------ */

static struct {
  atomic_bool armed;
  stub_point at;
  sem_t reached, go;
} gate;

/* What the stub has in hand is on the stack of its thread, which is not there
 * in the child: a leak, unless LeakSanitizer looks there all the same. */
static void keep_in_sight(void *stack, bool on) {
  enum { FRAMES = 4096 };
  if (__lsan_register_root_region == NULL) return;
  (on ? __lsan_register_root_region : __lsan_unregister_root_region)(stack,
                                                                     FRAMES);
}

static stub_deed wait_at_gate(void *ctx, stub_point at) {
  void *here = __builtin_frame_address(0);
  (void)ctx;
  if (at != gate.at || !atomic_exchange(&gate.armed, false)) return STUB_SERVE;
  keep_in_sight(here, true);
  sem_post(&gate.reached);
  sem_wait(&gate.go);
  keep_in_sight(here, false);
  return STUB_SERVE;
}

static void arm_gate(stub *s, stub_point at) {
  sem_init(&gate.reached, 0, 0);
  sem_init(&gate.go, 0, 0);
  gate.at = at;
  atomic_store(&gate.armed, true);
  stub_set_policy(s, wait_at_gate, NULL);
}

static bool at_gate(void *ctx) {
  (void)ctx;
  return sem_trywait(&gate.reached) == 0;
}

static bool relay_holds(void *ctx) {
  const place *p = ctx;
  struct pollfd out = {.fd = fileno(p->relay.out), .events = POLLIN};
  return poll(&out, 1, 0) == 1;
}

/* --- the parent ----------------------------------------------------------- */

static void step(place *p) {
  struct epoll_event ready;
  if (p->mode == THREAD) {
    opamp_event_free(rt_wait_event(p->l, 2));
    return;
  }
  if (p->mode == FOREIGN)
    epoll_wait(p->epoll, &ready, 1, opamp_loop_timeout_ms(p->l) == 0 ? 0 : 2);
  CHECK(opamp_loop_poll(p->l, p->mode == FOREIGN ? 0 : 2) >= 0);
}

static void drive_until(place *p, bool (*done)(void *ctx), void *ctx) {
  uint64_t end = rt_now_ms() + 10000;
  while (!done(ctx)) {
    opamp_event *e;
    CHECK(rt_now_ms() < end);
    step(p);
    while ((e = opamp_loop_next_event(p->l)) != NULL) opamp_event_free(e);
  }
}

static bool is_delivered(void *ctx) {
  opamp_client *c = ctx;
  uint64_t sent = opamp_client_counter(c, OPAMP_COUNT_MESSAGES_SENT);
  return opamp_client_undelivered(c) == 0 && sent > 0 &&
         opamp_client_counter(c, OPAMP_COUNT_MESSAGES_RECEIVED) >= sent;
}

/* The connection is the first there was, and the numbers have no gap. */
static void check_goes_on(place *p) {
  size_t n;
  drive_until(p, is_delivered, p->c);
  n = stub_messages(p->s);
  rt_set_health(p->c, n % 2 == 0 ? "even" : "odd");
  drive_until(p, is_delivered, p->c);
  CHECK(stub_messages(p->s) > n);
  for (size_t i = 0; i < stub_messages(p->s); i++)
    CHECK_EQ(stub_seq(p->s, i), i);
  CHECK_EQ(stub_accepted(p->s), 1);
  CHECK_EQ(stub_connections(p->s), 1);
}

static void set_proxy(place *p, opamp_options *o) {
  char url[64];
  snprintf(url, sizeof url, "%s://127.0.0.1:%d", p->through, p->proxy.port);
  CHECK_EQ(opamp_options_set_text(o, OPAMP_TEXT_PROXY, url), OPAMP_OK);
  CHECK_EQ(
      opamp_options_set_text(o, OPAMP_TEXT_TLS_CA_FILE, cert_path("ca.pem")),
      OPAMP_OK);
}

static opamp_options *options_of(place *p) {
  opamp_options *o = rt_options(p->s, p->websocket);
  char url[64];
  if (p->through != NULL) set_proxy(p, o);
  if (!p->tls) return o;
  snprintf(url, sizeof url, "%s://127.0.0.1:%d/v1/opamp",
           p->websocket ? "wss" : "https", p->relay.port);
  CHECK_EQ(opamp_options_set_text(o, OPAMP_TEXT_URL, url), OPAMP_OK);
  CHECK_EQ(
      opamp_options_set_text(o, OPAMP_TEXT_TLS_CA_FILE, cert_path("ca.pem")),
      OPAMP_OK);
  return o;
}

static void start_relay(place *p) {
  char to[32];
  snprintf(to, sizeof to, "to=%s", strrchr(stub_url(p->s, false), ':') + 1);
  to[strcspn(to, "/")] = '\0';
  server_start(&p->relay, "relay", to, cert_option("cert", "server.pem"),
               cert_option("key", "server.key"),
               p->when == HANDSHAKE ? "gate=1" : NULL, NULL);
}

static void start_proxy(place *p) {
  bool tls = strcmp(p->through, "https") == 0;
  if (tls)
    server_start(&p->proxy, "proxy", "quiet=1",
                 cert_option("cert", "server.pem"),
                 cert_option("key", "server.key"), NULL);
  else
    server_start(&p->proxy, "proxy", "quiet=1", NULL);
}

/* What the kernel watches for the loop, as text. */
static void watched(const opamp_loop *l, char *text, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", opamp_loop_fd(l));
  FILE *f = fopen(path, "re");
  CHECK(f != NULL);
  text[fread(text, 1, size - 1, f)] = '\0';
  fclose(f);
  CHECK(strstr(text, "tfd:") != NULL);
}

static void make_loop(place *p) {
  CHECK_EQ(opamp_loop_new(&p->l, 0), OPAMP_OK);
  CHECK(opamp_loop_event_fd(p->l) >= 0);
  if (p->mode == FOREIGN) {
    struct epoll_event in = {.events = EPOLLIN};
    CHECK_EQ(epoll_ctl(p->epoll, EPOLL_CTL_ADD, opamp_loop_fd(p->l), &in), 0);
  }
  CHECK_EQ(opamp_loop_poll(p->l, 0), 0);
  watched(p->l, p->watched, sizeof p->watched);
  p->o = options_of(p);
  CHECK_EQ(opamp_client_new(&p->c, p->l, p->o), OPAMP_OK);
  if (p->mode == THREAD) CHECK_EQ(opamp_loop_start_thread(p->l), OPAMP_OK);
}

/* libuv's first loop makes a pipe for the whole process. */
static void warm_up(void) {
  opamp_loop *first;
  CHECK_EQ(opamp_loop_new(&first, 0), OPAMP_OK);
  opamp_loop_free(first);
}

/* Everything that is not the loop's is open when descriptors are counted, but
 * for the connection that the stub accepts. */
static void arrive(place *p) {
  warm_up();
  p->s = stub_new();
  if (p->tls) start_relay(p);
  if (p->through != NULL) start_proxy(p);
  p->epoll = epoll_create1(EPOLL_CLOEXEC);
  p->descriptors = rt_descriptors() + (p->when == HANDSHAKE ? 0 : 1);
  make_loop(p);
  if (p->when == UPGRADE) arm_gate(p->s, STUB_REQUEST);
  CHECK_EQ(opamp_client_start(p->c), OPAMP_OK);
  if (p->when == HANDSHAKE) {
    drive_until(p, relay_holds, p);
    server_line(&p->relay, "held");
  } else if (p->when == UPGRADE) {
    drive_until(p, at_gate, NULL);
  } else {
    drive_until(p, is_delivered, p->c);
  }
  if (p->when != MESSAGE) return;
  arm_gate(p->s, STUB_MESSAGE);
  rt_set_health(p->c, "on its way");
  drive_until(p, at_gate, NULL);
}

static void let_go_on(place *p) {
  if (p->when == HANDSHAKE) CHECK_EQ(write(p->relay.in, "\n", 1), 1);
  if (p->when == UPGRADE || p->when == MESSAGE) sem_post(&gate.go);
}

static void leave(place *p) {
  opamp_client_free(p->c);
  opamp_loop_free(p->l);
  opamp_options_free(p->o);
  if (p->through != NULL) server_stop(&p->proxy);
  if (p->tls) server_stop(&p->relay);
  stub_free(p->s);
  close(p->epoll);
}

/* --- the child ------------------------------------------------------------ */

enum { CHILD_OK, CHILD_DESCRIPTORS, CHILD_LEAKS, CHILD_STATUS };

/* What a thread of the loop had in hand stays behind on purpose. What the
 * stub's has in hand, when it is not held up, is not ours: before the fork the
 * parent asks it something, which it answers with empty hands. */
static int abandon(place *p, bool look_for_leaks) {
  opamp_loop_abandon(p->l);
  if (rt_descriptors() != p->descriptors) return CHILD_DESCRIPTORS;
  if (p->mode == THREAD || !look_for_leaks) return CHILD_OK;
  p->l = NULL;
  p->c = NULL;
  if (__lsan_do_recoverable_leak_check != NULL &&
      __lsan_do_recoverable_leak_check() != 0)
    return CHILD_LEAKS;
  return CHILD_OK;
}

static void finish(pid_t pid) {
  int status;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), CHILD_OK);
}

static void check_still_watched(const char *before, const char *after) {
  char line[200];
  for (const char *at = strstr(before, "tfd:"); at != NULL;
       at = strstr(at + 1, "tfd:")) {
    snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
    CHECK(strstr(after, line) != NULL);
  }
}

/* A loop's thread goes on meanwhile, and may stop to wait until its connection
 * is writable. What it watches for as long as it lives stays. */
static void fork_and_abandon(place *p, bool look_for_leaks) {
  char after[sizeof p->watched];
  if (p->mode != THREAD) watched(p->l, p->watched, sizeof p->watched);
  if (p->when == IDLE) (void)stub_connections(p->s);
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) harness_child_exit(abandon(p, look_for_leaks));
  finish(pid);
  watched(p->l, after, sizeof after);
  check_still_watched(p->watched, after);
}

static bool possible(const place *p) {
  if (p->when == UPGRADE) return p->websocket;
  return p->when != HANDSHAKE || p->tls;
}

static void forks_through(const char *proxy, drive_mode mode,
                          const char *scheme, moment when, int n) {
  place p = {.mode = mode,
             .when = when,
             .through = proxy,
             .tls = strcmp(scheme, "wss") == 0 || strcmp(scheme, "https") == 0,
             .websocket = scheme[0] == 'w'};
  if (!possible(&p)) return;
  arrive(&p);
  size_t files = rt_descriptors();
  for (int i = 0; i < n; i++) {
    fork_and_abandon(&p, i == 0);
    if (when == IDLE && i % 100 == 0) check_goes_on(&p);
  }
  CHECK_EQ(rt_descriptors(), files);
  let_go_on(&p);
  check_goes_on(&p);
  leave(&p);
}

static void forks(drive_mode mode, const char *scheme, moment when, int n) {
  forks_through(NULL, mode, scheme, when, n);
}

static void all_moments(drive_mode mode) {
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
    for (int when = IDLE; when < MOMENTS; when++)
      forks(mode, schemes[i], (moment)when, 5);
}

static void three_hundred(drive_mode mode) {
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
    forks(mode, schemes[i], IDLE, 300);
}

/* Covers: PROC-2 */
TEST(child_of_a_polled_loop) {
  all_moments(POLLED);
}

/* Covers: PROC-2 */
TEST(child_of_a_loop_in_a_foreign_one) {
  all_moments(FOREIGN);
}

/* Covers: PROC-2 */
TEST(child_of_a_loop_with_a_thread) {
  all_moments(THREAD);
}

/* Requests for a plain server are not for a proxy that knows CONNECT only.
 * Covers: PROC-2, SET-9 */
TEST(child_of_a_proxied_connection) {
  static const char *const proxies[] = {"http", "https"};
  static const char *const all[] = {"ws", "wss", "https"};
  for (int proxy = 0; proxy < 2; proxy++)
    for (int scheme = 0; scheme < 3; scheme++)
      for (int when = IDLE; when < MOMENTS; when++) {
        forks_through(proxies[proxy], POLLED, all[scheme], (moment)when, 3);
        forks_through(proxies[proxy], THREAD, all[scheme], (moment)when, 3);
      }
}

/* Covers: PROC-2 */
TEST(children_300_of_a_polled_loop) {
  three_hundred(POLLED);
}

/* Covers: PROC-2 */
TEST(children_300_of_a_loop_in_a_foreign_one) {
  three_hundred(FOREIGN);
}

/* Covers: PROC-2 */
TEST(children_300_of_a_loop_with_a_thread) {
  three_hundred(THREAD);
}

/* --- other children ------------------------------------------------------- */

static place idle_place(void) {
  place p = {.mode = POLLED, .when = IDLE, .websocket = true};
  arrive(&p);
  return p;
}

/* Covers: PROC-2 */
TEST(parent_cannot_abandon) {
  place p = idle_place();
  opamp_loop_abandon(p.l);
  opamp_loop_abandon(NULL);
  check_goes_on(&p);
  leave(&p);
}

static bool readable(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  return poll(&p, 1, 0) == 1;
}

/* Covers: PROC-2 */
TEST(child_wakes_nobody) {
  place p = idle_place();
  int event_fd = opamp_loop_event_fd(p.l), loop_fd = opamp_loop_fd(p.l);
  stub_push(p.s, rt_offer("hash", "body"));
  while (!readable(event_fd)) CHECK(opamp_loop_poll(p.l, 2) >= 0);
  do {
    CHECK(opamp_loop_poll(p.l, 0) > 0);
  } while (!is_delivered(p.c) || readable(loop_fd));
  (void)stub_connections(p.s);
  pid_t pid = fork();
  if (pid == 0) {
    opamp_loop_wake(p.l);
    harness_child_exit(abandon(&p, true));
  }
  finish(pid);
  CHECK(readable(event_fd));
  CHECK(!readable(loop_fd));
  opamp_event *e = rt_event(p.l, OPAMP_EVENT_REMOTE_CONFIG);
  CHECK_EQ(opamp_event_accept(e), OPAMP_OK);
  opamp_event_free(e);
  check_goes_on(&p);
  leave(&p);
}

/* Covers: PROC-2 */
TEST(child_frees_an_event_it_holds) {
  place p = idle_place();
  stub_push(p.s, rt_offer("hash", "body"));
  opamp_event *e = rt_event(p.l, OPAMP_EVENT_REMOTE_CONFIG);
  (void)stub_connections(p.s);
  pid_t pid = fork();
  if (pid == 0) {
    opamp_client_free(p.c);
    opamp_loop_free(p.l);
    opamp_loop_abandon(p.l);
    if (opamp_event_client(e) != NULL) harness_child_exit(CHILD_STATUS);
    opamp_event_free(e);
    p.l = NULL;
    p.c = NULL;
    harness_child_exit(__lsan_do_recoverable_leak_check != NULL &&
                               __lsan_do_recoverable_leak_check() != 0
                           ? CHILD_LEAKS
                           : CHILD_OK);
  }
  finish(pid);
  CHECK_EQ(opamp_event_accept(e), OPAMP_OK);
  opamp_event_free(e);
  check_goes_on(&p);
  leave(&p);
}

/* Covers: PROC-2 */
TEST(child_makes_a_loop_of_its_own) {
  place p = idle_place();
  pid_t pid = fork();
  if (pid == 0) {
    opamp_client *c;
    opamp_loop_abandon(p.l);
    if (opamp_client_new(&c, NULL, p.o) != OPAMP_OK)
      harness_child_exit(CHILD_STATUS);
    opamp_client_start(c);
    while (opamp_client_undelivered(c) != 0 ||
           opamp_client_counter(c, OPAMP_COUNT_MESSAGES_RECEIVED) == 0)
      if (opamp_loop_poll(opamp_client_loop(c), 100) < 0)
        harness_child_exit(CHILD_STATUS);
    opamp_client_free(c);
    harness_child_exit(0);
  }
  finish(pid);
  CHECK_EQ(stub_accepted(p.s), 2);
  rt_set_health(p.c, "still here");
  drive_until(&p, is_delivered, p.c);
  CHECK_EQ(stub_accepted(p.s), 2);
  leave(&p);
}

/* Not even the few that it takes to part from the parent.
 * Covers: PROC-2 */
TEST(child_without_free_descriptors) {
  place p = idle_place();
  pid_t pid = fork();
  if (pid == 0) {
    struct rlimit old, none;
    getrlimit(RLIMIT_NOFILE, &old);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    opamp_loop_abandon(p.l);
    setrlimit(RLIMIT_NOFILE, &old);
    harness_child_exit(rt_descriptors() == p.descriptors ? CHILD_OK
                                                         : CHILD_DESCRIPTORS);
  }
  finish(pid);
  check_goes_on(&p);
  leave(&p);
}

static struct {
  place p;
  pid_t pid; /* of the child; 0 in it */
  bool refused;
} forked;

static void fork_once(opamp_event *e, void *user_data) {
  (void)e, (void)user_data;
  if (forked.pid >= 0) return;
  forked.pid = fork();
  if (forked.pid != 0) return;
  forked.refused = opamp_client_stop(forked.p.c) == OPAMP_ERR_FORKED;
  opamp_loop_abandon(forked.p.l);
}

/* The child comes back from the callback into the middle of poll.
 * Covers: PROC-2 */
TEST(child_of_a_callback) {
  opamp_callbacks callbacks = {.struct_size = sizeof callbacks,
                               .on_connected = fork_once};
  place *p = &forked.p;
  *p = (place){.mode = POLLED, .websocket = true};
  forked.pid = -1;
  warm_up();
  p->s = stub_new();
  p->descriptors = rt_descriptors() + 1;
  p->epoll = -1;
  make_loop(p);
  CHECK_EQ(opamp_client_set_callbacks(p->c, &callbacks, NULL), OPAMP_OK);
  CHECK_EQ(opamp_client_start(p->c), OPAMP_OK);
  while (forked.pid < 0) {
    int n = opamp_loop_poll(p->l, 100);
    if (forked.pid == 0)
      harness_child_exit(!forked.refused || n != OPAMP_ERR_FORKED ? CHILD_STATUS
                         : rt_descriptors() != p->descriptors
                             ? CHILD_DESCRIPTORS
                             : CHILD_OK);
    CHECK(n >= 0);
  }
  finish(forked.pid);
  check_goes_on(p);
  leave(p);
}

static sem_t answer_comes;

static int slow_getaddrinfo(const char *host, const char *service,
                            const struct addrinfo *hints,
                            struct addrinfo **out) {
  sem_wait(&answer_comes);
  return getaddrinfo(host, service, hints, out);
}

/* Covers: PROC-2 */
TEST(child_while_a_name_is_looked_up) {
  rt t = rt_new(true);
  char url[64];
  opamp_client *c;
  sem_init(&answer_comes, 0, 0);
  opamp__getaddrinfo = slow_getaddrinfo;
  snprintf(url, sizeof url, "ws://localhost%s",
           strrchr(stub_url(t.s, true), ':'));
  opamp_options_set_text(t.o, OPAMP_TEXT_URL, url);
  CHECK_EQ(opamp_client_new(&c, t.l, t.o), OPAMP_OK);
  CHECK_EQ(opamp_client_start(c), OPAMP_OK);
  for (int i = 0; i < 3; i++) CHECK(opamp_loop_poll(t.l, 0) >= 0);
  pid_t pid = fork();
  if (pid == 0) {
    opamp_loop_abandon(t.l);
    harness_child_exit(0);
  }
  finish(pid);
  sem_post(&answer_comes);
  rt_delivered(t.l, c);
  CHECK_EQ(stub_accepted(t.s), 1);
  opamp__getaddrinfo = getaddrinfo;
  opamp_client_free(c);
  rt_free(&t);
}
