/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/statedir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "opamp/options.h"
#include "runtime/files.h"
#include "runtime/statefile.h"

/* An entry is the file <key>. What is new is written to <key>.tmp, and then the
 * two exchange their names; with the old one still there under the other name,
 * the exchange can be taken back when the disk does not confirm it. So whatever
 * a crash leaves in <key>.tmp is of no use. */

enum {
  BAD_KEPT = 3, /* of each entry, the newest */
  BAD_LAST = 999999,
  NAME_SIZE = OPAMP__STATEFILE_KEY + sizeof ".bad-999999",
  HOST_SIZE = 256
};

struct opamp__statedir {
  char *path;
  int dir, lock; /* descriptors */
  opamp__statedir_note note;
  void *ctx;
};

/* --- texts ---------------------------------------------------------------- */

/* "step path/name: reason"; a very long path is cut, not the reason. */
static opamp_status fail(const opamp__statedir *s, int error, const char *step,
                         const char *name) {
  return opamp__fail(error == ENOMEM ? OPAMP_ERR_NOMEM : OPAMP_ERR_IO,
                     "%s %.250s%s%s: %s", step, s->path, *name ? "/" : "", name,
                     strerror(error));
}

static opamp_status refuse(const opamp__statedir *s, const char *name,
                           const char *why) {
  return opamp__fail(OPAMP_ERR_IO, "%.250s%s%s: %s", s->path, *name ? "/" : "",
                     name, why);
}

static opamp_status bad_key(const char *key) {
  return opamp__fail(OPAMP_ERR_INVALID,
                     "\"%.60s\" cannot be the key of an entry", key);
}

/* "lock" is taken. */
static bool is_key(const char *key) {
  return opamp__statefile_is_key(key) && strcmp(key, "lock") != 0;
}

static const char *temp_of(char buf[NAME_SIZE], const char *key) {
  snprintf(buf, NAME_SIZE, "%s.tmp", key);
  return buf;
}

/* --- opening -------------------------------------------------------------- */

/* Makes it in such a way that it outlives a power cut. A parent that may not be
 * read cannot be told to, and has its own times for it. */
static opamp_status make(const opamp__statedir *s) {
  if (mkdir(s->path, 0700) != 0 && errno != EEXIST)
    return fail(s, errno, "making", "");
  int dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int parent =
      dir < 0 ? -1 : openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int error = parent < 0 ? 0 : opamp__file_sync(parent);
  if (parent >= 0) close(parent);
  if (dir >= 0) close(dir);
  return error == 0 ? OPAMP_OK : fail(s, error, "making", "");
}

/* It need not be 0700, as what is in it is 0600, and others may need to see
 * what an operator put beside; but nobody else may change it. */
static opamp_status check_owner(const opamp__statedir *s) {
  struct stat st;
  if (fstat(s->dir, &st) != 0) return fail(s, errno, "opening", "");
  if (st.st_uid != geteuid())
    return opamp__fail(OPAMP_ERR_IO,
                       "%.250s belongs to user %u and this process to user %u; "
                       "use a directory below it",
                       s->path, st.st_uid, geteuid());
  if ((st.st_mode & 022) != 0)
    return opamp__fail(OPAMP_ERR_IO,
                       "%.250s: others may write to it (mode %04o); use a "
                       "directory below it",
                       s->path, st.st_mode & 07777);
  if (faccessat(s->dir, ".", W_OK | X_OK, AT_EACCESS) != 0)
    return fail(s, errno, "writing to", "");
  return OPAMP_OK;
}

static opamp_status open_dir(opamp__statedir *s) {
  const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  s->dir = open(s->path, flags);
  if (s->dir < 0 && errno == ENOENT) {
    opamp_status made = make(s);
    if (made != OPAMP_OK) return made;
    s->dir = open(s->path, flags);
  }
  return s->dir < 0 ? fail(s, errno, "opening", "") : check_owner(s);
}

/* The lock file says who has the lock: "<pid> <host>". */
static opamp_status busy(const opamp__statedir *s) {
  char text[HOST_SIZE + 32] = "", theirs[HOST_SIZE] = "", ours[HOST_SIZE] = "";
  long pid = 0;
  ssize_t n = pread(s->lock, text, sizeof text - 1, 0);
  int words = n <= 0 ? 0 : sscanf(text, "%ld %255s", &pid, theirs);
  gethostname(ours, sizeof ours - 1);
  if (words < 1 || pid <= 0)
    return opamp__fail(OPAMP_ERR_BUSY, "%.250s is in use by another process",
                       s->path);
  if (strcmp(ours, theirs) != 0)
    return opamp__fail(OPAMP_ERR_BUSY, "%.250s is in use by process %ld on %s",
                       s->path, pid, theirs);
  if (pid == getpid())
    return opamp__fail(OPAMP_ERR_BUSY,
                       "%.250s is in use by another client of this process, "
                       "%ld",
                       s->path, pid);
  if (kill((pid_t)pid, 0) != 0 && errno == ESRCH)
    return opamp__fail(OPAMP_ERR_BUSY,
                       "%.250s is in use by what process %ld, which has ended, "
                       "left behind",
                       s->path, pid);
  return opamp__fail(OPAMP_ERR_BUSY, "%.250s is in use by process %ld", s->path,
                     pid);
}

/* Who comes second would only be told less, so a full disk does not matter. */
static void sign(const opamp__statedir *s) {
  char host[HOST_SIZE] = "", text[HOST_SIZE + 32];
  gethostname(host, sizeof host - 1);
  int n = snprintf(text, sizeof text, "%ld %s\n", (long)getpid(), host);
  bool done = ftruncate(s->lock, 0) == 0 && pwrite(s->lock, text, (size_t)n, 0);
  (void)done;
}

/* Both locks are flock's, which belong to the descriptor that a forked child
 * shares, and end when the last one is closed, by kill -9 too. That of the
 * directory holds when somebody removes the file, that of the file where
 * directories cannot be locked: NFS. */
static opamp_status lock(opamp__statedir *s) {
  struct stat st;
  s->lock = openat(
      s->dir, "lock",
      O_RDWR | O_CREAT | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (s->lock < 0) return fail(s, errno, "opening", "lock");
  if (fstat(s->lock, &st) != 0) return fail(s, errno, "opening", "lock");
  if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
    return refuse(s, "lock", "not a file of this user");
  if (fchmod(s->lock, 0600) != 0) return fail(s, errno, "opening", "lock");
  if (flock(s->dir, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    return busy(s);
  if (flock(s->lock, LOCK_EX | LOCK_NB) != 0)
    return errno == EWOULDBLOCK ? busy(s) : fail(s, errno, "locking", "lock");
  sign(s);
  return OPAMP_OK;
}

static DIR *list(const opamp__statedir *s) {
  int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *d = fd < 0 ? NULL : fdopendir(fd);
  int error = errno;
  if (d == NULL && fd >= 0) close(fd);
  errno = error;
  return d;
}

static bool is_temp(const char *name) {
  char key[NAME_SIZE];
  size_t n = strlen(name);
  if (n < 5 || n >= sizeof key || strcmp(name + n - 4, ".tmp") != 0)
    return false;
  memcpy(key, name, n - 4);
  key[n - 4] = '\0';
  return is_key(key);
}

/* What cannot be removed is in the way of a save, which will say so. */
static opamp_status remove_temps(const opamp__statedir *s) {
  struct dirent *e;
  DIR *d = list(s);
  if (d == NULL) return fail(s, errno, "reading", "");
  errno = 0;
  while ((e = readdir(d)) != NULL) {
    if (is_temp(e->d_name)) unlinkat(s->dir, e->d_name, 0);
    errno = 0;
  }
  int error = errno;
  closedir(d);
  return error == 0 ? OPAMP_OK : fail(s, error, "reading", "");
}

opamp_status opamp__statedir_open(opamp__statedir **out, const char *path,
                                  opamp__statedir_note note, void *ctx) {
  *out = NULL;
  if (path == NULL || *path == '\0')
    return opamp__fail(OPAMP_ERR_INVALID, "no state directory was named");
  opamp__statedir *s = opamp__calloc(1, sizeof *s);
  if (s == NULL) return opamp__nomem();
  size_t n = strlen(path);
  while (n > 1 && path[n - 1] == '/') n--;
  s->path = opamp__strndup(path, n);
  s->dir = s->lock = -1;
  s->note = note;
  s->ctx = ctx;
  opamp_status status = s->path == NULL ? opamp__nomem() : open_dir(s);
  if (status == OPAMP_OK) status = lock(s);
  if (status == OPAMP_OK) status = remove_temps(s);
  if (status == OPAMP_OK)
    *out = s;
  else
    opamp__statedir_close(s);
  return status;
}

/* No LOCK_UN, which in a forked child would end the parent's lock. */
void opamp__statedir_close(opamp__statedir *s) {
  if (s == NULL) return;
  if (s->lock >= 0) close(s->lock);
  if (s->dir >= 0) close(s->dir);
  opamp__free(s->path);
  opamp__free(s);
}

/* --- what cannot be used -------------------------------------------------- */

/* The N of "<key>.bad-N"; 0: another name. */
static unsigned long bad_number(const char *name, const char *key) {
  size_t n = strlen(key);
  if (strncmp(name, key, n) != 0 || strncmp(name + n, ".bad-", 5) != 0)
    return 0;
  name += n + 5;
  n = strlen(name);
  return n <= 6 && strspn(name, "0123456789") == n ? strtoul(name, NULL, 10)
                                                   : 0;
}

static int remove_any(int dirfd, const char *name) {
  if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT) return 0;
  if (errno != EISDIR && errno != EPERM) return errno;
  return unlinkat(dirfd, name, AT_REMOVEDIR) == 0 ? 0 : errno;
}

/* Renames the entry to the next of its bad names, removes the oldest. */
static int put_away(const opamp__statedir *s, const char *key,
                    char name[NAME_SIZE]) {
  struct dirent *e;
  unsigned long last = 0, n;
  DIR *d = list(s);
  if (d == NULL) return errno;
  while ((e = readdir(d)) != NULL)
    if ((n = bad_number(e->d_name, key)) > last) last = n;
  if (last < BAD_LAST) last++;
  snprintf(name, NAME_SIZE, "%s.bad-%lu", key, last);
  int error = renameat(s->dir, key, s->dir, name) == 0 ? 0 : errno;
  rewinddir(d);
  while (error == 0 && (e = readdir(d)) != NULL)
    if ((n = bad_number(e->d_name, key)) > 0 && n + BAD_KEPT <= last)
      remove_any(s->dir, e->d_name);
  closedir(d);
  return error;
}

/* OPAMP_ERR_NOTFOUND, with a note, when it could be done. */
static opamp_status set_aside(const opamp__statedir *s, const char *key,
                              const char *why) {
  char name[NAME_SIZE];
  int error = put_away(s, key, name);
  if (error != 0)
    return opamp__fail(error == ENOMEM ? OPAMP_ERR_NOMEM : OPAMP_ERR_IO,
                       "%.250s/%s %s, and cannot be renamed: %s", s->path, key,
                       why, strerror(error));
  opamp__fail(OPAMP_ERR_NOTFOUND, "%.250s/%s %s; it is %s now", s->path, key,
              why, name);
  if (s->note != NULL) s->note(s->ctx, OPAMP_LOG_WARN, opamp_errmsg());
  return OPAMP_ERR_NOTFOUND;
}

/* --- loading -------------------------------------------------------------- */

/* What is there under the name of an entry. */
typedef struct found {
  int fd;          /* -1: nothing, or it cannot be used */
  const char *why; /* it cannot be used */
  uint64_t size;   /* of the file */
  uint8_t head[OPAMP__STATEFILE_HEAD];
} found;

static const char *unlike_ours(const struct stat *st) {
  if (S_ISLNK(st->st_mode)) return "is a symbolic link";
  if (S_ISDIR(st->st_mode)) return "is a directory";
  if (!S_ISREG(st->st_mode)) return "is no regular file";
  if (st->st_uid != geteuid()) return "belongs to another user";
  if ((st->st_mode & 022) != 0) return "could be written to by others";
  return NULL;
}

static const char *text_of(opamp__statefile_verdict v) {
  switch (v) {
    case OPAMP__STATEFILE_SHORT:
      return "is cut short";
    case OPAMP__STATEFILE_NEWER:
      return "was written by a newer version";
    case OPAMP__STATEFILE_OTHER:
      return "is the file of another entry";
    case OPAMP__STATEFILE_FOREIGN:
      return "is no file of a state directory";
    default:
      return "is damaged";
  }
}

/* Reads `size` bytes, or to the end of the file; an errno. */
static int read_all(int fd, uint8_t *p, size_t size, size_t *got) {
  for (*got = 0; *got < size;) {
    ssize_t n = read(fd, p + *got, size - *got);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) break;
    *got += (size_t)n;
  }
  return 0;
}

/* About the file f->fd. */
static int look_into(const opamp__statedir *s, const char *key, found *f) {
  struct stat st;
  size_t n;
  if (fstat(f->fd, &st) != 0) return errno;
  if ((f->why = unlike_ours(&st)) != NULL) return 0;
  f->size = (uint64_t)st.st_size;
  int error = read_all(f->fd, f->head, sizeof f->head, &n);
  if (error != 0) return error;
  opamp__statefile_verdict v =
      opamp__statefile_check_head((opamp_bytes){f->head, n}, f->size, key);
  if (v == OPAMP__STATEFILE_UNKNOWN) return ENOMEM;
  if (v != OPAMP__STATEFILE_GOOD)
    f->why = text_of(v);
  else if ((st.st_mode & 077) != 0 && fchmod(f->fd, 0600) == 0) {
    opamp__fail(OPAMP_OK, "%.250s/%s could be read by others (mode %04o)",
                s->path, key, st.st_mode & 07777);
    if (s->note != NULL) s->note(s->ctx, OPAMP_LOG_WARN, opamp_errmsg());
  }
  return 0;
}

/* Looks before it opens, which some kinds of files would notice. */
static int look(const opamp__statedir *s, const char *key, found *f) {
  struct stat st;
  *f = (found){.fd = -1};
  if (fstatat(s->dir, key, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? 0 : errno;
  if ((f->why = unlike_ours(&st)) != NULL) return 0;
  f->fd = openat(s->dir, key,
                 O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
  if (f->fd < 0) return errno;
  int error = look_into(s, key, f);
  if (error != 0 || f->why != NULL) {
    close(f->fd);
    f->fd = -1;
  }
  return error;
}

/* Appends the value behind the header that was read; an errno, or f->why. */
static int read_value(found *f, opamp__buf *out) {
  size_t size = (size_t)(f->size - sizeof f->head), n;
  if (!opamp__buf_reserve_secret(out, size)) return ENOMEM;
  uint8_t *value = size > 0 ? out->ptr + out->len : NULL;
  int error = read_all(f->fd, value, size, &n);
  opamp__statefile_verdict v =
      n < size
          ? OPAMP__STATEFILE_SHORT
          : opamp__statefile_check_value(f->head, (opamp_bytes){value, size});
  if (error == 0 && v == OPAMP__STATEFILE_UNKNOWN) error = ENOMEM;
  if (error == 0 && v == OPAMP__STATEFILE_GOOD)
    out->len += size;
  else
    opamp__wipe(value, size);
  if (v != OPAMP__STATEFILE_GOOD) f->why = text_of(v);
  return error;
}

opamp_status opamp__statedir_load(opamp__statedir *s, const char *key,
                                  opamp__buf *out) {
  found f;
  if (!is_key(key)) return bad_key(key);
  int error = look(s, key, &f);
  if (error == 0 && f.fd >= 0) error = read_value(&f, out);
  if (f.fd >= 0) close(f.fd);
  if (error == ENOMEM) return opamp__nomem();
  if (error != 0) return fail(s, error, "reading", key);
  if (f.why != NULL) return set_aside(s, key, f.why);
  if (f.fd < 0)
    return opamp__fail(OPAMP_ERR_NOTFOUND, "%.250s/%s: no such entry", s->path,
                       key);
  return OPAMP_OK;
}

/* --- saving --------------------------------------------------------------- */

/* What could not be loaded is not replaced either, but set aside. *there: it
 * can be exchanged for the new one. */
static opamp_status make_place(const opamp__statedir *s, const char *key,
                               bool *there) {
  found f;
  int error = look(s, key, &f);
  /* One that cannot be read now has been read at the start, or was never. */
  *there = error != 0 || f.fd >= 0;
  if (f.fd >= 0) close(f.fd);
  if (error != 0 || f.why == NULL) return OPAMP_OK;
  opamp_status status = set_aside(s, key, f.why);
  return status == OPAMP_ERR_NOTFOUND ? OPAMP_OK : status;
}

static opamp_status remove_temp(const opamp__statedir *s, const char *temp) {
  int error = remove_any(s->dir, temp);
  return error == 0 ? OPAMP_OK : fail(s, error, "removing", temp);
}

static opamp_status write_temp(const opamp__statedir *s, const char *temp,
                               opamp_bytes head, opamp_bytes value) {
  int fd = opamp__file_create(s->dir, temp);
  if (fd < 0) return fail(s, errno, "making", temp);
  int error = fchmod(fd, 0600) == 0 ? 0 : errno;
  if (error == 0) error = opamp__file_write(fd, head);
  if (error == 0) error = opamp__file_write(fd, value);
  const char *step = error == 0 ? "syncing" : "writing";
  error = opamp__file_finish(fd, error);
  if (error != 0) unlinkat(s->dir, temp, 0);
  return error == 0 ? OPAMP_OK : fail(s, error, step, temp);
}

static int exchange(const opamp__statedir *s, const char *a, const char *b) {
  return renameat2(s->dir, a, s->dir, b, RENAME_EXCHANGE) == 0 ? 0 : errno;
}

/* The instant, and then the disk's word for it. */
static opamp_status publish(const opamp__statedir *s, const char *key,
                            const char *temp, bool there) {
  int error = there ? exchange(s, temp, key) : ENOENT;
  bool exchanged = error == 0;
  if (!exchanged && (error == ENOENT || error == EINVAL || error == ENOSYS))
    error = renameat(s->dir, temp, s->dir, key) == 0 ? 0 : errno;
  if (error != 0) {
    unlinkat(s->dir, temp, 0);
    return fail(s, error, "renaming", temp);
  }
  error = opamp__file_sync(s->dir);
  if (error != 0 && exchanged)
    exchange(s, temp, key);
  else if (error != 0 && !there)
    unlinkat(s->dir, key, 0);
  if (exchanged) unlinkat(s->dir, temp, 0);
  return error == 0 ? OPAMP_OK : fail(s, error, "syncing", "");
}

opamp_status opamp__statedir_save(opamp__statedir *s, const char *key,
                                  opamp_bytes value) {
  uint8_t head[OPAMP__STATEFILE_HEAD];
  char name[NAME_SIZE];
  bool there;
  if (!is_key(key)) return bad_key(key);
  const char *temp = temp_of(name, key);
  if (value.len > opamp__statefile_max)
    return opamp__fail(OPAMP_ERR_LIMIT, "%.250s/%s: %zu bytes, %zu at most",
                       s->path, key, value.len, opamp__statefile_max);
  if (!opamp__statefile_head(head, key, value)) return opamp__nomem();
  opamp_status status = make_place(s, key, &there);
  if (status == OPAMP_OK) status = remove_temp(s, temp);
  if (status == OPAMP_OK)
    status = write_temp(s, temp, (opamp_bytes){head, sizeof head}, value);
  if (status == OPAMP_OK) status = publish(s, key, temp, there);
  return status;
}

/* The way back: the name goes first, so that it can return. */
opamp_status opamp__statedir_erase(opamp__statedir *s, const char *key) {
  char name[NAME_SIZE];
  struct stat st;
  if (!is_key(key)) return bad_key(key);
  const char *temp = temp_of(name, key);
  if (fstatat(s->dir, key, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? OPAMP_OK : fail(s, errno, "erasing", key);
  if (S_ISDIR(st.st_mode)) {
    opamp_status status = set_aside(s, key, unlike_ours(&st));
    return status == OPAMP_ERR_NOTFOUND ? OPAMP_OK : status;
  }
  opamp_status status = remove_temp(s, temp);
  if (status != OPAMP_OK) return status;
  if (renameat(s->dir, key, s->dir, temp) != 0)
    return fail(s, errno, "erasing", key);
  int error = opamp__file_sync(s->dir);
  if (error != 0) {
    renameat(s->dir, temp, s->dir, key);
    return fail(s, error, "syncing", "");
  }
  unlinkat(s->dir, temp, 0);
  return OPAMP_OK;
}
