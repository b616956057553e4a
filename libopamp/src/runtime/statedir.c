/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/statedir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "opamp/options.h"
#include "runtime/files.h"
#include "transport/transport.h"

/* A file is a head and the bytes:
 *
 *   "opampst1"   8 bytes: what it is, and the version of this format
 *   SHA-256      32 bytes, over the key, a zero byte and the content
 *   content
 *
 * so that a file that was cut, changed or renamed is found out. */

static const char magic[] = {'o', 'p', 'a', 'm', 'p', 's', 't', '1'};

enum {
  DIGEST = 32,
  HEAD = sizeof magic + DIGEST,
  VALUE_MAX = 80 * 1024 * 1024,
  NAME_MAX_LEN = 64,
  SET_ASIDE = 4 /* files of one key that are kept */
};

struct opamp__statedir {
  char *path;
  int dir, lock;
  opamp__statedir_note note;
  void *ctx;
};

static opamp_status failed(const opamp__statedir *s, const char *name,
                           const char *what) {
  int err = errno;
  return opamp__fail(OPAMP_ERR_IO, "%s%s%s: %s%s%s", s->path,
                     name[0] == '\0' ? "" : "/", name, what,
                     what[0] == '\0' ? "" : ": ", strerror(err));
}

/* --- opening -------------------------------------------------------------- */

static opamp_status open_directory(opamp__statedir *s) {
  struct stat st;
  if (mkdir(s->path, 0700) != 0 && errno != EEXIST)
    return failed(s, "", "cannot be made");
  s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (s->dir < 0 || fstat(s->dir, &st) != 0) return failed(s, "", "");
  if (st.st_uid != geteuid())
    return opamp__fail(OPAMP_ERR_IO, "%s: it belongs to another user", s->path);
  if ((st.st_mode & 077) != 0 && fchmod(s->dir, 0700) != 0)
    return failed(s, "", "others may read it");
  return OPAMP_OK;
}

/* The lock goes with the last descriptor of this open file, also when a process
 * is killed; who has it is written in the file for people. */
static opamp_status lock(opamp__statedir *s) {
  char pid[32] = "";
  int n;
  s->lock =
      openat(s->dir, "lock",
             O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
  if (s->lock < 0) return failed(s, "lock", "");
  if (flock(s->lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return failed(s, "lock", "");
    if (read(s->lock, pid, sizeof pid - 1) <= 0) pid[0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    return opamp__fail(OPAMP_ERR_BUSY, "%s: in use by process %s", s->path,
                       pid[0] == '\0' ? "(unknown)" : pid);
  }
  n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
  if (ftruncate(s->lock, 0) != 0 || pwrite(s->lock, pid, (size_t)n, 0) != n)
    return failed(s, "lock", "cannot be written");
  return OPAMP_OK;
}

opamp_status opamp__statedir_open(opamp__statedir **out, const char *path,
                                  opamp__statedir_note note, void *ctx) {
  opamp__statedir *s = opamp__calloc(1, sizeof *s);
  opamp_status status = OPAMP_ERR_NOMEM;
  *out = NULL;
  if (s == NULL) return opamp__nomem();
  s->dir = s->lock = -1;
  s->note = note;
  s->ctx = ctx;
  s->path = opamp__strndup(path, strlen(path));
  if (s->path != NULL) status = open_directory(s);
  if (status == OPAMP_OK) status = lock(s);
  if (status != OPAMP_OK) {
    if (s->path == NULL) (void)opamp__nomem();
    opamp__statedir_close(s);
    return status;
  }
  *out = s;
  return OPAMP_OK;
}

void opamp__statedir_close(opamp__statedir *s) {
  if (s == NULL) return;
  if (s->lock >= 0) close(s->lock);
  if (s->dir >= 0) close(s->dir);
  opamp__free(s->path);
  opamp__free(s);
}

/* --- loading -------------------------------------------------------------- */

static void digest(const char *key, opamp_bytes value, uint8_t out[DIGEST]) {
  uint8_t both[2 * DIGEST];
  opamp_bytes name = {(const uint8_t *)key, strlen(key)};
  opamp__sha256(name, both);
  opamp__sha256(value, both + DIGEST);
  opamp__sha256((opamp_bytes){both, sizeof both}, out);
}

/* Content that is not ours, or is broken: somebody may want to look at it. */
static opamp_status set_aside(opamp__statedir *s, const char *key,
                              const char *why) {
  char to[NAME_MAX_LEN], text[512];
  struct stat st;
  for (int i = 1; i <= SET_ASIDE; i++) {
    snprintf(to, sizeof to, "%s.bad-%d", key, i);
    if (fstatat(s->dir, to, &st, AT_SYMLINK_NOFOLLOW) != 0) break;
  }
  if (renameat(s->dir, key, s->dir, to) != 0)
    return failed(s, key, "cannot be set aside");
  snprintf(text, sizeof text, "%s/%s: %s; it is %s now, and not used", s->path,
           key, why, to);
  s->note(s->ctx, OPAMP_LOG_ERROR, text);
  return opamp__fail(OPAMP_ERR_NOTFOUND, "%s", text);
}

/* What is wrong with a file; NULL: nothing. */
static const char *wrong(const char *key, opamp_bytes file) {
  uint8_t sum[DIGEST];
  if (file.len < HEAD) return "it is cut off";
  if (memcmp(file.ptr, magic, sizeof magic - 1) != 0)
    return "it is not of this library";
  if (file.ptr[sizeof magic - 1] != (uint8_t)magic[sizeof magic - 1])
    return "it is of another version of this library";
  digest(key, (opamp_bytes){file.ptr + HEAD, file.len - HEAD}, sum);
  return memcmp(sum, file.ptr + sizeof magic, DIGEST) == 0
             ? NULL
             : "its checksum is wrong";
}

static opamp_status read_all(opamp__statedir *s, const char *key, int fd,
                             opamp__buf *out, size_t size) {
  if (!opamp__buf_reserve(out, size + 1)) return opamp__nomem();
  for (;;) {
    ssize_t n = read(fd, out->ptr + out->len, out->cap - out->len);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(s, key, "");
    if (n == 0) return OPAMP_OK;
    out->len += (size_t)n;
    if (!opamp__buf_reserve(out, 1)) return opamp__nomem();
  }
}

static opamp_status load_open(opamp__statedir *s, const char *key, int fd,
                              opamp__buf *out) {
  struct stat st;
  opamp__buf file = {NULL, 0, 0};
  opamp_status status;
  const char *why = NULL;
  if (fstat(fd, &st) != 0) return failed(s, key, "");
  if (!S_ISREG(st.st_mode)) return set_aside(s, key, "it is no file");
  if (st.st_uid != geteuid())
    return set_aside(s, key, "it belongs to another user");
  if (st.st_size > VALUE_MAX + HEAD)
    return set_aside(s, key, "it is too large");
  status = read_all(s, key, fd, &file, (size_t)st.st_size);
  if (status == OPAMP_OK) {
    why = wrong(key, opamp__buf_bytes(&file));
    if (why != NULL)
      status = set_aside(s, key, why);
    else if (!opamp__buf_append(out, file.ptr + HEAD, file.len - HEAD))
      status = opamp__nomem();
  }
  opamp__buf_wipe_free(&file);
  return status;
}

opamp_status opamp__statedir_load(opamp__statedir *s, const char *key,
                                  opamp__buf *out) {
  opamp_status status;
  int fd = openat(s->dir, key, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT)
    return opamp__fail(OPAMP_ERR_NOTFOUND, "%s/%s: there is none", s->path,
                       key);
  if (fd < 0 && errno == ELOOP)
    return set_aside(s, key, "it is a symbolic link");
  if (fd < 0) return failed(s, key, "");
  status = load_open(s, key, fd, out);
  close(fd);
  return status;
}

/* --- saving --------------------------------------------------------------- */

static int write_file(int fd, const char *key, opamp_bytes value) {
  uint8_t head[HEAD];
  int error = fchmod(fd, 0600) == 0 ? 0 : errno; /* whatever the umask */
  memcpy(head, magic, sizeof magic);
  digest(key, value, head + sizeof magic);
  if (error == 0)
    error = opamp__file_write(fd, (opamp_bytes){head, sizeof head});
  return error == 0 ? opamp__file_write(fd, value) : error;
}

static opamp_status failed_with(const opamp__statedir *s, const char *name,
                                int error) {
  errno = error;
  return failed(s, name, "");
}

static opamp_status sync_directory(const opamp__statedir *s) {
  int error = opamp__file_sync(s->dir);
  return error == 0 ? OPAMP_OK : failed_with(s, "", error);
}

opamp_status opamp__statedir_save(opamp__statedir *s, const char *key,
                                  opamp_bytes value) {
  char temporary[NAME_MAX_LEN];
  const char *at = temporary;
  int fd, error;
  snprintf(temporary, sizeof temporary, "%s.tmp", key);
  /* One that a crash has left. */
  if (unlinkat(s->dir, temporary, 0) != 0 && errno != ENOENT)
    return failed(s, temporary, "");
  fd = opamp__file_create(s->dir, temporary);
  if (fd < 0) return failed(s, temporary, "");
  error = opamp__file_finish(fd, write_file(fd, key, value));
  if (error == 0 && renameat(s->dir, temporary, s->dir, key) != 0) {
    at = key;
    error = errno;
  }
  if (error == 0) return sync_directory(s);
  (void)unlinkat(s->dir, temporary, 0);
  return failed_with(s, at, error);
}

opamp_status opamp__statedir_erase(opamp__statedir *s, const char *key) {
  if (unlinkat(s->dir, key, 0) == 0) return sync_directory(s);
  return errno == ENOENT ? OPAMP_OK : failed(s, key, "");
}
