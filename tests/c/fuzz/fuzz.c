/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_fail(const char *file, int line, const char *what) {
  fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
  abort();
}

static size_t left(const fuzz_in *in) {
  return (size_t)(in->end - in->p);
}

static opamp_bytes take(fuzz_in *in, size_t n) {
  opamp_bytes b = {in->p, n};
  in->p += n;
  return b;
}

uint8_t fuzz_byte(fuzz_in *in) {
  return left(in) > 0 ? *in->p++ : 0;
}

uint64_t fuzz_varint(fuzz_in *in) {
  uint64_t v = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    uint8_t byte = fuzz_byte(in);
    v |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return v;
}

opamp_bytes fuzz_bytes(fuzz_in *in) {
  uint64_t n = fuzz_varint(in);
  return take(in, n < left(in) ? (size_t)n : left(in));
}

opamp_bytes fuzz_line(fuzz_in *in) {
  const uint8_t *lf = left(in) > 0 ? memchr(in->p, '\n', left(in)) : NULL;
  opamp_bytes line;
  if (lf == NULL) return fuzz_rest(in);
  line = take(in, (size_t)(lf - in->p));
  in->p++;
  return line;
}

opamp_bytes fuzz_rest(fuzz_in *in) {
  return take(in, left(in));
}

uint8_t *fuzz_exact(opamp_bytes b) {
  uint8_t *copy = malloc(b.len > 0 ? b.len : 1);
  if (copy == NULL) fuzz_fail(__FILE__, __LINE__, "there is memory");
  if (b.len > 0) memcpy(copy, b.ptr, b.len);
  return copy;
}
