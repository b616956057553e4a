/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "harness.h"

static opamp_status parse(opamp__url *u, const char *text) {
  return opamp__url_parse(u, opamp__str(text));
}

typedef struct good {
  const char *text, *normal, *host, *target;
  int port;
  bool tls, websocket, ipv6;
} good;

/* Covers: CONN-14 */
TEST(addresses) {
  static const good list[] = {
      {"ws://a", "ws://a/v1/opamp", "a", "/v1/opamp", 80, 0, 1, 0},
      {"wss://a", "wss://a/v1/opamp", "a", "/v1/opamp", 443, 1, 1, 0},
      {"http://a", "http://a/v1/opamp", "a", "/v1/opamp", 80, 0, 0, 0},
      {"https://a", "https://a/v1/opamp", "a", "/v1/opamp", 443, 1, 0, 0},
      {"HTTPS://Example.COM:4320/P", "https://example.com:4320/P",
       "example.com", "/P", 4320, 1, 0, 0},
      {"https://a:443/", "https://a/", "a", "/", 443, 1, 0, 0},
      {"https://a:80/x?y=/?&z", "https://a:80/x?y=/?&z", "a", "/x?y=/?&z", 80,
       1, 0, 0},
      {"ws://a?q=1", "ws://a/v1/opamp?q=1", "a", "/v1/opamp?q=1", 80, 0, 1, 0},
      {"ws://[::1]:9/x", "ws://[::1]:9/x", "::1", "/x", 9, 0, 1, 1},
      {"http://[FE80::1]", "http://[fe80::1]/v1/opamp", "fe80::1", "/v1/opamp",
       80, 0, 0, 1},
      {"http://127.0.0.1:65535/@", "http://127.0.0.1:65535/@", "127.0.0.1",
       "/@", 65535, 0, 0, 0},
  };
  for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
    opamp__url u;
    CHECK_EQ(parse(&u, list[i].text), OPAMP_OK);
    CHECK_STR(u.text, list[i].normal);
    CHECK_STR(u.host, list[i].host);
    CHECK_STR(u.target, list[i].target);
    CHECK_EQ(u.port, list[i].port);
    CHECK_EQ(u.tls, list[i].tls);
    CHECK_EQ(u.websocket, list[i].websocket);
    CHECK_EQ(u.ipv6, list[i].ipv6);
    opamp__url_free(&u);
    CHECK(u.text == NULL);
  }
}

TEST(what_is_wrong_is_said) {
  static const char *const list[][2] = {
      {"", "empty"},
      {"a", "must begin with"},
      {"a:4320/v1", "must begin with"},
      {"://a", "must begin with"},
      {"ftp://a", "\"ftp\""},
      {"http://", "no host"},
      {"http:///x", "no host"},
      {"http://:80", "no host"},
      {"http://[]", "IPv6"},
      {"http://[::1", "IPv6"},
      {"http://[::g]", "IPv6"},
      {"http://[1.2.3.4]", "IPv6"},
      {"http://[::1]x", "port"},
      {"http://a:", "port"},
      {"http://a:0", "port"},
      {"http://a:65536", "port"},
      {"http://a:8x", "port"},
      {"http://::1/", "no host"},
      {"http://a b", "percent"},
      {"http://a\\b", "percent"},
      {"http://\xc3\xa9", "percent"},
      {"http://a%41", "host name"},
      {"http://a/\n", "control"},
      {"http://a/#x", "fragment"},
      {"http://u@a", "Authorization"},
  };
  for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
    opamp__url u;
    CHECK_EQ(parse(&u, list[i][0]), OPAMP_ERR_INVALID);
    if (strstr(opamp_errmsg(), list[i][1]) == NULL)
      CHECK_STR(opamp_errmsg(), list[i][1]);
    CHECK(u.text == NULL && u.host == NULL && u.port == 0);
  }
  char nul[] = "http://a/\0x";
  opamp__url u;
  CHECK_EQ(opamp__url_parse(&u, (opamp_str){nul, 11}), OPAMP_ERR_INVALID);
}

/* Covers: SEC-2 */
TEST(a_password_is_never_printed) {
  static const char *const list[] = {
      "https://user:hunter2@a",    "user:hunter2@a",
      "user:hunter2@a://b",        "https://user:hunter2@a:99999",
      "https://user:hunter2@a b/", "ftp://user:hunter2@a",
      "https://user:hunter2@/",    "https://user:hunter2@a/#x",
      "https://user:hunter2@[::1", "https://a:hunter2",
      "https://a/?token=hunter2 x"};
  for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
    opamp__url u;
    CHECK_EQ(parse(&u, list[i]), OPAMP_ERR_INVALID);
    CHECK(strstr(opamp_errmsg(), "hunter2") == NULL);
  }
}

/* Covers: HTTP-9 */
TEST(redirects) {
  static const char *const list[][3] = {
      {"http://a/b/c?d", "https://x:1/y", "https://x:1/y"},
      {"http://a/b/c?d", "//x/y", "http://x/y"},
      {"https://a/b/c?d", "/y?z", "https://a/y?z"},
      {"http://a:9/b/c?d", "y", "http://a:9/b/y"},
      {"http://a/b/c?d", "?z", "http://a/b/c?z"},
      {"http://a/b/c/d", "../y", "http://a/b/y"},
      {"http://a/b/c", "../../../y", "http://a/y"},
      {"http://a/b/c", "./y/./z/..", "http://a/b/y/"},
      {"http://a/b/c", "y?a/../b", "http://a/b/y?a/../b"},
      {"http://a/b/c", " /y#part ", "http://a/y"},
      {"ws://a/b", "http://x/y", "ws://x/y"},
      {"wss://a/b", "https://x/y", "wss://x/y"},
      {"ws://a/b", "https://x/y", "wss://x/y"},
      {"ws://a/b", "/y", "ws://a/y"},
      {"ws://[::1]:5/b", "/y", "ws://[::1]:5/y"},
  };
  for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
    opamp__url base, u;
    CHECK_EQ(parse(&base, list[i][0]), OPAMP_OK);
    CHECK_EQ(opamp__url_resolve(&u, &base, opamp__str(list[i][1])), OPAMP_OK);
    CHECK_STR(u.text, list[i][2]);
    opamp__url_free(&u);
    opamp__url_free(&base);
  }
}

TEST(redirects_to_nowhere) {
  static const char *const list[] = {
      "", " ", "#x", "ftp://a/", "mailto:a", "//", "http://u:p@a/", "/a b"};
  opamp__url base, u;
  CHECK_EQ(parse(&base, "http://a/b"), OPAMP_OK);
  for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
    CHECK_EQ(opamp__url_resolve(&u, &base, opamp__str(list[i])),
             OPAMP_ERR_INVALID);
    CHECK(u.text == NULL);
  }
  opamp__url_free(&base);
}

static bool same(const char *a, const char *b) {
  opamp__url u, v;
  CHECK_EQ(parse(&u, a), OPAMP_OK);
  CHECK_EQ(parse(&v, b), OPAMP_OK);
  bool yes = opamp__url_same_origin(&u, &v);
  opamp__url_free(&u);
  opamp__url_free(&v);
  return yes;
}

TEST(origins) {
  CHECK(same("http://A/x", "ws://a:80/y"));
  CHECK(!same("http://a", "http://a:81"));
  CHECK(!same("http://a", "http://b"));
}

TEST(authorities) {
  static const char *const list[][2] = {{"http://a/x", "a"},
                                        {"http://a:443/x", "a:443"},
                                        {"wss://[::1]", "[::1]"},
                                        {"wss://[::1]:80", "[::1]:80"}};
  for (size_t i = 0; i < 4; i++) {
    opamp__url u;
    char buf[32];
    CHECK_EQ(parse(&u, list[i][0]), OPAMP_OK);
    CHECK(opamp__url_authority(&u, buf, sizeof buf));
    CHECK_STR(buf, list[i][1]);
    CHECK(opamp__url_authority(&u, buf, strlen(list[i][1]) + 1));
    CHECK(!opamp__url_authority(&u, buf, strlen(list[i][1])));
    opamp__url_free(&u);
  }
}

TEST(out_of_memory) {
  opamp__url base, u, copy;
  CHECK_EQ(parse(&base, "http://a/b"), OPAMP_OK);
  for (size_t n = 1;; n++) {
    opamp__mem_fail_after(n);
    opamp_status s = opamp__url_resolve(&u, &base, OPAMP__LIT("../c"));
    opamp_status c = s == OPAMP_OK ? opamp__url_copy(&copy, &u) : s;
    opamp__mem_fail_after(0);
    if (c == OPAMP_OK) CHECK_STR(copy.text, "http://a/c");
    if (c == OPAMP_OK) opamp__url_free(&copy);
    opamp__url_free(&u);
    CHECK(c == OPAMP_OK || c == OPAMP_ERR_NOMEM);
    if (c == OPAMP_OK) break;
    CHECK(n < 20);
  }
  opamp__url_free(&base);
}
