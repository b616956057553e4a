/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/files.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int opamp__file_create(int dirfd, const char *name) {
  return openat(dirfd, name,
                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int opamp__file_write(int fd, opamp_bytes bytes) {
  while (bytes.len > 0) {
    ssize_t n = write(fd, bytes.ptr, bytes.len);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes.ptr += n;
    bytes.len -= (size_t)n;
  }
  return 0;
}

int opamp__file_sync(int fd) {
  while (fsync(fd) != 0)
    if (errno != EINTR) return errno;
  return 0;
}

int opamp__file_finish(int fd, int error) {
  if (error == 0) error = opamp__file_sync(fd);
  /* After EINTR the descriptor is closed, and the content was synced. */
  if (close(fd) != 0 && error == 0 && errno != EINTR) error = errno;
  return error;
}
