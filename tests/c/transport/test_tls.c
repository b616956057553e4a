/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"

/* Every case runs over both transports: the verdicts must be the same. */
static const char *const schemes[] = {"https", "wss"};

static world w;
static server s;
static client c;

static opamp__tls *tls_of(const opamp__tls_options *o) {
  opamp__tls *t;
  opamp_status st = opamp__tls_new(&t, o);
  if (st != OPAMP_OK)
    harness_fail(__FILE__, __LINE__, "opamp__tls_new: %s", opamp_errmsg());
  return t;
}

/* Starts a server with that certificate, and connects. */
static void join(const char *scheme, const char *host, opamp__tls *tls,
                 const char *cert, const char *key, const char *extra,
                 const char *extra2) {
  bool ws = strcmp(scheme, "wss") == 0;
  char address[64];
  snprintf(address, sizeof address, "host=%s",
           host[0] == ':' ? "::1" : "127.0.0.1");
  memset(&c, 0, sizeof c);
  server_start(&s, ws ? "ws_echo" : "http_echo", "quiet=1",
               cert_option("cert", cert), cert_option("key", key), address,
               extra, extra == NULL ? NULL : extra2, NULL);
  world_open(&w, 8);
  target t = at(scheme, &s);
  t.host = host;
  t.tls = tls;
  client_open(&c, &w, &t);
  opamp__tls_unref(tls);
  if (!ws) client_send_text(&c, "hello");
}

static void leave(void) {
  client_reset(&c);
  world_close(&w);
  server_stop(&s);
}

static void accepted(void) {
  int64_t end = now_ms() + 10000;
  while (c.opened == 0 && c.closed == 0 && now_ms() < end)
    opamp__reactor_step(w.reactor, 100);
  if (c.opened == 0)
    harness_fail(__FILE__, __LINE__, "not connected: %s", c.text);
  if (c.frames == 0 && c.out == NULL) client_send_text(&c, "hello");
  run_until(&w, &c.frames, 1);
  CHECK_MEM(c.frame.ptr, c.frame.len, "hello", 5);
  leave();
}

static void refused(const char *text) {
  run_until(&w, &c.closed, 1);
  CHECK_EQ(c.opened, 0);
  if (c.why != OPAMP_ERR_TLS || strstr(c.text, text) == NULL)
    harness_fail(__FILE__, __LINE__, "%d \"%s\", not \"%s\"", c.why, c.text,
                 text);
  leave();
}

#define BOTH for (size_t i = 0; i < 2; i++)

/* Covers: SET-8 */
TEST(tls_authority_from_a_file_and_from_text) {
  char pem[4096] = {0};
  FILE *f = fopen(cert_path("ca.pem"), "r");
  CHECK(f != NULL);
  CHECK(fread(pem, 1, sizeof pem - 1, f) > 100);
  fclose(f);
  BOTH {
    join(schemes[i], "127.0.0.1",
         tls_of(&(opamp__tls_options){.ca_file = cert_path("ca.pem")}),
         "server.pem", "server.key", NULL, NULL);
    accepted();
    join(schemes[i], "127.0.0.1", tls_of(&(opamp__tls_options){.ca_pem = pem}),
         "server.pem", "server.key", NULL, NULL);
    accepted();
  }
}

/* Covers: SET-8 */
TEST(tls_by_name_and_by_ipv6_address) {
  opamp__tls_options o = {.ca_file = cert_path("ca.pem")};
  BOTH {
    join(schemes[i], "localhost", tls_of(&o), "server.pem", "server.key", NULL,
         NULL);
    accepted();
    join(schemes[i], "::1", tls_of(&o), "server.pem", "server.key", NULL, NULL);
    accepted();
  }
}

/* Covers: SET-8 */
TEST(tls_wrong_authority) {
  opamp__tls_options o = {.ca_file = cert_path("other.pem")};
  BOTH {
    join(schemes[i], "127.0.0.1", tls_of(&o), "server.pem", "server.key", NULL,
         NULL);
    refused(
        "certificate verify failed: unable to get local issuer certificate "
        "(depth 0)");
  }
}

/* Covers: SET-8 */
TEST(tls_self_signed) {
  opamp__tls_options o = {.ca_file = cert_path("other.pem")};
  BOTH {
    join(schemes[i], "127.0.0.1", tls_of(&o), "ca.pem", "ca.key", NULL, NULL);
    refused("certificate verify failed: self-signed certificate (depth 0)");
  }
}

/* The system's pool does not know our authority.
 * Covers: SET-8 */
TEST(tls_system_pool_alone_and_beside) {
  BOTH {
    join(schemes[i], "127.0.0.1", tls_of(&(opamp__tls_options){0}),
         "server.pem", "server.key", NULL, NULL);
    refused("certificate verify failed: unable to get local issuer");
    join(schemes[i], "127.0.0.1",
         tls_of(&(opamp__tls_options){.ca_file = cert_path("ca.pem"),
                                      .system_ca = true}),
         "server.pem", "server.key", NULL, NULL);
    accepted();
  }
}

/* Covers: SET-8 */
TEST(tls_wrong_host) {
  opamp__tls_options o = {.ca_file = cert_path("ca.pem")};
  BOTH {
    join(schemes[i], "localhost", tls_of(&o), "elsewhere.pem", "elsewhere.key",
         NULL, NULL);
    refused("certificate verify failed: hostname mismatch (depth 0)");
    join(schemes[i], "127.0.0.1", tls_of(&o), "elsewhere.pem", "elsewhere.key",
         NULL, NULL);
    refused("certificate verify failed: IP address mismatch (depth 0)");
    join(schemes[i], "::1", tls_of(&o), "elsewhere.pem", "elsewhere.key", NULL,
         NULL);
    refused("certificate verify failed: IP address mismatch (depth 0)");
  }
}

/* Covers: SET-8 */
TEST(tls_expired) {
  opamp__tls_options o = {.ca_file = cert_path("ca.pem")};
  BOTH {
    join(schemes[i], "127.0.0.1", tls_of(&o), "expired.pem", "expired.key",
         NULL, NULL);
    refused("certificate verify failed: certificate has expired (depth 0)");
  }
}

/* Covers: SET-8 */
TEST(tls_insecure_takes_anything) {
  BOTH {
    join(schemes[i], "localhost",
         tls_of(&(opamp__tls_options){.insecure = true}), "expired.pem",
         "expired.key", NULL, NULL);
    accepted();
    join(schemes[i], "::1", tls_of(&(opamp__tls_options){.insecure = true}),
         "elsewhere.pem", "elsewhere.key", NULL, NULL);
    accepted();
  }
}

/* Covers: SET-8 */
TEST(tls_client_certificate) {
  opamp__tls_options o = {.ca_file = cert_path("ca.pem"),
                          .cert_file = cert_path("client.pem"),
                          .key_file = cert_path("client.key")};
  opamp__tls_options none = {.ca_file = cert_path("ca.pem")};
  BOTH {
    join(schemes[i], "127.0.0.1", tls_of(&o), "server.pem", "server.key",
         cert_option("ca", "ca.pem"), NULL);
    accepted();
    join(schemes[i], "127.0.0.1", tls_of(&none), "server.pem", "server.key",
         cert_option("ca", "ca.pem"), NULL);
    run_until(&w, &c.closed, 1);
    CHECK_EQ(c.frames, 0);
    CHECK(c.why == OPAMP_ERR_TLS || c.why == OPAMP_ERR_TRANSPORT);
    leave();
  }
}

/* Covers: SET-8 */
TEST(tls_a_connection_is_not_shared_between_configurations) {
  opamp__tls *with =
      tls_of(&(opamp__tls_options){.ca_file = cert_path("ca.pem"),
                                   .cert_file = cert_path("client.pem"),
                                   .key_file = cert_path("client.key")});
  opamp__tls *without =
      tls_of(&(opamp__tls_options){.ca_file = cert_path("ca.pem")});
  server_start(&s, "http_echo", "quiet=1", cert_option("cert", "server.pem"),
               cert_option("key", "server.key"), cert_option("ca", "ca.pem"),
               NULL);
  memset(&c, 0, sizeof c);
  client d = {0};
  world_open(&w, 8);
  target t = at("https", &s);
  t.tls = with;
  client_open(&c, &w, &t);
  client_send_text(&c, "x");
  run_until(&w, &c.frames, 1);
  t.tls = without;
  client_open(&d, &w, &t);
  client_send_text(&d, "x");
  run_until(&w, &d.closed, 1);
  CHECK_EQ(d.frames, 0);
  client_reset(&d);
  opamp__tls_unref(with);
  opamp__tls_unref(without);
  leave();
}

/* Covers: SET-8 */
TEST(tls_versions) {
  opamp__tls_options old = {.ca_file = cert_path("ca.pem")};
  opamp__tls_options strict = {.ca_file = cert_path("ca.pem"),
                               .min_version = "1.3"};
  opamp__tls_options capped = {.ca_file = cert_path("ca.pem"),
                               .max_version = "TLSv1.2"};
  BOTH {
    join(schemes[i], "127.0.0.1", tls_of(&old), "server.pem", "server.key",
         "max=TLSv1_2", NULL);
    accepted();
    join(schemes[i], "127.0.0.1", tls_of(&strict), "server.pem", "server.key",
         "max=TLSv1_2", NULL);
    refused("protocol version");
    join(schemes[i], "127.0.0.1", tls_of(&capped), "server.pem", "server.key",
         "max=TLSv1_2", NULL);
    accepted();
  }
}

/* Covers: SET-8 */
TEST(tls_ciphers) {
  opamp__tls_options o = {.ca_file = cert_path("ca.pem"),
                          .max_version = "1.2",
                          .ciphers =
                              "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "
                              "TLS_CHACHA20_POLY1305_SHA256"};
  opamp__tls_options rsa = {.ca_file = cert_path("ca.pem"),
                            .max_version = "1.2",
                            .ciphers = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"};
  BOTH {
    join(schemes[i], "127.0.0.1", tls_of(&o), "server.pem", "server.key", NULL,
         NULL);
    accepted();
    join(schemes[i], "127.0.0.1", tls_of(&rsa), "server.pem", "server.key",
         NULL, NULL);
    refused("handshake failure");
  }
}

TEST(tls_server_that_speaks_none) {
  BOTH {
    memset(&c, 0, sizeof c);
    server_start(&s, "garbage", NULL);
    world_open(&w, 8);
    target t = at(schemes[i], &s);
    t.tls = tls_of(&(opamp__tls_options){.insecure = true});
    client_open(&c, &w, &t);
    opamp__tls_unref(t.tls);
    if (i == 0) client_send_text(&c, "x");
    run_for(&w, 100);
    CHECK_EQ(c.opened, 0);
    leave();
  }
}

/* --- what is refused at once ---------------------------------------------- */

static void not_made(const opamp__tls_options *o, opamp_status st,
                     const char *text) {
  opamp__tls *t;
  CHECK_EQ(opamp__tls_new(&t, o), st);
  CHECK(t == NULL);
  if (strstr(opamp_errmsg(), text) == NULL)
    harness_fail(__FILE__, __LINE__, "\"%s\", not \"%s\"", opamp_errmsg(),
                 text);
}

/* Covers: SET-8 */
TEST(tls_files_are_checked_when_read) {
  char text[400];
  snprintf(text, sizeof text, "%s: the key does not match %s",
           cert_path("server.key"), cert_path("client.pem"));
  not_made(&(opamp__tls_options){.cert_file = cert_path("client.pem"),
                                 .key_file = cert_path("server.key")},
           OPAMP_ERR_TLS, text);
  not_made(&(opamp__tls_options){.ca_file = "/nowhere/ca.pem"}, OPAMP_ERR_IO,
           "/nowhere/ca.pem: No such file or directory");
  not_made(&(opamp__tls_options){.ca_file = cert_path("ca.key")}, OPAMP_ERR_TLS,
           "ca.key: no certificate in it");
  not_made(&(opamp__tls_options){.ca_file = "/dev/null"}, OPAMP_ERR_IO,
           "/dev/null: not a regular file");
  not_made(&(opamp__tls_options){.ca_pem = "nonsense"}, OPAMP_ERR_TLS,
           "the CA text: no certificate in it");
  not_made(&(opamp__tls_options){.cert_file = cert_path("client.pem")},
           OPAMP_ERR_TLS, "a client certificate without a key");
  not_made(&(opamp__tls_options){.key_file = cert_path("client.key")},
           OPAMP_ERR_TLS, "a key without a client certificate");
  not_made(&(opamp__tls_options){.cert_file = cert_path("client.pem"),
                                 .key_file = cert_path("ca.pem")},
           OPAMP_ERR_TLS, "ca.pem: no private key in it");
}

/* Covers: SET-8 */
TEST(tls_authorities_from_a_directory) {
  char dir[] = "/tmp/opamp-authorities-XXXXXX";
  char from[400], to[64];
  CHECK(mkdtemp(dir) != NULL);
  not_made(&(opamp__tls_options){.ca_file = dir}, OPAMP_ERR_TLS,
           "no certificate in a .pem, .crt or .cer file");
  CHECK(realpath(cert_path("ca.pem"), from) != NULL);
  snprintf(to, sizeof to, "%s/ca.txt", dir);
  CHECK_EQ(symlink(from, to), 0);
  not_made(&(opamp__tls_options){.ca_file = dir}, OPAMP_ERR_TLS,
           "no certificate in a .pem, .crt or .cer file");
  CHECK_EQ(unlink(to), 0);
  snprintf(to, sizeof to, "%s/ca.crt", dir);
  CHECK_EQ(symlink(from, to), 0);
  BOTH {
    join(schemes[i], "127.0.0.1", tls_of(&(opamp__tls_options){.ca_file = dir}),
         "server.pem", "server.key", NULL, NULL);
    accepted();
  }
  CHECK_EQ(unlink(to), 0);
  CHECK_EQ(rmdir(dir), 0);
}

/* Covers: SET-8 */
TEST(tls_versions_and_ciphers_are_checked) {
  CHECK_EQ(opamp__tls_check_version("1.2"), OPAMP_OK);
  CHECK_EQ(opamp__tls_check_version("TLSv1.3"), OPAMP_OK);
  CHECK_EQ(opamp__tls_check_version("1.4"), OPAMP_ERR_INVALID);
  CHECK(strstr(opamp_errmsg(), "\"1.4\"") != NULL);
  CHECK_EQ(opamp__tls_check_version("SSLv3"), OPAMP_ERR_INVALID);
  CHECK_EQ(opamp__tls_check_ciphers("TLS_AES_128_GCM_SHA256"), OPAMP_OK);
  CHECK_EQ(opamp__tls_check_ciphers("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,"
                                    "TLS_AES_256_GCM_SHA384"),
           OPAMP_OK);
  CHECK_EQ(opamp__tls_check_ciphers("TLS_AES_128_GCM_SHA256,TLS_NONSENSE"),
           OPAMP_ERR_INVALID);
  CHECK(strstr(opamp_errmsg(), "\"TLS_NONSENSE\"") != NULL);
  not_made(&(opamp__tls_options){.min_version = "1.3", .max_version = "1.2"},
           OPAMP_ERR_INVALID, "below");
}
