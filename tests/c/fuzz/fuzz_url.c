/* SPDX-License-Identifier: Apache-2.0 */
/* What servers and people write about addresses, one line each: a URL, a
 * Location, a Retry-After, the name and the value of a header. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/headers.h"
#include "base/retry_after.h"
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

static void try_header(opamp_str name, opamp_str value) {
  opamp__headers h = {NULL, 0}, copy = {NULL, 0};
  if (opamp__headers_add(&h, name, value) == OPAMP_OK) {
    FUZZ_CHECK(h.len == 1 && h.list[0].name[0] != '\0');
    FUZZ_CHECK(strpbrk(h.list[0].name, " :\r\n\t") == NULL);
    FUZZ_CHECK(strpbrk(h.list[0].value, "\r\n") == NULL);
    FUZZ_CHECK(opamp__headers_copy(&copy, &h) == OPAMP_OK);
    FUZZ_CHECK(strcmp(copy.list[0].value, h.list[0].value) == 0);
  } else {
    FUZZ_CHECK(h.len == 0);
  }
  opamp__headers_free(&copy);
  opamp__headers_free(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  enum { LINES = 5, NOW = 1800000000 };
  fuzz_in in = {bytes, bytes + n};
  opamp_str line[LINES];
  uint8_t *exact[LINES];
  for (int i = 0; i < LINES; i++) {
    opamp_bytes b = i < LINES - 1 ? fuzz_line(&in) : fuzz_rest(&in);
    exact[i] = fuzz_exact(b);
    line[i] = fuzz_str((opamp_bytes){exact[i], b.len});
  }
  try_url(line[0], line[1]);
  FUZZ_CHECK(opamp__retry_after_ms(line[2], NOW) >= -1);
  try_header(line[3], line[4]);
  for (int i = 0; i < LINES; i++) free(exact[i]);
  return 0;
}
