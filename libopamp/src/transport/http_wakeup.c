/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/http_internal.h"

/* curl makes a pair of sockets to wake itself up, which programs that the host
 * starts would inherit (until 8.8), and does not tell which: mostly the two
 * lowest free descriptors. That they are is seen by what it writes into one of
 * them, and so are others, when a thread of the host's took or freed
 * descriptors meanwhile. */

enum { NEIGHBOURS = 64 /* descriptors that others took meanwhile, at most */ };

static bool looks_like_curls(int fd) {
  int domain = 0;
  socklen_t n = sizeof domain;
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 &&
         domain == AF_UNIX && (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 &&
         (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0;
}

static int unread(int fd) {
  int n;
  return ioctl(fd, FIONREAD, &n) == 0 ? n : -1;
}

/* What was written and the other end has not read. */
static int unheard(int fd) {
  int n;
  return ioctl(fd, SIOCOUTQ, &n) == 0 ? n : -1;
}

static void drain(int fd) {
  char bytes[8];
  (void)recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
}

static bool is_pair(CURLM *m, const int pair[2]) {
  if (!looks_like_curls(pair[0]) || !looks_like_curls(pair[1])) return false;
  if (unread(pair[0]) != 0 || unheard(pair[1]) != 0) return false;
  if (curl_multi_wakeup(m) != CURLM_OK || unread(pair[0]) != 1) return false;
  bool joined = unheard(pair[1]) > 0;
  drain(pair[0]);
  return joined && unheard(pair[1]) == 0;
}

static bool search(CURLM *m, int end, int pair[2]) {
  pair[0] = pair[1] = -1;
  if (curl_multi_wakeup(m) != CURLM_OK) return false;
  for (int fd = 0; fd < end; fd++) {
    if (!looks_like_curls(fd)) continue;
    if (unread(fd) == 1) pair[0] = fd;
    if (unheard(fd) > 0) pair[1] = fd;
  }
  if (pair[0] >= 0) drain(pair[0]);
  return is_pair(m, pair);
}

bool opamp__http_wakeup_find(CURLM *m, const int lowest[2], int pair[2]) {
  int end = (lowest[0] > lowest[1] ? lowest[0] : lowest[1]) + NEIGHBOURS;
  pair[0] = lowest[0];
  pair[1] = lowest[1];
  return is_pair(m, pair) || search(m, end, pair);
}
