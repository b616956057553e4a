/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/redact.h"
#include "base/str.h"
#include "harness.h"

static void check(const char *patterns, const char *text, const char *want) {
  opamp__buf out = {NULL, 0, 0};
  CHECK(opamp__redact(&out, opamp__str(text), opamp__str(patterns)));
  CHECK(opamp__buf_byte(&out, 0));
  CHECK_STR((const char *)out.ptr, want);
  opamp__buf_free(&out);
}

/* Covers: SEC-4 */
TEST(plain_lines) {
  check("*password*", "user=a\nDB_PASSWORD=s3cret, really\nx=1\n",
        "user=a\nDB_PASSWORD=\"***\"\nx=1\n");
  check("password", "user: a\npassword: 'it''s'\nx: 1",
        "user: a\npassword: \"***\"\nx: 1");
  check("token", "token =  abc\r\n", "token =  \"***\"\n");
  check("token", "token:\nx: 1", "token:\nx: 1");
  check("token", "# token: old", "# token: \"***\"");
}

/* Covers: SEC-4 */
TEST(json) {
  check("api?key,secret",
        "{\"apiKey\":\"a\\\"b\",\"n\":1,\"api_key\": \"c\", \"secret\":7}",
        "{\"apiKey\":\"a\\\"b\",\"n\":1,\"api_key\": \"***\", "
        "\"secret\":\"***\"}");
  check("auth", "{\"auth\":{\"user\":\"u\",\"p\":[1,\"]\"]},\"x\":[\"auth\"]}",
        "{\"auth\":\"***\",\"x\":[\"auth\"]}");
}

/* Covers: SEC-4 */
TEST(yaml_blocks) {
  check("key",
        "tls:\n  key: |\n    -----BEGIN\n\n    abc\n  cert: c\n"
        "list:\n- key: 1\n- name: key\n",
        "tls:\n  key: \"***\"\n  cert: c\n"
        "list:\n- key: \"***\"\n- name: key\n");
  check("tokens", "tokens:\n- a\n- b\nnext: c\n", "tokens: \"***\"\nnext: c\n");
  check("auth", "auth:\n  user: u\n  pass: p\nx: {auth: {a: b}, c: d}\n",
        "auth: \"***\"\nx: {auth: \"***\", c: d}\n");
}

/* Covers: SEC-4 */
TEST(patterns) {
  check("*", "a: 1\nb: 2", "a: \"***\"\nb: \"***\"");
  check("pass*rd", "PassWord: 1\npasswor: 2", "PassWord: \"***\"\npasswor: 2");
  check(" a , b ", "a: 1\nb: 2\nab: 3", "a: \"***\"\nb: \"***\"\nab: 3");
  check("", "a: 1", "a: 1");
  check("*a*b", "xaxxb: 1\nxa: 2", "xaxxb: \"***\"\nxa: 2");
}

/* Covers: SEC-4 */
TEST(odd_texts_survive) {
  check("k", "", "");
  check("k", "k", "k");
  check("k", "k:", "k:");
  check("k", "\"k", "\"k");
  check("k", "\"k\":\"never closed", "\"k\":\"***\"");
  check("k", "k: [1, {", "k: \"***\"");
  check("k", "}}]] k: 1", "}}]] k: \"***\"");
}

TEST(memory_runs_out) {
  for (size_t n = 1; n < 6; n++) {
    opamp__buf out = {NULL, 0, 0};
    opamp__mem_fail_after(n);
    (void)opamp__redact(&out, opamp__str("some: text\nk: v\n"),
                        opamp__str("k"));
    opamp__mem_fail_after(0);
    opamp__buf_free(&out);
  }
}
