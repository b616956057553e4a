/* SPDX-License-Identifier: Apache-2.0 */
/* What servers and people write about addresses: a line with a URL, or that
 * of a proxy, then a Location. */
#include <stdlib.h>
#include <string.h>

#include "base/proxy.h"
#include "base/str.h"
#include "base/url.h"
#include "fuzz.h"

static void check_url(const opamp__url *u) {
  opamp__url again, copy;
  char authority[4096];
  FUZZ_CHECK(u->host[0] != '\0' && u->target[0] == '/' && u->port != 0);
  for (const char *c = u->text; *c != '\0'; c++)
    FUZZ_CHECK((unsigned char)*c > 0x20 && *c != 0x7f);
  FUZZ_CHECK(opamp__url_parse(&again, opamp__str(u->text)) == OPAMP_OK);
  FUZZ_CHECK(strcmp(again.text, u->text) == 0);
  FUZZ_CHECK(strcmp(again.target, u->target) == 0);
  FUZZ_CHECK(again.tls == u->tls && again.websocket == u->websocket);
  FUZZ_CHECK(opamp__url_same_origin(&again, u));
  FUZZ_CHECK(opamp__url_copy(&copy, u) == OPAMP_OK);
  FUZZ_CHECK(strcmp(copy.text, u->text) == 0 && copy.port == u->port);
  (void)opamp__url_authority(u, authority, sizeof authority);
  opamp__url_free(&copy);
  opamp__url_free(&again);
}

static void try_url(opamp_str text, opamp_str location) {
  opamp__url u, next;
  if (opamp__url_parse(&u, text) != OPAMP_OK) {
    FUZZ_CHECK(u.text == NULL);
    return;
  }
  check_url(&u);
  if (opamp__url_resolve(&next, &u, location) == OPAMP_OK) {
    FUZZ_CHECK(!u.websocket || next.websocket);
    check_url(&next);
    opamp__url_free(&next);
  }
  opamp__url_free(&u);
}

static void try_proxy(opamp_str text) {
  opamp__proxy p, again;
  if (opamp__proxy_parse(&p, text) != OPAMP_OK) {
    FUZZ_CHECK(p.address == NULL && p.user == NULL && p.password == NULL);
    return;
  }
  FUZZ_CHECK(p.host[0] != '\0' && p.port != 0);
  FUZZ_CHECK((p.user == NULL) == (p.password == NULL));
  FUZZ_CHECK(strchr(p.address, '@') == NULL);
  FUZZ_CHECK(opamp__proxy_parse(&again, opamp__str(p.address)) == OPAMP_OK);
  FUZZ_CHECK(strcmp(again.host, p.host) == 0 && again.port == p.port);
  opamp__proxy_free(&again);
  FUZZ_CHECK(opamp__proxy_copy(&again, &p) == OPAMP_OK);
  FUZZ_CHECK(opamp__proxy_eq(&again, &p));
  opamp__proxy_free(&again);
  opamp__proxy_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  fuzz_in in = {bytes, bytes + n};
  opamp_bytes text = fuzz_line(&in), location = fuzz_rest(&in);
  uint8_t *exact_text = fuzz_exact(text), *exact = fuzz_exact(location);
  try_url((opamp_str){(const char *)exact_text, text.len},
          (opamp_str){(const char *)exact, location.len});
  try_proxy((opamp_str){(const char *)exact_text, text.len});
  free(exact);
  free(exact_text);
  return 0;
}
