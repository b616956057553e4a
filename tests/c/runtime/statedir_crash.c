/* SPDX-License-Identifier: Apache-2.0 */
/* A process that ends before any of its system calls, and system calls that
 * fail: the entry is the old one or the new one. The linker puts the functions
 * below in the place of the system's. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "opamp/status.h"
#include "runtime/statedir.h"

enum { DIES = -1 };

static int calls, at, how; /* the call that fails with this errno, or DIES */

static bool fails(void) {
  if (at == 0 || ++calls != at) return false;
  if (how == DIES) _exit(99);
  errno = how;
  return true;
}

#define WRAP(type, name, parameters, arguments)    \
  type __real_##name parameters;                   \
  type __wrap_##name parameters;                   \
  type __wrap_##name parameters {                  \
    return fails() ? -1 : __real_##name arguments; \
  }

WRAP(int, unlinkat, (int d, const char *n, int f), (d, n, f))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, fchmod, (int fd, mode_t m), (fd, m))
WRAP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
WRAP(int, renameat, (int d, const char *n, int e, const char *m), (d, n, e, m))
WRAP(int, close, (int fd), (fd))

int __real_openat(int d, const char *n, int flags, ...);
int __wrap_openat(int d, const char *n, int flags, ...);
int __wrap_openat(int d, const char *n, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
  va_end(more);
  return fails() ? -1 : __real_openat(d, n, flags, mode);
}

/* --- one life ------------------------------------------------------------- */

static char dir[64], noted[512];

static void note(void *ctx, int level, const char *text) {
  (void)ctx, (void)level;
  snprintf(noted, sizeof noted, "%s", text);
}

static opamp_bytes bytes(const char *text) {
  return (opamp_bytes){(const uint8_t *)text, strlen(text)};
}

static opamp__statedir *open_dir(void) {
  opamp__statedir *s;
  CHECK_EQ(opamp__statedir_open(&s, dir, note, NULL), OPAMP_OK);
  return s;
}

static const char *load(opamp__statedir *s) {
  static char value[64];
  opamp__buf b = {NULL, 0, 0};
  opamp_status status = opamp__statedir_load(s, "key", &b);
  CHECK(status == OPAMP_OK || status == OPAMP_ERR_NOTFOUND);
  snprintf(value, sizeof value, "%.*s", (int)b.len, b.ptr ? (char *)b.ptr : "");
  opamp__buf_wipe_free(&b);
  return status == OPAMP_OK ? value : "(none)";
}

typedef opamp_status (*deed)(opamp__statedir *s);

static opamp_status save(opamp__statedir *s) {
  return opamp__statedir_save(s, "key", bytes("new"));
}

static opamp_status erase(opamp__statedir *s) {
  return opamp__statedir_erase(s, "key");
}

static void prepare(const char *before) {
  opamp__statedir *s = open_dir();
  if (before != NULL)
    CHECK_EQ(opamp__statedir_save(s, "key", bytes(before)), OPAMP_OK);
  else
    CHECK_EQ(opamp__statedir_erase(s, "key"), OPAMP_OK);
  opamp__statedir_close(s);
}

/* The entry is one of the two, nothing was set aside, and it can be saved. */
static void check(const char *before, const char *after) {
  opamp__statedir *s = open_dir();
  const char *is = load(s);
  CHECK(strcmp(is, before == NULL ? "(none)" : before) == 0 ||
        strcmp(is, after) == 0);
  CHECK_STR(noted, "");
  CHECK_EQ(opamp__statedir_save(s, "key", bytes("later")), OPAMP_OK);
  CHECK_STR(load(s), "later");
  opamp__statedir_close(s);
}

/* True when the n-th call was one, so that there may be another. */
static bool die_at(int n, deed what, const char *before, const char *after) {
  int status;
  prepare(before);
  pid_t child = fork();
  if (child == 0) {
    opamp__statedir *s = open_dir();
    calls = 0;
    how = DIES;
    at = n;
    what(s);
    at = 0;
    opamp__statedir_close(s);
    harness_child_exit(0);
  }
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status));
  check(before, after);
  return WEXITSTATUS(status) == 99;
}

static bool fail_at(int n, int error, deed what, const char *before,
                    const char *after) {
  prepare(before);
  opamp__statedir *s = open_dir();
  calls = 0;
  how = error;
  at = n;
  opamp_status status = what(s);
  bool reached = calls >= n;
  at = 0;
  if (status == OPAMP_OK)
    CHECK_STR(load(s), after);
  else
    CHECK(status == OPAMP_ERR_IO && strstr(opamp_errmsg(), dir) != NULL);
  opamp__statedir_close(s);
  check(before, after);
  return reached;
}

static void begin(void) {
  snprintf(dir, sizeof dir, "/tmp/opamp-state-XXXXXX");
  CHECK(mkdtemp(dir) != NULL);
}

static void end(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", dir);
  CHECK_EQ(system(command), 0);
}

/* Covers: SET-5, STATE-16, OFFER-9 */
TEST(killed_before_every_call) {
  begin();
  int n = 1;
  while (die_at(n, save, "old", "new")) n++;
  CHECK(n > 7);
  while (n > 1 && die_at(--n, save, NULL, "new")) continue;
  for (n = 1; die_at(n, erase, "old", "(none)");) n++;
  CHECK(n > 2);
  end();
}

/* Covers: SET-5, STATE-16 */
TEST(every_call_fails) {
  static const int errors[] = {ENOSPC, EIO, EROFS, EINTR, EDQUOT};
  begin();
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
    int n = 1;
    while (fail_at(n, errors[i], save, "old", "new")) n++;
    CHECK(n > 7);
    for (n = 1; fail_at(n, errors[i], save, NULL, "new");) n++;
    for (n = 1; fail_at(n, errors[i], erase, "old", "(none)");) n++;
  }
  end();
}
