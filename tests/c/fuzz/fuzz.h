/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_FUZZ_H
#define OPAMP_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "opamp/types.h"

/* A fuzz target is one file with this function. It is linked either with
 * libFuzzer (./dev fuzz) or with replay.c, which runs it over files. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* What must hold of any input; else the program ends, as libFuzzer wants. */
#define FUZZ_CHECK(cond) \
  do {                   \
    if (!(cond)) fuzz_fail(__FILE__, __LINE__, #cond); \
  } while (0)

#if defined(__GNUC__)
__attribute__((noreturn))
#endif
void fuzz_fail(const char *file, int line, const char *what);

/* The input, taken from the front. At its end everything is 0 or empty. */
typedef struct fuzz_in {
  const uint8_t *p, *end;
} fuzz_in;

uint8_t fuzz_byte(fuzz_in *in);
uint64_t fuzz_varint(fuzz_in *in);
opamp_bytes fuzz_bytes(fuzz_in *in); /* a varint, and as many, if there are */
opamp_bytes fuzz_line(fuzz_in *in);  /* up to a line feed or the end */
opamp_bytes fuzz_rest(fuzz_in *in);

/* A block of its own, so that a sanitizer sees reads beyond it; free() it. */
uint8_t *fuzz_exact(opamp_bytes b);

static inline opamp_str fuzz_str(opamp_bytes b) {
  return (opamp_str){(const char *)b.ptr, b.len};
}

#endif
