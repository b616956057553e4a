/* SPDX-License-Identifier: Apache-2.0 */
#include "opamp/configdir.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent_configdir_rig.h"
#include "harness.h"

/* Sets of files: shown whole, kept, restored. */

TEST(a_set_replaces_the_set_before_it) {
  rig_fresh();
  opamp_configdir *d = rig_open();
  CHECK_STR(rig_shown(d), "");
  CHECK(opamp_configdir_is_good(d));
  CHECK_EQ(rig_replace(d, FILES("a.yaml", "1", "sub/deep/b", "2", "", "3")), 0);
  CHECK_STR(rig_shown(d), "a.yaml=1;config=3;sub/deep/b=2;");
  CHECK(!opamp_configdir_is_good(d));
  CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  CHECK(opamp_configdir_is_good(d));
  CHECK_EQ(rig_replace(d, FILES("a.yaml", "new")), OPAMP_OK);
  CHECK_STR(rig_shown(d), "a.yaml=new;");
  CHECK_EQ(opamp_configdir_rollback(d), OPAMP_OK);
  CHECK_STR(rig_shown(d), "a.yaml=1;config=3;sub/deep/b=2;");
  CHECK(opamp_configdir_is_good(d));
  opamp_configdir_free(d);
}

TEST(the_good_set_survives_several_bad_ones) {
  rig_fresh();
  opamp_configdir *d = rig_open();
  CHECK_EQ(rig_replace(d, FILES("a", "good")), OPAMP_OK);
  CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  CHECK_EQ(rig_replace(d, FILES("a", "bad")), OPAMP_OK);
  CHECK_EQ(rig_replace(d, FILES("b", "worse")), OPAMP_OK);
  CHECK_STR(rig_shown(d), "b=worse;");
  CHECK_EQ(opamp_configdir_rollback(d), OPAMP_OK);
  CHECK_EQ(opamp_configdir_rollback(d), OPAMP_OK); /* nothing left to do */
  CHECK_STR(rig_shown(d), "a=good;");
  opamp_configdir_free(d);
}

TEST(what_was_there_first_is_never_deleted) {
  rig_fresh();
  CHECK_EQ(mkdir(rig_dir, 0750), 0);
  place_write("conf/mine", "precious");
  opamp_configdir *d = rig_open();
  CHECK_STR(rig_shown(d), "mine=precious;");
  CHECK_EQ(rig_replace(d, FILES("theirs", "x")), OPAMP_OK);
  CHECK_EQ(opamp_configdir_rollback(d), OPAMP_OK);
  CHECK_STR(rig_shown(d), "mine=precious;");
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(rig_replace(d, FILES("theirs", "y")), OPAMP_OK);
    CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  }
  CHECK_STR(rig_shown(d), "theirs=y;");
  CHECK_EQ(access(place_path(".conf.opamp/original/mine"), R_OK), 0);
  struct stat st;
  CHECK_EQ(stat(rig_dir, &st), 0);
  CHECK_EQ(st.st_mode & 07777, 0750);
  opamp_configdir_free(d);
}

TEST(a_file_keeps_its_permissions) {
  rig_fresh();
  opamp_configdir *d = rig_open();
  struct stat st;
  CHECK_EQ(rig_replace(d, FILES("s/key", "1")), OPAMP_OK);
  CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  CHECK_EQ(chmod(place_path("conf/s/key"), 04600), 0);
  CHECK_EQ(rig_replace(d, FILES("s/key", "2")), OPAMP_OK);
  CHECK_EQ(stat(place_path("conf/s/key"), &st), 0);
  CHECK_EQ(st.st_mode & 07777, 0600);
  opamp_configdir_free(d);
}

static void refuses(opamp_configdir *d, const char *name, const char *why) {
  opamp_status s = rig_replace(d, FILES("fine", "new", name, "x"));
  CHECK_EQ(s, OPAMP_ERR_INVALID);
  if (strstr(opamp_errmsg(), why) == NULL)
    harness_check_str(__FILE__, __LINE__, name, opamp_errmsg(), why);
  CHECK_STR(rig_shown(d), "fine=old;");
}

TEST(names_that_lead_elsewhere_are_refused) {
  rig_fresh();
  opamp_configdir *d = rig_open();
  char component[300] = "a/", many[300] = "";
  CHECK_EQ(rig_replace(d, FILES("fine", "old")), OPAMP_OK);
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
  CHECK_EQ(rig_replace(d, FILES(component, "x", "..a", "y", "b..", "z")),
           OPAMP_OK);
  opamp_configdir_free(d);
}

TEST(two_objects_in_one_place_are_refused) {
  rig_fresh();
  opamp_configdir *d = rig_open();
  CHECK_EQ(rig_replace(d, FILES("", "1", "config", "2")), OPAMP_ERR_INVALID);
  CHECK(strstr(opamp_errmsg(), "\"config\"") != NULL);
  CHECK_STR(rig_shown(d), "");
  opamp_configdir_free(d);
}

TEST(other_messages_are_refused) {
  rig_fresh();
  opamp_configdir *d = rig_open();
  opamp_msg *m;
  CHECK_EQ(opamp_msg_new(&m, OPAMP_MSG_AGENT_TO_SERVER), OPAMP_OK);
  CHECK_EQ(opamp_configdir_replace(d, m), OPAMP_ERR_TYPE);
  CHECK_EQ(opamp_configdir_replace(d, NULL), OPAMP_ERR_TYPE);
  opamp_msg_free(m);
  opamp_configdir_free(d);
}

TEST(one_process_has_it_at_a_time) {
  rig_fresh();
  opamp_configdir *d = rig_open(), *second;
  CHECK_EQ(opamp_configdir_open(&second, rig_dir), OPAMP_ERR_BUSY);
  CHECK(second == NULL);
  pid_t pid = fork();
  if (pid == 0) { /* a forked child may free its copy: nothing happens */
    opamp_configdir_free(d);
    _exit(0);
  }
  CHECK_EQ(waitpid(pid, NULL, 0), pid);
  CHECK_EQ(opamp_configdir_open(&second, rig_dir), OPAMP_ERR_BUSY);
  opamp_configdir_free(d);
  d = rig_open();
  opamp_configdir_free(d);
}

TEST(what_cannot_be_opened_is_named) {
  rig_fresh();
  opamp_configdir *d;
  char path[200];
  snprintf(path, sizeof path, "%s/no/conf", place_root);
  CHECK_EQ(opamp_configdir_open(&d, path), OPAMP_ERR_IO);
  CHECK(strstr(opamp_errmsg(), "/no/conf: No such file") != NULL);
  place_write("file", "");
  CHECK_EQ(opamp_configdir_open(&d, place_path("file")), OPAMP_ERR_IO);
  CHECK(strstr(opamp_errmsg(), "Not a directory") != NULL);
  CHECK_EQ(opamp_configdir_open(&d, "/"), OPAMP_ERR_IO);
  CHECK_EQ(opamp_configdir_open(&d, "/proc"), OPAMP_ERR_IO);
  CHECK(strstr(opamp_errmsg(), "mount point") != NULL);
}

TEST(a_link_to_the_directory_stays_one) {
  rig_fresh();
  CHECK_EQ(mkdir(place_path("real"), 0755), 0);
  CHECK_EQ(symlink("real", rig_dir), 0);
  opamp_configdir *d = rig_open();
  CHECK_EQ(rig_replace(d, FILES("a", "1")), OPAMP_OK);
  CHECK_EQ(access(place_path("conf/a"), R_OK), 0);
  CHECK_EQ(access(place_path("real/a"), R_OK), 0);
  CHECK(strstr(opamp_configdir_path(d), "/real") != NULL);
  opamp_configdir_free(d);
}

/* --- crashes ----------------------------------------------------------------
 * The pictures a crash can leave on the disk, made by hand. */

static void rename_in_root(const char *from, const char *to) {
  char path[300];
  snprintf(path, sizeof path, "%s", place_path(from));
  CHECK_EQ(rename(path, place_path(to)), 0);
}

TEST(crash_after_the_exchange) {
  rig_fresh();
  opamp_configdir *d = rig_open();
  CHECK_EQ(rig_replace(d, FILES("a", "good")), OPAMP_OK);
  CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  CHECK_EQ(rig_replace(d, FILES("a", "new")), OPAMP_OK);
  opamp_configdir_free(d);
  rename_in_root(".conf.opamp/good", ".conf.opamp/next");
  d = rig_open();
  CHECK_STR(rig_shown(d), "a=new;");
  CHECK(!opamp_configdir_is_good(d));
  CHECK_EQ(opamp_configdir_rollback(d), OPAMP_OK);
  CHECK_STR(rig_shown(d), "a=good;");
  opamp_configdir_free(d);
}

TEST(crash_while_writing) {
  rig_fresh();
  opamp_configdir *d = rig_open();
  CHECK_EQ(rig_replace(d, FILES("a", "good")), OPAMP_OK);
  CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  opamp_configdir_free(d);
  CHECK_EQ(mkdir(place_path(".conf.opamp/next"), 0700), 0);
  place_write(".conf.opamp/next/half", "wri");
  place_write(".conf.opamp/state.new", "good 1");
  d = rig_open();
  CHECK_STR(rig_shown(d), "a=good;");
  CHECK(opamp_configdir_is_good(d));
  CHECK(access(place_path(".conf.opamp/next"), F_OK) != 0);
  opamp_configdir_free(d);
}

TEST(crash_in_a_rollback) {
  rig_fresh();
  opamp_configdir *d = rig_open();
  CHECK_EQ(rig_replace(d, FILES("a", "good")), OPAMP_OK);
  CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  CHECK_EQ(rig_replace(d, FILES("a", "bad")), OPAMP_OK);
  opamp_configdir_free(d);
  /* Exchanged, and the bad set not yet removed. */
  rename_in_root(".conf.opamp/good", ".conf.opamp/x");
  rename_in_root("conf", ".conf.opamp/next");
  rename_in_root(".conf.opamp/x", "conf");
  d = rig_open();
  CHECK_STR(rig_shown(d), "a=good;");
  CHECK(opamp_configdir_is_good(d));
  CHECK(access(place_path(".conf.opamp/next"), F_OK) != 0);
  CHECK(access(place_path(".conf.opamp/original/a"), F_OK) != 0);
  opamp_configdir_free(d);
}

TEST(a_directory_somebody_replaced_is_taken_as_it_is) {
  rig_fresh();
  opamp_configdir *d = rig_open();
  CHECK_EQ(rig_replace(d, FILES("a", "1")), OPAMP_OK);
  CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  rename_in_root("conf", "elsewhere");
  CHECK_EQ(mkdir(rig_dir, 0755), 0);
  place_write("conf/hand", "made");
  CHECK_EQ(rig_replace(d, FILES("b", "2")), OPAMP_OK);
  CHECK_EQ(opamp_configdir_rollback(d), OPAMP_OK);
  CHECK_STR(rig_shown(d), "hand=made;");
  opamp_configdir_free(d);
}

TEST(reading_follows_links_to_files_only) {
  rig_fresh();
  CHECK_EQ(mkdir(rig_dir, 0755), 0);
  place_write("target", "there");
  CHECK_EQ(symlink("../target", place_path("conf/link")), 0);
  CHECK_EQ(symlink("..", place_path("conf/loop")), 0);
  CHECK_EQ(symlink("nowhere", place_path("conf/broken")), 0);
  CHECK_EQ(mkfifo(place_path("conf/fifo"), 0600), 0);
  place_write("conf/\xff", "no name");
  opamp_configdir *d = rig_open();
  CHECK_STR(rig_shown(d), "link=there;");
  opamp_configdir_free(d);
}
