/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/str.h"
#include "harness.h"
#include "transport/proxy_env.h"

static const char *const names[] = {"http_proxy",  "HTTP_PROXY", "https_proxy",
                                    "HTTPS_PROXY", "all_proxy",  "ALL_PROXY",
                                    "no_proxy",    "NO_PROXY"};

/* The environment is these variables, "name=value" each, NULL-terminated. */
static void environment(const char *const *list) {
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    CHECK_EQ(unsetenv(names[i]), 0);
  for (; *list != NULL; list++) {
    char name[32];
    const char *value = strchr(*list, '=');
    size_t n = (size_t)(value - *list);
    memcpy(name, *list, n);
    name[n] = '\0';
    CHECK_EQ(setenv(name, value + 1, 1), 0);
  }
}

#define ENVIRONMENT(...) environment((const char *const[]){__VA_ARGS__, NULL})

/* The address of the proxy for a URL, "" for none; a static buffer. */
static const char *found(const char *url) {
  static char address[64];
  opamp__url u;
  opamp__proxy p;
  address[0] = '\0';
  CHECK_EQ(opamp__url_parse(&u, opamp__str(url)), OPAMP_OK);
  CHECK_EQ(opamp__proxy_from_env(&p, &u), OPAMP_OK);
  if (p.address != NULL) strcpy(address, p.address);
  opamp__proxy_free(&p);
  opamp__url_free(&u);
  return address;
}

/* Covers: SET-9 */
TEST(variables) {
  ENVIRONMENT("x=");
  CHECK_STR(found("ws://h"), "");
  ENVIRONMENT("http_proxy=p:1", "https_proxy=q:2");
  CHECK_STR(found("ws://h"), "p:1");
  CHECK_STR(found("http://h"), "p:1");
  CHECK_STR(found("wss://h"), "q:2");
  CHECK_STR(found("https://h"), "q:2");
  ENVIRONMENT("HTTP_PROXY=p:1", "HTTPS_PROXY=q:2", "ALL_PROXY=r:3");
  CHECK_STR(found("http://h"), "r:3");
  CHECK_STR(found("https://h"), "q:2");
  ENVIRONMENT("https_proxy=p:1", "HTTPS_PROXY=q:2");
  CHECK_STR(found("https://h"), "p:1");
  ENVIRONMENT("https_proxy=", "HTTPS_PROXY=q:2", "all_proxy=r:3");
  CHECK_STR(found("https://h"), "q:2");
  ENVIRONMENT("all_proxy=socks5h://r:3", "no_proxy=other,h");
  CHECK_STR(found("ws://h"), "");
  CHECK_STR(found("ws://g"), "r:3");
  ENVIRONMENT("all_proxy=r:3", "no_proxy=", "NO_PROXY=h");
  CHECK_STR(found("ws://h"), "");
}

/* Covers: SET-9, SEC-2 */
TEST(a_bad_variable_is_named) {
  opamp__url u;
  opamp__proxy p;
  ENVIRONMENT("all_proxy=socks4://u:hunter2@p");
  CHECK_EQ(opamp__url_parse(&u, opamp__str("ws://h")), OPAMP_OK);
  CHECK_EQ(opamp__proxy_from_env(&p, &u), OPAMP_ERR_INVALID);
  CHECK(strstr(opamp_errmsg(), "all_proxy") != NULL);
  CHECK(strstr(opamp_errmsg(), "hunter2") == NULL);
  CHECK(p.address == NULL);
  opamp__url_free(&u);
}

/* Covers: SET-9 */
TEST(exceptions) {
  static const struct {
    const char *list, *host;
    bool excepted;
  } all[] = {
      {"*", "h", true},
      {"*,x", "h", false},
      {"a.b", "a.b", true},
      {"A.b", "a.B", true},
      {"a.b", "x.a.b", true},
      {".a.b", "x.a.b", true},
      {".a.b", "a.b", true},
      {"a.b.", "x.a.b", true},
      {"a.b", "x.a.b.", true},
      {"a.b", "xa.b", false},
      {"x.a.b", "a.b", false},
      {"*.a.b", "x.a.b", false},
      {"a.b:80", "a.b", false},
      {"x , a.b", "a.b", true},
      {"x a.b", "a.b", true},
      {",,", "a", false},
      {".", "a", false},
      {"10.0.0.1", "10.0.0.1", true},
      {"10.0.0.1", "10.0.0.11", false},
      {"0.0.1", "10.0.0.1", false},
      {"10.0.0.0/8", "10.9.9.9", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"10.0.0.0/31", "10.0.0.1", true},
      {"10.0.0.0/31", "10.0.0.2", false},
      {"0.0.0.0/0", "10.0.0.2", true},
      {"10.0.0.0/33", "10.0.0.0", false},
      {"10.0.0.0/", "10.0.0.0", false},
      {"10.0.0.0/8", "fd00::1", false},
      {"::1", "::1", true},
      {"[::1]", "::1", true},
      {"fd00::/7", "fdff::1", true},
      {"[fd00::]/8", "fc00::1", false},
      {"/8", "10.0.0.1", false},
      {"[", "::1", false},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (opamp__proxy_excepted(all[i].list, all[i].host) != all[i].excepted)
      CHECK_STR(all[i].list, all[i].host);
}
