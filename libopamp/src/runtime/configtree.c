/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/configtree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/confignames.h"
#include "runtime/files.h"

enum { DEPTH_MAX = 64, FILES_MAX = 10000 };
static const size_t BYTES_MAX = (size_t)64 << 20;

enum { FOLDER = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

/* --- writing -------------------------------------------------------------- */

typedef struct writer {
  const opamp__tree_style *style;
  struct stat root; /* of style->like: whose owner and group new things get */
} writer;

/* The first component of `*path`, which moves behind it; NULL: it was the last
 * one and is still there. */
static const char *next_folder(const char **path, char buf[NAME_MAX + 1]) {
  const char *slash = strchr(*path, '/');
  if (slash == NULL) return NULL;
  size_t n = (size_t)(slash - *path);
  memcpy(buf, *path, n);
  buf[n] = '\0';
  *path = slash + 1;
  return buf;
}

static void close_unless(int fd, int borrowed) {
  if (fd >= 0 && fd != borrowed) close(fd);
}

static int permit(int fd, const struct stat *owner, mode_t mode) {
  /* Only root may give files away; without that the group may still do, and
   * without that no other group shall have its rights. EINVAL: an owner that
   * this user namespace does not know. */
  if (fchown(fd, owner->st_uid, owner->st_gid) != 0 &&
      fchown(fd, (uid_t)-1, owner->st_gid) != 0) {
    if (errno != EPERM && errno != EINVAL) return errno;
    mode &= ~(mode_t)070;
  }
  return fchmod(fd, mode) == 0 ? 0 : errno;
}

/* A set-uid bit must not change hands, so no such bit is kept; a folder that
 * its owner cannot write to could not be moved or removed. */
static int permit_folder(const writer *w, int fd, int like) {
  struct stat st;
  mode_t mode = w->style->mode;
  if (like >= 0 && fstat(like, &st) == 0)
    return permit(fd, &st, (st.st_mode & 0777) | 0700);
  return permit(fd, &w->root, mode | (mode & 0444) >> 2);
}

/* Moves `*dir` to its folder `name`, made when it is not there, and `*like` to
 * the old tree's, if there is one. */
static int enter(const writer *w, int *dir, int *like, const char *name) {
  bool made = mkdirat(*dir, name, 0700) == 0;
  if (!made && errno != EEXIST) return errno;
  int sub = openat(*dir, name, O_RDONLY | FOLDER);
  if (sub < 0) return errno;
  *dir = sub;
  *like = *like < 0 ? -1 : openat(*like, name, O_PATH | FOLDER);
  return made ? permit_folder(w, sub, *like) : 0;
}

static int write_file(const writer *w, int dir, int like, const char *name,
                      opamp_bytes body) {
  struct stat st;
  int error;
  int fd = opamp__file_create(dir, name);
  if (fd < 0) return errno;
  if (like >= 0 && fstatat(like, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
      S_ISREG(st.st_mode))
    error = permit(fd, &st, st.st_mode & 0777);
  else
    error = permit(fd, &w->root, w->style->mode);
  if (error == 0) error = opamp__file_write(fd, body);
  return opamp__file_finish(fd, error);
}

static int write_path(const writer *w, int dirfd, const char *path,
                      opamp_bytes body) {
  char name[NAME_MAX + 1];
  int dir = dirfd, like = w->style->like, error = 0;
  while (error == 0 && next_folder(&path, name) != NULL) {
    int outer = dir, old = like;
    error = enter(w, &dir, &like, name);
    if (dir != outer) close_unless(outer, dirfd);
    if (like != old) close_unless(old, w->style->like);
  }
  if (error == 0) error = write_file(w, dir, like, path, body);
  close_unless(like, w->style->like);
  close_unless(dir, dirfd);
  return error;
}

/* The entries of the folders on the way to `path` are on the disk. */
static int sync_path(int dirfd, const char *path) {
  char name[NAME_MAX + 1];
  int dir = dirfd, error = 0;
  while (error == 0 && next_folder(&path, name) != NULL) {
    int sub = openat(dir, name, O_RDONLY | FOLDER);
    error = sub < 0 ? errno : opamp__file_sync(sub);
    close_unless(dir, dirfd);
    dir = sub;
  }
  close_unless(dir, dirfd);
  return error;
}

static opamp_status write_object(const writer *w, int dirfd,
                                 const opamp_msg *map, size_t i) {
  const int field = OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP;
  opamp_str name = opamp_msg_key(map, field, i);
  opamp_bytes body = opamp_msg_bytes(opamp_msg_sub(map, field, i),
                                     OPAMP_AGENT_CONFIG_OBJECT_BODY, 0);
  const char *path;
  opamp_status s = opamp__name_path(name, &path);
  if (s != OPAMP_OK) return s;
  int error = write_path(w, dirfd, path, body);
  if (error == EEXIST || error == ENOTDIR)
    return opamp__name_refuse(name, "another object has this place");
  if (error == ENAMETOOLONG)
    return opamp__name_refuse(name, "too long for this file system");
  return error == 0 ? OPAMP_OK : opamp__name_fail(error, "writing", path);
}

opamp_status opamp__tree_write(int dirfd, const opamp_msg *map,
                               const opamp__tree_style *style) {
  const int field = OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP;
  writer w = {.style = style};
  const char *path;
  opamp_status s = OPAMP_OK;
  int error = fstat(style->like, &w.root) != 0 ? errno : 0;
  if (error == 0) error = permit_folder(&w, dirfd, style->like);
  for (size_t i = 0; error == 0 && i < opamp_msg_count(map, field); i++) {
    s = write_object(&w, dirfd, map, i);
    if (s != OPAMP_OK) return s;
  }
  for (size_t i = 0; error == 0 && i < opamp_msg_count(map, field); i++) {
    s = opamp__name_path(opamp_msg_key(map, field, i), &path);
    if (s == OPAMP_OK) error = sync_path(dirfd, path);
    if (s != OPAMP_OK || error != 0) break;
  }
  if (error == 0) error = opamp__file_sync(dirfd);
  return error == 0 ? s : opamp__name_fail(error, "writing", "the directory");
}

/* --- reading -------------------------------------------------------------- */

typedef struct reader {
  opamp_msg *map;
  opamp__buf path; /* of the entry at hand, with its NUL */
  size_t files, bytes;
} reader;

static opamp_status over(const char *what) {
  return opamp__fail(OPAMP_ERR_LIMIT, "configuration directory: %s", what);
}

static opamp_status read_body(reader *r, int fd, const char *path) {
  opamp__buf body = {0};
  opamp_msg *object;
  opamp_str key = opamp__str(path);
  opamp_status s = OPAMP_OK;
  for (;;) {
    ssize_t n = -1;
    if (!opamp__buf_reserve(&body, 16384)) {
      s = opamp__nomem();
      goto done;
    }
    n = read(fd, body.ptr + body.len, body.cap - body.len);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      s = opamp__name_fail(errno, "reading", path);
      goto done;
    }
    if (n == 0) break;
    body.len += (size_t)n;
    r->bytes += (size_t)n;
    if (r->bytes > BYTES_MAX) {
      s = over("more than 64 MiB");
      goto done;
    }
  }
  s = opamp_msg_put(&object, r->map, OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP, key);
  if (s == OPAMP_OK)
    s = opamp_msg_set_bytes(object, OPAMP_AGENT_CONFIG_OBJECT_BODY,
                            opamp__buf_bytes(&body));
done:
  opamp__buf_free(&body);
  return s;
}

static opamp_status read_folder(reader *r, int fd, int depth);

/* Opens what the link `name` points at. A link is worth what its owner is: it
 * must not make a privileged process show a file that its owner cannot read. */
static int open_link(int dirfd, const char *name) {
  char target[PATH_MAX];
  struct stat st;
  int fd = -1, error = ENOENT;
  int link = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (link >= 0 && fstat(link, &st) == 0 && S_ISLNK(st.st_mode) &&
      (st.st_uid == geteuid() || st.st_uid == 0)) {
    ssize_t n = readlinkat(link, "", target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    fd = openat(dirfd, target, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    error = errno;
  }
  if (link >= 0) close(link);
  errno = error;
  return fd;
}

/* Opens an entry that is to be read, *st: what it is. -1 with ENOENT: it is
 * left out, or has vanished since it was listed. */
static int open_entry(int dirfd, const char *name, struct stat *st) {
  int fd = -1;
  if (fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) != 0) return -1;
  bool link = S_ISLNK(st->st_mode);
  /* Asked before as well as after: to open a device may do something. */
  if (link && fstatat(dirfd, name, st, 0) != 0) goto left_out;
  if (!S_ISREG(st->st_mode) && (link || !S_ISDIR(st->st_mode))) goto left_out;
  fd = link ? open_link(dirfd, name)
            : openat(dirfd, name,
                     O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ELOOP) errno = ENOENT;
    return -1;
  }
  if (fstat(fd, st) == 0 &&
      (S_ISREG(st->st_mode) || (!link && S_ISDIR(st->st_mode))))
    return fd;
left_out:
  if (fd >= 0) close(fd);
  errno = ENOENT;
  return -1;
}

static opamp_status read_entry(reader *r, int dirfd, const char *name,
                               int depth) {
  struct stat st;
  opamp_status s = OPAMP_OK;
  const char *path = (const char *)r->path.ptr;
  int fd = open_entry(dirfd, name, &st);
  if (fd < 0 && errno == ENOENT) return OPAMP_OK;
  if (fd < 0) return opamp__name_fail(errno, "reading", path);
  if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
    return read_folder(r, fd, depth + 1);
  if (S_ISDIR(st.st_mode))
    s = over("nested too deeply");
  else if (!opamp__utf8_valid(r->path.ptr, strlen(path)))
    s = OPAMP_OK;
  else if (++r->files > FILES_MAX)
    s = over("more than 10,000 files");
  else
    s = read_body(r, fd, path);
  close(fd);
  return s;
}

/* Reads the folder `fd`, which it closes, and whose path is r->path. */
static opamp_status read_folder(reader *r, int fd, int depth) {
  struct dirent *e;
  opamp_status s = OPAMP_OK;
  size_t base = r->path.len;
  DIR *dir = fdopendir(fd);
  if (dir == NULL) {
    close(fd);
    return opamp__nomem();
  }
  while (s == OPAMP_OK && (e = readdir(dir)) != NULL) {
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    r->path.len = base;
    if (!opamp__buf_printf(&r->path, "%s%s", base > 0 ? "/" : "", e->d_name) ||
        !opamp__buf_byte(&r->path, 0)) {
      s = opamp__nomem();
      break;
    }
    r->path.len--; /* the NUL stays behind it */
    s = read_entry(r, fd, e->d_name, depth);
  }
  r->path.len = base;
  closedir(dir);
  return s;
}

opamp_status opamp__tree_read(int dirfd, opamp_msg *map) {
  reader r = {map, {0}, 0, 0};
  int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return opamp__name_fail(errno, "reading", "the directory");
  opamp_status s = read_folder(&r, fd, 1);
  opamp__buf_free(&r.path);
  return s;
}

/* --- removing ------------------------------------------------------------- */

static int remove_at(int dirfd, const char *name, int depth);

static int remove_content(int fd, int depth) {
  struct dirent *e;
  int error = 0;
  DIR *dir = fdopendir(fd);
  if (dir == NULL) {
    close(fd);
    return ENOMEM;
  }
  while (error == 0 && (e = readdir(dir)) != NULL)
    if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
      error = remove_at(fd, e->d_name, depth + 1);
  closedir(dir);
  return error;
}

/* A folder that somebody mounted something on is not ours to empty. */
static bool is_mounted(int fd) {
  struct statx stx;
  return statx(fd, "", AT_EMPTY_PATH, STATX_MODE, &stx) == 0 &&
         (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static int remove_at(int dirfd, const char *name, int depth) {
  struct stat st;
  if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT) return 0;
  if (errno != EISDIR && errno != EPERM) return errno;
  int fd = openat(dirfd, name, O_RDONLY | FOLDER);
  if (fd < 0) return errno;
  int error = depth > 2 * DEPTH_MAX ? ELOOP : is_mounted(fd) ? EBUSY : 0;
  /* A read-only folder cannot be emptied, but its owner can change that. */
  if (error == 0 && fstat(fd, &st) == 0 && (st.st_mode & 0300) != 0300 &&
      fchmod(fd, 0700) != 0)
    error = errno;
  if (error != 0) {
    close(fd);
    return error;
  }
  error = remove_content(fd, depth);
  if (error != 0) return error;
  return unlinkat(dirfd, name, AT_REMOVEDIR) == 0 ? 0 : errno;
}

opamp_status opamp__tree_remove(int dirfd, const char *name) {
  int error = remove_at(dirfd, name, 0);
  return error == 0 ? OPAMP_OK : opamp__name_fail(error, "removing", name);
}
