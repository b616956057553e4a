/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP/1.1 request parser of opamp-peer. */
#include "peer/http1.h"

#include "harness.h"

static const http1_limits limits = {.line = 200, .headers = 8, .body = 1000};

static const char stream[] =
    "\r\nGET /a?b HTTP/1.1\r\nHost: x\r\n\r\n"
    "POST / HTTP/1.1\r\nHost:x\r\nContent-Length: 5\r\nA: 1\r\na:\t2 \r\n\r\n"
    "hello"
    "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3;ext=1\r\nabc\r\n00a\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
    "POST /n HTTP/1.0\nContent-Length: 0\n\n";

/* What the requests of `stream` are, one line each. */
static const char expected[] =
    "GET /a?b 1.1 keep 1 []\n"
    "POST / 1.1 keep 4 [hello]\n"
    "POST /c 1.1 keep 3 [abc0123456789]\n"
    "POST /n 1.0 close 1 []\n";

static void note(tool_buf *out, const http1_request *r) {
  tool_buf_printf(out, "%s %s 1.%d %s %zu [%.*s]\n", http1_method(r),
                  http1_target(r), r->minor, r->keep_alive ? "keep" : "close",
                  r->header_count, (int)r->body.len,
                  r->body.len > 0 ? (const char *)r->body.ptr : "");
}

/* Feeds one piece, and goes on behind every complete request. */
static http1_result feed(http1 *p, tool_buf *out, const char *bytes, size_t n) {
  http1_result rc = HTTP1_MORE;
  size_t at = 0, used;
  while (at < n) {
    rc = http1_feed(p, (const uint8_t *)bytes + at, n - at, &used);
    at += used;
    if (rc == HTTP1_BAD) break;
    if (rc == HTTP1_DONE) {
      note(out, &p->request);
      http1_next(p);
    }
  }
  return rc;
}

TEST(split_at_every_byte) {
  for (size_t i = 0; i <= sizeof stream - 1; i++) {
    http1 p;
    tool_buf out = {0};
    http1_init(&p, &limits);
    feed(&p, &out, stream, i);
    feed(&p, &out, stream + i, sizeof stream - 1 - i);
    CHECK_MEM(out.ptr, out.len, expected, sizeof expected - 1);
    CHECK(!http1_in_request(&p));
    tool_buf_free(&out);
    http1_free(&p);
  }
}

TEST(byte_by_byte) {
  http1 p;
  tool_buf out = {0};
  http1_init(&p, &limits);
  for (size_t i = 0; i < sizeof stream - 1; i++) feed(&p, &out, stream + i, 1);
  CHECK_MEM(out.ptr, out.len, expected, sizeof expected - 1);
  tool_buf_free(&out);
  http1_free(&p);
}

/* The status that an input deserves; 0: it is not bad. */
static int status_of(const char *input) {
  http1 p;
  tool_buf out = {0};
  http1_init(&p, &limits);
  http1_result rc = feed(&p, &out, input, strlen(input));
  int status = rc == HTTP1_BAD ? p.status : 0;
  tool_buf_free(&out);
  http1_free(&p);
  return status;
}

#define HEAD "POST / HTTP/1.1\r\nHost: x\r\n"

TEST(bad_input) {
  static const struct {
    const char *input;
    int status;
  } rows[] = {
      {HEAD "\r\n", 0},
      {"GET /\r\n", 400},
      {" / HTTP/1.1\r\n", 400},
      {"G(T / HTTP/1.1\r\n", 400},
      {"GET  HTTP/1.1\r\n", 400},
      {"GET / HTTP/1.1 \r\n", 400},
      {"GET / HTTP/2.0\r\n", 505},
      {"GET / FTP/1.11\r\n", 400},
      {"\x16\x03\x01\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {HEAD "no colon\r\n", 400},
      {HEAD " folded: x\r\n", 400},
      {HEAD "space : x\r\n", 400},
      {HEAD "a: \x01\r\n", 400},
      {HEAD "a: b\rc\r\n", 400},
      {HEAD "Content-Length: -1\r\n\r\n", 400},
      {HEAD "Content-Length: 1 1\r\n\r\n", 400},
      {HEAD "Content-Length:\r\n\r\n", 400},
      {HEAD "Content-Length: 99999999999999999999\r\n\r\n", 400},
      {HEAD "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {HEAD "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 0},
      {HEAD "Content-Length: 1001\r\n\r\n", 413},
      {HEAD "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {HEAD "Transfer-Encoding: gzip\r\n\r\n", 501},
      {HEAD "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400},
      {HEAD "Transfer-Encoding: chunked\r\n\r\n\r\n", 400},
      {HEAD "Transfer-Encoding: chunked\r\n\r\n1g\r\n", 400},
      {HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400},
      {HEAD "Transfer-Encoding: chunked\r\n\r\n3e9\r\n", 413},
      {HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3e7\r\n", 413},
      {HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3e6\r\n", 0},
      {HEAD "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 413},
      {HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\nbad\r\n", 400},
      {HEAD "1:\r\n2:\r\n3:\r\n4:\r\n5:\r\n6:\r\n7:\r\n\r\n", 0},
      {HEAD "1:\r\n2:\r\n3:\r\n4:\r\n5:\r\n6:\r\n7:\r\n8:\r\n", 431},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (status_of(rows[i].input) != rows[i].status)
      harness_fail(__FILE__, __LINE__, "\"%s\" gives %d, not %d", rows[i].input,
                   status_of(rows[i].input), rows[i].status);
}

TEST(long_lines) {
  char line[300];
  memset(line, 'a', sizeof line);
  http1 p;
  size_t used;
  http1_init(&p, &limits);
  CHECK_EQ(http1_feed(&p, (uint8_t *)line, limits.line, &used), HTTP1_MORE);
  CHECK_EQ(http1_feed(&p, (uint8_t *)line, 1, &used), HTTP1_BAD);
  CHECK_EQ(p.status, 414);
  http1_free(&p);
}

TEST(head_comes_before_the_body) {
  static const char head[] =
      HEAD "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n";
  http1 p;
  size_t used;
  http1_init(&p, &limits);
  CHECK_EQ(http1_feed(&p, (const uint8_t *)head, sizeof head - 1, &used),
           HTTP1_HEAD);
  CHECK_EQ(used, sizeof head - 1);
  CHECK(p.request.expects_continue);
  CHECK(http1_in_request(&p));
  CHECK_EQ(http1_feed(&p, (const uint8_t *)"abX", 3, &used), HTTP1_DONE);
  CHECK_EQ(used, 2);
  http1_free(&p);
}

TEST(headers_are_found_in_any_case) {
  static const char input[] =
      "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive , UPGRADE\r\n"
      "connection: close\r\nCONTENT-LENGTH: 0\r\n\r\n";
  http1 p;
  size_t used;
  http1_init(&p, &limits);
  CHECK_EQ(http1_feed(&p, (const uint8_t *)input, sizeof input - 1, &used),
           HTTP1_DONE);
  const http1_request *r = &p.request;
  CHECK_STR(http1_header_get(r, "content-length"), "0");
  CHECK_STR(http1_header_get(r, "Connection"), "keep-alive , UPGRADE");
  CHECK(http1_header_get(r, "none") == NULL);
  CHECK(http1_header_has(r, "Connection", "upgrade"));
  CHECK(http1_header_has(r, "Connection", "close"));
  CHECK(!http1_header_has(r, "Connection", "clos"));
  CHECK(!r->keep_alive);
  http1_free(&p);
}
