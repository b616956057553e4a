/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "fixture.h"

/* The way through a proxy, from inside; tests/c/tools/proxy_contract.py has the
 * real ones. */

static world w;
static server s, proxy;
static client c;
static opamp__tls *tls;

/* A server in that role behind a proxy, and its URL; "https" has TLS. */
static const char *begin(const char *scheme, const char *role) {
  static char url[64];
  CHECK_EQ(opamp__tls_new(
               &tls, &(opamp__tls_options){.ca_file = cert_path("ca.pem")}),
           OPAMP_OK);
  server_start(&s, role, NULL);
  if (strcmp(scheme, "https") == 0)
    server_start(&proxy, "proxy", cert_option("cert", "server.pem"),
                 cert_option("key", "server.key"), NULL);
  else
    server_start(&proxy, "proxy", NULL);
  memset(&c, 0, sizeof c);
  world_open(&w, 64);
  snprintf(url, sizeof url, "%s://127.0.0.1:%d", scheme, proxy.port);
  return url;
}

static void end(void) {
  client_reset(&c);
  world_close(&w);
  server_stop(&proxy);
  server_stop(&s);
  opamp__tls_unref(tls);
}

static target through(const char *scheme, const char *url) {
  target t = at(scheme, &s);
  t.proxy = url;
  t.tls = tls;
  return t;
}

static const char *const schemes[] = {"http", "https"};

/* The last bytes of a connection are not cut off by the relay's end.
 * Covers: CONN-9, SET-9 */
TEST(close_follows_the_frame_in_hand) {
  for (int i = 0; i < 2; i++) {
    const char *url = begin(schemes[i], "ws_sink");
    target t = through("ws", url);
    uint8_t *p = (uint8_t *)calloc(1, 3000000);
    CHECK(p != NULL);
    client_open(&c, &w, &t);
    run_until(&w, &c.opened, 1);
    client_send(&c, p, 3000000);
    free(p);
    opamp__conn_close(c.conn, 1001);
    run_until(&w, &c.closed, 1);
    CHECK_EQ(c.why, OPAMP_ERR_CLOSED);
    CHECK_EQ(c.close_code, 1001);
    CHECK_EQ(atoi(server_line(&s, "message ")), 3000000);
    CHECK_STR(server_line(&s, "close "), "1001");
    end();
  }
}

static size_t resident_kib(void) {
  struct rusage r;
  CHECK_EQ(getrusage(RUSAGE_SELF, &r), 0);
  return (size_t)r.ru_maxrss;
}

/* A server that does not read stops the sender, not the memory.
 * Covers: SEC-1, SET-9 */
TEST(the_relay_does_not_take_more_than_it_can_give) {
  for (int i = 0; i < 2; i++) {
    const char *url = begin(schemes[i], "ws_stalled");
    target t = through("ws", url);
    size_t n = 64 << 20;
    uint8_t *p = (uint8_t *)calloc(1, n);
    CHECK(p != NULL);
    client_open(&c, &w, &t);
    run_until(&w, &c.opened, 1);
    client_send(&c, p, n);
    free(p);
    size_t before = resident_kib();
    run_for(&w, 300);
    CHECK_EQ(c.written, 0);
    CHECK(resident_kib() - before < 8192);
    int64_t cpu = (int64_t)clock();
    run_for(&w, 300);
    CHECK((int64_t)clock() - cpu < CLOCKS_PER_SEC / 10);
    end();
  }
}

/* Covers: SET-9 */
TEST(many_share_a_loop) {
  enum { MANY = 40 };
  static client all[MANY];
  for (int i = 0; i < 2; i++) {
    const char *url = begin(schemes[i], "ws_echo");
    target t = through("ws", url);
    int files = open_files();
    for (int k = 0; k < MANY; k++) client_open(&all[k], &w, &t);
    for (int k = 0; k < MANY; k++) run_until(&w, &all[k].opened, 1);
    for (int k = 0; k < MANY; k++) client_send_text(&all[k], "hello");
    for (int k = 0; k < MANY; k++) run_until(&w, &all[k].frames, 1);
    CHECK(open_files() > files);
    for (int k = 0; k < MANY; k++) opamp__conn_close(all[k].conn, 1000);
    for (int k = 0; k < MANY; k++) run_until(&w, &all[k].closed, 1);
    for (int k = 0; k < MANY; k++) client_reset(&all[k]);
    end();
  }
}

/* Covers: PROC-3, SET-9 */
TEST(abort_and_close_at_any_moment) {
  for (int i = 0; i < 2; i++) {
    const char *url = begin(schemes[i], "ws_echo");
    target t = through("ws", url);
    for (int steps = 0; steps < 30; steps++) {
      for (int what = 0; what < 2; what++) {
        client_open(&c, &w, &t);
        for (int k = 0; k < steps && c.opened == 0; k++)
          opamp__reactor_step(w.reactor, 1);
        CHECK_EQ(c.closed, 0);
        if (what == 0) {
          opamp__conn_close(c.conn, 1000);
          run_until(&w, &c.closed, 1);
          CHECK_EQ(c.why, OPAMP_ERR_CLOSED);
        }
        client_reset(&c);
      }
    }
    end();
  }
}

/* Covers: SET-9 */
TEST(names_are_not_resolved_when_that_is_forbidden) {
  static const struct {
    const char *scheme, *host, *proxy, *text;
  } list[] = {
      {"ws", "127.0.0.1", "http://localhost:1",
       "proxy localhost:1: localhost is a name, and names are not resolved"},
      {"http", "127.0.0.1", "socks5h://localhost:1",
       "proxy localhost:1: localhost is a name, and names are not resolved"},
      {"ws", "a.example", "socks5://127.0.0.1:1",
       "a.example is a name, and names are not resolved"},
      {"http", "a.example", "socks5://127.0.0.1:1",
       "a.example is a name, and names are not resolved"},
      {"ws", "a.example", "socks5h://127.0.0.1:1",
       "proxy 127.0.0.1:1: connect: Connection refused"},
      {"http", "a.example", "http://127.0.0.1:1",
       "proxy 127.0.0.1:1: connect: Connection refused"},
  };
  world_open(&w, 4);
  for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
    target t = {.scheme = list[i].scheme,
                .host = list[i].host,
                .port = 1,
                .proxy = list[i].proxy,
                .numeric_hosts = true};
    memset(&c, 0, sizeof c);
    client_open(&c, &w, &t);
    if (t.scheme[0] == 'h') client_send_text(&c, "hello");
    run_until(&w, &c.closed, 1);
    CHECK_STR(c.text, list[i].text);
    client_reset(&c);
  }
  world_close(&w);
}

/* The proxy says it before it makes the connection that the answer needs. */
static bool says_something(const server *from) {
  struct pollfd out = {.fd = fileno(from->out), .events = POLLIN};
  return poll(&out, 1, 0) == 1;
}

static void exchange(const char *url) {
  target t = through("https", url);
  client_open(&c, &w, &t);
  client_send_text(&c, "hello");
  run_until(&w, &c.frames, 1);
  client_reset(&c);
}

/* A connection is used again, but not for another user of the proxy.
 * Covers: SEC-2, SET-9 */
TEST(connections_are_not_shared_between_users) {
  char url[64], target_text[32];
  CHECK_EQ(opamp__tls_new(
               &tls, &(opamp__tls_options){.ca_file = cert_path("ca.pem")}),
           OPAMP_OK);
  server_start(&s, "http_echo", "quiet=1", cert_option("cert", "server.pem"),
               cert_option("key", "server.key"), NULL);
  server_start(&proxy, "proxy", NULL);
  memset(&c, 0, sizeof c);
  world_open(&w, 4);
  snprintf(target_text, sizeof target_text, "127.0.0.1:%d", s.port);
  static const char *const users[] = {"a:b@", "a:b@", "a:c@", "", "a:b@"};
  static const bool fresh[] = {true, false, true, true, true};
  for (int i = 0; i < 5; i++) {
    snprintf(url, sizeof url, "http://%s127.0.0.1:%d", users[i], proxy.port);
    exchange(url);
    CHECK_EQ(says_something(&proxy), fresh[i]);
    if (fresh[i]) CHECK_STR(server_line(&proxy, "connect "), target_text);
  }
  end();
}
