/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent_configdir_rig.h"
#include "harness.h"

/* Places that are hostile, full, read-only, mounted or somebody else's. */

static mode_t mode_of(const char *name) {
  struct stat st;
  CHECK_EQ(lstat(place_path(name), &st), 0);
  return st.st_mode;
}

static void link_in_root(const char *target, const char *name) {
  CHECK_EQ(symlink(target, place_path(name)), 0);
}

static void fails_with(opamp_status got, const char *text) {
  CHECK_EQ(got, OPAMP_ERR_IO);
  if (strstr(opamp_errmsg(), text) == NULL)
    harness_check_str(__FILE__, __LINE__, "opamp_errmsg()", opamp_errmsg(),
                      text);
}

/* --- links ---------------------------------------------------------------- */

TEST(links_in_the_directory_lead_nobody_out_of_it) {
  rig_fresh();
  CHECK_EQ(mkdir(rig_dir, 0755), 0);
  CHECK_EQ(mkdir(place_path("etc"), 0755), 0);
  place_write("etc/passwd", "root");
  CHECK_EQ(chmod(place_path("etc/passwd"), 0666), 0);
  link_in_root("../etc", "conf/conf.d");
  link_in_root("../etc/passwd", "conf/a");
  opamp_configdir *d = rig_open();
  CHECK_EQ(rig_replace(d, FILES("conf.d/passwd", "1", "a", "2")), OPAMP_OK);
  CHECK_STR(rig_on_disk(place_path("etc")), "passwd=root;");
  CHECK_STR(rig_shown(d), "a=2;conf.d/passwd=1;");
  CHECK_EQ(mode_of("conf/conf.d"), S_IFDIR | 0700);
  CHECK_EQ(mode_of("conf/conf.d/passwd"), S_IFREG | 0600);
  CHECK_EQ(mode_of("conf/a"), S_IFREG | 0600);
  CHECK_EQ(opamp_configdir_rollback(d), OPAMP_OK);
  CHECK(S_ISLNK(mode_of("conf/conf.d")));
  opamp_configdir_free(d);
}

TEST(links_beside_the_directory_are_removed_or_refused) {
  rig_fresh();
  opamp_configdir *d = rig_open();
  opamp_configdir_free(d);
  CHECK_EQ(mkdir(place_path("etc"), 0755), 0);
  place_write("etc/passwd", "root");
  link_in_root("../etc", ".conf.opamp/next");
  link_in_root("../etc/passwd", ".conf.opamp/state.new");
  d = rig_open();
  CHECK_EQ(rig_replace(d, FILES("passwd", "x")), OPAMP_OK);
  CHECK_EQ(opamp_configdir_commit(d), OPAMP_OK);
  opamp_configdir_free(d);
  CHECK_STR(rig_on_disk(place_path("etc")), "passwd=root;");
  CHECK_EQ(unlink(place_path(".conf.opamp/lock")), 0);
  link_in_root("../etc/passwd", ".conf.opamp/lock");
  fails_with(opamp_configdir_open(&d, rig_dir), "locking");
  char moved[100];
  snprintf(moved, sizeof moved, "%s", place_path("moved"));
  CHECK_EQ(rename(place_path(".conf.opamp"), moved), 0);
  link_in_root("etc", ".conf.opamp");
  fails_with(opamp_configdir_open(&d, rig_dir), "beside");
  CHECK_STR(rig_on_disk(place_path("etc")), "passwd=root;");
}

TEST(a_directory_beside_it_that_others_can_write_to_is_refused) {
  rig_fresh();
  CHECK_EQ(mkdir(place_path(".conf.opamp"), 0700), 0);
  CHECK_EQ(chmod(place_path(".conf.opamp"), 0770), 0);
  opamp_configdir *d;
  fails_with(opamp_configdir_open(&d, rig_dir), "others may write to it");
}

TEST(a_link_to_nowhere_is_named) {
  rig_fresh();
  link_in_root("nowhere", "conf");
  opamp_configdir *d;
  fails_with(opamp_configdir_open(&d, rig_dir), "/conf: No such file");
}

TEST(a_file_where_a_folder_should_be_is_named) {
  rig_fresh();
  opamp_configdir *d;
  place_write("file", "");
  fails_with(opamp_configdir_open(&d, place_path("file/conf")),
             "/file/conf: Not a directory");
  place_write(".conf.opamp", "");
  fails_with(opamp_configdir_open(&d, rig_dir), "Not a directory");
}

/* --- permissions ---------------------------------------------------------- */

TEST(what_an_offer_brings_is_private) {
  rig_fresh();
  mode_t mask = umask(0);
  opamp_configdir *d = rig_open();
  opamp_status s = rig_replace(d, FILES("s/key", "1"));
  umask(mask);
  CHECK_EQ(s, OPAMP_OK);
  CHECK_EQ(mode_of("conf"), S_IFDIR | 0700);
  CHECK_EQ(mode_of("conf/s"), S_IFDIR | 0700);
  CHECK_EQ(mode_of("conf/s/key"), S_IFREG | 0600);
  CHECK_EQ(mode_of(".conf.opamp"), S_IFDIR | 0700);
  opamp_configdir_free(d);
}

TEST(or_as_public_as_the_program_says) {
  rig_fresh();
  mode_t mask = umask(077);
  opamp_configdir *d = rig_open();
  CHECK_EQ(opamp_configdir_set_file_mode(d, 0640), OPAMP_OK);
  opamp_status s = rig_replace(d, FILES("s/key", "1"));
  umask(mask);
  CHECK_EQ(s, OPAMP_OK);
  CHECK_EQ(mode_of("conf/s"), S_IFDIR | 0750);
  CHECK_EQ(mode_of("conf/s/key"), S_IFREG | 0640);
  CHECK_EQ(opamp_configdir_set_file_mode(d, 0755), OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_configdir_set_file_mode(d, 0440), OPAMP_ERR_INVALID);
  CHECK_EQ(opamp_configdir_set_file_mode(d, 04600), OPAMP_ERR_INVALID);
  CHECK(strstr(opamp_errmsg(), "4600") != NULL);
  CHECK_EQ(chmod(place_path("conf/s"), 0511), 0);
  CHECK_EQ(rig_replace(d, FILES("s/key", "2", "s/new", "3")), OPAMP_OK);
  CHECK_EQ(mode_of("conf/s"), S_IFDIR | 0711); /* it has to be removable */
  CHECK_EQ(mode_of("conf/s/new"), S_IFREG | 0640);
  opamp_configdir_free(d);
}

/* --- in a child ----------------------------------------------------------- */

static bool says(const char *text) {
  return strstr(opamp_errmsg(), text) != NULL;
}

static int small_files(void) {
  opamp_configdir *d;
  char big[4000];
  struct rlimit limit = {1000, 1000};
  signal(SIGXFSZ, SIG_IGN);
  memset(big, 'x', sizeof big - 1);
  big[sizeof big - 1] = '\0';
  EXPECT(opamp_configdir_open(&d, rig_dir) == OPAMP_OK);
  EXPECT(rig_replace(d, FILES("a", "old")) == OPAMP_OK);
  EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  EXPECT(rig_replace(d, FILES("a", "new", "s/big", big)) == OPAMP_ERR_IO);
  EXPECT(says("/conf: writing s/big: File too large"));
  EXPECT(strcmp(rig_shown(d), "a=old;") == 0);
  EXPECT(access(place_path(".conf.opamp/next"), F_OK) != 0);
  EXPECT(opamp_configdir_commit(d) == OPAMP_OK);
  opamp_configdir_free(d);
  return 0;
}

TEST(a_file_that_cannot_be_written_is_named) {
  rig_fresh();
  CHECK_EQ(place_in_child(small_files), 0);
}

static int without_permission(void) {
  opamp_configdir *d;
  opamp_msg *m;
  EXPECT(place_become_nobody());
  EXPECT(opamp_configdir_open(&d, place_path("closed/new")) == OPAMP_ERR_IO);
  EXPECT(says("making ") && says("/closed/new: Permission denied"));
  EXPECT(opamp_configdir_open(&d, place_path("closed/conf")) == OPAMP_ERR_IO);
  EXPECT(says("/closed/conf: its parent directory must be writable"));
  EXPECT(opamp_configdir_open(&d, place_path("open/conf")) == OPAMP_OK);
  EXPECT(rig_replace(d, FILES("s/a", "old")) == OPAMP_OK);
  EXPECT(opamp_configdir_commit(d) == OPAMP_OK);
  EXPECT(rig_replace(d, FILES("s/a", "new")) == OPAMP_OK);
  EXPECT(chmod(place_path("open/conf/s/a"), 0) == 0);
  EXPECT(opamp_configdir_read(d, &m) == OPAMP_ERR_IO && m == NULL);
  EXPECT(says("/conf: reading s/a: Permission denied"));
  EXPECT(chmod(place_path("open/conf/s"), 0500) == 0);
  EXPECT(opamp_configdir_rollback(d) == OPAMP_OK);
  EXPECT(access(place_path("open/.conf.opamp/next"), F_OK) != 0);
  EXPECT(strcmp(rig_shown(d), "s/a=old;") == 0);
  EXPECT(chmod(place_path("open/conf"), 0500) == 0);
  EXPECT(rig_replace(d, FILES("s/a", "new")) == OPAMP_ERR_IO);
  EXPECT(says("/open/conf: Permission denied"));
  EXPECT(strcmp(rig_shown(d), "s/a=old;") == 0);
  opamp_configdir_free(d);
  return 0;
}

TEST(what_is_not_permitted_is_named) {
  rig_fresh();
  CHECK_EQ(chmod(place_root, 0755), 0);
  CHECK_EQ(mkdir(place_path("closed"), 0755), 0);
  CHECK_EQ(mkdir(place_path("closed/conf"), 0755), 0);
  CHECK_EQ(chmod(place_path("closed"), 0555), 0);
  CHECK_EQ(mkdir(place_path("open"), 0755), 0);
  if (geteuid() == 0) CHECK_EQ(chown(place_path("open"), 65534, 65534), 0);
  int result = place_in_child(without_permission);
  CHECK_EQ(chmod(place_path("closed"), 0755), 0);
  if (access(place_path("open/conf"), F_OK) == 0)
    CHECK_EQ(chmod(place_path("open/conf"), 0755), 0);
  CHECK_EQ(result, 0);
}

/* Only root can make a directory whose group its owner is not in. */
static int without_group(void) {
  struct stat st;
  opamp_configdir *d;
  EXPECT(place_become_nobody());
  EXPECT(opamp_configdir_open(&d, rig_dir) == OPAMP_OK);
  EXPECT(opamp_configdir_set_file_mode(d, 0660) == OPAMP_OK);
  EXPECT(rig_replace(d, FILES("a", "1")) == OPAMP_OK);
  EXPECT(stat(place_path("conf/a"), &st) == 0);
  EXPECT((st.st_mode & 0777) == (st.st_gid == 0 ? 0660 : 0600));
  opamp_configdir_free(d);
  return 0;
}

TEST(a_group_that_cannot_be_had_has_no_rights) {
  rig_fresh();
  CHECK_EQ(mkdir(rig_dir, 0770), 0);
  bool root = geteuid() == 0;
  if (root) CHECK_EQ(chown(place_root, 65534, 65534), 0);
  if (root) CHECK_EQ(chown(rig_dir, 65534, 0), 0);
  CHECK_EQ(root ? place_in_child(without_group) : 0, 0);
}

/* Only root can make a link that is another user's. */
TEST(links_of_another_user_are_not_read) {
  rig_fresh();
  CHECK_EQ(mkdir(rig_dir, 0755), 0);
  place_write("secret", "s");
  link_in_root("../secret", "conf/mine");
  link_in_root("../secret", "conf/theirs");
  bool theirs = geteuid() == 0;
  if (theirs) CHECK_EQ(lchown(place_path("conf/theirs"), 65534, 65534), 0);
  opamp_configdir *d = rig_open();
  CHECK_STR(rig_shown(d), theirs ? "mine=s;" : "mine=s;theirs=s;");
  opamp_configdir_free(d);
}

/* --- mounts ---------------------------------------------------------------- */

enum { IMPOSSIBLE = 77 };

/* Containers and sanitizers may forbid namespaces, and then nothing here can
 * be mounted; that full and broken disks change nothing is proven without in
 * agent_configdir_errors.c. */
static void in_namespace(int (*what)(void)) {
  rig_fresh();
  int result = place_in_child(what);
  if (result == IMPOSSIBLE)
    printf("     (nothing can be mounted on this machine)\n");
  else
    CHECK_EQ(result, 0);
}

static int full_disk(void) {
  static char big[200000];
  opamp_configdir *d;
  if (!place_with_disk()) return IMPOSSIBLE;
  memset(big, 'x', sizeof big - 1);
  EXPECT(opamp_configdir_open(&d, place_path("disk/conf")) == OPAMP_OK);
  EXPECT(rig_replace(d, FILES("a", "old")) == OPAMP_OK);
  EXPECT(rig_replace(d, FILES("a", "new", "s/big", big)) == OPAMP_ERR_IO);
  EXPECT(says("/disk/conf: writing s/big: No space left on device"));
  EXPECT(strcmp(rig_shown(d), "a=old;") == 0);
  EXPECT(rig_replace(d, FILES("a", "new", "s/big", "fits")) == OPAMP_OK);
  EXPECT(opamp_configdir_commit(d) == OPAMP_OK);
  opamp_configdir_free(d);
  return 0;
}

TEST(a_full_disk_is_named) {
  in_namespace(full_disk);
}

static int read_only(void) {
  opamp_configdir *d;
  const unsigned long flags = MS_REMOUNT | MS_RDONLY | MS_BIND;
  if (!place_with_disk()) return IMPOSSIBLE;
  EXPECT(mkdir(place_path("disk/other"), 0755) == 0);
  EXPECT(opamp_configdir_open(&d, place_path("disk/conf")) == OPAMP_OK);
  EXPECT(rig_replace(d, FILES("a", "old")) == OPAMP_OK);
  opamp_configdir_free(d);
  EXPECT(mount("none", place_path("disk"), "none", flags, NULL) == 0);
  EXPECT(opamp_configdir_open(&d, place_path("disk/conf")) == OPAMP_ERR_IO);
  EXPECT(says("/disk/conf: Read-only file system"));
  EXPECT(opamp_configdir_open(&d, place_path("disk/other")) == OPAMP_ERR_IO);
  EXPECT(says("/disk/other: its parent directory must be writable"));
  EXPECT(opamp_configdir_open(&d, place_path("disk/no")) == OPAMP_ERR_IO);
  EXPECT(says("making ") && says("/disk/no: Read-only file system"));
  EXPECT(strcmp(rig_on_disk(place_path("disk/conf")), "a=old;") == 0);
  return 0;
}

TEST(a_read_only_file_system_is_named) {
  in_namespace(read_only);
}

static int mount_points(void) {
  opamp_configdir *d;
  char conf[200];
  if (!place_with_disk()) return IMPOSSIBLE;
  EXPECT(opamp_configdir_open(&d, place_path("disk")) == OPAMP_ERR_IO);
  EXPECT(says("/disk is a mount point"));
  EXPECT(opamp_configdir_open(&d, place_path("disk/conf")) == OPAMP_OK);
  EXPECT(rig_replace(d, FILES("a", "old")) == OPAMP_OK);
  EXPECT(opamp_configdir_commit(d) == OPAMP_OK);
  snprintf(conf, sizeof conf, "%s", place_path("disk/conf"));
  EXPECT(mount("none", conf, "tmpfs", 0, "size=64k") == 0);
  EXPECT(rig_replace(d, FILES("a", "new")) == OPAMP_ERR_IO);
  EXPECT(says("/disk/conf: this file system cannot exchange it"));
  EXPECT(umount(conf) == 0);
  EXPECT(strcmp(rig_shown(d), "a=old;") == 0);
  EXPECT(rig_replace(d, FILES("a", "new")) == OPAMP_OK);
  opamp_configdir_free(d);
  return 0;
}

TEST(a_mount_point_is_refused_however_late_it_became_one) {
  in_namespace(mount_points);
}

static int mounted_below(void) {
  opamp_configdir *d;
  if (!place_with_disk()) return IMPOSSIBLE;
  EXPECT(mkdir(place_path("data"), 0755) == 0);
  place_write("data/precious", "1");
  EXPECT(opamp_configdir_open(&d, rig_dir) == OPAMP_OK);
  EXPECT(rig_replace(d, FILES("s/a", "1")) == OPAMP_OK);
  char data[200];
  snprintf(data, sizeof data, "%s", place_path("data"));
  EXPECT(mount(data, place_path("conf/s"), "none", MS_BIND, NULL) == 0);
  EXPECT(opamp_configdir_rollback(d) == OPAMP_OK);
  EXPECT(strcmp(rig_on_disk(data), "precious=1;") == 0);
  EXPECT(rig_replace(d, FILES("a", "2")) == OPAMP_ERR_IO);
  EXPECT(says("removing next: Device or resource busy"));
  EXPECT(strcmp(rig_on_disk(data), "precious=1;") == 0);
  opamp_configdir_free(d);
  return 0;
}

TEST(what_is_mounted_in_an_old_set_is_not_emptied) {
  in_namespace(mounted_below);
}

static int other_mount(void) {
  opamp_configdir *d;
  if (!place_with_disk()) return IMPOSSIBLE;
  EXPECT(symlink("disk/conf", rig_dir) == 0);
  EXPECT(mkdir(place_path("disk/conf"), 0755) == 0);
  EXPECT(opamp_configdir_open(&d, rig_dir) == OPAMP_OK);
  EXPECT(rig_replace(d, FILES("a", "1")) == OPAMP_OK);
  EXPECT(strcmp(rig_on_disk(place_path("disk/conf")), "a=1;") == 0);
  EXPECT(access(place_path("disk/.conf.opamp/lock"), F_OK) == 0);
  opamp_configdir_free(d);
  return 0;
}

TEST(a_link_to_another_file_system_works) {
  in_namespace(other_mount);
}
