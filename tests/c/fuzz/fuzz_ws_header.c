/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a WebSocket message: any varint that is 0. */
#include <stdlib.h>

#include "fuzz.h"
#include "wire/wire.h"

enum { HEADER_MAX = 10 };

static size_t expected(const uint8_t *p, size_t n) {
  size_t i = 0;
  while (i < n && i < HEADER_MAX - 1 && p[i] == 0x80) i++;
  return i < n && p[i] == 0 ? i + 1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  uint8_t *exact = fuzz_exact((opamp_bytes){bytes, n});
  FUZZ_CHECK(opamp__ws_header(exact, n) == expected(exact, n));
  free(exact);
  return 0;
}
