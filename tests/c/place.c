/* SPDX-License-Identifier: Apache-2.0 */
#include "place.h"

#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

char place_root[64];
static pid_t owner; /* a forked child leaves the place alone */

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *at) {
  (void)st, (void)type, (void)at;
  return remove(path);
}

static void clean(void) {
  if (place_root[0] != '\0' && owner == getpid())
    nftw(place_root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  place_root[0] = '\0';
}

/* Containers may have a memory file system that is too small. */
static bool has_room(const char *dir) {
  struct statvfs fs;
  return access(dir, W_OK) == 0 && statvfs(dir, &fs) == 0 &&
         (uint64_t)fs.f_bavail * fs.f_frsize >> 28 > 0;
}

void place_fresh(const char *name) {
  static bool registered;
  if (!registered) atexit(clean);
  registered = true;
  clean();
  owner = getpid();
  snprintf(place_root, sizeof place_root, "%s/%s.XXXXXX",
           has_room("/dev/shm") ? "/dev/shm" : "/tmp", name);
  CHECK(mkdtemp(place_root) != NULL);
}

const char *place_path(const char *name) {
  static char paths[4][300];
  static size_t turn;
  char *path = paths[turn++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", place_root, name);
  return path;
}

void place_write(const char *name, const char *text) {
  FILE *f = fopen(place_path(name), "w");
  CHECK(f != NULL);
  fputs(text, f);
  CHECK_EQ(fclose(f), 0);
}

/* --- in a child ----------------------------------------------------------- */

int place_in_child(int (*what)(void)) {
  int status = 0;
  pid_t pid = fork();
  if (pid == 0) _exit(what());
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFEXITED(status));
  return WEXITSTATUS(status);
}

bool place_become_nobody(void) {
  return geteuid() != 0 ||
         (setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
}

static bool put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  bool done = fd >= 0 && write(fd, text, strlen(text)) > 0;
  if (fd >= 0) close(fd);
  return done;
}

bool place_with_disk(void) {
  char map[60];
  unsigned uid = geteuid(), gid = getegid();
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) {
    snprintf(map, sizeof map, "0 %u 1", uid);
    if (!put("/proc/self/uid_map", map)) return false;
    snprintf(map, sizeof map, "0 %u 1", gid);
    if (!put("/proc/self/setgroups", "deny") || !put("/proc/self/gid_map", map))
      return false;
  } else if (unshare(CLONE_NEWNS) != 0) {
    return false;
  }
  return mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
         mkdir(place_path("disk"), 0755) == 0 &&
         mount("none", place_path("disk"), "tmpfs", 0, "size=64k") == 0;
}
