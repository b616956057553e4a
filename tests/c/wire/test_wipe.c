/* SPDX-License-Identifier: Apache-2.0 */
/* What a secret was in holds it no more when it is freed. */
#include <stdlib.h>

#include "base/headers.h"
#include "base/mem.h"
#include "base/str.h"
#include "freed.h"
#include "gen.h"

static const char secret[] = "-----BEGIN PRIVATE KEY-----";
/* The secret and `padding` bytes behind it: a small piece or a large one. */
static opamp__buf certificate(size_t padding) {
  opamp__buf key = {0}, b = {0};
  CHECK(opamp__buf_append(&key, secret, sizeof secret - 1));
  for (size_t i = 0; i < padding; i++) CHECK(opamp__buf_byte(&key, 'x'));
  CHECK(opamp__put_bytes(&b, OPAMP_TLS_CERTIFICATE_PRIVATE_KEY,
                         opamp__buf_bytes(&key)));
  opamp__buf_wipe_free(&key);
  return b;
}

/* Covers: SEC-2 */
TEST(messages) {
  static const size_t paddings[] = {0, 5000};
  for (size_t i = 0; i < 2; i++) {
    opamp__buf wire = certificate(paddings[i]);
    opamp_msg *m = gen_parse(OPAMP_MSG_TLS_CERTIFICATE, wire), *copy;
    freed_watch(secret);
    CHECK_EQ(opamp_msg_dup(&copy, m), OPAMP_OK);
    opamp_msg_free(copy);
    opamp_msg_free(m);
    opamp__buf_wipe_free(&wire);
    CHECK(freed_count() >= 3);
    CHECK_EQ(freed_leaks(), 0);
  }
}

/* Covers: SEC-2 */
TEST(a_key_that_was_replaced) {
  opamp_msg *m = gen_new(OPAMP_MSG_TLS_CERTIFICATE);
  char large[4096] = {0};
  opamp_bytes key = {(const uint8_t *)large, sizeof large};
  memcpy(large, secret, sizeof secret);
  CHECK_EQ(opamp_msg_set_bytes(m, 2, key), OPAMP_OK);
  freed_watch(secret);
  opamp_bytes larger = {(const uint8_t *)calloc(1, 8192), 8192};
  CHECK_EQ(opamp_msg_set_bytes(m, 2, larger), OPAMP_OK);
  free((void *)(uintptr_t)larger.ptr);
  CHECK_EQ(freed_count(), 1);
  opamp_msg_free(m);
  CHECK_EQ(freed_leaks(), 0);
}

/* Covers: SEC-2 */
TEST(headers) {
  opamp__headers h = {0};
  CHECK_EQ(
      opamp__headers_add(&h, OPAMP__LIT("Authorization"), opamp__str(secret)),
      OPAMP_OK);
  freed_watch(secret);
  opamp__headers_free(&h);
  CHECK(freed_count() >= 3);
  CHECK_EQ(freed_leaks(), 0);
}

/* The wrapper would see one. */
TEST(a_leak_is_seen) {
  freed_watch(secret);
  opamp__free(opamp__strndup(secret, sizeof secret));
  CHECK_EQ(freed_leaks(), 1);
}
