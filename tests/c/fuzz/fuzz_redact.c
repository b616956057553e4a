/* SPDX-License-Identifier: Apache-2.0 */
/* A line of patterns, and a text in any of the languages. */
#include <stdlib.h>
#include <string.h>

#include "base/redact.h"
#include "base/str.h"
#include "fuzz.h"

static const char known[] = "password: s3cr3t-Z9\n";
static const char secret[] = "s3cr3t-Z9";

static bool holds(const opamp__buf *b, const char *what) {
  return b->len > 0 && memmem(b->ptr, b->len, what, strlen(what)) != NULL;
}

/* Whatever follows, the value of a key at the front is not shown. */
static void check_secret(opamp_bytes text) {
  opamp__buf all = {NULL, 0, 0}, out = {NULL, 0, 0};
  FUZZ_CHECK(opamp__buf_append(&all, known, strlen(known)));
  FUZZ_CHECK(opamp__buf_append(&all, text.ptr, text.len));
  FUZZ_CHECK(opamp__redact(&out, fuzz_str(opamp__buf_bytes(&all)),
                           OPAMP__LIT("*pass*")));
  if (memmem(text.ptr, text.len, secret, strlen(secret)) == NULL)
    FUZZ_CHECK(!holds(&out, secret));
  opamp__buf_free(&out);
  opamp__buf_free(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  fuzz_in in = {bytes, bytes + n};
  opamp_bytes patterns = fuzz_line(&in), text = fuzz_rest(&in);
  uint8_t *exact_patterns = fuzz_exact(patterns), *exact = fuzz_exact(text);
  opamp__buf out = {NULL, 0, 0};
  patterns.ptr = exact_patterns;
  text.ptr = exact;
  FUZZ_CHECK(opamp__redact(&out, fuzz_str(text), fuzz_str(patterns)));
  opamp__buf_free(&out);
  FUZZ_CHECK(opamp__redact(&out, fuzz_str(text), OPAMP__LIT("")));
  FUZZ_CHECK(opamp__bytes_eq(opamp__buf_bytes(&out), text));
  opamp__buf_free(&out);
  check_secret(text);
  free(exact);
  free(exact_patterns);
  return 0;
}
