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
 * and what it says has happened. The linker puts these functions in the place
 * of the system's (--wrap). */

static int calls, failing, error;
static bool lasting; /* all after it fail as well */

static bool fails(void) {
  calls++;
  if (failing == 0 || calls < failing || (!lasting && calls > failing))
    return false;
  errno = error;
  return true;
}

#define WRAP(result, name, parameters, arguments)  \
  result __real_##name parameters;                 \
  result __wrap_##name parameters;                 \
  result __wrap_##name parameters {                \
    return fails() ? -1 : __real_##name arguments; \
  }

WRAP(int, mkdirat, (int d, const char *n, mode_t m), (d, n, m))
WRAP(int, renameat, (int d, const char *n, int e, const char *m), (d, n, e, m))
WRAP(int, renameat2, (int d, const char *n, int e, const char *m, unsigned f),
     (d, n, e, m, f))
WRAP(int, unlinkat, (int d, const char *n, int f), (d, n, f))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, fchown, (int fd, uid_t u, gid_t g), (fd, u, g))
WRAP(int, fchmod, (int fd, mode_t m), (fd, m))
WRAP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
WRAP(int, fstatat, (int d, const char *n, struct stat *s, int f), (d, n, s, f))

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
  mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
  va_end(args);
  return fails() ? -1 : __real_openat(d, name, flags, mode);
}

/* The set that is shown after a failure is the old one; a disk that stays broken
 * after the exchange cannot be made to show it again. */
static void check_promise(opamp_status s, int phase, const char *when) {
  const rig_phase *p = &rig_phases[phase];
  if (s != OPAMP_ERR_IO)
    harness_fail(__FILE__, __LINE__, "%s: status %d", when, (int)s);
  if (!lasting && strcmp(rig_on_disk(rig_dir), p->shown[0]) != 0)
    harness_fail(__FILE__, __LINE__, "%s: \"%s\" is shown after a failure",
                 when, rig_on_disk(rig_dir));
}

/* Whether the n-th call was reached. */
static bool failed_at(int n, int with, bool all_after) {
  volatile int phase;
  char when[200];
  rig_before_life();
  calls = 0;
  failing = n;
  error = with;
  lasting = all_after;
  opamp_status s = rig_life(&phase);
  failing = 0;
  bool reached = calls >= n;
  snprintf(when, sizeof when, "errno %d at call %d%s, in phase %d, \"%.90s\"",
           with, n, all_after ? " and after" : "", phase,
           s == OPAMP_OK ? "" : opamp_errmsg());
  if (s != OPAMP_OK) check_promise(s, phase, when);
  if (s != OPAMP_OK) CHECK(strstr(opamp_errmsg(), strerror(with)) != NULL);
  rig_after_life(phase, when);
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
