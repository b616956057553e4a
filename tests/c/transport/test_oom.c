/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "fixture.h"

/* Every allocation of ours fails once, in turn: what is begun then fails with
 * a reason, or succeeds, and nothing is left behind. */

static const char *through; /* the proxy, NULL: none */

static void attempt(const server *s, const char *scheme, opamp__tls *tls,
                    bool compress, size_t nth) {
  world w;
  client c = {0};
  world_open(&w, 4);
  target t = at(scheme, s);
  t.tls = tls;
  t.proxy = through;
  t.compress = compress;
  t.fail_nth = nth;
  opamp_status st = client_try_open(&c, &w, &t);
  bool ws = scheme[0] == 'w';
  bool sent = false;
  int64_t end = now_ms() + 10000;
  while (st == OPAMP_OK && c.closed + c.frames == 0) {
    if (!sent && (!ws || c.opened)) {
      static uint8_t room[OPAMP__FRAME_ROOM + 5];
      memcpy(room + OPAMP__FRAME_ROOM, "hello", 5);
      sent = true;
      st = opamp__conn_send(c.conn, room + OPAMP__FRAME_ROOM, 5);
      if (st != OPAMP_OK) break;
    }
    opamp__reactor_step(w.reactor, 20);
    if (now_ms() > end) break;
  }
  opamp__mem_fail_after(0);
  if (st != OPAMP_OK) CHECK_EQ(st, OPAMP_ERR_NOMEM);
  if (c.closed == 1) CHECK(c.text[0] != '\0');
  CHECK(st != OPAMP_OK || c.closed + c.frames > 0);
  client_reset(&c);
  world_close(&w);
}

/* How many allocations one whole exchange takes, generously. */
enum { ENOUGH = 40 };

TEST(oom_http) {
  server s;
  server_start(&s, "http_echo", "quiet=1", NULL);
  for (size_t n = 1; n < ENOUGH; n++) attempt(&s, "http", NULL, n % 2, n);
  server_stop(&s);
}

TEST(oom_ws) {
  server s;
  server_start(&s, "ws_echo", "quiet=1", NULL);
  for (size_t n = 1; n < ENOUGH; n++) attempt(&s, "ws", NULL, n % 2, n);
  server_stop(&s);
}

TEST(oom_wss) {
  server s;
  opamp__tls *tls;
  CHECK_EQ(opamp__tls_new(
               &tls, &(opamp__tls_options){.ca_file = cert_path("ca.pem")}),
           OPAMP_OK);
  server_start(&s, "ws_echo", "quiet=1", cert_option("cert", "server.pem"),
               cert_option("key", "server.key"), NULL);
  for (size_t n = 1; n < ENOUGH; n++) attempt(&s, "wss", tls, false, n);
  opamp__tls_unref(tls);
  server_stop(&s);
}

/* More of them: the relay, curl's handles, the proxy and its header. */
enum { ENOUGH_PROXIED = 2 * ENOUGH };

static void through_proxy(const char *proxy_scheme, const char *scheme,
                          const char *role) {
  server s, proxy;
  char url[64];
  opamp__tls *tls;
  CHECK_EQ(opamp__tls_new(
               &tls, &(opamp__tls_options){.ca_file = cert_path("ca.pem")}),
           OPAMP_OK);
  bool to_proxy = strcmp(proxy_scheme, "https") == 0;
  server_start(&s, role, "quiet=1", NULL);
  if (to_proxy)
    server_start(&proxy, "proxy", "quiet=1", cert_option("cert", "server.pem"),
                 cert_option("key", "server.key"), NULL);
  else
    server_start(&proxy, "proxy", "quiet=1", NULL);
  snprintf(url, sizeof url, "%s://u:w@localhost:%d", proxy_scheme, proxy.port);
  through = url;
  for (size_t n = 1; n < ENOUGH_PROXIED; n++)
    attempt(&s, scheme, to_proxy ? tls : NULL, false, n);
  through = NULL;
  opamp__tls_unref(tls);
  server_stop(&proxy);
  server_stop(&s);
}

/* Covers: SET-9 */
TEST(oom_ws_through_a_proxy) {
  through_proxy("http", "ws", "ws_echo");
}

/* Covers: SET-9 */
TEST(oom_ws_through_a_proxy_with_tls) {
  through_proxy("https", "ws", "ws_echo");
}

TEST(oom_tls_options) {
  opamp__tls_options o = {.ca_file = cert_path("ca.pem"),
                          .cert_file = cert_path("client.pem"),
                          .key_file = cert_path("client.key"),
                          .ciphers = "TLS_AES_128_GCM_SHA256"};
  opamp__tls *tls;
  size_t n = 1;
  for (;; n++) {
    opamp__mem_fail_after(n);
    opamp_status st = opamp__tls_new(&tls, &o);
    opamp__mem_fail_after(0);
    if (st == OPAMP_OK) break;
    CHECK_EQ(st, OPAMP_ERR_NOMEM);
    CHECK(tls == NULL);
    CHECK(n < 100);
  }
  CHECK(n > 3);
  opamp__tls_unref(tls);
}
