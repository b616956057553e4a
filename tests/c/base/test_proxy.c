/* SPDX-License-Identifier: Apache-2.0 */
#include "base/proxy.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "harness.h"

static opamp_status parse(opamp__proxy *p, const char *text) {
  return opamp__proxy_parse(p, opamp__str(text));
}

/* Covers: SET-9 */
TEST(addresses) {
  static const struct {
    const char *text, *address, *host, *user, *password;
    opamp__proxy_kind kind;
  } list[] = {
      {"p:3128", "p:3128", "p", NULL, NULL, OPAMP__PROXY_HTTP},
      {"p", "p:80", "p", NULL, NULL, OPAMP__PROXY_HTTP},
      {"http://P.Example/", "p.example:80", "p.example", NULL, NULL,
       OPAMP__PROXY_HTTP},
      {"HTTPS://p", "p:443", "p", NULL, NULL, OPAMP__PROXY_HTTPS},
      {"socks5://p", "p:1080", "p", NULL, NULL, OPAMP__PROXY_SOCKS5},
      {"socks5h://p:9", "p:9", "p", NULL, NULL, OPAMP__PROXY_SOCKS5H},
      {"[::1]", "[::1]:80", "::1", NULL, NULL, OPAMP__PROXY_HTTP},
      {"https://u:w@[FE80::1]:8", "[fe80::1]:8", "fe80::1", "u", "w",
       OPAMP__PROXY_HTTPS},
      {"u:w@p:1", "p:1", "p", "u", "w", OPAMP__PROXY_HTTP},
      {"http://u@p", "p:80", "p", "u", "", OPAMP__PROXY_HTTP},
      {"http://u:@p", "p:80", "p", "u", "", OPAMP__PROXY_HTTP},
      {"http://%75s%40er:a:b@c%2f%25@p", "p:80", "p", "us@er", "a:b@c/%",
       OPAMP__PROXY_HTTP},
      {"socks5://u:%c3%a9@p", "p:1080", "p", "u", "\xc3\xa9",
       OPAMP__PROXY_SOCKS5},
  };
  for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
    opamp__proxy p;
    CHECK_EQ(parse(&p, list[i].text), OPAMP_OK);
    CHECK_STR(p.address, list[i].address);
    CHECK_STR(p.host, list[i].host);
    CHECK_EQ(p.user == NULL, list[i].user == NULL);
    CHECK_EQ(p.password == NULL, list[i].user == NULL);
    if (list[i].user != NULL) {
      CHECK_STR(p.user, list[i].user);
      CHECK_STR(p.password, list[i].password);
    }
    CHECK_EQ(p.kind, list[i].kind);
    opamp__proxy_free(&p);
    CHECK(p.address == NULL && p.user == NULL);
  }
}

TEST(what_is_wrong_is_said) {
  static const char *const list[][2] = {
      {"", "empty"},
      {"ftp://p", "\"ftp\""},
      {"socks4://p", "\"socks4\""},
      {"averyverylongschemeindeed://p", "\"averyverylongsch\""},
      {"http://", "no host"},
      {"http://:80", "no host"},
      {"u:w@", "no host"},
      {"http://[::1", "IPv6"},
      {"http://[1.2.3.4]", "IPv6"},
      {"http://[::1]x", "port"},
      {"p:", "port"},
      {"p:0", "port"},
      {"p:65536", "port"},
      {"p:1:2", "port"},
      {"p/x", "path"},
      {"http://u:a/b@p", "path"},
      {"p q", "percent"},
      {"p\n", "percent"},
      {"p%41", "host name"},
      {"p?q", "host name"},
      {":w@p", "without a user"},
      {"u%3a:w@p", "colon"},
      {"u:%0d@p", "percent-encoding"},
      {"u:%7f@p", "percent-encoding"},
      {"u:x%00y@p", "percent-encoding"},
      {"u:%4@p", "percent-encoding"},
      {"u:%g1@p", "percent-encoding"},
  };
  for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
    opamp__proxy p;
    CHECK_EQ(parse(&p, list[i][0]), OPAMP_ERR_INVALID);
    if (strstr(opamp_errmsg(), list[i][1]) == NULL)
      CHECK_STR(opamp_errmsg(), list[i][1]);
    CHECK(p.address == NULL && p.user == NULL && p.password == NULL);
  }
}

TEST(secrets_have_a_longest_length) {
  char text[300] = "u:";
  opamp__proxy p;
  memset(text + 2, 'x', 255);
  memcpy(text + 257, "@p", 3);
  CHECK_EQ(parse(&p, text), OPAMP_OK);
  CHECK_EQ(strlen(p.password), 255);
  opamp__proxy_free(&p);
  memcpy(text + 257, "x@p", 4);
  CHECK_EQ(parse(&p, text), OPAMP_ERR_INVALID);
  CHECK(strstr(opamp_errmsg(), "longer than 255") != NULL);
}

/* Covers: SEC-2, SET-9 */
TEST(a_password_is_never_printed) {
  static const char *const list[] = {"http://user:hunter2@",
                                     "user:hunter2@a:99999",
                                     "user:hunter2@a://b",
                                     "http://user:hunter2@a b",
                                     "ftp://user:hunter2@a",
                                     "http://user:hunter2@[::1",
                                     "http://a:hunter2",
                                     "http://user:hunter2%zz@a",
                                     "http://user:hunter2@a/hunter",
                                     "http://hunter2%3a:x@a"};
  for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
    opamp__proxy p;
    CHECK_EQ(parse(&p, list[i]), OPAMP_ERR_INVALID);
    CHECK(strstr(opamp_errmsg(), "hunter") == NULL);
    CHECK(strstr(opamp_errmsg(), "user:") == NULL);
  }
}

static void add(opamp__proxy *p, const char *name, const char *value) {
  CHECK_EQ(opamp__headers_add(&p->headers, opamp__str(name), opamp__str(value)),
           OPAMP_OK);
}

/* Covers: SET-9 */
TEST(equal_means_all_of_it) {
  static const char *const others[] = {"http://v:w@p:1",   "http://u:x@p:1",
                                       "http://u:w@q:1",   "http://u:w@p:2",
                                       "socks5://u:w@p:1", "http://p:1"};
  opamp__proxy a, b;
  CHECK_EQ(parse(&a, "http://u:w@p:1"), OPAMP_OK);
  CHECK(opamp__proxy_eq(NULL, NULL));
  CHECK(!opamp__proxy_eq(&a, NULL));
  CHECK(!opamp__proxy_eq(NULL, &a));
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    CHECK_EQ(parse(&b, others[i]), OPAMP_OK);
    CHECK(!opamp__proxy_eq(&a, &b));
    CHECK(!opamp__proxy_eq(&b, &a));
    opamp__proxy_free(&b);
  }
  CHECK_EQ(parse(&b, "u:%77@P:1/"), OPAMP_OK);
  CHECK(opamp__proxy_eq(&a, &b));
  add(&a, "X", "1");
  CHECK(!opamp__proxy_eq(&a, &b));
  add(&b, "X", "2");
  CHECK(!opamp__proxy_eq(&a, &b));
  opamp__proxy_free(&b);
  CHECK_EQ(opamp__proxy_copy(&b, &a), OPAMP_OK);
  CHECK(opamp__proxy_eq(&a, &b));
  opamp__proxy_free(&b);
  opamp__proxy_free(&a);
}

TEST(out_of_memory) {
  opamp__proxy a, b;
  size_t n = 1;
  for (;; n++) {
    opamp__mem_fail_after(n);
    opamp_status st = parse(&a, "http://u:w@p:1");
    opamp__mem_fail_after(0);
    if (st == OPAMP_OK) break;
    CHECK_EQ(st, OPAMP_ERR_NOMEM);
    CHECK(a.host == NULL && a.user == NULL);
  }
  CHECK(n > 3);
  add(&a, "X", "1");
  for (n = 1;; n++) {
    opamp__mem_fail_after(n);
    opamp_status st = opamp__proxy_copy(&b, &a);
    opamp__mem_fail_after(0);
    if (st == OPAMP_OK) break;
    CHECK_EQ(st, OPAMP_ERR_NOMEM);
    CHECK(b.host == NULL && b.user == NULL);
  }
  CHECK(n > 5);
  opamp__proxy_free(&a);
  opamp__proxy_free(&b);
}
