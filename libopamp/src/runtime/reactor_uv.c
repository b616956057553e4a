/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/reactor_uv.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/error.h"
#include "base/mem.h"

typedef struct listener {
  opamp__timer_cb cb;
  void *ctx;
} listener;

struct opamp__reactor {
  uv_loop_t loop;
  uv_async_t async;
  uv_idle_t idle;      /* active while `now` is not empty */
  opamp__timer *now;   /* due in the next round */
  opamp__timer **last; /* where the next one goes */
  listener *listeners;
  size_t listener_count;
  /* of a step that waits: what asks whether it may, and what ends it */
  uv_prepare_t prepare;
  uv_check_t check;
  uv_timer_t limit;
  bool waits;
  int64_t timeout_ms;
  opamp__until_cb until;
  void *until_ctx;
  /* SIGPIPE: how deep inside we are, whether it matters, whether it is held */
  unsigned depth;
  bool no_sigpipe, held;
  opamp__sigpipe sigpipe;
  /* libwebsockets' own handle, and what is to be done when it is closed */
  uv_handle_t *foreign;
  uv_close_cb foreign_closed;
  opamp__timer_cb closing;
  void *closing_ctx;
};

struct opamp__watch {
  uv_poll_t poll; /* its data is the watch, which tells it from others */
  opamp__io_cb cb;
  void *ctx;
  int fd;
};

struct opamp__timer {
  uv_timer_t timer; /* as in a watch */
  opamp__reactor *reactor;
  opamp__timer *next;
  opamp__timer_cb cb;
  void *ctx;
  bool now;
};

/* How often run goes around at most: whatever keeps the loop busy for longer
 * must not keep its driver from getting its turn. */
enum { ROUNDS = 16 };

/* --- life ----------------------------------------------------------------- */

static void end_of_wait(uv_timer_t *h) {
  (void)h; /* that it fires is all */
}

static void before_wait(uv_prepare_t *h);
static void after_wait(uv_check_t *h);

static void woken(uv_async_t *h) {
  opamp__reactor *r = (opamp__reactor *)h->data;
  /* From the end: a callback that takes itself out is replaced by one that
   * has had its turn. */
  for (size_t i = r->listener_count; i-- > 0;) {
    if (i >= r->listener_count) continue;
    listener l = r->listeners[i];
    l.cb(l.ctx);
  }
}

opamp_status opamp__reactor_new(opamp__reactor **out) {
  opamp_status st = OPAMP_OK;
  opamp__reactor *r = (opamp__reactor *)opamp__calloc(1, sizeof *r);
  *out = NULL;
  if (r == NULL) return opamp__nomem();
  int err = uv_loop_init(&r->loop);
  if (err != 0) {
    st = opamp__fail(OPAMP_ERR_IO, "no event loop: %s", uv_strerror(err));
    goto no_loop;
  }
  err = uv_async_init(&r->loop, &r->async, woken);
  if (err != 0) {
    st = opamp__fail(OPAMP_ERR_IO, "no wake-up handle: %s", uv_strerror(err));
    goto no_async;
  }
  r->async.data = r;
  uv_idle_init(&r->loop, &r->idle);
  r->idle.data = r;
  uv_prepare_init(&r->loop, &r->prepare);
  r->prepare.data = r;
  uv_prepare_start(&r->prepare, before_wait);
  uv_check_init(&r->loop, &r->check);
  r->check.data = r;
  uv_check_start(&r->check, after_wait);
  uv_timer_init(&r->loop, &r->limit);
  r->last = &r->now;
  *out = r;
  return OPAMP_OK;

no_async:
  uv_loop_close(&r->loop);
no_loop:
  opamp__free(r);
  return st;
}

static void close_own(opamp__reactor *r) {
  uv_handle_t *own[] = {(uv_handle_t *)&r->async, (uv_handle_t *)&r->idle,
                        (uv_handle_t *)&r->prepare, (uv_handle_t *)&r->check,
                        (uv_handle_t *)&r->limit};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++)
    if (!uv_is_closing(own[i])) uv_close(own[i], NULL);
}

bool opamp__reactor_free(opamp__reactor *r) {
  if (r == NULL) return true;
  close_own(r);
  for (int i = 0; i < ROUNDS; i++) {
    if (uv_loop_close(&r->loop) == 0) {
      opamp__free(r->listeners);
      opamp__free(r);
      return true;
    }
    uv_run(&r->loop, UV_RUN_NOWAIT);
  }
  return false;
}

/* --- in a forked child ---------------------------------------------------- */

bool opamp__reactor_fork(opamp__reactor *r) {
  return uv_loop_fork(&r->loop) == 0;
}

/* libuv has no function that tells, but its header does, and may not change
 * that within version 1. */
void opamp__reactor_close_descriptors(opamp__reactor *r) {
  const uv_loop_t *l = &r->loop;
  int fds[] = {l->backend_fd, l->async_io_watcher.fd, l->async_wfd,
               l->signal_pipefd[0], l->signal_pipefd[1]};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
    if (fds[i] >= 0) close(fds[i]);
}

/* --- libwebsockets -------------------------------------------------------- */

void *opamp__reactor_uv_loop(opamp__reactor *r) {
  return &r->loop;
}

static void find_poll(uv_handle_t *h, void *ctx) {
  if (uv_handle_get_type(h) != UV_POLL || uv_is_closing(h)) return;
  if (h->data != h) *(uv_handle_t **)ctx = h;
}

int opamp__reactor_foreign_fd(opamp__reactor *r) {
  uv_os_fd_t fd;
  r->foreign = NULL;
  uv_walk(&r->loop, find_poll, &r->foreign);
  return r->foreign != NULL && uv_fileno(r->foreign, &fd) == 0 ? fd : -1;
}

static void foreign_closed(uv_handle_t *h) {
  opamp__reactor *r =
      (opamp__reactor *)((char *)h->loop - offsetof(opamp__reactor, loop));
  r->closing(r->closing_ctx);
}

/* As above, a field of which only the header tells. */
bool opamp__reactor_on_foreign_close(opamp__reactor *r, opamp__timer_cb cb,
                                     void *ctx) {
  if (r->foreign == NULL || !uv_is_closing(r->foreign)) return false;
  r->foreign_closed = r->foreign->close_cb;
  r->foreign->close_cb = foreign_closed;
  r->closing = cb;
  r->closing_ctx = ctx;
  return true;
}

void opamp__reactor_foreign_close(opamp__reactor *r) {
  r->foreign_closed(r->foreign);
}

static void close_foreign(uv_handle_t *h, void *ctx) {
  opamp__reactor *r = (opamp__reactor *)ctx;
  bool own = (char *)h >= (char *)r && (char *)h < (char *)(r + 1);
  if (!own && h->data != h && !uv_is_closing(h)) uv_close(h, NULL);
}

void *opamp__reactor_leave_foreign(opamp__reactor *r) {
  uv_walk(&r->loop, close_foreign, r);
  return r->foreign;
}

static void free_foreign(uv_handle_t *h) {
  free(h); /* which libwebsockets has from malloc */
}

static void close_poll(uv_handle_t *h, void *data) {
  if (uv_handle_get_type(h) == UV_POLL && h->data == data && !uv_is_closing(h))
    uv_close(h, free_foreign);
}

void opamp__reactor_close_foreign(opamp__reactor *r, const void *data) {
  uv_walk(&r->loop, close_poll, (void *)data);
}

/* --- driving -------------------------------------------------------------- */

void opamp__sigpipe_hold(opamp__sigpipe *s) {
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, &s->old);
}

void opamp__sigpipe_release(const opamp__sigpipe *s) {
  if (sigismember(&s->old, SIGPIPE)) return;
  int err = errno;
  sigset_t pipe;
  const struct timespec now = {0, 0};
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  while (sigtimedwait(&pipe, NULL, &now) == SIGPIPE) continue;
  pthread_sigmask(SIG_SETMASK, &s->old, NULL);
  errno = err;
}

static void hold(opamp__reactor *r) {
  r->held = true;
  opamp__sigpipe_hold(&r->sigpipe);
}

void opamp__reactor_enter(opamp__reactor *r) {
  if (r->depth++ == 0 && r->no_sigpipe) hold(r);
}

void opamp__reactor_leave(opamp__reactor *r) {
  if (--r->depth > 0 || !r->held) return;
  r->held = false;
  opamp__sigpipe_release(&r->sigpipe);
}

void opamp__reactor_no_sigpipe(opamp__reactor *r) {
  r->no_sigpipe = true;
  if (r->depth > 0 && !r->held) hold(r);
}

void opamp__reactor_on_wait(opamp__reactor *r, opamp__until_cb cb, void *ctx) {
  r->until = cb;
  r->until_ctx = ctx;
}

/* libuv's round: timers, idle handles, before_wait, the wait and what it brings,
 * after_wait. */
static void before_wait(uv_prepare_t *h) {
  opamp__reactor *r = (opamp__reactor *)h->data;
  if (!r->waits) return;
  int64_t ms = r->timeout_ms;
  int64_t until = r->until == NULL ? -1 : r->until(r->until_ctx);
  if (ms < 0 || (until >= 0 && until < ms)) ms = until;
  if (ms < 0) return;
  uv_update_time(&r->loop);
  uv_timer_start(&r->limit, end_of_wait, (uint64_t)ms, 0);
}

static void after_wait(uv_check_t *h) {
  if (((opamp__reactor *)h->data)->waits) uv_stop(h->loop);
}

void opamp__reactor_run(opamp__reactor *r) {
  opamp__reactor_enter(r);
  /* libuv tells the kernel about new watches only inside uv_run: without
   * another round a fresh one would be missed by whoever waits on the fd. */
  int i = 0;
  do uv_run(&r->loop, UV_RUN_NOWAIT);
  while (uv_backend_timeout(&r->loop) == 0 && ++i < ROUNDS);
  opamp__reactor_leave(r);
}

void opamp__reactor_step(opamp__reactor *r, int64_t timeout_ms) {
  if (timeout_ms == 0) {
    opamp__reactor_run(r);
    return;
  }
  opamp__reactor_enter(r);
  r->timeout_ms = timeout_ms;
  r->waits = true;
  /* Not UV_RUN_ONCE, which does not wait where an idle handle has run, and
   * libwebsockets has one run after everything it did. */
  uv_run(&r->loop, UV_RUN_DEFAULT);
  r->waits = false;
  uv_timer_stop(&r->limit);
  opamp__reactor_leave(r);
}

int opamp__reactor_fd(const opamp__reactor *r) {
  return uv_backend_fd(&r->loop);
}

int opamp__reactor_timeout(const opamp__reactor *r) {
  /* libuv's answer counts from its cached time, which may be old here. */
  uv_loop_t *loop = (uv_loop_t *)&r->loop;
  uv_update_time(loop);
  return uv_backend_timeout(loop);
}

/* --- watches -------------------------------------------------------------- */

static void on_poll(uv_poll_t *h, int status, int events) {
  opamp__watch *w = (opamp__watch *)h->data;
  unsigned ready = 0;
  if (events & UV_READABLE) ready |= OPAMP__READABLE;
  if (events & UV_WRITABLE) ready |= OPAMP__WRITABLE;
  /* An error is found by whoever reads or writes. */
  if (status < 0) ready = OPAMP__READABLE | OPAMP__WRITABLE;
  w->cb(w->ctx, w->fd, ready);
}

static void free_handle(uv_handle_t *h) {
  opamp__free(h->data);
}

opamp__watch *opamp__reactor_watch(opamp__reactor *r, int fd, unsigned events,
                                   opamp__io_cb cb, void *ctx) {
  opamp__watch *w = (opamp__watch *)opamp__calloc(1, sizeof *w);
  if (w == NULL) return NULL;
  if (uv_poll_init(&r->loop, &w->poll, fd) != 0) {
    opamp__free(w);
    return NULL;
  }
  w->poll.data = w;
  w->cb = cb;
  w->ctx = ctx;
  w->fd = fd;
  opamp__watch_set(w, events);
  return w;
}

void opamp__watch_set(opamp__watch *w, unsigned events) {
  int mask = 0;
  if (events & OPAMP__READABLE) mask |= UV_READABLE;
  if (events & OPAMP__WRITABLE) mask |= UV_WRITABLE;
  if (mask == 0)
    uv_poll_stop(&w->poll);
  else
    uv_poll_start(&w->poll, mask, on_poll);
}

void opamp__unwatch(opamp__watch *w) {
  if (w == NULL) return;
  uv_poll_stop(&w->poll);
  uv_close((uv_handle_t *)&w->poll, free_handle);
}

/* --- timers --------------------------------------------------------------- */

static void on_timer(uv_timer_t *h) {
  opamp__timer *t = (opamp__timer *)h->data;
  t->cb(t->ctx);
}

static void now_remove(opamp__timer *t) {
  if (!t->now) return;
  opamp__reactor *r = t->reactor;
  opamp__timer **at = &r->now;
  while (*at != t) at = &(*at)->next;
  *at = t->next;
  if (r->last == &t->next) r->last = at;
  t->now = false;
  if (r->now == NULL) uv_idle_stop(&r->idle);
}

/* One round: what a callback sets to 0 again waits for the next. */
static void run_now(uv_idle_t *h) {
  opamp__reactor *r = (opamp__reactor *)h->data;
  size_t n = 0;
  for (const opamp__timer *t = r->now; t != NULL; t = t->next) n++;
  while (n-- > 0 && r->now != NULL) {
    opamp__timer *t = r->now;
    now_remove(t);
    t->cb(t->ctx);
  }
}

/* A uv_timer_t of 0 ms that arms itself again fires for ever within one round
 * of libuv before 1.45. */
static void now_add(opamp__timer *t) {
  opamp__reactor *r = t->reactor;
  if (t->now) return;
  t->now = true;
  t->next = NULL;
  *r->last = t;
  r->last = &t->next;
  uv_idle_start(&r->idle, run_now);
}

opamp__timer *opamp__reactor_timer(opamp__reactor *r, opamp__timer_cb cb,
                                   void *ctx) {
  opamp__timer *t = (opamp__timer *)opamp__calloc(1, sizeof *t);
  if (t == NULL) return NULL;
  uv_timer_init(&r->loop, &t->timer);
  t->timer.data = t;
  t->reactor = r;
  t->cb = cb;
  t->ctx = ctx;
  return t;
}

void opamp__timer_set(opamp__timer *t, int64_t in_ms) {
  now_remove(t);
  uv_timer_stop(&t->timer);
  if (in_ms == 0) {
    now_add(t);
  } else if (in_ms > 0) {
    uv_update_time(t->timer.loop);
    uv_timer_start(&t->timer, on_timer, (uint64_t)in_ms, 0);
  }
}

void opamp__timer_free(opamp__timer *t) {
  if (t == NULL) return;
  now_remove(t);
  uv_timer_stop(&t->timer);
  uv_close((uv_handle_t *)&t->timer, free_handle);
}

/* --- waking --------------------------------------------------------------- */

void opamp__reactor_wake(opamp__reactor *r) {
  uv_async_send(&r->async);
}

bool opamp__reactor_on_wake(opamp__reactor *r, opamp__timer_cb cb, void *ctx) {
  listener *l = (listener *)opamp__realloc(r->listeners,
                                           (r->listener_count + 1) * sizeof *l);
  if (l == NULL) return false;
  r->listeners = l;
  l[r->listener_count++] = (listener){cb, ctx};
  return true;
}

void opamp__reactor_off_wake(opamp__reactor *r, opamp__timer_cb cb, void *ctx) {
  for (size_t i = 0; i < r->listener_count; i++) {
    if (r->listeners[i].cb != cb || r->listeners[i].ctx != ctx) continue;
    r->listeners[i] = r->listeners[--r->listener_count];
    return;
  }
}
