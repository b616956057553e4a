/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: a byte for the type, then the wire form. What is taken keeps its
 * meaning through packing and parsing, and is within the limits. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "fuzz.h"
#include "wire/wire.h"

static const opamp__limits tight = {
    .bytes = 512,
    .depth = 6,
    .fields = 60,
    .unknown = 4,
    .repeats = 3,
    .heap = 8192,
};

static opamp_msg *parse(int type, const opamp__buf *wire) {
  opamp_msg *m = NULL;
  FUZZ_CHECK(opamp_msg_parse(&m, type, opamp__buf_bytes(wire)) == OPAMP_OK);
  return m;
}

static opamp__buf canonical(const opamp_msg *m) {
  opamp__buf out = {NULL, 0, 0};
  FUZZ_CHECK(opamp__msg_pack_canonical(m, &out) == OPAMP_OK);
  return out;
}

static opamp__buf plain(const opamp_msg *m) {
  opamp__buf out = {NULL, 0, 0};
  size_t n = 0;
  opamp_status s = opamp_msg_pack(m, NULL, &n);
  FUZZ_CHECK(s == (n > 0 ? OPAMP_ERR_SPACE : OPAMP_OK));
  FUZZ_CHECK(opamp__buf_reserve(&out, n + 1));
  out.len = n;
  FUZZ_CHECK(opamp_msg_pack(m, out.ptr, &out.len) == OPAMP_OK);
  FUZZ_CHECK(out.len == n);
  return out;
}

static void check_means(const opamp_msg *m, const opamp__buf *want) {
  opamp__buf got = canonical(m);
  FUZZ_CHECK(opamp__bytes_eq(opamp__buf_bytes(&got), opamp__buf_bytes(want)));
  opamp__buf_free(&got);
}

static void check_stable(opamp_msg *m) {
  int type = opamp_msg_type(m);
  opamp__buf sorted = canonical(m), packed = plain(m);
  opamp_msg *from_sorted = parse(type, &sorted);
  opamp_msg *from_packed = parse(type, &packed);
  opamp_msg *copy = NULL;
  FUZZ_CHECK(opamp_msg_dup(&copy, m) == OPAMP_OK);
  check_means(from_sorted, &sorted);
  check_means(from_packed, &sorted);
  check_means(copy, &sorted);
  opamp_msg_free(copy);
  opamp_msg_free(from_packed);
  opamp_msg_free(from_sorted);
  opamp__buf_free(&packed);
  opamp__buf_free(&sorted);
}

/* Reads everything there is; the depth. */
static unsigned depth_of(const opamp_msg *m) {
  int type = opamp_msg_type(m);
  unsigned deepest = 0;
  for (size_t f = 0; f < opamp_msg_field_count(type); f++) {
    int field = opamp_msg_field_at(type, f);
    bool text = opamp_msg_field_kind(type, field) == OPAMP_KIND_STR;
    for (size_t i = 0; i < opamp_msg_count(m, field); i++) {
      const opamp_msg *sub = opamp_msg_sub(m, field, i);
      opamp_str s = opamp_msg_str(m, field, i);
      unsigned depth = sub != NULL ? depth_of(sub) : 0;
      FUZZ_CHECK(!text || opamp__utf8_valid((const uint8_t *)s.ptr, s.len));
      if (depth > deepest) deepest = depth;
    }
  }
  return deepest + 1;
}

/* Whether memory of the caller that the scan thought enough was enough. */
static void check_tight(int type, opamp_bytes wire) {
  enum { MEMORY = 3 * 8192 };
  opamp_msg *m = NULL;
  uint64_t *memory = malloc(MEMORY);
  FUZZ_CHECK(memory != NULL);
  if (opamp__msg_parse_in(memory, MEMORY, &m, type, wire, &tight) == OPAMP_OK) {
    opamp_msg *roomy = NULL;
    FUZZ_CHECK(wire.len <= tight.bytes);
    FUZZ_CHECK(depth_of(m) <= tight.depth);
    FUZZ_CHECK(opamp_msg_parse(&roomy, type, wire) == OPAMP_OK);
    opamp__buf want = canonical(roomy);
    check_means(m, &want);
    opamp__buf_free(&want);
    opamp_msg_free(roomy);
  }
  opamp_msg_free(m);
  free(memory);
}

/* Out of memory is said, and leaves nothing behind. */
static void check_no_memory(int type, opamp_bytes wire, size_t nth) {
  opamp_msg *m = NULL;
  opamp__mem_fail_after(nth);
  opamp_status s = opamp_msg_parse(&m, type, wire);
  opamp__mem_fail_after(0);
  FUZZ_CHECK((s == OPAMP_OK) == (m != NULL));
  opamp_msg_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  fuzz_in in = {bytes, bytes + n};
  int type = fuzz_byte(&in), types = 0;
  opamp_bytes wire = fuzz_rest(&in);
  uint8_t *exact = fuzz_exact(wire);
  opamp_msg *m = NULL;
  wire.ptr = exact;
  while (opamp_msg_type_name(types + 1) != NULL) types++;
  type = 1 + type % types;
  if (opamp_msg_parse(&m, type, wire) == OPAMP_OK) {
    FUZZ_CHECK(depth_of(m) <= opamp__limits_default.depth);
    check_stable(m);
    check_no_memory(type, wire, 1 + wire.len % 4);
  }
  opamp_msg_free(m);
  check_tight(type, wire);
  free(exact);
  return 0;
}
