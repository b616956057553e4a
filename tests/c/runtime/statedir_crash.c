/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "statedir_rig.h"

/* A process that is killed before any of its system calls leaves the old value
 * or the new one, and nothing else that the next one does not tidy up. */

static bool cannot_exchange; /* the file system; NFS */

int __real_renameat2(int d, const char *n, int e, const char *m, unsigned f);
int __wrap_renameat2(int d, const char *n, int e, const char *m, unsigned f);
int __wrap_renameat2(int d, const char *n, int e, const char *m, unsigned f) {
  if (!cannot_exchange) return __real_renameat2(d, n, e, m, f);
  errno = EINVAL;
  return -1;
}

static opamp_status with(opamp_status (*what)(opamp__statedir *s)) {
  opamp__statedir *s;
  opamp_status status =
      opamp__statedir_open(&s, place_path("state"), NULL, NULL);
  if (status == OPAMP_OK) status = what(s);
  opamp__statedir_close(s);
  return status;
}

static opamp_status save(opamp__statedir *s) {
  return rig_save(s, "key", "new");
}

static opamp_status erase(opamp__statedir *s) {
  return opamp__statedir_erase(s, "key");
}

static opamp_status load(opamp__statedir *s) {
  opamp__buf b = {0};
  opamp_status status = opamp__statedir_load(s, "key", &b);
  opamp__buf_wipe_free(&b);
  return status == OPAMP_ERR_NOTFOUND ? OPAMP_OK : status;
}

static opamp_status life(void *what) {
  return with(*(opamp_status(**)(opamp__statedir *))what);
}

/* The next process is killed as well, somewhere while it tidies. */
static opamp_status tidy(void *unused) {
  (void)unused;
  return with(load);
}

static void before_life(const char *old) {
  rig_fresh();
  if (old == NULL) return;
  opamp__statedir *s = rig_open();
  CHECK_EQ(rig_save(s, "key", old), OPAMP_OK);
  CHECK_EQ(rig_save(s, "other", "as it was"), OPAMP_OK);
  opamp__statedir_close(s);
}

/* Whether the new value was seen. */
static bool check(const char *old, const char *new, int n) {
  char when[40];
  snprintf(when, sizeof when, "killed at call %d", n);
  opamp__statedir *s = rig_open();
  const char *got = rig_load(s, "key");
  bool is_new = strcmp(got, new) == 0;
  if (!is_new && strcmp(got, old) != 0)
    harness_fail(__FILE__, __LINE__, "%s: \"%s\"", when, got);
  bool there = strcmp(got, "(none)") != 0;
  bool others = strcmp(rig_load(s, "other"), "as it was") == 0;
  char names[40];
  snprintf(names, sizeof names, "%s%s", there ? "key " : "",
           others ? "other " : "");
  if (strcmp(rig_names(), names) != 0 || rig_notes[0] != '\0')
    harness_fail(__FILE__, __LINE__, "%s: %s is left, %s", when, rig_names(),
                 rig_notes);
  CHECK_EQ(rig_save(s, "key", "after"), OPAMP_OK);
  CHECK_STR(rig_load(s, "key"), "after");
  opamp__statedir_close(s);
  return is_new;
}

static void killed_everywhere(opamp_status (*what)(opamp__statedir *s),
                              const char *old, const char *new,
                              place_calls counted, int at_least) {
  int n = 0, seen[2] = {0};
  bool killed = true;
  while (killed) {
    before_life(strcmp(old, "(none)") == 0 ? NULL : old);
    killed = place_killed_at(++n, counted, life, &what);
    if (counted == PLACE_CHANGES || n % 3 == 0)
      place_killed_at(n % 7 + 1, PLACE_CHANGES, tidy, NULL);
    seen[check(old, new, n)]++;
  }
  if (n <= at_least) harness_fail(__FILE__, __LINE__, "%d calls only", n - 1);
  CHECK(seen[0] > 0 && seen[1] > 0);
}

/* Covers: STATE-16, OFFER-9, SET-5 */
TEST(killed_at_every_call_of_a_save) {
  killed_everywhere(save, "old", "new", PLACE_ALL_CALLS, 40);
  killed_everywhere(save, "old", "new", PLACE_CHANGES, 9);
}

TEST(killed_where_names_cannot_be_exchanged) {
  cannot_exchange = true;
  killed_everywhere(save, "old", "new", PLACE_CHANGES, 8);
  cannot_exchange = false;
}

/* Covers: STATE-16, OFFER-9, SET-5 */
TEST(killed_at_every_call_of_the_first_save) {
  killed_everywhere(save, "(none)", "new", PLACE_ALL_CALLS, 40);
  killed_everywhere(save, "(none)", "new", PLACE_CHANGES, 9);
}

/* Covers: STATE-16, OFFER-9, SET-5 */
TEST(killed_at_every_call_of_an_erase) {
  killed_everywhere(erase, "old", "(none)", PLACE_ALL_CALLS, 25);
  killed_everywhere(erase, "old", "(none)", PLACE_CHANGES, 5);
}

/* What cannot be used is under its own name or set aside, at any instant. */
TEST(killed_while_something_is_set_aside) {
  opamp_status (*what)(opamp__statedir *) = save;
  bool killed = true;
  for (int n = 1; killed; n++) {
    rig_fresh();
    opamp__statedir_close(rig_open());
    rig_put("key", "junk", 4);
    rig_put("key.bad-7", "older", 5);
    killed = place_killed_at(n, PLACE_ALL_CALLS, life, &what);
    opamp__statedir *s = rig_open();
    const char *got = rig_load(s, "key");
    CHECK(strcmp(got, "new") == 0 || strcmp(got, "(none)") == 0);
    CHECK_STR(rig_names(), strcmp(got, "new") == 0 ? "key key.bad-7 key.bad-8 "
                                                   : "key.bad-7 key.bad-8 ");
    opamp__statedir_close(s);
  }
}
