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
#include "base/handle.h"
#include "base/mem.h"
#include "runtime/confignames.h"
#include "runtime/configtree.h"
#include "runtime/files.h"

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
  opamp__handle handle;
  char *path;       /* of DIR, absolute */
  const char *name; /* its last component, in `path` */
  int parent;       /* descriptors: of its parent, */
  int side;         /* of `.<name>.opamp`, */
  int lock;         /* of the lock in there */
  uint64_t good;    /* inode of the good set, 0: none yet */
  bool is_good;     /* DIR shows it */
  mode_t mode;      /* of new files */
  char **allowed;   /* patterns; none: every name */
  size_t n_allowed;
};

static opamp_status fail(const opamp_configdir *d, int error,
                         const char *what) {
  if (error == EXDEV || error == EINVAL || error == EBUSY)
    return opamp__fail(OPAMP_ERR_IO,
                       "%s %s: this file system cannot exchange it for another "
                       "directory (%s); use a new directory below it",
                       what, d->path, strerror(error));
  return opamp__name_fail(error, what, d->path);
}

/* --- what is on the disk -------------------------------------------------- */

/* The identity of the directory `name`; 0: there is no such directory, which an
 * error must not be mistaken for. */
static opamp_status identify(const opamp_configdir *d, int dirfd,
                             const char *name, uint64_t *out) {
  struct stat st;
  *out = 0;
  if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? OPAMP_OK : fail(d, errno, "looking at");
  if (S_ISDIR(st.st_mode)) *out = (uint64_t)st.st_ino;
  return OPAMP_OK;
}

static opamp_status identify_shown(const opamp_configdir *d, uint64_t *out) {
  opamp_status s = identify(d, d->parent, d->name, out);
  return s == OPAMP_OK && *out == 0 ? fail(d, ENOTDIR, "opening") : s;
}

static opamp_status load_state(opamp_configdir *d) {
  char text[64] = "";
  int fd = openat(d->side, "state", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return errno == ENOENT ? OPAMP_OK : fail(d, errno, "state of");
  ssize_t n = read(fd, text, sizeof text - 1);
  int error = errno;
  close(fd);
  if (n < 0) return fail(d, error, "state of");
  /* Anything else than our own line counts as no state: DIR is adopted. */
  if (sscanf(text, "good %" SCNu64, &d->good) != 1) d->good = 0;
  return OPAMP_OK;
}

static int write_state(const opamp_configdir *d, uint64_t good) {
  char text[40];
  int n = snprintf(text, sizeof text, "good %" PRIu64 "\n", good);
  int fd = opamp__file_create(d->side, "state.new");
  if (fd < 0) return errno;
  int error =
      opamp__file_write(fd, (opamp_bytes){(const uint8_t *)text, (size_t)n});
  error = opamp__file_finish(fd, error);
  if (error == 0 && renameat(d->side, "state.new", d->side, "state") != 0)
    error = errno;
  return error;
}

static opamp_status save_state(opamp_configdir *d, uint64_t good) {
  int error = write_state(d, good);
  if (error == 0 && (error = opamp__file_sync(d->side)) != 0)
    write_state(d, d->good); /* lest the disk and we disagree for longer */
  if (error != 0) return fail(d, error, "state of");
  d->good = good;
  return OPAMP_OK;
}

/* The set in `good` is no longer needed. The first of all stays for ever: it
 * is the user's, and may be all there is of it. */
static opamp_status retire(opamp_configdir *d) {
  uint64_t old;
  opamp_status s = identify(d, d->side, "good", &old);
  if (s != OPAMP_OK || old == 0) return s;
  if (renameat2(d->side, "good", d->side, "original", RENAME_NOREPLACE) == 0)
    return OPAMP_OK;
  if (errno != EEXIST) return fail(d, errno, "old files of");
  return opamp__tree_remove(d->side, "good");
}

/* Finds the good set when DIR, the directory `shown`, is not it. One that
 * cannot be found has been replaced by somebody, whose set is good then. */
static opamp_status find_good(opamp_configdir *d, uint64_t shown) {
  uint64_t good, next;
  opamp_status s = identify(d, d->side, "good", &good);
  if (s == OPAMP_OK) s = identify(d, d->side, "next", &next);
  if (s != OPAMP_OK || (d->good != 0 && good == d->good)) return s;
  if (d->good == 0 || next != d->good) return save_state(d, shown);
  return renameat(d->side, "next", d->side, "good") == 0
             ? OPAMP_OK
             : fail(d, errno, "old files of");
}

/* Finds out where things are, and tidies what a crash left. */
static opamp_status settle(opamp_configdir *d) {
  uint64_t shown;
  if (mkdirat(d->parent, d->name, 0700) != 0 && errno != EEXIST)
    return fail(d, errno, "making");
  if (unlinkat(d->side, "state.new", 0) != 0 && errno != ENOENT)
    return fail(d, errno, "state of");
  opamp_status s = identify_shown(d, &shown);
  if (s != OPAMP_OK) return s;
  d->is_good = shown == d->good;
  if (!d->is_good) s = find_good(d, shown);
  if (s != OPAMP_OK) return s;
  d->is_good = shown == d->good;
  if (d->is_good) s = retire(d);
  return s == OPAMP_OK ? opamp__tree_remove(d->side, "next") : s;
}

/* Tidies after a step, whose result it returns: it is done or not done, and
 * what could not be tidied up is once more before the next one. */
static opamp_status settled(opamp_configdir *d, opamp_status s) {
  char text[512];
  snprintf(text, sizeof text, "%s", opamp_errmsg());
  if (settle(d) != OPAMP_OK && s != OPAMP_OK) opamp__fail(s, "%s", text);
  return s;
}

/* --- opening -------------------------------------------------------------- */

static opamp_status open_parent(opamp_configdir *d, const char *dir) {
  struct statx stx;
  uint64_t shown;
  if (mkdir(dir, 0700) != 0 && errno != EEXIST)
    return opamp__name_fail(errno, "making", dir);
  char *real = realpath(dir, NULL);
  if (real == NULL) return opamp__name_fail(errno, "opening", dir);
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
  opamp_status s = identify_shown(d, &shown);
  if (s != OPAMP_OK) return s;
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
  if ((side.st_uid != geteuid() && side.st_uid != dir.st_uid) ||
      (side.st_mode & 022) != 0)
    return opamp__fail(OPAMP_ERR_IO,
                       "%s: %s beside it belongs to another user, or others "
                       "may write to it",
                       d->path, name);
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
  opamp__handle_begin(&d->handle, OPAMP__HANDLE_CONFIGDIR);
  d->parent = d->side = d->lock = -1;
  d->mode = 0600;
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

static opamp_status check(const opamp_configdir *d, const char *function) {
  return opamp__handle_check(d, OPAMP__HANDLE_CONFIGDIR, function);
}

void opamp_configdir_free(opamp_configdir *d) {
  if (d == NULL || check(d, __func__) != OPAMP_OK) return;
  if (d->lock >= 0) close(d->lock);
  if (d->side >= 0) close(d->side);
  if (d->parent >= 0) close(d->parent);
  for (size_t i = 0; i < d->n_allowed; i++) opamp__free(d->allowed[i]);
  opamp__free(d->allowed);
  opamp__free(d->path);
  opamp__handle_free(&d->handle, sizeof *d);
}

const char *opamp_configdir_path(const opamp_configdir *d) {
  return check(d, __func__) == OPAMP_OK ? d->path : NULL;
}

bool opamp_configdir_is_good(const opamp_configdir *d) {
  return check(d, __func__) == OPAMP_OK && d->is_good;
}

/* --- what may be offered, and what it becomes ------------------------------ */

opamp_status opamp_configdir_allow(opamp_configdir *d, const char *pattern) {
  opamp_status s = check(d, __func__);
  if (s != OPAMP_OK) return s;
  if (pattern == NULL || *pattern == '\0' || *pattern == '/')
    return opamp__fail(OPAMP_ERR_INVALID,
                       "pattern \"%s\": no name of an object can match it",
                       pattern != NULL ? pattern : "");
  char **more =
      opamp__realloc(d->allowed, (d->n_allowed + 1) * sizeof *d->allowed);
  if (more == NULL) return opamp__nomem();
  d->allowed = more;
  char *copy = opamp__strndup(pattern, strlen(pattern));
  if (copy == NULL) return opamp__nomem();
  d->allowed[d->n_allowed++] = copy;
  return OPAMP_OK;
}

opamp_status opamp_configdir_set_file_mode(opamp_configdir *d, uint32_t mode) {
  opamp_status s = check(d, __func__);
  if (s != OPAMP_OK) return s;
  if ((mode & ~(uint32_t)0666) != 0 || (mode & 0600) != 0600)
    return opamp__fail(OPAMP_ERR_INVALID,
                       "file mode %04" PRIo32
                       ": not between 0600 and 0666, "
                       "read and write only",
                       mode);
  d->mode = (mode_t)mode;
  return OPAMP_OK;
}

static bool is_allowed(const opamp_configdir *d, const char *path) {
  for (size_t i = 0; i < d->n_allowed; i++)
    if (opamp__name_matches(d->allowed[i], path)) return true;
  return d->n_allowed == 0;
}

/* All names first: a set that is refused is not even begun. */
static opamp_status check_names(const opamp_configdir *d,
                                const opamp_msg *map) {
  const int field = OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP;
  const size_t room = PATH_MAX - 2; /* for a slash and the NUL */
  opamp_status s = OPAMP_OK;
  for (size_t i = 0; s == OPAMP_OK && i < opamp_msg_count(map, field); i++) {
    opamp_str name = opamp_msg_key(map, field, i);
    const char *path;
    s = opamp__name_path(name, &path);
    if (s != OPAMP_OK) break;
    if (strlen(d->path) + strlen(path) > room)
      s = opamp__name_refuse(name, "the path is too long");
    else if (!is_allowed(d, path))
      s = opamp__name_refuse(name, "a name that is not allowed here");
  }
  return s;
}

/* --- replacing ------------------------------------------------------------ */

/* A failure in the tree, whose texts know the path below the directory only. */
static opamp_status fail_below(const opamp_configdir *d, opamp_status s) {
  if (s != OPAMP_ERR_IO) return s;
  return opamp__fail(s, "%s: %s", d->path, opamp_errmsg());
}

/* Writes `map` to `next`, with the permissions of what it will replace. */
static opamp_status prepare(opamp_configdir *d, const opamp_msg *map) {
  opamp_status s;
  opamp__tree_style style = {.mode = d->mode};
  const int folder = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
  int next = -1;
  style.like = openat(d->parent, d->name, folder);
  if (style.like < 0 || mkdirat(d->side, "next", 0700) != 0 ||
      (next = openat(d->side, "next", folder)) < 0) {
    s = fail(d, errno, "writing");
    goto done;
  }
  s = fail_below(d, opamp__tree_write(next, map, &style));
  if (s == OPAMP_OK && fsync(d->side) != 0) s = fail(d, errno, "writing");
done:
  if (next >= 0) close(next);
  if (style.like >= 0) close(style.like);
  return s;
}

/* The instant: DIR, which is the directory `shown`, and `from` in the directory
 * beside it change places. */
static opamp_status exchange(opamp_configdir *d, const char *from,
                             uint64_t shown) {
  uint64_t old;
  if (renameat2(d->side, from, d->parent, d->name, RENAME_EXCHANGE) != 0)
    return fail(d, errno, "replacing");
  opamp_status s = identify(d, d->side, from, &old);
  /* What somebody put there meanwhile is not ours to remove. */
  if (s == OPAMP_OK && old != shown)
    s = opamp__fail(OPAMP_ERR_IO, "%s was replaced by somebody else meanwhile",
                    d->path);
  if (s == OPAMP_OK && (fsync(d->parent) != 0 || fsync(d->side) != 0))
    s = fail(d, errno, "replacing");
  /* After a failed fsync nobody knows what the disk has; at least the callers'
   * view is that of a failure. */
  if (s != OPAMP_OK)
    renameat2(d->side, from, d->parent, d->name, RENAME_EXCHANGE);
  return s;
}

opamp_status opamp_configdir_replace(opamp_configdir *d, const opamp_msg *m) {
  opamp_status s = check(d, __func__);
  uint64_t shown;
  if (s != OPAMP_OK) return s;
  if (m != NULL && opamp_msg_type(m) == OPAMP_MSG_AGENT_REMOTE_CONFIG)
    m = opamp_msg_sub(m, OPAMP_AGENT_REMOTE_CONFIG_CONFIG, 0);
  else if (m == NULL || opamp_msg_type(m) != OPAMP_MSG_AGENT_CONFIG_MAP)
    return opamp__fail(OPAMP_ERR_TYPE,
                       "a configuration directory takes an "
                       "AgentRemoteConfig or an AgentConfigMap");
  s = check_names(d, m);
  if (s == OPAMP_OK) s = settle(d);
  if (s == OPAMP_OK) s = identify_shown(d, &shown);
  if (s != OPAMP_OK) return s;
  s = prepare(d, m);
  if (s == OPAMP_OK) s = exchange(d, "next", shown);
  if (s == OPAMP_OK) d->is_good = false;
  /* `next` is now the old set: the good one, to be kept, or one that never was
   * good; after a failure it is a part of the new one. */
  return settled(d, s);
}

opamp_status opamp_configdir_commit(opamp_configdir *d) {
  uint64_t shown;
  opamp_status s = check(d, __func__);
  if (s == OPAMP_OK) s = settle(d);
  if (s != OPAMP_OK || d->is_good) return s;
  s = identify_shown(d, &shown);
  if (s == OPAMP_OK) s = save_state(d, shown);
  if (s == OPAMP_OK) d->is_good = true;
  return settled(d, s);
}

opamp_status opamp_configdir_rollback(opamp_configdir *d) {
  uint64_t shown;
  opamp_status s = check(d, __func__);
  if (s == OPAMP_OK) s = settle(d);
  if (s != OPAMP_OK || d->is_good) return s;
  s = identify_shown(d, &shown);
  if (s != OPAMP_OK) return s;
  /* Under the name `next`, so that the refused set is garbage, and not taken
   * for an old good one, from the instant on at which it is no longer shown. */
  if (renameat(d->side, "good", d->side, "next") != 0)
    return fail(d, errno, "restoring");
  s = exchange(d, "next", shown);
  if (s == OPAMP_OK) d->is_good = true;
  return settled(d, s);
}

opamp_status opamp_configdir_read(opamp_configdir *d, opamp_msg **out) {
  opamp_msg *m = NULL, *map;
  opamp_status s = check(d, __func__);
  *out = NULL;
  if (s != OPAMP_OK) return s;
  int fd = openat(d->parent, d->name,
                  O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return fail(d, errno, "reading");
  s = opamp_msg_new(&m, OPAMP_MSG_EFFECTIVE_CONFIG);
  if (s == OPAMP_OK)
    s = opamp_msg_add(&map, m, OPAMP_EFFECTIVE_CONFIG_CONFIG_MAP);
  if (s == OPAMP_OK) s = fail_below(d, opamp__tree_read(fd, map));
  close(fd);
  if (s == OPAMP_OK)
    *out = m;
  else
    opamp_msg_free(m);
  return s;
}
