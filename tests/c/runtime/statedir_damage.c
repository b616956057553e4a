/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <unistd.h>

#include "runtime/statefile.h"
#include "statedir_rig.h"
#include "transport/transport.h"

/* Files that are not what was written. None is believed, none is lost. */

enum { HEAD = OPAMP__STATEFILE_HEAD };

static uint8_t good[200];
static size_t good_len;
static opamp__statedir *dir;

static void begin(void) {
  rig_fresh();
  dir = rig_open();
  CHECK_EQ(rig_save(dir, "key", "the value"), OPAMP_OK);
  good_len = rig_bytes("key", good, sizeof good);
  CHECK_EQ(good_len, HEAD + 9);
}

static void end(void) {
  opamp__statedir_close(dir);
  dir = NULL;
}

/* With these bytes as its file the entry is set aside, unchanged, because of
 * `why` (NULL: anything). */
static void is_refused(const void *bytes, size_t n, const char *why) {
  static uint8_t aside[300];
  char name[40];
  unsigned long number = 0;
  rig_notes[0] = '\0';
  rig_put("key", bytes, n);
  CHECK_STR(rig_load(dir, "key"), "(none)");
  CHECK_EQ(access(rig_path("key"), F_OK), -1);
  if (why != NULL) rig_says(rig_notes, why);
  const char *at = strstr(rig_notes, "key.bad-");
  CHECK(at != NULL && sscanf(at, "key.bad-%lu", &number) == 1);
  CHECK(strchr(rig_notes, '\n') == strrchr(rig_notes, '\n'));
  snprintf(name, sizeof name, "key.bad-%lu", number);
  size_t kept = rig_bytes(name, aside, sizeof aside);
  CHECK_MEM(aside, kept, bytes, n);
}

/* Covers: OFFER-9 */
TEST(cut_off_at_every_byte) {
  begin();
  for (size_t n = 0; n < good_len; n++)
    is_refused(good, n, "/state/key is cut short; it is key.bad-");
  rig_put("key", good, good_len);
  CHECK_STR(rig_load(dir, "key"), "the value");
  end();
}

/* Covers: OFFER-9 */
TEST(every_bit_turned_over) {
  begin();
  for (size_t bit = 0; bit < good_len * 8; bit++) {
    uint8_t bad[sizeof good];
    memcpy(bad, good, good_len);
    bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
    is_refused(bad, good_len, NULL);
  }
  end();
}

TEST(something_behind_the_end) {
  begin();
  good[good_len] = 0;
  is_refused(good, good_len + 1, "/state/key is damaged");
  end();
}

/* A header like ours but for one thing, and the value behind it. */
static size_t with_head(uint8_t out[300], const char *key, size_t len,
                        uint8_t version, uint64_t claimed) {
  uint8_t value[100] = "value";
  CHECK(opamp__statefile_head(out, key, (opamp_bytes){value, len}));
  out[11] = version;
  for (size_t i = 0; i < 8; i++)
    out[56 + i] = (uint8_t)(claimed >> (56 - 8 * i));
  opamp__sha256((opamp_bytes){out, 96}, out + 96);
  memcpy(out + HEAD, value, len);
  return HEAD + len;
}

/* Covers: OFFER-9 */
TEST(a_newer_version_is_kept) {
  uint8_t bytes[300];
  begin();
  size_t n = with_head(bytes, "key", 5, 2, 5);
  is_refused(bytes, n, "/state/key was written by a newer version; it is ");
  is_refused(bytes, 12, "was written by a newer version");
  memset(bytes + 12, 0x5a, 200); /* whatever its header may be */
  is_refused(bytes, 212, "was written by a newer version");
  rig_put("key", bytes, 212); /* saved without having been loaded */
  rig_notes[0] = '\0';
  CHECK_EQ(rig_save(dir, "key", "mine"), OPAMP_OK);
  rig_says(rig_notes, "was written by a newer version; it is key.bad-4 now");
  CHECK_STR(rig_load(dir, "key"), "mine");
  n = with_head(bytes, "key", 5, 0, 5);
  is_refused(bytes, n, "/state/key is damaged");
  end();
}

TEST(lengths_that_lie) {
  static const uint64_t claimed[] = {0,          4,
                                     6,          ((uint64_t)80 << 20) + 1,
                                     UINT32_MAX, UINT64_MAX - HEAD + 6,
                                     UINT64_MAX};
  uint8_t bytes[300];
  begin();
  for (size_t i = 0; i < sizeof claimed / sizeof *claimed; i++)
    is_refused(bytes, with_head(bytes, "key", 5, 1, claimed[i]), NULL);
  rig_put("key", bytes, with_head(bytes, "key", 5, 1, 5));
  CHECK_STR(rig_load(dir, "key"), "value");
  end();
}

/* A hole behind a header that is right about it. */
TEST(a_value_that_is_too_large) {
  const size_t size = ((size_t)80 << 20) + 1;
  uint8_t head[HEAD], *zeros = calloc(1, size);
  CHECK(zeros != NULL);
  begin();
  bool made = opamp__statefile_head(head, "key", (opamp_bytes){zeros, size});
  free(zeros);
  CHECK(made);
  rig_put("key", head, sizeof head);
  CHECK_EQ(truncate(rig_path("key"), (off_t)(HEAD + size)), 0);
  rig_notes[0] = '\0';
  CHECK_STR(rig_load(dir, "key"), "(none)");
  rig_says(rig_notes, "/state/key is damaged");
  end();
}

/* Covers: OFFER-9 */
TEST(another_entrys_file) {
  static const char *const keys[] = {"ke", "keyy", "other", "k"};
  uint8_t bytes[300];
  begin();
  for (size_t i = 0; i < 4; i++)
    is_refused(bytes, with_head(bytes, keys[i], 5, 1, 5),
               "/state/key is the file of another entry");
  end();
}

TEST(what_never_was_ours) {
  begin();
  is_refused("", 0, "/state/key is cut short");
  is_refused("{}", 2, "/state/key is no file of a state directory");
  is_refused("opamp\n", 6, "/state/key is no file of a state directory");
  end();
}

/* --- how many are kept ---------------------------------------------------- */

TEST(the_newest_three_are_kept) {
  begin();
  for (int i = 0; i < 12; i++) is_refused("junk", 4, NULL);
  CHECK_STR(rig_names(), "key.bad-10 key.bad-11 key.bad-12 ");
  CHECK_EQ(unlink(rig_path("key.bad-11")), 0); /* an operator */
  is_refused("junk", 4, "key.bad-13");
  CHECK_STR(rig_names(), "key.bad-12 key.bad-13 ");
  end();
}

TEST(names_like_them_are_left_alone) {
  begin();
  rig_put("key.bad-", "x", 1);
  rig_put("key.bad-x", "x", 1);
  rig_put("key.bad-0", "x", 1);
  rig_put("key.bad-1234567", "x", 1);
  rig_put("keys.bad-9", "x", 1);
  is_refused("junk", 4, "it is key.bad-1 now");
  for (int i = 0; i < 4; i++) is_refused("junk", 4, NULL);
  CHECK_STR(rig_names(),
            "key.bad- key.bad-0 key.bad-1234567 key.bad-3 "
            "key.bad-4 key.bad-5 key.bad-x keys.bad-9 ");
  end();
}

TEST(a_directory_with_something_in_it_is_never_removed) {
  begin();
  CHECK_EQ(unlink(rig_path("key")), 0);
  CHECK_EQ(mkdir(rig_path("key"), 0700), 0);
  rig_put("key/precious", "x", 1);
  CHECK_STR(rig_load(dir, "key"), "(none)");
  CHECK_EQ(mkdir(rig_path("key"), 0700), 0);
  CHECK_STR(rig_load(dir, "key"), "(none)");
  for (int i = 0; i < 6; i++) is_refused("junk", 4, NULL);
  CHECK_STR(rig_names(), "key.bad-1 key.bad-6 key.bad-7 key.bad-8 ");
  end();
}

TEST(without_anybody_to_tell) {
  opamp__statedir *s;
  begin();
  end();
  CHECK_EQ(opamp__statedir_open(&s, place_path("state"), NULL, NULL), OPAMP_OK);
  CHECK_EQ(chmod(rig_path("key"), 0640), 0);
  CHECK_STR(rig_load(s, "key"), "the value");
  rig_put("key", "junk", 4);
  CHECK_STR(rig_load(s, "key"), "(none)");
  rig_says(opamp_errmsg(), "is no file of a state directory");
  opamp__statedir_close(s);
}

/* --- random --------------------------------------------------------------- */

static uint64_t seed;

static uint32_t any(uint32_t below) { /* xorshift */
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (uint32_t)(seed >> 32) % below;
}

/* Random bytes, or a good file with random changes; of half of them the header
 * has a right hash, so that what is behind that check is tried. */
static size_t random_file(uint8_t out[300]) {
  size_t n = any(300);
  for (size_t i = 0; i < n; i++) out[i] = (uint8_t)any(256);
  if (any(4) > 0) n = with_head(out, "key", any(100), 1, any(120));
  for (uint32_t i = any(4); i > 0; i--) out[any(300)] = (uint8_t)any(256);
  if (any(2) == 0 && n >= HEAD) opamp__sha256((opamp_bytes){out, 96}, out + 96);
  return any(4) > 0 ? n : any(300);
}

/* Covers: OFFER-9 */
TEST(random_files) {
  uint8_t bytes[300] = {0};
  int found = 0;
  begin();
  seed = 0x9e3779b97f4a7c15;
  for (int i = 0; i < 20000; i++) {
    opamp__buf b = {0};
    size_t n = random_file(bytes);
    rig_put("key", bytes, n);
    rig_notes[0] = '\0';
    opamp_status s = opamp__statedir_load(dir, "key", &b);
    CHECK(s == OPAMP_OK || s == OPAMP_ERR_NOTFOUND);
    CHECK_EQ(access(rig_path("key"), F_OK), s == OPAMP_OK ? 0 : -1);
    if (s == OPAMP_OK) CHECK_MEM(b.ptr, b.len, bytes + HEAD, n - HEAD);
    found += s == OPAMP_OK;
    opamp__buf_wipe_free(&b);
  }
  CHECK(found > 20);
  CHECK(found < 2000);
  end();
}
