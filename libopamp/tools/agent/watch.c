/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/watch.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* An editor writes several files, and each in several steps: what they come to
 * is read once, this long after the last one; but at the latest this long
 * after the first. */
enum { QUIET_MS = 100, PATIENCE_MS = 1000 };

enum {
  CHANGES = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
            IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF |
            IN_DELETE_SELF
};

struct watch {
  waits *w;
  char *dir;
  wait_cb changed;
  void *user_data;
  wait_fd events;
  wait_timer quiet;
  int64_t first_ms; /* of this burst; 0: none */
};

/* nftw takes no pointer of ours; one thread watches, so this is enough. */
static int adding;

/* A folder that cannot be watched (a limit, or gone already) is no reason to
 * give up the others. */
static int add(const char *path, const struct stat *st, int type,
               struct FTW *at) {
  (void)st, (void)at;
  if (type == FTW_D)
    inotify_add_watch(adding, path, CHANGES | IN_ONLYDIR | IN_DONT_FOLLOW);
  return 0;
}

static void on_quiet(void *user_data) {
  watch *w = user_data;
  w->first_ms = 0;
  watch_renew(w); /* there may be new folders, or another directory */
  w->changed(w->user_data);
}

static void on_events(void *user_data) {
  watch *w = user_data;
  char buf[4096];
  while (read(w->events.fd, buf, sizeof buf) > 0) continue;
  int64_t now = wait_now_ms();
  if (w->first_ms == 0) w->first_ms = now;
  bool patient = now - w->first_ms < PATIENCE_MS;
  wait_in(w->w, &w->quiet, patient ? QUIET_MS : 0, on_quiet, w);
}

static bool open_events(watch *w) {
  int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd < 0) return false;
  adding = fd;
  nftw(w->dir, add, 16, FTW_PHYS | FTW_MOUNT);
  wait_add(w->w, &w->events, fd, on_events, w);
  return true;
}

void watch_renew(watch *w) {
  if (w == NULL) return;
  int old = w->events.ready != NULL ? w->events.fd : -1;
  if (!open_events(w)) return; /* the old descriptor goes on */
  if (old >= 0) close(old);
}

watch *watch_new(waits *list, const char *dir, wait_cb changed,
                 void *user_data) {
  watch *w = calloc(1, sizeof *w);
  if (w == NULL) return NULL;
  *w = (watch){.w = list, .dir = strdup(dir), .changed = changed};
  w->user_data = user_data;
  if (w->dir != NULL && open_events(w)) return w;
  watch_free(w);
  return NULL;
}

void watch_free(watch *w) {
  if (w == NULL) return;
  if (w->events.ready != NULL) close(w->events.fd);
  wait_remove(w->w, &w->events);
  wait_cancel(w->w, &w->quiet);
  free(w->dir);
  free(w);
}
