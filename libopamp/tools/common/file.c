/* SPDX-License-Identifier: Apache-2.0 */
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 64 * 1024 };

static const char *read_all(tool_buf *out, int fd, size_t max) {
  struct stat st;
  size_t before = out->len;
  ssize_t n = 1;
  if (fstat(fd, &st) != 0) return strerror(errno);
  if (!S_ISREG(st.st_mode)) return "not a regular file";
  while (n > 0) {
    uint8_t *to = tool_buf_reserve(out, PIECE);
    if (to == NULL) return "out of memory";
    n = read(fd, to, PIECE);
    if (n < 0) return strerror(errno);
    out->len += (size_t)n;
    if (out->len - before > max) return "too large";
  }
  return NULL;
}

const char *tool_file_read(tool_buf *out, const char *path, size_t max) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return strerror(errno);
  const char *why = read_all(out, fd, max);
  close(fd);
  return why;
}
