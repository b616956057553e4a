/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent_configdir_rig.h"
#include "harness.h"

/* A life in which the n-th system call fails, for every n: the status says so,
 * and what it says has happened. And a life without failures, in which nothing
 * is shown before it is on the disk. The linker puts these functions in the
 * place of the system's (--wrap). */

static int calls, failing, error;
static bool lasting; /* all after it fail as well */

static bool fails(void) {
  calls++;
  if (failing == 0 || calls < failing || (!lasting && calls > failing))
    return false;
  errno = error;
  return true;
}

/* Files and folders with something new in them that was not synced yet. */
static struct {
  ino_t of[64];
  size_t n;
} dirty;
static int shown_dirty, shown_clean;

static void change(int fd, bool synced) {
  struct stat st;
  size_t i = 0;
  CHECK_EQ(fstat(fd, &st), 0);
  while (i < dirty.n && dirty.of[i] != st.st_ino) i++;
  if (synced && i < dirty.n) dirty.of[i] = dirty.of[--dirty.n];
  if (synced || i < dirty.n) return;
  CHECK(dirty.n < 64);
  dirty.of[dirty.n++] = st.st_ino;
}

/* --- in the place of the system's ----------------------------------------- */

#define WRAP(type, name, parameters, arguments, then)     \
  type __real_##name parameters;                          \
  type __wrap_##name parameters;                          \
  type __wrap_##name parameters {                         \
    type result = fails() ? -1 : __real_##name arguments; \
    if (result != -1) then;                               \
    return result;                                        \
  }

WRAP(int, mkdirat, (int d, const char *n, mode_t m), (d, n, m),
     change(d, false))
WRAP(int, unlinkat, (int d, const char *n, int f), (d, n, f), (void)0)
WRAP(int, fsync, (int fd), (fd), change(fd, true))
WRAP(int, fchown, (int fd, uid_t u, gid_t g), (fd, u, g), change(fd, false))
WRAP(int, fchmod, (int fd, mode_t m), (fd, m), change(fd, false))
WRAP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n),
     change(fd, false))
WRAP(int, fstatat, (int d, const char *n, struct stat *s, int f), (d, n, s, f),
     (void)0)
static void (*meanwhile)(void); /* what another process does just then */

int __real_renameat2(int d, const char *n, int e, const char *m, unsigned f);
int __wrap_renameat2(int d, const char *n, int e, const char *m, unsigned f);
int __wrap_renameat2(int d, const char *n, int e, const char *m, unsigned f) {
  if (fails()) return -1;
  *(dirty.n > 0 ? &shown_dirty : &shown_clean) += 1;
  if (meanwhile != NULL) meanwhile();
  meanwhile = NULL;
  return __real_renameat2(d, n, e, m, f);
}

int __real_renameat(int d, const char *n, int e, const char *m);
int __wrap_renameat(int d, const char *n, int e, const char *m);
int __wrap_renameat(int d, const char *n, int e, const char *m) {
  struct stat st;
  bool state = strcmp(m, "state") == 0;
  if (fails()) return -1;
  if (state) CHECK_EQ(__real_fstatat(d, n, &st, 0), 0);
  for (size_t i = 0; state && i < dirty.n; i++)
    if (dirty.of[i] == st.st_ino) shown_dirty++;
  return __real_renameat(d, n, e, m);
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd) { /* closed all the same, as the system does */
  int result = __real_close(fd);
  return fails() ? -1 : result;
}

int __real_openat(int d, const char *name, int flags, ...);
int __wrap_openat(int d, const char *name, int flags, ...);
int __wrap_openat(int d, const char *name, int flags, ...) {
  va_list args;
  va_start(args, flags);
  bool creates = (flags & O_CREAT) != 0;
  mode_t mode = creates ? va_arg(args, mode_t) : 0;
  va_end(args);
  int fd = fails() ? -1 : __real_openat(d, name, flags, mode);
  if (creates && fd >= 0) {
    change(d, false);
    change(fd, false);
  }
  return fd;
}

/* --- the tests ------------------------------------------------------------ */

/* Whether the n-th call was reached. */
static bool failed_at(int n, int with, bool all_after) {
  int phase;
  char when[200];
  rig_before_life();
  calls = 0;
  dirty.n = 0;
  failing = n;
  error = with;
  lasting = all_after;
  opamp_status s = rig_life(&phase);
  failing = 0;
  bool reached = calls >= n;
  snprintf(when, sizeof when, "errno %d at call %d%s, in phase %d, \"%.90s\"",
           with, n, all_after ? " and after" : "", phase,
           s == OPAMP_OK ? "" : opamp_errmsg());
  if (s != OPAMP_OK && s != OPAMP_ERR_IO)
    harness_fail(__FILE__, __LINE__, "%s: status %d", when, (int)s);
  if (s != OPAMP_OK) CHECK(strstr(opamp_errmsg(), strerror(with)) != NULL);
  /* A disk that stays broken after an exchange cannot be made to take it back. */
  rig_after_life(phase, s != OPAMP_OK && !all_after, when);
  return reached;
}

TEST(a_full_disk_at_every_system_call) {
  int n = 1;
  while (failed_at(n, ENOSPC, false)) n++;
  CHECK(n > 100);
}

TEST(a_disk_that_stays_broken_from_any_system_call_on) {
  int n = 1;
  while (failed_at(n, EIO, true)) n++;
  CHECK(n > 100);
}

TEST(nothing_is_shown_before_it_is_on_the_disk) {
  rig_before_life();
  opamp_configdir *d = rig_open();
  dirty.n = 0; /* what opening made is either shown already or without worth */
  shown_dirty = shown_clean = 0;
  CHECK_EQ(rig_replace(d, FILES("a", "1", "s/t/b", "2")), OPAMP_OK);
  CHECK_EQ(shown_clean, 1);
  CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  CHECK_EQ(rig_replace(d, FILES("s/a", "3")), OPAMP_OK);
  CHECK_EQ(shown_dirty, 0);
  CHECK_EQ(dirty.n, 0);
  opamp_configdir_free(d);
}

static void put_another_one(void) {
  char moved[100];
  snprintf(moved, sizeof moved, "%s", place_path("moved"));
  CHECK_EQ(rename(rig_dir, moved), 0);
  CHECK_EQ(mkdir(rig_dir, 0755), 0);
  place_write("conf/hand", "made");
}

TEST(what_somebody_puts_there_meanwhile_stays) {
  rig_before_life();
  opamp_configdir *d = rig_open();
  meanwhile = put_another_one;
  CHECK_EQ(rig_replace(d, FILES("a", "1")), OPAMP_ERR_IO);
  CHECK(strstr(opamp_errmsg(), "/conf was replaced by somebody else") != NULL);
  CHECK_STR(rig_on_disk(rig_dir), "hand=made;");
  CHECK_EQ(rig_replace(d, FILES("a", "1")), OPAMP_OK);
  CHECK_EQ(opamp_configdir_rollback(d), OPAMP_OK);
  CHECK_STR(rig_on_disk(rig_dir), "hand=made;");
  opamp_configdir_free(d);
}
