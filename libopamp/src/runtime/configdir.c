/* SPDX-License-Identifier: Apache-2.0 */
#include "opamp/configdir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "runtime/configtree.h"

/* Names travel with rename, identities with the directory: `state` names the
 * good set by its inode number, and whether DIR shows it is asked of the disk,
 * never remembered. Every step below leaves one of these pictures:
 *
 *   DIR is good                       committed; `next` and `good` are garbage
 *   DIR is not, `good` or `next` is   the newer set is shown, not yet good
 *   neither is                        somebody replaced DIR: it is good now
 *
 * so a crash needs no journal, and settle() makes the first two tidy. File
 * systems that cannot keep inode numbers cannot do RENAME_EXCHANGE either. */

struct opamp_configdir {
  char *path;       /* of DIR, absolute */
  const char *name; /* its last component, in `path` */
  int parent;       /* descriptors: of its parent, */
  int side;         /* of `.<name>.opamp`, */
  int lock;         /* of the lock in there */
  uint64_t good;    /* inode of the good set, 0: none yet */
  bool is_good;     /* DIR shows it */
};

static opamp_status fail(const opamp_configdir *d, int error,
                         const char *what) {
  if (error == EXDEV || error == EINVAL || error == EBUSY)
    return opamp__fail(OPAMP_ERR_IO,
                       "%s %s: this file system cannot exchange it for another "
                       "directory (%s); use a new directory below it",
                       what, d->path, strerror(error));
  return opamp__tree_fail(error, what, d->path);
}

/* --- what is on the disk -------------------------------------------------- */

static uint64_t inode(int dirfd, const char *name) {
  struct stat st;
  if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return 0;
  return S_ISDIR(st.st_mode) ? (uint64_t)st.st_ino : 0;
}

static opamp_status load_state(opamp_configdir *d) {
  char text[64] = "";
  int fd = openat(d->side, "state", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return errno == ENOENT ? OPAMP_OK : fail(d, errno, "state of");
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  /* Anything else than our own line counts as no state: DIR is adopted. */
  if (n <= 0 || sscanf(text, "good %" SCNu64, &d->good) != 1) d->good = 0;
  return OPAMP_OK;
}

static opamp_status save_state(opamp_configdir *d, uint64_t good) {
  int error = 0;
  int fd = openat(d->side, "state.new",
                  O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fail(d, errno, "state of");
  if (dprintf(fd, "good %" PRIu64 "\n", good) < 0 || fsync(fd) != 0)
    error = errno;
  if (close(fd) != 0 && error == 0) error = errno;
  if (error == 0 && renameat(d->side, "state.new", d->side, "state") != 0)
    error = errno;
  if (error == 0 && fsync(d->side) != 0) error = errno;
  if (error != 0) return fail(d, error, "state of");
  d->good = good;
  return OPAMP_OK;
}

/* The set in `good` is no longer needed. The first of all stays for ever: it
 * is the user's, and may be all there is of it. */
static opamp_status retire(opamp_configdir *d) {
  if (inode(d->side, "good") == 0) return OPAMP_OK;
  if (renameat2(d->side, "good", d->side, "original", RENAME_NOREPLACE) == 0)
    return OPAMP_OK;
  if (errno != EEXIST) return fail(d, errno, "old files of");
  return opamp__tree_remove(d->side, "good");
}

/* Finds out where things are, and tidies what a crash left. */
static opamp_status settle(opamp_configdir *d) {
  opamp_status s = OPAMP_OK;
  if (mkdirat(d->parent, d->name, 0777) != 0 && errno != EEXIST)
    return fail(d, errno, "making");
  uint64_t shown = inode(d->parent, d->name);
  if (shown == 0) return fail(d, ENOTDIR, "opening");
  bool kept = d->good != 0 && inode(d->side, "good") == d->good;
  if (d->good != 0 && !kept && shown != d->good &&
      inode(d->side, "next") == d->good) {
    if (renameat(d->side, "next", d->side, "good") != 0)
      return fail(d, errno, "old files of");
    kept = true;
  }
  if (shown != d->good && !kept) s = save_state(d, shown);
  d->is_good = shown == d->good;
  if (s == OPAMP_OK && d->is_good) s = retire(d);
  if (s == OPAMP_OK) s = opamp__tree_remove(d->side, "next");
  return s;
}

/* settle() after a step that may have failed, whose result counts more. */
static opamp_status settled(opamp_configdir *d, opamp_status s) {
  if (s == OPAMP_OK) return settle(d);
  char *text = opamp__strndup(opamp_errmsg(), strlen(opamp_errmsg()));
  if (settle(d) != OPAMP_OK && text != NULL) opamp__fail(s, "%s", text);
  opamp__free(text);
  return s;
}

/* --- opening -------------------------------------------------------------- */

static opamp_status open_parent(opamp_configdir *d, const char *dir) {
  struct statx stx;
  if (mkdir(dir, 0777) != 0 && errno != EEXIST)
    return opamp__tree_fail(errno, "making", dir);
  char *real = realpath(dir, NULL);
  if (real == NULL) return opamp__tree_fail(errno, "opening", dir);
  d->path = opamp__strndup(real, strlen(real));
  free(real);
  if (d->path == NULL) return opamp__nomem();
  char *slash = strrchr(d->path, '/');
  d->name = slash + 1;
  if (*d->name == '\0')
    return opamp__fail(OPAMP_ERR_IO,
                       "%s: the root directory cannot be a "
                       "configuration directory",
                       d->path);
  *slash = '\0';
  d->parent =
      open(slash > d->path ? d->path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  *slash = '/';
  if (d->parent < 0) return fail(d, errno, "opening the parent of");
  if (inode(d->parent, d->name) == 0) return fail(d, ENOTDIR, "opening");
  if (statx(d->parent, d->name, AT_SYMLINK_NOFOLLOW, STATX_INO, &stx) == 0 &&
      (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0)
    return opamp__fail(OPAMP_ERR_IO,
                       "%s is a mount point, which cannot be "
                       "exchanged; use a directory below it",
                       d->path);
  return OPAMP_OK;
}

static opamp_status open_side(opamp_configdir *d) {
  struct stat side, dir;
  char name[NAME_MAX + 1];
  int n = snprintf(name, sizeof name, ".%s.opamp", d->name);
  if (n >= (int)sizeof name) return fail(d, ENAMETOOLONG, "opening");
  if (mkdirat(d->parent, name, 0700) != 0 && errno != EEXIST)
    return opamp__fail(OPAMP_ERR_IO,
                       "%s: its parent directory must be "
                       "writable (%s)",
                       d->path, strerror(errno));
  d->side =
      openat(d->parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (d->side < 0) return fail(d, errno, "opening the files beside");
  /* In a directory that others can write to, it could be somebody's trap. */
  if (fstat(d->side, &side) != 0 ||
      fstatat(d->parent, d->name, &dir, AT_SYMLINK_NOFOLLOW) != 0)
    return fail(d, errno, "opening");
  if (side.st_uid != geteuid() && side.st_uid != dir.st_uid)
    return fail(d, EPERM, "opening the files beside");
  d->lock =
      openat(d->side, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (d->lock < 0) return fail(d, errno, "locking");
  if (flock(d->lock, LOCK_EX | LOCK_NB) != 0)
    return errno == EWOULDBLOCK
               ? opamp__fail(OPAMP_ERR_BUSY, "%s is in use by another process",
                             d->path)
               : fail(d, errno, "locking");
  return OPAMP_OK;
}

/* Whether this file system can exchange directories, found out with two empty
 * ones, and now rather than at the first offer. */
static opamp_status probe(opamp_configdir *d) {
  opamp_status s = OPAMP_OK;
  opamp__tree_remove(d->side, "probe");
  if (mkdirat(d->side, "probe", 0700) != 0 ||
      mkdirat(d->side, "probe/a", 0700) != 0 ||
      mkdirat(d->side, "probe/b", 0700) != 0 ||
      renameat2(d->side, "probe/a", d->side, "probe/b", RENAME_EXCHANGE) != 0)
    s = fail(d, errno, "opening");
  opamp_status removed = opamp__tree_remove(d->side, "probe");
  return s != OPAMP_OK ? s : removed;
}

opamp_status opamp_configdir_open(opamp_configdir **out, const char *dir) {
  *out = NULL;
  opamp_configdir *d = opamp__calloc(1, sizeof *d);
  if (d == NULL) return opamp__nomem();
  d->parent = d->side = d->lock = -1;
  opamp_status s = open_parent(d, dir);
  if (s == OPAMP_OK) s = open_side(d);
  if (s == OPAMP_OK) s = probe(d);
  if (s == OPAMP_OK) s = load_state(d);
  if (s == OPAMP_OK) s = settle(d);
  if (s == OPAMP_OK)
    *out = d;
  else
    opamp_configdir_free(d);
  return s;
}

void opamp_configdir_free(opamp_configdir *d) {
  if (d == NULL) return;
  if (d->lock >= 0) close(d->lock);
  if (d->side >= 0) close(d->side);
  if (d->parent >= 0) close(d->parent);
  opamp__free(d->path);
  opamp__free(d);
}

const char *opamp_configdir_path(const opamp_configdir *d) {
  return d->path;
}

bool opamp_configdir_is_good(const opamp_configdir *d) {
  return d->is_good;
}

/* --- replacing ------------------------------------------------------------ */

/* Writes `map` to `next`, with the permissions of what it will replace. */
static opamp_status prepare(opamp_configdir *d, const opamp_msg *map) {
  struct stat st;
  opamp_status s;
  int next = -1;
  int like = openat(d->parent, d->name,
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (like < 0 || fstat(like, &st) != 0 ||
      mkdirat(d->side, "next", 0700) != 0 ||
      (next = openat(d->side, "next", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) <
          0) {
    s = fail(d, errno, "writing");
    goto done;
  }
  s = opamp__tree_write(next, map, like);
  if (s != OPAMP_OK) goto done;
  int error = opamp__tree_permit(next, &st);
  if (error == 0 && (fsync(next) != 0 || fsync(d->side) != 0)) error = errno;
  if (error != 0) s = fail(d, error, "writing");
done:
  if (next >= 0) close(next);
  if (like >= 0) close(like);
  return s;
}

/* The instant: DIR and `from` in the directory beside it change places. */
static opamp_status exchange(opamp_configdir *d, const char *from) {
  if (renameat2(d->side, from, d->parent, d->name, RENAME_EXCHANGE) != 0)
    return fail(d, errno, "replacing");
  if (fsync(d->parent) == 0 && fsync(d->side) == 0) return OPAMP_OK;
  /* Nobody knows what the disk has now; at least the callers' view is that of
   * a failure. */
  int error = errno;
  renameat2(d->side, from, d->parent, d->name, RENAME_EXCHANGE);
  return fail(d, error, "replacing");
}

opamp_status opamp_configdir_replace(opamp_configdir *d, const opamp_msg *m) {
  opamp_status s;
  if (m != NULL && opamp_msg_type(m) == OPAMP_MSG_AGENT_REMOTE_CONFIG)
    m = opamp_msg_sub(m, OPAMP_AGENT_REMOTE_CONFIG_CONFIG, 0);
  else if (m == NULL || opamp_msg_type(m) != OPAMP_MSG_AGENT_CONFIG_MAP)
    return opamp__fail(OPAMP_ERR_TYPE,
                       "a configuration directory takes an "
                       "AgentRemoteConfig or an AgentConfigMap");
  s = settle(d);
  if (s == OPAMP_OK) s = prepare(d, m);
  if (s == OPAMP_OK) s = exchange(d, "next");
  /* `next` is now the old set: the good one, to be kept, or one that never was
   * good; after a failure it is a part of the new one. */
  return settled(d, s);
}

opamp_status opamp_configdir_commit(opamp_configdir *d) {
  opamp_status s = settle(d);
  if (s != OPAMP_OK || d->is_good) return s;
  s = save_state(d, inode(d->parent, d->name));
  if (s != OPAMP_OK) return s;
  d->is_good = true;
  return retire(d);
}

opamp_status opamp_configdir_rollback(opamp_configdir *d) {
  opamp_status s = settle(d);
  if (s != OPAMP_OK || d->is_good) return s;
  /* Under the name `next`, so that the refused set is garbage, and not taken
   * for an old good one, from the instant on at which it is no longer shown. */
  if (renameat(d->side, "good", d->side, "next") != 0)
    return fail(d, errno, "restoring");
  return settled(d, exchange(d, "next"));
}

opamp_status opamp_configdir_read(opamp_configdir *d, opamp_msg **out) {
  opamp_msg *m = NULL, *map;
  *out = NULL;
  int fd = openat(d->parent, d->name,
                  O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return fail(d, errno, "reading");
  opamp_status s = opamp_msg_new(&m, OPAMP_MSG_EFFECTIVE_CONFIG);
  if (s == OPAMP_OK)
    s = opamp_msg_add(&map, m, OPAMP_EFFECTIVE_CONFIG_CONFIG_MAP);
  if (s == OPAMP_OK) s = opamp__tree_read(fd, map);
  close(fd);
  if (s == OPAMP_OK)
    *out = m;
  else
    opamp_msg_free(m);
  return s;
}
