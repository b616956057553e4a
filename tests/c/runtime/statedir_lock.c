/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "statedir_rig.h"

/* One process at a time, and in it one client, has the state directory. */

/* NFS, on which directories cannot be locked. The linker puts this function in
 * the place of the system's. */
static bool no_directories;

int __real_flock(int fd, int how);
int __wrap_flock(int fd, int how);
int __wrap_flock(int fd, int how) {
  struct stat st;
  if (!no_directories || fstat(fd, &st) != 0 || !S_ISDIR(st.st_mode))
    return __real_flock(fd, how);
  errno = EBADF;
  return -1;
}

/* "…/state <how><pid><behind>" is why it cannot be opened. */
static void is_busy(const char *how, long pid, const char *behind) {
  char text[100];
  CHECK_EQ(rig_try("state"), OPAMP_ERR_BUSY);
  snprintf(text, sizeof text, "/state is in use by %s%ld%s", how, pid, behind);
  const char *got = strstr(opamp_errmsg(), "/state is");
  CHECK_STR(got, text);
}

/* Covers: STATE-16 */
TEST(a_second_client_of_the_process) {
  rig_fresh();
  opamp__statedir *s = rig_open();
  is_busy("another client of this process, ", getpid(), "");
  CHECK_EQ(rig_save(s, "key", "x"), OPAMP_OK);
  opamp__statedir_close(s);
  CHECK_EQ(rig_try("state"), OPAMP_OK);
}

/* A process that owns the directory, or does what `then` says, until it reads
 * the end of a pipe. */
typedef struct other {
  pid_t pid;
  int stop;
} other;

static other begin(void (*then)(opamp__statedir *s)) {
  int up[2], down[2];
  char ready = 0;
  CHECK_EQ(pipe2(up, O_CLOEXEC) | pipe2(down, O_CLOEXEC), 0);
  pid_t pid = fork();
  if (pid == 0) {
    opamp__statedir *s;
    close(down[1]);
    if (opamp__statedir_open(&s, place_path("state"), NULL, NULL) != OPAMP_OK)
      _exit(1);
    if (then != NULL) then(s);
    if (write(up[1], "!", 1) != 1) _exit(1);
    close(up[1]);
    _exit(read(down[0], &ready, 1) == 0 ? 0 : 1);
  }
  close(up[1]);
  close(down[0]);
  CHECK_EQ(read(up[0], &ready, 1), 1);
  close(up[0]);
  return (other){pid, down[1]};
}

static void end(other o) {
  int status;
  close(o.stop);
  CHECK_EQ(waitpid(o.pid, &status, 0), o.pid);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void killed(other o) {
  int status;
  CHECK_EQ(kill(o.pid, SIGKILL), 0);
  CHECK_EQ(waitpid(o.pid, &status, 0), o.pid);
  CHECK(WIFSIGNALED(status));
  close(o.stop);
}

/* Covers: STATE-16 */
TEST(another_process_is_named) {
  rig_fresh();
  other o = begin(NULL);
  is_busy("process ", o.pid, "");
  end(o);
  CHECK_EQ(rig_try("state"), OPAMP_OK);
}

/* Covers: STATE-16 */
TEST(the_lock_ends_with_kill_9) {
  rig_fresh();
  other o = begin(NULL);
  is_busy("process ", o.pid, "");
  killed(o);
  opamp__statedir *s = rig_open();
  is_busy("another client of this process, ", getpid(), "");
  opamp__statedir_close(s);
}

/* Covers: STATE-16 */
TEST(a_lock_file_that_is_removed_lets_nobody_in) {
  rig_fresh();
  opamp__statedir *s = rig_open();
  CHECK_EQ(unlink(rig_path("lock")), 0);
  CHECK_EQ(rig_try("state"), OPAMP_ERR_BUSY);
  rig_says(opamp_errmsg(), "/state is in use by another process");
  opamp__statedir_close(s);
  CHECK_EQ(rig_try("state"), OPAMP_OK);
}

/* Covers: STATE-16 */
TEST(where_directories_cannot_be_locked) {
  rig_fresh();
  no_directories = true;
  other o = begin(NULL);
  is_busy("process ", o.pid, "");
  killed(o);
  opamp__statedir *s = rig_open();
  is_busy("another client of this process, ", getpid(), "");
  opamp__statedir_close(s);
  no_directories = false;
  CHECK_EQ(rig_try("state"), OPAMP_OK);
}

static void on_another_host(opamp__statedir *s) {
  (void)s;
  rig_put("lock", "1 web-7f9c\n", 11);
}

static void by_nobody(opamp__statedir *s) {
  (void)s;
  rig_put("lock", "-1 web\n", 7);
}

TEST(the_process_may_be_in_another_container) {
  rig_fresh();
  other o = begin(on_another_host);
  is_busy("process ", 1, " on web-7f9c");
  end(o);
  o = begin(by_nobody);
  CHECK_EQ(rig_try("state"), OPAMP_ERR_BUSY);
  rig_says(opamp_errmsg(), "/state is in use by another process");
  end(o);
  CHECK_EQ(rig_try("state"), OPAMP_OK);
}

/* --- fork ----------------------------------------------------------------- */

static opamp__statedir *parents;

static int abandons(void) {
  opamp__statedir_close(parents);
  EXPECT(rig_try("state") == OPAMP_ERR_BUSY);
  return 0;
}

static int closes(void) {
  opamp__statedir_close(parents);
  EXPECT(rig_try("state") == OPAMP_ERR_BUSY);
  return 0;
}

/* Covers: PROC-2 */
TEST(what_a_forked_child_does_ends_no_lock) {
  rig_fresh();
  parents = rig_open();
  CHECK_EQ(place_in_child(abandons), 0);
  is_busy("another client of this process, ", getpid(), "");
  CHECK_EQ(place_in_child(closes), 0);
  is_busy("another client of this process, ", getpid(), "");
  CHECK_EQ(rig_save(parents, "key", "x"), OPAMP_OK);
  opamp__statedir_close(parents);
  CHECK_EQ(rig_try("state"), OPAMP_OK);
}

static int stop[2]; /* the pipe whose end ends the grandchild */
static bool abandoning;

static void leaves_child(opamp__statedir *s) {
  int ready[2];
  char c;
  if (pipe2(ready, O_CLOEXEC) != 0) _exit(1);
  if (fork() == 0) {
    close(stop[1]);
    if (abandoning) opamp__statedir_close(s);
    close(ready[1]);
    _exit(read(stop[0], &c, 1) == 0 ? 0 : 1);
  }
  close(ready[1]);
  if (read(ready[0], &c, 1) != 0) _exit(1);
}

static void a_grandchild_lives(bool abandons_it) {
  int status;
  rig_fresh();
  abandoning = abandons_it;
  CHECK_EQ(pipe2(stop, O_CLOEXEC), 0);
  CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
  other o = begin(leaves_child);
  is_busy("process ", o.pid, "");
  killed(o);
  if (abandons_it)
    CHECK_EQ(rig_try("state"), OPAMP_OK);
  else
    is_busy("what process ", o.pid, ", which has ended, left behind");
  close(stop[1]);
  CHECK(waitpid(-1, &status, 0) > 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  close(stop[0]);
  CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0), 0);
  CHECK_EQ(rig_try("state"), OPAMP_OK);
}

/* Covers: PROC-2, STATE-16 */
TEST(a_child_that_outlives_its_parent_has_its_lock) {
  a_grandchild_lives(false);
}

/* Covers: PROC-2, STATE-16 */
TEST(or_has_not_when_it_abandoned_it) {
  a_grandchild_lives(true);
}
