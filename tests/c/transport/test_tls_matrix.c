/* SPDX-License-Identifier: Apache-2.0 */
#include <netdb.h>
#include <stdlib.h>

#include "fixture.h"
#include "transport/dial.h"

/* Servers with every kind of certificate (certs_matrix.sh): over HTTP and over
 * WebSocket the verdict is the same, in the same words. */

static const char *const schemes[] = {"https", "wss"};
static world w;
static server s;
static client c;

#define UNVERIFIED "certificate verify failed: "

typedef struct verdict {
  const char *cert; /* what the server shows */
  const char *host; /* NULL: localhost */
  const char *why;  /* it is refused; NULL: it is not */
  const char *ca;   /* what is trusted; NULL: root.pem */
} verdict;

static const verdict matrix[] = {
    {"good", NULL, NULL, NULL},
    {"good", "127.0.0.1", NULL, NULL},
    {"good", "::1", NULL, NULL},
    {"chain", NULL, NULL, NULL},
    {"disorder", NULL, NULL, NULL},
    /* whom to trust */
    {"gap", NULL, UNVERIFIED "unable to get local issuer certificate (depth 0)",
     NULL},
    {"unknown", NULL,
     UNVERIFIED "unable to get local issuer certificate (depth 0)", NULL},
    {"stranger", NULL, UNVERIFIED "self-signed certificate (depth 0)", NULL},
    {"sent_root", NULL,
     UNVERIFIED "self-signed certificate in certificate chain (depth 1)", NULL},
    {"forged", NULL, UNVERIFIED "certificate signature failure (depth 0)",
     NULL},
    {"under_no_middle", NULL, UNVERIFIED "invalid CA certificate (depth 1)",
     NULL},
    {"under_deep_middle", NULL,
     UNVERIFIED "path length constraint exceeded (depth 2)", "short_root.pem"},
    /* when */
    {"expired", NULL, UNVERIFIED "certificate has expired (depth 0)", NULL},
    {"later", NULL, UNVERIFIED "certificate is not yet valid (depth 0)", NULL},
    {"under_old_middle", NULL, UNVERIFIED "certificate has expired (depth 1)",
     NULL},
    {"under_old_root", NULL, UNVERIFIED "certificate has expired (depth 1)",
     "old_root.pem"},
    /* for whom */
    {"other_name", NULL, UNVERIFIED "hostname mismatch (depth 0)", NULL},
    {"other_name", "127.0.0.1", UNVERIFIED "IP address mismatch (depth 0)",
     NULL},
    {"other_address", "127.0.0.1", UNVERIFIED "IP address mismatch (depth 0)",
     NULL},
    {"other_address", "::1", UNVERIFIED "IP address mismatch (depth 0)", NULL},
    {"other_address", NULL, UNVERIFIED "hostname mismatch (depth 0)", NULL},
    {"address_as_name", "127.0.0.1", UNVERIFIED "IP address mismatch (depth 0)",
     NULL},
    {"wildcard", "a.example.test", NULL, NULL},
    {"wildcard", "A.EXAMPLE.test", NULL, NULL},
    {"wildcard", "a.b.example.test", UNVERIFIED "hostname mismatch (depth 0)",
     NULL},
    {"wildcard", "example.test", UNVERIFIED "hostname mismatch (depth 0)",
     NULL},
    {"part_wildcard", "ab.example.test",
     UNVERIFIED "hostname mismatch (depth 0)", NULL},
    {"top_wildcard", NULL, UNVERIFIED "hostname mismatch (depth 0)", NULL},
    {"under_fenced", NULL, UNVERIFIED "permitted subtree violation (depth 0)",
     NULL},
    /* for what, and how */
    {"for_clients", NULL, UNVERIFIED "unsuitable certificate purpose (depth 0)",
     NULL},
    {"critical", NULL, UNVERIFIED "unhandled critical extension (depth 0)",
     NULL},
    {"weak", NULL, UNVERIFIED "EE certificate key too weak (depth 0)", NULL},
    {"sha1", NULL,
     UNVERIFIED "CA signature digest algorithm too weak (depth 0)", NULL},
};

/* Every name is this machine; numbers are what they are. */
static int loopback(const char *host, const char *service,
                    const struct addrinfo *hints, struct addrinfo **out) {
  struct addrinfo numeric = *hints;
  (void)host;
  numeric.ai_flags |= AI_NUMERICHOST;
  return getaddrinfo("127.0.0.1", service, &numeric, out);
}

static void make_certificates(void) {
  char command[600];
  snprintf(command, sizeof command, "sh %s/transport/certs_matrix.sh %s",
           harness_source_dir(), cert_path(""));
  CHECK_EQ(system(command), 0);
}

static void join(const verdict *v, const char *scheme, bool insecure) {
  const char *host = v->host == NULL ? "localhost" : v->host;
  char name[64], cert[64], key[64];
  opamp__tls *tls;
  snprintf(name, sizeof name, "host=%s",
           strchr(host, ':') != NULL ? "::1" : "127.0.0.1");
  snprintf(cert, sizeof cert, "%s.pem", v->cert);
  snprintf(key, sizeof key, "%s.key", v->cert);
  CHECK_EQ(opamp__tls_new(
               &tls,
               &(opamp__tls_options){
                   .ca_file = cert_path(v->ca == NULL ? "root.pem" : v->ca),
                   .insecure = insecure}),
           OPAMP_OK);
  memset(&c, 0, sizeof c);
  server_start(&s, strcmp(scheme, "wss") == 0 ? "ws_echo" : "http_echo",
               "quiet=1", "ciphers=DEFAULT:@SECLEVEL=0",
               cert_option("cert", cert), cert_option("key", key), name, NULL);
  world_open(&w, 8);
  target t = at(scheme, &s);
  t.host = host;
  t.tls = tls;
  client_open(&c, &w, &t);
  opamp__tls_unref(tls);
  if (strcmp(scheme, "https") == 0) client_send_text(&c, "hello");
  int64_t end = now_ms() + 20000;
  while (c.opened == 0 && c.closed == 0 && now_ms() < end)
    opamp__reactor_step(w.reactor, 100);
}

static void leave(void) {
  client_reset(&c);
  world_close(&w);
  server_stop(&s);
}

static bool as_expected(const verdict *v) {
  if (v->why == NULL) return c.opened == 1;
  return c.opened == 0 && c.why == OPAMP_ERR_TLS && strcmp(c.text, v->why) == 0;
}

/* Covers: SET-8 */
TEST(tls_matrix) {
  int wrong = 0;
  make_certificates();
  opamp__getaddrinfo = loopback;
  for (size_t i = 0; i < sizeof matrix / sizeof *matrix; i++) {
    const verdict *v = &matrix[i];
    for (size_t k = 0; k < 2; k++) {
      join(v, schemes[k], false);
      if (!as_expected(v)) {
        wrong++;
        printf("%s, %s, %s: \"%s\"\n", v->cert, v->host, schemes[k],
               c.opened ? "accepted" : c.text);
      }
      leave();
    }
  }
  opamp__getaddrinfo = getaddrinfo;
  CHECK_EQ(wrong, 0);
}
