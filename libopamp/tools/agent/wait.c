/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/wait.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <time.h>

enum { FDS_MAX = 32 };

int64_t wait_now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Lists, looked through from the start: there are a handful of each. */
void wait_add(waits *w, wait_fd *n, int fd, wait_cb ready, void *user_data) {
  wait_remove(w, n);
  *n = (wait_fd){w->fds, fd, ready, user_data};
  w->fds = n;
}

void wait_remove(waits *w, wait_fd *n) {
  for (wait_fd **at = &w->fds; *at != NULL; at = &(*at)->next) {
    if (*at != n) continue;
    *at = n->next;
    break;
  }
  n->ready = NULL;
}

void wait_in(waits *w, wait_timer *n, uint64_t ms, wait_cb due,
             void *user_data) {
  wait_cancel(w, n);
  int64_t in = ms < INT64_MAX / 2 ? (int64_t)ms : INT64_MAX / 2;
  *n = (wait_timer){w->timers, wait_now_ms() + in, due, user_data};
  w->timers = n;
}

void wait_cancel(waits *w, wait_timer *n) {
  for (wait_timer **at = &w->timers; *at != NULL; at = &(*at)->next) {
    if (*at != n) continue;
    *at = n->next;
    break;
  }
  n->due = NULL;
}

static int until_first_timer(const waits *w, int timeout_ms) {
  int64_t now = wait_now_ms();
  for (const wait_timer *t = w->timers; t != NULL; t = t->next) {
    int64_t in = t->at_ms > now ? t->at_ms - now : 0;
    if (in > INT_MAX) in = INT_MAX;
    if (timeout_ms < 0 || in < timeout_ms) timeout_ms = (int)in;
  }
  return timeout_ms;
}

/* Callbacks change the list, so it is looked through again after each. */
static void run_timers(waits *w) {
  int64_t now = wait_now_ms();
  wait_timer *t = w->timers;
  while (t != NULL) {
    if (t->at_ms > now) {
      t = t->next;
      continue;
    }
    wait_cb due = t->due;
    wait_cancel(w, t);
    due(t->user_data);
    t = w->timers;
  }
}

static void run_ready(waits *w, const wait_fd *which, int fd) {
  for (wait_fd *n = w->fds; n != NULL; n = n->next) {
    if (n != which || n->fd != fd) continue;
    n->ready(n->user_data);
    return;
  }
}

bool wait_once(waits *w, int timeout_ms) {
  struct pollfd fds[FDS_MAX];
  const wait_fd *nodes[FDS_MAX];
  nfds_t n = 0;
  for (const wait_fd *f = w->fds; f != NULL && n < FDS_MAX; f = f->next) {
    nodes[n] = f;
    fds[n++] = (struct pollfd){f->fd, POLLIN, 0};
  }
  int ready = poll(fds, n, until_first_timer(w, timeout_ms));
  if (ready < 0 && errno != EINTR) return false;
  for (nfds_t i = 0; ready > 0 && i < n; i++)
    if (fds[i].revents != 0) run_ready(w, nodes[i], fds[i].fd);
  run_timers(w);
  return true;
}
