/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include "statedir_rig.h"

/* Full and read-only disks, and those of somebody else. */

static bool says(const char *text) {
  return strstr(opamp_errmsg(), text) != NULL;
}

static opamp__statedir *open_at(const char *name) {
  opamp__statedir *s;
  return opamp__statedir_open(&s, place_path(name), NULL, NULL) == OPAMP_OK
             ? s
             : NULL;
}

static bool loads(opamp__statedir *s, const char *want) {
  return strcmp(rig_load(s, "key"), want) == 0;
}

static int small_files(void) {
  char big[2000];
  struct rlimit limit = {1000, 1000};
  opamp__statedir *s = open_at("state");
  signal(SIGXFSZ, SIG_IGN);
  memset(big, 'x', sizeof big - 1);
  big[sizeof big - 1] = '\0';
  EXPECT(s != NULL && rig_save(s, "key", "old") == OPAMP_OK);
  EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  EXPECT(rig_save(s, "key", big) == OPAMP_ERR_IO);
  EXPECT(says("writing /") && says("/state/key.tmp: File too large"));
  EXPECT(strcmp(rig_names(), "key ") == 0);
  EXPECT(loads(s, "old"));
  EXPECT(rig_save(s, "key", "new") == OPAMP_OK);
  EXPECT(loads(s, "new"));
  opamp__statedir_close(s);
  return 0;
}

TEST(a_file_that_cannot_be_written_is_named) {
  rig_fresh();
  CHECK_EQ(place_in_child(small_files), 0);
}

static int without_permission(void) {
  EXPECT(place_become_nobody());
  EXPECT(rig_try("closed/state") == OPAMP_ERR_IO);
  EXPECT(says("making /") && says("/closed/state: Permission denied"));
  opamp__statedir *s = open_at("open/state");
  EXPECT(s != NULL && rig_save(s, "key", "old") == OPAMP_OK);
  EXPECT(chmod(place_path("open/state/key"), 0) == 0);
  EXPECT(rig_load(s, "key")[0] == '(');
  EXPECT(says("reading /") && says("/state/key: Permission denied"));
  EXPECT(access(place_path("open/state/key"), F_OK) == 0);
  EXPECT(chmod(place_path("open/state/key"), 0400) == 0);
  EXPECT(loads(s, "old"));
  EXPECT(chmod(place_path("open/state"), 0500) == 0);
  EXPECT(rig_save(s, "key", "new") == OPAMP_ERR_IO);
  EXPECT(says("making /") && says("/state/key.tmp: Permission denied"));
  EXPECT(opamp__statedir_erase(s, "key") == OPAMP_ERR_IO);
  EXPECT(says("erasing /") && says("/state/key: Permission denied"));
  EXPECT(loads(s, "old"));
  EXPECT(rig_try("open/state") == OPAMP_ERR_IO);
  EXPECT(says("writing to /") && says("/open/state: Permission denied"));
  EXPECT(chmod(place_path("open/state"), 0000) == 0);
  EXPECT(rig_try("open/state") == OPAMP_ERR_IO);
  EXPECT(says("opening /") && says("/open/state: Permission denied"));
  EXPECT(chmod(place_path("open/state"), 0700) == 0);
  EXPECT(rig_save(s, "key", "new") == OPAMP_OK && loads(s, "new"));
  opamp__statedir_close(s);
  return 0;
}

/* Covers: SEC-5 */
TEST(what_is_not_permitted_is_named) {
  rig_fresh();
  CHECK_EQ(chmod(place_root, 0755), 0);
  CHECK_EQ(mkdir(place_path("closed"), 0555), 0);
  CHECK_EQ(mkdir(place_path("open"), 0755), 0);
  if (geteuid() == 0) CHECK_EQ(chown(place_path("open"), 65534, 65534), 0);
  int result = place_in_child(without_permission);
  CHECK_EQ(chmod(place_path("closed"), 0755), 0);
  CHECK_EQ(result, 0);
}

/* --- mounts ---------------------------------------------------------------- */

enum { IMPOSSIBLE = 77 };

/* That full and broken disks change nothing is proven without namespaces in
 * statedir_errors.c, too. */
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
  if (!place_with_disk()) return IMPOSSIBLE;
  memset(big, 'x', sizeof big - 1);
  opamp__statedir *s = open_at("disk/state");
  EXPECT(s != NULL);
  EXPECT(rig_save(s, "key", big) == OPAMP_ERR_IO);
  EXPECT(access(place_path("disk/state/key"), F_OK) != 0);
  EXPECT(rig_save(s, "key", "old") == OPAMP_OK);
  EXPECT(rig_save(s, "key", big) == OPAMP_ERR_IO);
  EXPECT(says("/disk/state/key.tmp: No space left on device"));
  EXPECT(access(place_path("disk/state/key.tmp"), F_OK) != 0);
  EXPECT(loads(s, "old"));
  EXPECT(rig_save(s, "key", "fits") == OPAMP_OK);
  EXPECT(loads(s, "fits"));
  opamp__statedir_close(s);
  return 0;
}

TEST(a_full_disk_is_named) {
  in_namespace(full_disk);
}

static int read_only(void) {
  const unsigned long flags = MS_REMOUNT | MS_RDONLY | MS_BIND;
  if (!place_with_disk()) return IMPOSSIBLE;
  opamp__statedir *s = open_at("disk/state");
  EXPECT(s != NULL && rig_save(s, "key", "old") == OPAMP_OK);
  opamp__statedir_close(s);
  EXPECT(mount("none", place_path("disk"), "none", flags, NULL) == 0);
  EXPECT(rig_try("disk/state") == OPAMP_ERR_IO);
  EXPECT(says("/disk/state: Read-only file system"));
  EXPECT(access(place_path("disk/state/key"), F_OK) == 0);
  EXPECT(rig_try("disk/new") == OPAMP_ERR_IO);
  EXPECT(says("making /") && says("/disk/new: Read-only file system"));
  return 0;
}

TEST(a_read_only_file_system_is_named) {
  in_namespace(read_only);
}

/* A mount point can be a state directory, but not an entry in it. */
static int mounted(void) {
  if (!place_with_disk()) return IMPOSSIBLE;
  EXPECT(chmod(place_path("disk"), 0700) == 0);
  opamp__statedir *s = open_at("disk");
  EXPECT(s != NULL && rig_save(s, "key", "x") == OPAMP_OK && loads(s, "x"));
  EXPECT(mkdir(place_path("disk/other"), 0700) == 0);
  EXPECT(mount("none", place_path("disk/other"), "tmpfs", 0, "size=64k") == 0);
  EXPECT(rig_save(s, "other", "x") == OPAMP_ERR_IO);
  EXPECT(
      says("/disk/other is a directory, and cannot be renamed: Device or "
           "resource busy"));
  EXPECT(umount(place_path("disk/other")) == 0);
  EXPECT(rig_save(s, "other", "x") == OPAMP_OK);
  opamp__statedir_close(s);
  return 0;
}

TEST(mount_points) {
  in_namespace(mounted);
}

static int removed(void) {
  opamp__statedir *s = open_at("state");
  EXPECT(s != NULL && rig_save(s, "key", "x") == OPAMP_OK);
  EXPECT(unlink(rig_path("key")) == 0 && unlink(rig_path("lock")) == 0);
  EXPECT(rmdir(place_path("state")) == 0);
  EXPECT(loads(s, "(none)"));
  EXPECT(rig_save(s, "key", "y") == OPAMP_ERR_IO);
  EXPECT(says("/state/key.tmp: No such file or directory"));
  opamp__statedir_close(s);
  EXPECT(rig_try("state") == OPAMP_OK);
  return 0;
}

TEST(a_directory_that_was_removed_is_named) {
  rig_fresh();
  CHECK_EQ(place_in_child(removed), 0);
}
