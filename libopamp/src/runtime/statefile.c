/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/statefile.h"

#include <string.h>

#include "transport/transport.h"

enum {
  VERSION = 1,
  AT_VERSION = 8,
  AT_KEY = 12,
  AT_LENGTH = 56,
  AT_VALUE_HASH = 64,
  AT_HEAD_HASH = 96,
  HASH = 32
};

static const uint8_t magic[AT_VERSION] = "opampst";

bool opamp__statefile_is_key(const char *key) {
  size_t n = strnlen(key, OPAMP__STATEFILE_KEY + 1);
  return n > 0 && n <= OPAMP__STATEFILE_KEY &&
         strspn(key, "abcdefghijklmnopqrstuvwxyz_") == n;
}

static void put(uint8_t *p, uint64_t number, size_t n) {
  for (; n > 0; number >>= 8) p[--n] = (uint8_t)number;
}

static uint64_t get(const uint8_t *p, size_t n) {
  uint64_t number = 0;
  for (size_t i = 0; i < n; i++) number = number << 8 | p[i];
  return number;
}

/* Zeros, which are the hash of nothing, say that there is none. */
static bool make_hash(uint8_t hash[HASH], const uint8_t *p, size_t n) {
  static const uint8_t none[HASH];
  opamp__sha256((opamp_bytes){p, n}, hash);
  return memcmp(hash, none, HASH) != 0;
}

static opamp__statefile_verdict check_hash(const uint8_t *hash,
                                           const uint8_t *p, size_t n) {
  uint8_t real[HASH];
  if (!make_hash(real, p, n)) return OPAMP__STATEFILE_UNKNOWN;
  return memcmp(hash, real, HASH) == 0 ? OPAMP__STATEFILE_GOOD
                                       : OPAMP__STATEFILE_BROKEN;
}

bool opamp__statefile_head(uint8_t head[OPAMP__STATEFILE_HEAD], const char *key,
                           opamp_bytes value) {
  memset(head, 0, OPAMP__STATEFILE_HEAD);
  memcpy(head, magic, sizeof magic);
  put(head + AT_VERSION, VERSION, 4);
  memcpy(head + AT_KEY, key, strlen(key));
  put(head + AT_LENGTH, value.len, 8);
  return make_hash(head + AT_VALUE_HASH, value.ptr, value.len) &&
         make_hash(head + AT_HEAD_HASH, head, AT_HEAD_HASH);
}

opamp__statefile_verdict opamp__statefile_check_head(opamp_bytes head,
                                                     uint64_t size,
                                                     const char *key) {
  const uint8_t *h = head.ptr;
  size_t known = head.len < sizeof magic ? head.len : sizeof magic;
  if (known > 0 && memcmp(h, magic, known) != 0)
    return OPAMP__STATEFILE_FOREIGN;
  if (head.len < AT_KEY) return OPAMP__STATEFILE_SHORT;
  if (get(h + AT_VERSION, 4) > VERSION) return OPAMP__STATEFILE_NEWER;
  if (head.len < OPAMP__STATEFILE_HEAD) return OPAMP__STATEFILE_SHORT;
  opamp__statefile_verdict v = check_hash(h + AT_HEAD_HASH, h, AT_HEAD_HASH);
  if (v != OPAMP__STATEFILE_GOOD) return v;
  uint64_t length = get(h + AT_LENGTH, 8);
  if (get(h + AT_VERSION, 4) != VERSION || length > opamp__statefile_max)
    return OPAMP__STATEFILE_BROKEN;
  char name[AT_LENGTH - AT_KEY] = "";
  memcpy(name, key, strlen(key));
  if (memcmp(h + AT_KEY, name, sizeof name) != 0) return OPAMP__STATEFILE_OTHER;
  uint64_t whole = OPAMP__STATEFILE_HEAD + length;
  return size == whole  ? OPAMP__STATEFILE_GOOD
         : size < whole ? OPAMP__STATEFILE_SHORT
                        : OPAMP__STATEFILE_BROKEN;
}

opamp__statefile_verdict opamp__statefile_check_value(
    const uint8_t head[OPAMP__STATEFILE_HEAD], opamp_bytes value) {
  return check_hash(head + AT_VALUE_HASH, value.ptr, value.len);
}
