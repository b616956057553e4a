/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "statedir_rig.h"
#include "transport/transport.h"

/* The n-th system call fails, for every n: the status says so, the old value is
 * still there, and the next save works. And nothing is shown, or removed,
 * before what replaces it is on the disk. The linker puts these functions in
 * the place of the system's (--wrap). */

static int calls, failing, error;
static bool lasting;        /* all after it fail as well */
static bool only_interrupt; /* count the calls that a signal interrupts */
static size_t piece;        /* read and write move this much at most; 0: all */

static bool fails(void) {
  calls++;
  if (failing == 0 || calls < failing || (!lasting && calls > failing))
    return false;
  errno = error;
  return true;
}

/* What is not on the disk yet: content of files, names in directories. */
static bool content, names;
static int shown; /* renames that were seen */

int __real_fstat(int fd, struct stat *s);

static void synced(int fd) {
  struct stat st;
  CHECK_EQ(__real_fstat(fd, &st), 0);
  *(S_ISDIR(st.st_mode) ? &names : &content) = false;
}

static void renamed(void) {
  CHECK(!content);
  names = true;
  shown++;
}

/* --- in the place of the system's ----------------------------------------- */

#define WRAP(type, name, parameters, arguments, then)                        \
  type __real_##name parameters;                                             \
  type __wrap_##name parameters;                                             \
  type __wrap_##name parameters {                                            \
    type result = !only_interrupt && fails() ? -1 : __real_##name arguments; \
    if (result != -1) then;                                                  \
    return result;                                                           \
  }

WRAP(int, mkdir, (const char *n, mode_t m), (n, m), names = true)
WRAP(int, unlinkat, (int d, const char *n, int f), (d, n, f),
     CHECK(failing > 0 || shown == 0 || !names))
WRAP(int, fstat, (int fd, struct stat *s), (fd, s), (void)0)
WRAP(int, fchmod, (int fd, mode_t m), (fd, m), (void)0)
WRAP(int, flock, (int fd, int how), (fd, how), (void)0)
WRAP(int, faccessat, (int d, const char *n, int m, int f), (d, n, m, f),
     (void)0)
WRAP(int, ftruncate, (int fd, off_t n), (fd, n), (void)0)
WRAP(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at),
     (fd, p, n, at), (void)0)
WRAP(int, fstatat, (int d, const char *n, struct stat *s, int f), (d, n, s, f),
     (void)0)
WRAP(int, renameat, (int d, const char *n, int e, const char *m), (d, n, e, m),
     renamed())

static int cannot_exchange; /* an errno: of a file system that cannot */

int __real_renameat2(int d, const char *n, int e, const char *m, unsigned f);
int __wrap_renameat2(int d, const char *n, int e, const char *m, unsigned f);
int __wrap_renameat2(int d, const char *n, int e, const char *m, unsigned f) {
  if (!only_interrupt && fails()) return -1;
  if (cannot_exchange != 0) errno = cannot_exchange;
  if (cannot_exchange != 0 || __real_renameat2(d, n, e, m, f) != 0) return -1;
  renamed();
  return 0;
}

#define INTERRUPTIBLE(type, name, parameters, arguments, then) \
  type __real_##name parameters;                               \
  type __wrap_##name parameters;                               \
  type __wrap_##name parameters {                              \
    type result = fails() ? -1 : __real_##name arguments;      \
    if (result != -1) then;                                    \
    return result;                                             \
  }

INTERRUPTIBLE(int, fsync, (int fd), (fd), synced(fd))
INTERRUPTIBLE(ssize_t, read, (int fd, void *p, size_t n),
              (fd, p, piece > 0 && n > piece ? piece : n), (void)0)
INTERRUPTIBLE(ssize_t, write, (int fd, const void *p, size_t n),
              (fd, p, piece > 0 && n > piece ? piece : n), content = true)

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd) { /* closed all the same, as the system does */
  int result = __real_close(fd);
  return fails() ? -1 : result;
}

#define WRAP_OPEN(name, parameters, arguments)                        \
  int __real_##name parameters;                                       \
  int __wrap_##name parameters;                                       \
  int __wrap_##name parameters {                                      \
    va_list args;                                                     \
    va_start(args, flags);                                            \
    mode_t m = (flags & O_CREAT) ? va_arg(args, mode_t) : 0;          \
    va_end(args);                                                     \
    return !only_interrupt && fails() ? -1 : __real_##name arguments; \
  }

WRAP_OPEN(open, (const char *n, int flags, ...), (n, flags, m))
WRAP_OPEN(openat, (int d, const char *n, int flags, ...), (d, n, flags, m))

static int hash_failing; /* the n-th from now on; 0: none */

void __real_opamp__sha256(opamp_bytes in, uint8_t out[32]);
void __wrap_opamp__sha256(opamp_bytes in, uint8_t out[32]);
void __wrap_opamp__sha256(opamp_bytes in, uint8_t out[32]) {
  if (hash_failing > 0 && --hash_failing == 0)
    memset(out, 0, 32);
  else
    __real_opamp__sha256(in, out);
}

/* --- one call fails ------------------------------------------------------- */

static opamp_status save(opamp__statedir *s) {
  return rig_save(s, "key", "new");
}

static opamp_status erase(opamp__statedir *s) {
  return opamp__statedir_erase(s, "key");
}

static opamp_status load(opamp__statedir *s) {
  opamp__buf b = {0};
  opamp_status status = opamp__statedir_load(s, "key", &b);
  if (status == OPAMP_OK)
    CHECK_MEM(b.ptr, b.len, "old", 3);
  else
    CHECK_EQ(b.len, 0);
  opamp__buf_wipe_free(&b);
  return status;
}

/* The number of the next descriptor: the same again when none was left open. */
static int next_descriptor(void) {
  int fd = dup(STDERR_FILENO);
  CHECK(fd >= 0);
  __real_close(fd);
  return fd;
}

static void arm(int n, int with, bool all_after) {
  calls = shown = 0;
  content = names = false;
  error = with;
  lasting = all_after;
  failing = n;
}

static void disarm(void) {
  failing = shown = 0;
  lasting = false;
}

typedef struct trial {
  opamp_status (*what)(opamp__statedir *s);
  const char *old, *new; /* "(none)"; NULL: none before */
} trial;

static void begin(const trial *t) {
  rig_fresh();
  opamp__statedir *s = rig_open();
  if (t->old != NULL) CHECK_EQ(rig_save(s, "key", t->old), OPAMP_OK);
  opamp__statedir_close(s);
}

static void check_status(opamp_status status, int with, const char *when) {
  if (status == OPAMP_OK) return;
  if (status != (with == ENOMEM ? OPAMP_ERR_NOMEM : OPAMP_ERR_IO))
    harness_fail(__FILE__, __LINE__, "%s: status %d", when, (int)status);
  if (with != ENOMEM) rig_says(opamp_errmsg(), strerror(with));
}

/* Whether the n-th call was reached. */
static bool failed_at(const trial *t, int n, int with, bool all_after) {
  char when[300];
  int next = next_descriptor();
  begin(t);
  opamp__statedir *s = rig_open();
  arm(n, with, all_after);
  opamp_status status = t->what(s);
  bool reached = calls >= n;
  disarm();
  snprintf(when, sizeof when, "errno %d at call %d%s: %.200s", with, n,
           all_after ? " and after" : "",
           status == OPAMP_OK ? "" : opamp_errmsg());
  check_status(status, with, when);
  const char *old = t->old != NULL ? t->old : "(none)";
  const char *want = status == OPAMP_OK ? t->new : old;
  const char *got = rig_load(s, "key");
  /* A disk that stays broken cannot be made to take the exchange back. */
  if (strcmp(got, want) != 0 && !(all_after && strcmp(got, t->new) == 0))
    harness_fail(__FILE__, __LINE__, "%s: \"%s\", not \"%s\"", when, got, want);
  if (rig_notes[0] != '\0' || strstr(rig_names(), "bad") != NULL)
    harness_fail(__FILE__, __LINE__, "%s: %s", when, rig_notes);
  if (status != OPAMP_OK && !all_after && strstr(rig_names(), "tmp") != NULL)
    harness_fail(__FILE__, __LINE__, "%s: %s is left", when, rig_names());
  CHECK_EQ(rig_save(s, "key", "after"), OPAMP_OK);
  CHECK_STR(rig_load(s, "key"), "after");
  CHECK_STR(rig_names(), "key ");
  opamp__statedir_close(s);
  CHECK_EQ(next_descriptor(), next);
  return reached;
}

static int every_call(const trial *t, int with, bool all_after) {
  int n = 1;
  while (failed_at(t, n, with, all_after)) n++;
  return n - 1;
}

static const trial trials[] = {{save, "old", "new"},
                               {save, NULL, "new"},
                               {erase, "old", "(none)"},
                               {load, "old", "old"}};
static const int at_least[] = {14, 8, 4, 6};

/* Covers: OFFER-9, SET-5 */
TEST(one_system_call_fails) {
  static const int with[] = {EIO, ENOSPC, EROFS, EDQUOT, ENOMEM};
  for (size_t i = 0; i < 4; i++)
    for (size_t e = 0; e < 5; e++)
      CHECK(every_call(&trials[i], with[e], false) >= at_least[i]);
}

/* Covers: OFFER-9, SET-5 */
TEST(all_system_calls_fail_from_one_on) {
  for (size_t i = 0; i < 4; i++)
    CHECK(every_call(&trials[i], EIO, true) >= at_least[i]);
}

/* Covers: OFFER-9 */
TEST(interrupted_calls_are_repeated) {
  only_interrupt = true;
  for (size_t i = 0; i < 4; i++) {
    int n = 1;
    for (bool reached = true; reached; n++) {
      begin(&trials[i]);
      opamp__statedir *s = rig_open();
      arm(n, EINTR, false);
      opamp_status status = trials[i].what(s);
      reached = calls >= n;
      disarm();
      CHECK_EQ(status, OPAMP_OK);
      CHECK_STR(rig_load(s, "key"), trials[i].new);
      opamp__statedir_close(s);
    }
    CHECK(n > 2);
  }
  only_interrupt = false;
}

TEST(short_reads_and_writes) {
  for (piece = 1; piece < 140; piece += 23)
    for (size_t i = 0; i < 4; i++) {
      begin(&trials[i]);
      opamp__statedir *s = rig_open();
      CHECK_EQ(trials[i].what(s), OPAMP_OK);
      CHECK_STR(rig_load(s, "key"), trials[i].new);
      opamp__statedir_close(s);
    }
  piece = 0;
}

/* --- opening -------------------------------------------------------------- */

TEST(opening_fails_at_every_call) {
  bool reached = true;
  int n = 1;
  for (; reached; n++) {
    opamp__statedir *s;
    int next = next_descriptor();
    rig_fresh();
    arm(n, EIO, false);
    opamp_status status =
        opamp__statedir_open(&s, place_path("state"), rig_note, rig_notes);
    reached = calls >= n;
    disarm();
    CHECK((s != NULL) == (status == OPAMP_OK));
    check_status(status, EIO, "open");
    if (status == OPAMP_OK) opamp__statedir_close(s);
    s = rig_open(); /* no descriptor kept the lock */
    CHECK_EQ(rig_save(s, "key", "x"), OPAMP_OK);
    opamp__statedir_close(s);
    CHECK_EQ(next_descriptor(), next);
  }
  CHECK(n > 12);
}

TEST(a_new_directory_is_on_the_disk) {
  opamp__statedir *s;
  rig_fresh();
  arm(0, 0, false);
  CHECK_EQ(opamp__statedir_open(&s, place_path("state"), NULL, NULL), OPAMP_OK);
  CHECK(!names);
  opamp__statedir_close(s);
}

/* --- the order ------------------------------------------------------------ */

/* The checks are in the functions above. */
TEST(nothing_is_shown_before_it_is_on_the_disk) {
  static const int renames[] = {1, 1, 1, 0};
  for (size_t i = 0; i < 4; i++) {
    begin(&trials[i]);
    opamp__statedir *s = rig_open();
    arm(0, 0, false);
    CHECK_EQ(trials[i].what(s), OPAMP_OK);
    CHECK_EQ(shown, renames[i]);
    CHECK(!content && !names);
    opamp__statedir_close(s);
  }
}

TEST(names_that_cannot_be_exchanged_are_replaced) {
  static const int errors[] = {EINVAL, ENOSYS};
  for (size_t i = 0; i < 2; i++) {
    begin(&trials[0]);
    opamp__statedir *s = rig_open();
    arm(0, 0, false);
    cannot_exchange = errors[i];
    opamp_status status = save(s);
    cannot_exchange = 0;
    CHECK_EQ(status, OPAMP_OK);
    CHECK_EQ(shown, 1);
    CHECK(!content && !names);
    CHECK_STR(rig_load(s, "key"), "new");
    CHECK_STR(rig_names(), "key ");
    opamp__statedir_close(s);
  }
}

/* Then there is no way back: one failure is told, and the new value seen. */
TEST(or_replaced_before_the_disk_failed) {
  bool reached = true;
  int news = 0;
  for (int n = 1; reached; n++) {
    begin(&trials[0]);
    opamp__statedir *s = rig_open();
    arm(n, EIO, false);
    cannot_exchange = EINVAL;
    opamp_status status = save(s);
    reached = calls >= n;
    cannot_exchange = 0;
    disarm();
    check_status(status, EIO, "save");
    const char *got = rig_load(s, "key");
    CHECK(strcmp(got, "new") == 0 || strcmp(got, "old") == 0);
    news += status != OPAMP_OK && strcmp(got, "new") == 0;
    if (status == OPAMP_OK) CHECK_STR(got, "new");
    opamp__statedir_close(s);
  }
  CHECK_EQ(news, 1);
}

/* --- hashes --------------------------------------------------------------- */

/* OpenSSL may be out of memory; no good file is damaged because of that. */
TEST(without_a_hash) {
  opamp__buf b = {0};
  rig_fresh();
  opamp__statedir *s = rig_open();
  CHECK_EQ(rig_save(s, "key", "old"), OPAMP_OK);
  for (int n = 1; n <= 2; n++) {
    hash_failing = n;
    CHECK_EQ(rig_save(s, "key", "new"), OPAMP_ERR_NOMEM);
    CHECK_EQ(hash_failing, 0);
    hash_failing = n;
    CHECK_EQ(opamp__statedir_load(s, "key", &b), OPAMP_ERR_NOMEM);
    CHECK_EQ(hash_failing, 0);
    CHECK_EQ(b.len, 0);
    CHECK_STR(rig_load(s, "key"), "old");
  }
  /* Nobody knows then what the old one is, which is replaced all the same. */
  hash_failing = 3;
  CHECK_EQ(rig_save(s, "key", "new"), OPAMP_OK);
  CHECK_EQ(hash_failing, 0);
  CHECK_STR(rig_load(s, "key"), "new");
  CHECK_STR(rig_notes, "");
  opamp__buf_wipe_free(&b);
  opamp__statedir_close(s);
}
