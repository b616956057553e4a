/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/configtree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

enum { DEPTH_MAX = 64, FILES_MAX = 10000, COMPONENT_MAX = 255 };
static const size_t BYTES_MAX = (size_t)64 << 20;

/* A name as an error text may hold it: short, printable, whole characters. */
enum { SHOWN = 120 };

static const char *shown(opamp_str name, char buf[SHOWN + 4]) {
  size_t n = name.len < SHOWN ? name.len : SHOWN;
  while (n < name.len && n > 0 && ((uint8_t)name.ptr[n] & 0xC0) == 0x80) n--;
  for (size_t i = 0; i < n; i++) {
    uint8_t c = (uint8_t)name.ptr[i];
    buf[i] = c < 0x20 || c == 0x7F ? '?' : name.ptr[i];
  }
  strcpy(buf + n, n < name.len ? "..." : "");
  return opamp__utf8_valid((const uint8_t *)buf, strlen(buf)) ? buf : "?";
}

opamp_status opamp__tree_fail(int error, const char *what, const char *name) {
  char buf[SHOWN + 4];
  return opamp__fail(error == ENOMEM ? OPAMP_ERR_NOMEM : OPAMP_ERR_IO,
                     "%s %s: %s", what, shown(opamp__str(name), buf),
                     strerror(error));
}

/* --- names ---------------------------------------------------------------- */

static opamp_status bad_name(opamp_str name, const char *why) {
  char buf[SHOWN + 4];
  return opamp__fail(OPAMP_ERR_INVALID, "configuration object \"%s\": %s",
                     shown(name, buf), why);
}

static const char *bad_component(const char *c, size_t n) {
  if (n == 0) return "empty path component";
  if (n > COMPONENT_MAX) return "path component longer than 255 bytes";
  if (n == 2 && memcmp(c, "..", 2) == 0) return "\"..\" in the path";
  if (n == 1 && *c == '.') return "\".\" in the path";
  return NULL;
}

opamp_status opamp__tree_path(opamp_str name, const char **out) {
  size_t depth = 0;
  *out = "config";
  if (name.len == 0) return OPAMP_OK;
  if (memchr(name.ptr, '\0', name.len) != NULL)
    return bad_name(name, "NUL in the name");
  if (name.ptr[0] == '/') return bad_name(name, "absolute path");
  for (const char *c = name.ptr, *end = name.ptr + name.len; c <= end;) {
    const char *slash = memchr(c, '/', (size_t)(end - c));
    const char *stop = slash != NULL ? slash : end;
    const char *why = bad_component(c, (size_t)(stop - c));
    if (why != NULL) return bad_name(name, why);
    if (++depth > DEPTH_MAX) return bad_name(name, "more than 64 components");
    c = stop + 1;
  }
  *out = name.ptr;
  return OPAMP_OK;
}

/* --- writing -------------------------------------------------------------- */

/* Calls `each` with every folder of `path`, the outermost first. */
static int for_folders(int dirfd, const char *path,
                       int (*each)(int dirfd, const char *folder)) {
  char *copy = opamp__strndup(path, strlen(path));
  int error = copy == NULL ? ENOMEM : 0;
  for (char *s = copy; error == 0 && (s = strchr(s, '/')) != NULL; s++) {
    *s = '\0';
    error = each(dirfd, copy);
    *s = '/';
  }
  opamp__free(copy);
  return error;
}

static int make_folder(int dirfd, const char *folder) {
  return mkdirat(dirfd, folder, 0777) == 0 || errno == EEXIST ? 0 : errno;
}

static int sync_folder(int dirfd, const char *folder) {
  int fd = openat(dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int error = fd < 0 || fsync(fd) != 0 ? errno : 0;
  if (fd >= 0) close(fd);
  return error;
}

static int write_all(int fd, opamp_bytes body) {
  while (body.len > 0) {
    ssize_t n = write(fd, body.ptr, body.len);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    body.ptr += n;
    body.len -= (size_t)n;
  }
  return 0;
}

int opamp__tree_permit(int fd, const struct stat *st) {
  /* Only root may give files away; without that the group may still do. A
   * set-uid bit must not change hands, so no such bit is kept. */
  if (fchown(fd, st->st_uid, st->st_gid) != 0 &&
      fchown(fd, (uid_t)-1, st->st_gid) != 0 && errno != EPERM)
    return errno;
  return fchmod(fd, st->st_mode & 0777) == 0 ? 0 : errno;
}

static int write_file(int dirfd, const char *path, opamp_bytes body, int like) {
  struct stat st;
  int error = 0;
  int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return errno;
  if (like >= 0 && fstatat(like, path, &st, 0) == 0 && S_ISREG(st.st_mode))
    error = opamp__tree_permit(fd, &st);
  if (error == 0) error = write_all(fd, body);
  if (error == 0 && fsync(fd) != 0) error = errno;
  if (close(fd) != 0 && error == 0) error = errno;
  return error;
}

static opamp_status write_object(int dirfd, const opamp_msg *map, size_t i,
                                 int like) {
  const int field = OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP;
  opamp_str name = opamp_msg_key(map, field, i);
  opamp_bytes body = opamp_msg_bytes(opamp_msg_sub(map, field, i),
                                     OPAMP_AGENT_CONFIG_OBJECT_BODY, 0);
  const char *path;
  opamp_status s = opamp__tree_path(name, &path);
  if (s != OPAMP_OK) return s;
  int error = for_folders(dirfd, path, make_folder);
  if (error == 0) error = write_file(dirfd, path, body, like);
  if (error == EEXIST || error == ENOTDIR || error == EISDIR)
    return bad_name(name, "another object has this place");
  if (error == ENAMETOOLONG) return bad_name(name, "the path is too long");
  return error == 0 ? OPAMP_OK : opamp__tree_fail(error, "writing", path);
}

opamp_status opamp__tree_write(int dirfd, const opamp_msg *map, int like) {
  const int field = OPAMP_AGENT_CONFIG_MAP_CONFIG_MAP;
  size_t n = opamp_msg_count(map, field);
  const char *path;
  opamp_status s = OPAMP_OK;
  /* All names first: a refused set is not even begun. */
  for (size_t i = 0; s == OPAMP_OK && i < n; i++)
    s = opamp__tree_path(opamp_msg_key(map, field, i), &path);
  for (size_t i = 0; s == OPAMP_OK && i < n; i++)
    s = write_object(dirfd, map, i, like);
  for (size_t i = 0; s == OPAMP_OK && i < n; i++) {
    opamp__tree_path(opamp_msg_key(map, field, i), &path);
    int error = for_folders(dirfd, path, sync_folder);
    if (error != 0) s = opamp__tree_fail(error, "writing", path);
  }
  if (s == OPAMP_OK && fsync(dirfd) != 0)
    s = opamp__tree_fail(errno, "writing", "the directory");
  return s;
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
      s = opamp__tree_fail(errno, "reading", path);
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

/* The entry `name` of the folder `dirfd`. What vanished since it was listed is
 * left out. */
static opamp_status read_entry(reader *r, int dirfd, const char *name,
                               int depth) {
  struct stat st;
  opamp_status s = OPAMP_OK;
  const char *path = (const char *)r->path.ptr;
  if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return OPAMP_OK;
  bool link = S_ISLNK(st.st_mode);
  if (link && fstatat(dirfd, name, &st, 0) != 0) return OPAMP_OK;
  bool folder = S_ISDIR(st.st_mode);
  if (folder ? link : !S_ISREG(st.st_mode)) return OPAMP_OK;
  int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0 && errno == ENOENT) return OPAMP_OK;
  if (fd < 0) return opamp__tree_fail(errno, "reading", path);
  if (folder)
    return depth < DEPTH_MAX ? read_folder(r, fd, depth + 1)
                             : (close(fd), over("nested too deeply"));
  if (!opamp__utf8_valid(r->path.ptr, strlen(path)))
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
  if (fd < 0) return opamp__tree_fail(errno, "reading", "the directory");
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

static int remove_at(int dirfd, const char *name, int depth) {
  if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT) return 0;
  if (errno != EISDIR && errno != EPERM) return errno;
  if (depth > 2 * DEPTH_MAX) return ELOOP;
  int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno;
  int error = remove_content(fd, depth);
  if (error != 0) return error;
  return unlinkat(dirfd, name, AT_REMOVEDIR) == 0 ? 0 : errno;
}

opamp_status opamp__tree_remove(int dirfd, const char *name) {
  int error = remove_at(dirfd, name, 0);
  return error == 0 ? OPAMP_OK : opamp__tree_fail(error, "removing", name);
}
