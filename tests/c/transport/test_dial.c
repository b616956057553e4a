/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"
#include "transport/dial.h"

/* Names are answered by this test instead of the system. */

static const char *const kinds[] = {"http", "ws"};
static world w;
static server s;
static client c;
static sem_t gate;
static int asked;
static pthread_mutex_t asked_lock = PTHREAD_MUTEX_INITIALIZER;

/* The linker gives us the calls of pthread_create. */
typedef void *thread_body(void *arg);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          thread_body *body, void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          thread_body *body, void *arg);
static bool no_threads;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          thread_body *body, void *arg) {
  if (no_threads) return EAGAIN;
  return __real_pthread_create(thread, attr, body, arg);
}

static void count(void) {
  pthread_mutex_lock(&asked_lock);
  asked++;
  pthread_mutex_unlock(&asked_lock);
}

static int times_asked(void) {
  pthread_mutex_lock(&asked_lock);
  int n = asked;
  pthread_mutex_unlock(&asked_lock);
  return n;
}

static int answer(struct addrinfo **out, const char *const *addresses) {
  const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST,
                                 .ai_socktype = SOCK_STREAM};
  struct addrinfo **last = out;
  for (size_t i = 0; addresses[i] != NULL; i++) {
    int err = getaddrinfo(addresses[i], NULL, &hints, last);
    if (err != 0) return err;
    last = &(*last)->ai_next;
  }
  return 0;
}

static int six_then_four(const char *host, const char *service,
                         const struct addrinfo *hints, struct addrinfo **out) {
  static const char *const both[] = {"::1", "127.0.0.1", NULL};
  (void)host, (void)service, (void)hints;
  count();
  return answer(out, both);
}

static int none(const char *host, const char *service,
                const struct addrinfo *hints, struct addrinfo **out) {
  (void)host, (void)service, (void)hints, (void)out;
  count();
  return EAI_NONAME;
}

/* Hangs until the gate opens. */
static int stuck(const char *host, const char *service,
                 const struct addrinfo *hints, struct addrinfo **out) {
  count();
  while (sem_wait(&gate) != 0) continue;
  return six_then_four(host, service, hints, out);
}

/* One that takes no connection (its queue is full), and one that does. */
static int deaf_then_good(const char *host, const char *service,
                          const struct addrinfo *hints, struct addrinfo **out) {
  static const char *const both[] = {"127.0.0.2", "127.0.0.1", NULL};
  (void)host, (void)service, (void)hints;
  return answer(out, both);
}

static void begin(opamp__getaddrinfo_fn f) {
  opamp__getaddrinfo = f;
  pthread_mutex_lock(&asked_lock);
  asked = 0;
  pthread_mutex_unlock(&asked_lock);
  memset(&c, 0, sizeof c);
  world_open(&w, 8);
}

static void end(void) {
  client_reset(&c);
  world_close(&w);
  opamp__getaddrinfo = getaddrinfo;
}

static void dial(const target *t) {
  client_open(&c, &w, t);
  if (strcmp(t->scheme, "http") == 0) client_send_text(&c, "hello");
}

static target named(const char *kind, const char *name) {
  target t = at(kind, &s);
  t.host = name;
  return t;
}

static const char *echo(const char *kind) {
  return strcmp(kind, "ws") == 0 ? "ws_echo" : "http_echo";
}

/* Covers: CONN-13 */
TEST(dial_the_next_address_when_one_refuses) {
  for (size_t i = 0; i < 2; i++) {
    server_start(&s, echo(kinds[i]), "quiet=1", NULL);
    begin(six_then_four);
    target t = named(kinds[i], "server.example");
    dial(&t);
    run_until(&w, &c.opened, 1);
    client_reset(&c);
    /* The answer is kept, and the address that worked is first in it. */
    CHECK_EQ(times_asked(), 1);
    dial(&t);
    run_until(&w, &c.opened, 1);
    CHECK_EQ(times_asked(), 1);
    end();
    server_stop(&s);
  }
}

TEST(dial_ipv6) {
  for (size_t i = 0; i < 2; i++) {
    server_start(&s, echo(kinds[i]), "quiet=1", "host=::1", NULL);
    begin(six_then_four);
    target t = named(kinds[i], "::1");
    dial(&t);
    run_until(&w, &c.opened, 1);
    client_reset(&c);
    t = named(kinds[i], "server.example");
    dial(&t);
    run_until(&w, &c.opened, 1);
    end();
    server_stop(&s);
  }
}

TEST(dial_all_refuse) {
  server_start(&s, "mute", NULL);
  server_stop(&s);
  for (size_t i = 0; i < 2; i++) {
    begin(six_then_four);
    target t = named(kinds[i], "server.example");
    dial(&t);
    run_until(&w, &c.closed, 1);
    CHECK_EQ(c.why, OPAMP_ERR_TRANSPORT);
    CHECK(strncmp(c.text, "connect to ", 11) == 0);
    CHECK(strstr(c.text, ": Connection refused") != NULL);
    end();
  }
}

TEST(dial_no_such_name) {
  server_start(&s, "mute", NULL);
  for (size_t i = 0; i < 2; i++) {
    begin(none);
    target t = named(kinds[i], "nobody.example");
    dial(&t);
    CHECK_EQ(c.closed, 0);
    run_until(&w, &c.closed, 1);
    CHECK_EQ(c.why, OPAMP_ERR_RESOLVE);
    CHECK(strncmp(c.text, "no address for nobody.example: ", 31) == 0);
    end();
  }
  server_stop(&s);
}

/* As in a process whose RLIMIT_NPROC is 0: HAProxy sets it so. */
TEST(dial_without_threads) {
  server_start(&s, "http_echo", "quiet=1", NULL);
  for (size_t i = 0; i < 2; i++) {
    begin(none);
    target t = named(kinds[i], "server.example");
    no_threads = true;
    dial(&t);
    CHECK_EQ(c.closed, 0);
    run_until(&w, &c.closed, 1);
    no_threads = false;
    CHECK_EQ(c.why, OPAMP_ERR_RESOLVE);
    CHECK_STR(c.text,
              "no thread to look up server.example: Resource "
              "temporarily unavailable");
    CHECK_EQ(times_asked(), 0);
    end();
  }
  server_stop(&s);
}

TEST(dial_numeric_hosts_only) {
  server_start(&s, "http_echo", "quiet=1", NULL);
  for (size_t i = 0; i < 2; i++) {
    begin(six_then_four);
    target t = named(kinds[i], "server.example");
    t.numeric_hosts = true;
    dial(&t);
    CHECK_EQ(c.closed, 0);
    run_until(&w, &c.closed, 1);
    CHECK_EQ(c.why, OPAMP_ERR_RESOLVE);
    CHECK_EQ(times_asked(), 0);
    end();
  }
  server_stop(&s);
}

/* Covers: CONN-13 */
TEST(dial_a_stuck_resolver_blocks_nobody) {
  CHECK_EQ(sem_init(&gate, 0, 0), 0);
  server_start(&s, "ws_echo", "quiet=1", NULL);
  begin(stuck);
  client other = {0};
  target t = named("ws", "server.example");
  dial(&t);
  target numeric = at("ws", &s);
  client_open(&other, &w, &numeric);
  int64_t worst = 0;
  while (times_asked() == 0 || other.opened == 0) {
    int64_t before = now_ms();
    opamp__reactor_step(w.reactor, 0);
    int64_t took = now_ms() - before;
    if (took > worst) worst = took;
    opamp__reactor_step(w.reactor, 10);
  }
  CHECK(worst < 5000); /* stuck would be for ever */
  /* The same name again does not queue up behind itself. */
  for (int i = 0; i < 5; i++) {
    client_reset(&c);
    dial(&t);
    opamp__reactor_step(w.reactor, 0);
  }
  CHECK_EQ(sem_post(&gate), 0);
  run_until(&w, &c.opened, 1);
  CHECK_EQ(times_asked(), 2);
  client_reset(&other);
  end();
  server_stop(&s);
}

/* Covers: CONN-13 */
TEST(dial_the_loop_goes_while_the_resolver_hangs) {
  CHECK_EQ(sem_init(&gate, 0, 0), 0);
  server_start(&s, "mute", NULL);
  begin(stuck);
  target t = named("ws", "server.example");
  target other = named("ws", "other.example");
  client d = {0};
  dial(&t);
  client_open(&d, &w, &other);
  while (times_asked() == 0) opamp__reactor_step(w.reactor, 1);
  client_reset(&c);
  client_reset(&d);
  world_close(&w);
  CHECK_EQ(sem_post(&gate), 0);
  CHECK_EQ(sem_post(&gate), 0);
  /* The thread ends by itself, without the second question. */
  while (times_asked() < 2) sched_yield();
  opamp__getaddrinfo = getaddrinfo;
  server_stop(&s);
}

/* A listener whose queue is full takes no connection: after two seconds the
 * next address is tried. */
static int deaf_listener(int port, int *filler, int n) {
  struct sockaddr_in a = {.sin_family = AF_INET,
                          .sin_port = htons((uint16_t)port)};
  a.sin_addr.s_addr = htonl(0x7f000002);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(fd >= 0);
  CHECK_EQ(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
  CHECK_EQ(listen(fd, 0), 0);
  for (int i = 0; i < n; i++) {
    filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(filler[i] >= 0);
    connect(filler[i], (struct sockaddr *)&a, sizeof a);
  }
  return fd;
}

TEST(dial_two_seconds_for_an_address_that_is_deaf) {
  enum { FILL = 4 };
  int filler[FILL];
  for (size_t i = 0; i < 2; i++) {
    server_start(&s, echo(kinds[i]), "quiet=1", NULL);
    int fd = deaf_listener(s.port, filler, FILL);
    begin(deaf_then_good);
    target t = named(kinds[i], "server.example");
    int64_t before = now_ms();
    dial(&t);
    if (i == 1) {
      run_until(&w, &c.opened, 1);
      CHECK(now_ms() - before >= 1900);
      CHECK(now_ms() - before < 8000);
      client_reset(&c);
      before = now_ms();
      dial(&t);
      run_until(&w, &c.opened, 1);
      CHECK(now_ms() - before < 1900);
    } else {
      /* libcurl halves what is left for each address, and has all the time. */
      run_for(&w, 100);
      CHECK_EQ(c.closed, 0);
    }
    end();
    for (int k = 0; k < FILL; k++) close(filler[k]);
    close(fd);
    server_stop(&s);
  }
}

TEST(dial_addresses_as_text) {
  opamp__addrs a;
  char text[OPAMP__ADDR_TEXT];
  CHECK(opamp__addr_numeric("10.1.2.3", &a));
  CHECK_EQ(a.len, 1);
  opamp__addr_text(&a.list[0], text);
  CHECK_STR(text, "10.1.2.3");
  CHECK(opamp__addr_numeric("fe80::1", &a));
  opamp__addr_text(&a.list[0], text);
  CHECK_STR(text, "fe80::1");
  CHECK(!opamp__addr_numeric("localhost", &a));
  CHECK(opamp__addr_numeric("127.0.0.1", &a));
  CHECK_EQ(opamp__addr_unreachable(&a.list[0], 80), 0);
}
