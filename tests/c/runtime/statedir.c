/* SPDX-License-Identifier: Apache-2.0 */
/* The state directory, alone: what it keeps, refuses and sets aside. */
#include "runtime/statedir.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"
#include "opamp/status.h"

static char dir[64], noted[1024];

static void note(void *ctx, int level, const char *text) {
  (void)ctx, (void)level;
  snprintf(noted, sizeof noted, "%s", text);
}

static void begin(void) {
  snprintf(dir, sizeof dir, "/tmp/opamp-state-XXXXXX");
  CHECK(mkdtemp(dir) != NULL);
  noted[0] = '\0';
}

static void end(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", dir);
  CHECK_EQ(system(command), 0);
}

static opamp__statedir *open_dir(void) {
  opamp__statedir *s;
  CHECK_EQ(opamp__statedir_open(&s, dir, note, NULL), OPAMP_OK);
  return s;
}

static const char *path(const char *name) {
  static char p[128];
  snprintf(p, sizeof p, "%s/%s", dir, name);
  return p;
}

static opamp_bytes bytes(const char *text) {
  return (opamp_bytes){(const uint8_t *)text, strlen(text)};
}

static opamp_status load_is(opamp__statedir *s, const char *want) {
  opamp__buf b = {NULL, 0, 0};
  opamp_status status = opamp__statedir_load(s, "key", &b);
  if (status == OPAMP_OK) {
    CHECK_EQ(b.len, strlen(want));
    CHECK(b.len == 0 || memcmp(b.ptr, want, b.len) == 0);
  }
  opamp__buf_wipe_free(&b);
  return status;
}

static size_t read_file(const char *name, uint8_t *out, size_t room) {
  int fd = open(path(name), O_RDONLY);
  ssize_t n = read(fd, out, room);
  CHECK(fd >= 0 && n >= 0);
  close(fd);
  return (size_t)n;
}

static void write_file(const char *name, const uint8_t *p, size_t n) {
  int fd = open(path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  CHECK(fd >= 0 && write(fd, p, n) == (ssize_t)n);
  close(fd);
}

/* Covers: STATE-16, SEC-5 */
TEST(what_is_saved_is_there_and_private) {
  struct stat st;
  begin();
  mode_t old = umask(0);
  opamp__statedir *s = open_dir();
  CHECK_EQ(load_is(s, ""), OPAMP_ERR_NOTFOUND);
  CHECK_EQ(opamp__statedir_save(s, "key", bytes("value")), OPAMP_OK);
  CHECK_EQ(load_is(s, "value"), OPAMP_OK);
  CHECK_EQ(opamp__statedir_save(s, "key", bytes("")), OPAMP_OK);
  CHECK_EQ(load_is(s, ""), OPAMP_OK);
  umask(0777);
  CHECK_EQ(opamp__statedir_save(s, "key", bytes("again")), OPAMP_OK);
  umask(old);
  CHECK_EQ(stat(path("key"), &st), 0);
  CHECK_EQ(st.st_mode & 07777, 0600);
  CHECK_EQ(load_is(s, "again"), OPAMP_OK);
  CHECK_EQ(opamp__statedir_erase(s, "key"), OPAMP_OK);
  CHECK_EQ(opamp__statedir_erase(s, "key"), OPAMP_OK);
  CHECK_EQ(load_is(s, ""), OPAMP_ERR_NOTFOUND);
  opamp__statedir_close(s);
  end();
}

/* Covers: SEC-5 */
TEST(directories_that_are_no_good) {
  opamp__statedir *s;
  struct stat st;
  begin();
  CHECK_EQ(opamp__statedir_open(&s, "/no/such/place", note, NULL),
           OPAMP_ERR_IO);
  CHECK(strstr(opamp_errmsg(), "/no/such/place") != NULL);
  write_file("file", NULL, 0);
  CHECK_EQ(opamp__statedir_open(&s, path("file"), note, NULL), OPAMP_ERR_IO);
  CHECK_EQ(chmod(dir, 0755), 0); /* others may not read it from now on */
  s = open_dir();
  CHECK_EQ(stat(dir, &st), 0);
  CHECK_EQ(st.st_mode & 07777, 0700);
  opamp__statedir_close(s);
  end();
}

/* Covers: STATE-16 */
TEST(one_at_a_time) {
  opamp__statedir *second;
  char pid[32];
  begin();
  opamp__statedir *s = open_dir();
  snprintf(pid, sizeof pid, "process %ld", (long)getpid());
  CHECK_EQ(opamp__statedir_open(&second, dir, note, NULL), OPAMP_ERR_BUSY);
  CHECK(strstr(opamp_errmsg(), pid) != NULL);
  /* A child that lets go of its copy takes nothing from the parent. */
  pid_t child = fork();
  if (child == 0) {
    opamp__statedir_close(s);
    harness_child_exit(0);
  }
  CHECK_EQ(waitpid(child, NULL, 0), child);
  CHECK_EQ(opamp__statedir_open(&second, dir, note, NULL), OPAMP_ERR_BUSY);
  opamp__statedir_close(s);
  opamp__statedir_close(open_dir());
  end();
}

/* Every cut and every bit that is another: never the wrong value. */
TEST(broken_files_are_found_out) {
  uint8_t good[128], bad[128];
  begin();
  opamp__statedir *s = open_dir();
  CHECK_EQ(opamp__statedir_save(s, "key", bytes("value")), OPAMP_OK);
  size_t n = read_file("key", good, sizeof good);
  for (size_t cut = 0; cut < n; cut++) {
    write_file("key", good, cut);
    CHECK_EQ(load_is(s, "value"), OPAMP_ERR_NOTFOUND);
    CHECK(strstr(noted, "key.bad-") != NULL);
    CHECK(access(path("key"), F_OK) != 0);
  }
  for (size_t bit = 0; bit < 8 * n; bit++) {
    memcpy(bad, good, n);
    bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
    write_file("key", bad, n);
    CHECK_EQ(load_is(s, "value"), OPAMP_ERR_NOTFOUND);
  }
  write_file("key", good, n);
  CHECK_EQ(load_is(s, "value"), OPAMP_OK);
  /* A few are kept, not all of them. */
  int kept = 0;
  DIR *d = opendir(dir);
  for (struct dirent *e; (e = readdir(d)) != NULL;)
    kept += strstr(e->d_name, ".bad-") != NULL;
  closedir(d);
  CHECK(kept >= 1 && kept <= 4);
  opamp__statedir_close(s);
  end();
}

/* Covers: SEC-5 */
TEST(what_is_not_ours_is_not_followed) {
  uint8_t good[128];
  begin();
  opamp__statedir *s = open_dir();
  CHECK_EQ(opamp__statedir_save(s, "other", bytes("value")), OPAMP_OK);
  size_t n = read_file("other", good, sizeof good);
  write_file("key", good, n); /* another key's */
  CHECK_EQ(load_is(s, "value"), OPAMP_ERR_NOTFOUND);
  CHECK_EQ(symlink("other", path("key")), 0);
  CHECK_EQ(load_is(s, "value"), OPAMP_ERR_NOTFOUND);
  CHECK(strstr(noted, "symbolic link") != NULL);
  CHECK_EQ(mkfifo(path("key"), 0600), 0);
  CHECK_EQ(load_is(s, "value"), OPAMP_ERR_NOTFOUND);
  CHECK_EQ(mkdir(path("key"), 0700), 0);
  CHECK_EQ(load_is(s, "value"), OPAMP_ERR_NOTFOUND);
  CHECK_EQ(symlink("/etc/passwd", path("key.tmp")), 0);
  CHECK_EQ(opamp__statedir_save(s, "key", bytes("mine")), OPAMP_OK);
  CHECK_EQ(load_is(s, "mine"), OPAMP_OK);
  opamp__statedir_close(s);
  end();
}

TEST(without_memory) {
  begin();
  opamp__statedir *s = open_dir();
  CHECK_EQ(opamp__statedir_save(s, "key", bytes("value")), OPAMP_OK);
  for (size_t n = 1;; n++) {
    opamp__buf b = {NULL, 0, 0};
    opamp__mem_fail_after(n);
    opamp_status status = opamp__statedir_load(s, "key", &b);
    opamp__mem_fail_after(0);
    opamp__buf_wipe_free(&b);
    if (status == OPAMP_OK) break;
    CHECK_EQ(status, OPAMP_ERR_NOMEM);
  }
  opamp__statedir_close(s);
  for (size_t n = 1;; n++) {
    opamp__mem_fail_after(n);
    opamp_status status = opamp__statedir_open(&s, dir, note, NULL);
    opamp__mem_fail_after(0);
    if (status == OPAMP_OK) break;
    CHECK_EQ(status, OPAMP_ERR_NOMEM);
  }
  opamp__statedir_close(s);
  end();
}
