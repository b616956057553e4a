/* SPDX-License-Identifier: Apache-2.0 */
#include "opamp/configdir.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "opamp/typed.h"

/* Sets of files: shown whole, kept, restored. */

static char root[64], dir[80];

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *at) {
  (void)st, (void)type, (void)at;
  return remove(path);
}

static void clean(void) {
  if (root[0] != '\0') nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  root[0] = '\0';
}

/* A new, empty place; `dir` is in it and does not exist. */
static void fresh(void) {
  static bool registered;
  if (!registered) atexit(clean);
  registered = true;
  clean();
  strcpy(root, "/tmp/agent_configdir.XXXXXX");
  CHECK(mkdtemp(root) != NULL);
  snprintf(dir, sizeof dir, "%s/conf", root);
}

static const char *in_root(const char *name) {
  static char path[300];
  snprintf(path, sizeof path, "%s/%s", root, name);
  return path;
}

static void write_file(const char *name, const char *text) {
  FILE *f = fopen(in_root(name), "w");
  CHECK(f != NULL);
  fputs(text, f);
  CHECK_EQ(fclose(f), 0);
}

static opamp_configdir *open_dir(void) {
  opamp_configdir *d;
  opamp_status s = opamp_configdir_open(&d, dir);
  if (s != OPAMP_OK)
    harness_fail(__FILE__, __LINE__, "open: %s", opamp_errmsg());
  return d;
}

/* Names and bodies in turn, ended by NULL. */
static opamp_status replace(opamp_configdir *d, const char *const *files) {
  opamp_msg *m, *map, *file;
  CHECK_EQ(opamp_msg_new(&m, OPAMP_MSG_AGENT_REMOTE_CONFIG), OPAMP_OK);
  CHECK_EQ(opamp_msg_add(&map, m, OPAMP_AGENT_REMOTE_CONFIG_CONFIG), OPAMP_OK);
  for (; files[0] != NULL; files += 2) {
    CHECK_EQ(opamp_msg_put(&file, map, OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP,
                           opamp_str_of(files[0])),
             OPAMP_OK);
    CHECK_EQ(opamp_msg_set_bytes(file, OPAMP_AGENT_CONFIG_OBJECT_BODY,
                                 opamp_bytes_of(files[1], strlen(files[1]))),
             OPAMP_OK);
  }
  opamp_status s = opamp_configdir_replace(d, m);
  opamp_msg_free(m);
  return s;
}

#define FILES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* What is shown, as "name=body;" in the order of the names. */
static const char *shown(opamp_configdir *d) {
  static char text[2000];
  const int field = OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP;
  opamp_msg *m;
  size_t len = 0;
  CHECK_EQ(opamp_configdir_read(d, &m), OPAMP_OK);
  const opamp_msg *map = opamp_msg_sub(m, OPAMP_EFFECTIVE_CONFIG_CONFIG_MAP, 0);
  text[0] = '\0';
  for (size_t i = 0; i < opamp_msg_count(map, field); i++) {
    opamp_bytes b = opamp_msg_bytes(opamp_msg_sub(map, field, i),
                                    OPAMP_AGENT_CONFIG_OBJECT_BODY, 0);
    len += (size_t)snprintf(text + len, sizeof text - len, "%s=%.*s;",
                            opamp_msg_key(map, field, i).ptr, (int)b.len,
                            b.len > 0 ? (const char *)b.ptr : "");
  }
  opamp_msg_free(m);
  return text;
}

TEST(a_set_replaces_the_set_before_it) {
  fresh();
  opamp_configdir *d = open_dir();
  CHECK_STR(shown(d), "");
  CHECK(opamp_configdir_is_good(d));
  CHECK_EQ(replace(d, FILES("a.yaml", "1", "sub/deep/b", "2", "", "3")), 0);
  CHECK_STR(shown(d), "a.yaml=1;config=3;sub/deep/b=2;");
  CHECK(!opamp_configdir_is_good(d));
  CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  CHECK(opamp_configdir_is_good(d));
  CHECK_EQ(replace(d, FILES("a.yaml", "new")), OPAMP_OK);
  CHECK_STR(shown(d), "a.yaml=new;");
  CHECK_EQ(opamp_configdir_rollback(d), OPAMP_OK);
  CHECK_STR(shown(d), "a.yaml=1;config=3;sub/deep/b=2;");
  CHECK(opamp_configdir_is_good(d));
  opamp_configdir_free(d);
}

TEST(the_good_set_survives_several_bad_ones) {
  fresh();
  opamp_configdir *d = open_dir();
  CHECK_EQ(replace(d, FILES("a", "good")), OPAMP_OK);
  CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  CHECK_EQ(replace(d, FILES("a", "bad")), OPAMP_OK);
  CHECK_EQ(replace(d, FILES("b", "worse")), OPAMP_OK);
  CHECK_STR(shown(d), "b=worse;");
  CHECK_EQ(opamp_configdir_rollback(d), OPAMP_OK);
  CHECK_EQ(opamp_configdir_rollback(d), OPAMP_OK); /* nothing left to do */
  CHECK_STR(shown(d), "a=good;");
  opamp_configdir_free(d);
}

TEST(what_was_there_first_is_never_deleted) {
  fresh();
  CHECK_EQ(mkdir(dir, 0750), 0);
  write_file("conf/mine", "precious");
  opamp_configdir *d = open_dir();
  CHECK_STR(shown(d), "mine=precious;");
  CHECK_EQ(replace(d, FILES("theirs", "x")), OPAMP_OK);
  CHECK_EQ(opamp_configdir_rollback(d), OPAMP_OK);
  CHECK_STR(shown(d), "mine=precious;");
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(replace(d, FILES("theirs", "y")), OPAMP_OK);
    CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  }
  CHECK_STR(shown(d), "theirs=y;");
  CHECK_EQ(access(in_root(".conf.opamp/original/mine"), R_OK), 0);
  struct stat st;
  CHECK_EQ(stat(dir, &st), 0);
  CHECK_EQ(st.st_mode & 07777, 0750);
  opamp_configdir_free(d);
}

TEST(a_file_keeps_its_permissions) {
  fresh();
  opamp_configdir *d = open_dir();
  struct stat st;
  CHECK_EQ(replace(d, FILES("s/key", "1")), OPAMP_OK);
  CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  CHECK_EQ(chmod(in_root("conf/s/key"), 04600), 0);
  CHECK_EQ(replace(d, FILES("s/key", "2")), OPAMP_OK);
  CHECK_EQ(stat(in_root("conf/s/key"), &st), 0);
  CHECK_EQ(st.st_mode & 07777, 0600);
  opamp_configdir_free(d);
}

static void refuses(opamp_configdir *d, const char *name, const char *why) {
  opamp_status s = replace(d, FILES("fine", "new", name, "x"));
  CHECK_EQ(s, OPAMP_ERR_INVALID);
  if (strstr(opamp_errmsg(), why) == NULL)
    harness_check_str(__FILE__, __LINE__, name, opamp_errmsg(), why);
  CHECK_STR(shown(d), "fine=old;");
}

TEST(names_that_lead_elsewhere_are_refused) {
  fresh();
  opamp_configdir *d = open_dir();
  char component[300] = "a/", many[300] = "";
  CHECK_EQ(replace(d, FILES("fine", "old")), OPAMP_OK);
  refuses(d, "../x", "\"../x\": \"..\" in the path");
  refuses(d, "a/..", "\"..\" in the path");
  refuses(d, "a/../../x", "\"..\" in the path");
  refuses(d, "/etc/passwd", "absolute path");
  refuses(d, "a//b", "empty path component");
  refuses(d, "a/", "empty path component");
  refuses(d, "./a", "\".\" in the path");
  refuses(d, "fine/b", "another object has this place");
  memset(component + 2, 'x', 256);
  refuses(d, component, "longer than 255 bytes");
  for (int i = 0; i < 65; i++) strcat(many, i == 0 ? "a" : "/a");
  refuses(d, many, "more than 64 components");
  component[257] = '\0';
  CHECK_EQ(replace(d, FILES(component, "x", "..a", "y", "b..", "z")), OPAMP_OK);
  opamp_configdir_free(d);
}

TEST(two_objects_in_one_place_are_refused) {
  fresh();
  opamp_configdir *d = open_dir();
  CHECK_EQ(replace(d, FILES("", "1", "config", "2")), OPAMP_ERR_INVALID);
  CHECK(strstr(opamp_errmsg(), "\"config\"") != NULL);
  CHECK_STR(shown(d), "");
  opamp_configdir_free(d);
}

TEST(other_messages_are_refused) {
  fresh();
  opamp_configdir *d = open_dir();
  opamp_msg *m;
  CHECK_EQ(opamp_msg_new(&m, OPAMP_MSG_AGENT_TO_SERVER), OPAMP_OK);
  CHECK_EQ(opamp_configdir_replace(d, m), OPAMP_ERR_TYPE);
  CHECK_EQ(opamp_configdir_replace(d, NULL), OPAMP_ERR_TYPE);
  opamp_msg_free(m);
  opamp_configdir_free(d);
}

TEST(one_process_has_it_at_a_time) {
  fresh();
  opamp_configdir *d = open_dir(), *second;
  CHECK_EQ(opamp_configdir_open(&second, dir), OPAMP_ERR_BUSY);
  CHECK(second == NULL);
  pid_t pid = fork();
  if (pid == 0) { /* a forked child may free its copy: nothing happens */
    opamp_configdir_free(d);
    _exit(0);
  }
  CHECK_EQ(waitpid(pid, NULL, 0), pid);
  CHECK_EQ(opamp_configdir_open(&second, dir), OPAMP_ERR_BUSY);
  opamp_configdir_free(d);
  d = open_dir();
  opamp_configdir_free(d);
}

TEST(what_cannot_be_opened_is_named) {
  fresh();
  opamp_configdir *d;
  char path[200];
  snprintf(path, sizeof path, "%s/no/conf", root);
  CHECK_EQ(opamp_configdir_open(&d, path), OPAMP_ERR_IO);
  CHECK(strstr(opamp_errmsg(), "/no/conf: No such file") != NULL);
  write_file("file", "");
  CHECK_EQ(opamp_configdir_open(&d, in_root("file")), OPAMP_ERR_IO);
  CHECK(strstr(opamp_errmsg(), "Not a directory") != NULL);
  CHECK_EQ(opamp_configdir_open(&d, "/"), OPAMP_ERR_IO);
  CHECK_EQ(opamp_configdir_open(&d, "/proc"), OPAMP_ERR_IO);
  CHECK(strstr(opamp_errmsg(), "mount point") != NULL);
}

TEST(a_link_to_the_directory_stays_one) {
  fresh();
  CHECK_EQ(mkdir(in_root("real"), 0755), 0);
  CHECK_EQ(symlink("real", dir), 0);
  opamp_configdir *d = open_dir();
  CHECK_EQ(replace(d, FILES("a", "1")), OPAMP_OK);
  CHECK_EQ(access(in_root("conf/a"), R_OK), 0);
  CHECK_EQ(access(in_root("real/a"), R_OK), 0);
  CHECK(strstr(opamp_configdir_path(d), "/real") != NULL);
  opamp_configdir_free(d);
}

/* --- crashes ----------------------------------------------------------------
 * The pictures a crash can leave on the disk, made by hand. */

static void rename_in_root(const char *from, const char *to) {
  char path[300];
  snprintf(path, sizeof path, "%s", in_root(from));
  CHECK_EQ(rename(path, in_root(to)), 0);
}

TEST(crash_after_the_exchange) {
  fresh();
  opamp_configdir *d = open_dir();
  CHECK_EQ(replace(d, FILES("a", "good")), OPAMP_OK);
  CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  CHECK_EQ(replace(d, FILES("a", "new")), OPAMP_OK);
  opamp_configdir_free(d);
  rename_in_root(".conf.opamp/good", ".conf.opamp/next");
  d = open_dir();
  CHECK_STR(shown(d), "a=new;");
  CHECK(!opamp_configdir_is_good(d));
  CHECK_EQ(opamp_configdir_rollback(d), OPAMP_OK);
  CHECK_STR(shown(d), "a=good;");
  opamp_configdir_free(d);
}

TEST(crash_while_writing) {
  fresh();
  opamp_configdir *d = open_dir();
  CHECK_EQ(replace(d, FILES("a", "good")), OPAMP_OK);
  CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  opamp_configdir_free(d);
  CHECK_EQ(mkdir(in_root(".conf.opamp/next"), 0700), 0);
  write_file(".conf.opamp/next/half", "wri");
  write_file(".conf.opamp/state.new", "good 1");
  d = open_dir();
  CHECK_STR(shown(d), "a=good;");
  CHECK(opamp_configdir_is_good(d));
  CHECK(access(in_root(".conf.opamp/next"), F_OK) != 0);
  opamp_configdir_free(d);
}

TEST(crash_in_a_rollback) {
  fresh();
  opamp_configdir *d = open_dir();
  CHECK_EQ(replace(d, FILES("a", "good")), OPAMP_OK);
  CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  CHECK_EQ(replace(d, FILES("a", "bad")), OPAMP_OK);
  opamp_configdir_free(d);
  /* Exchanged, and the bad set not yet removed. */
  rename_in_root(".conf.opamp/good", ".conf.opamp/x");
  rename_in_root("conf", ".conf.opamp/next");
  rename_in_root(".conf.opamp/x", "conf");
  d = open_dir();
  CHECK_STR(shown(d), "a=good;");
  CHECK(opamp_configdir_is_good(d));
  CHECK(access(in_root(".conf.opamp/next"), F_OK) != 0);
  CHECK(access(in_root(".conf.opamp/original/a"), F_OK) != 0);
  opamp_configdir_free(d);
}

TEST(a_directory_somebody_replaced_is_taken_as_it_is) {
  fresh();
  opamp_configdir *d = open_dir();
  CHECK_EQ(replace(d, FILES("a", "1")), OPAMP_OK);
  CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  rename_in_root("conf", "elsewhere");
  CHECK_EQ(mkdir(dir, 0755), 0);
  write_file("conf/hand", "made");
  CHECK_EQ(replace(d, FILES("b", "2")), OPAMP_OK);
  CHECK_EQ(opamp_configdir_rollback(d), OPAMP_OK);
  CHECK_STR(shown(d), "hand=made;");
  opamp_configdir_free(d);
}

TEST(reading_follows_links_to_files_only) {
  fresh();
  CHECK_EQ(mkdir(dir, 0755), 0);
  write_file("target", "there");
  CHECK_EQ(symlink("../target", in_root("conf/link")), 0);
  CHECK_EQ(symlink("..", in_root("conf/loop")), 0);
  CHECK_EQ(symlink("nowhere", in_root("conf/broken")), 0);
  CHECK_EQ(mkfifo(in_root("conf/fifo"), 0600), 0);
  write_file("conf/\xff", "no name");
  opamp_configdir *d = open_dir();
  CHECK_STR(shown(d), "link=there;");
  opamp_configdir_free(d);
}
