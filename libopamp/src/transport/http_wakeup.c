/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/http_internal.h"
#include "transport/libraries.h"

/* curl makes a pair of sockets to wake itself up, which programs that the host
 * starts would inherit (until 8.8), and does not tell which: mostly the two
 * lowest free descriptors, unless a thread of the host's took or freed some
 * meanwhile. Whether they are is seen at both ends when curl writes into them.
 * Nothing is read: it could be a socket of the host's; and what curl wrote may
 * stay there, as it only waits for it in functions that are not used. */

enum {
  NEIGHBOURS = 64, /* descriptors that others took meanwhile, at most */
  SURE = 3         /* times; another's socket could get a byte just then, too */
};

static bool looks_like_curls(int fd) {
  int domain = 0;
  socklen_t n = sizeof domain;
  int flags = fcntl(fd, F_GETFD); /* first: few are not closed on exec */
  return flags >= 0 && (flags & FD_CLOEXEC) == 0 &&
         (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 &&
         getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 &&
         domain == AF_UNIX;
}

static int unread(int fd) {
  int n;
  return ioctl(fd, FIONREAD, &n) == 0 ? n : -1;
}

/* What was written and the other end has not read. */
static int unheard(int fd) {
  int n;
  return ioctl(fd, TIOCOUTQ, &n) == 0 ? n : -1;
}

static bool hears(CURLM *m, int fd) {
  int n = unread(fd);
  return n >= 0 && curl_multi_wakeup(m) == CURLM_OK && unread(fd) == n + 1;
}

static bool speaks(CURLM *m, int fd) {
  int n = unheard(fd);
  return n >= 0 && curl_multi_wakeup(m) == CURLM_OK && unheard(fd) > n;
}

static bool is_pair(CURLM *m, const int pair[2]) {
  if (!looks_like_curls(pair[0]) || !looks_like_curls(pair[1])) return false;
  for (int i = 0; i < SURE; i++)
    if (!hears(m, pair[0]) || !speaks(m, pair[1])) return false;
  return true;
}

static bool search(CURLM *m, int end, int pair[2]) {
  pair[0] = pair[1] = -1;
  for (int fd = 0; fd < end; fd++) {
    if (!looks_like_curls(fd)) continue;
    if (pair[0] < 0 && hears(m, fd))
      pair[0] = fd;
    else if (pair[1] < 0 && speaks(m, fd))
      pair[1] = fd;
  }
  return is_pair(m, pair);
}

static bool find_pair(CURLM *m, const int lowest[2], int pair[2]) {
  int end = (lowest[0] > lowest[1] ? lowest[0] : lowest[1]) + NEIGHBOURS;
  pair[0] = lowest[0];
  pair[1] = lowest[1];
  return is_pair(m, pair) || search(m, end, pair);
}

/* The libraries are locked: two that look in step would hear each other. */
static CURLM *make(int pair[2]) {
  int lowest[2];
  bool known = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, lowest) == 0;
  if (known) {
    close(lowest[0]);
    close(lowest[1]);
  }
  CURLM *m = curl_multi_init();
  if (m == NULL || !known || !find_pair(m, lowest, pair))
    pair[0] = pair[1] = -1;
  return m;
}

CURLM *opamp__http_multi_new(int pair[2]) {
  opamp__libraries_lock();
  CURLM *m = make(pair);
  opamp__libraries_unlock();
  for (int i = 0; i < 2; i++)
    if (pair[i] >= 0) fcntl(pair[i], F_SETFD, FD_CLOEXEC);
  return m;
}
