/* SPDX-License-Identifier: Apache-2.0 */
/* No memory, and memory that held values. */
#include "base/mem.h"
#include "freed.h"
#include "statedir_rig.h"

static const char secret[] = "-----BEGIN PRIVATE KEY-----";
static opamp__statedir *begin(size_t padding) {
  opamp__buf b = {0};
  rig_fresh();
  opamp__statedir *s = rig_open();
  CHECK(opamp__buf_append(&b, secret, sizeof secret - 1));
  for (size_t i = 0; i < padding; i++) CHECK(opamp__buf_byte(&b, 'x'));
  CHECK_EQ(opamp__statedir_save(s, "private_key", opamp__buf_bytes(&b)),
           OPAMP_OK);
  opamp__buf_wipe_free(&b);
  freed_watch(secret);
  return s;
}

/* --- wiping --------------------------------------------------------------- */

/* Covers: SEC-2 */
TEST(a_value_is_in_no_memory_that_was_freed) {
  static const size_t paddings[] = {0, 100000};
  for (size_t i = 0; i < 2; i++) {
    opamp__buf b = {0};
    opamp__statedir *s = begin(paddings[i]);
    CHECK_EQ(opamp__statedir_load(s, "private_key", &b), OPAMP_OK);
    /* A second one behind the first, which has to move. */
    CHECK_EQ(opamp__statedir_load(s, "private_key", &b), OPAMP_OK);
    CHECK_EQ(b.len, 2 * (sizeof secret - 1 + paddings[i]));
    CHECK_EQ(opamp__statedir_save(s, "private_key", opamp__buf_bytes(&b)),
             OPAMP_OK);
    opamp__buf_wipe_free(&b);
    CHECK_EQ(opamp__statedir_erase(s, "private_key"), OPAMP_OK);
    opamp__statedir_close(s);
    CHECK(freed_count() > 2);
    CHECK_EQ(freed_leaks(), 0);
  }
}

/* Covers: SEC-2 */
TEST(a_damaged_value_is_wiped) {
  uint8_t bytes[400];
  opamp__buf b = {0};
  opamp__statedir *s = begin(100);
  size_t n = rig_bytes("private_key", bytes, sizeof bytes);
  bytes[n - 1] ^= 1;
  rig_put("private_key", bytes, n);
  CHECK(opamp__buf_append(&b, "kept", 4));
  CHECK_EQ(opamp__statedir_load(s, "private_key", &b), OPAMP_ERR_NOTFOUND);
  CHECK_MEM(b.ptr, b.len, "kept", 4);
  CHECK(memmem(b.ptr, b.cap, secret, sizeof secret - 1) == NULL);
  CHECK(strstr(rig_notes, "BEGIN") == NULL);
  opamp__buf_free(&b);
  opamp__statedir_close(s);
  CHECK_EQ(freed_leaks(), 0);
}

/* The wrapper would see one. */
TEST(a_leak_is_seen) {
  freed_watch(secret);
  opamp__free(opamp__strndup(secret, sizeof secret));
  CHECK_EQ(freed_leaks(), 1);
}

/* --- no memory ------------------------------------------------------------ */

static opamp_status life(void) {
  opamp__statedir *s;
  opamp__buf b = {0};
  opamp_status status =
      opamp__statedir_open(&s, place_path("state"), rig_note, rig_notes);
  if (status == OPAMP_OK) status = rig_save(s, "other", "x");
  if (status == OPAMP_OK) status = opamp__statedir_load(s, "private_key", &b);
  if (status == OPAMP_OK) status = opamp__statedir_load(s, "private_key", &b);
  if (status == OPAMP_OK) status = opamp__statedir_erase(s, "other");
  opamp__buf_wipe_free(&b);
  opamp__statedir_close(s);
  return status;
}

TEST(every_allocation_may_fail) {
  opamp_status status = OPAMP_ERR_NOMEM;
  size_t n = 1;
  opamp__statedir_close(begin(100));
  for (; status != OPAMP_OK; n++) {
    opamp__mem_fail_after(n);
    status = life();
    opamp__mem_fail_after(0);
    if (status != OPAMP_OK) CHECK_EQ(status, OPAMP_ERR_NOMEM);
    CHECK_STR(rig_notes, "");
    opamp__statedir *s = rig_open();
    CHECK(strncmp(rig_load(s, "private_key"), secret, 20) == 0);
    opamp__statedir_close(s);
  }
  CHECK(n > 4);
  CHECK_EQ(freed_leaks(), 0);
}
