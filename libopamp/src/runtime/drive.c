/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stddef.h>

#include "base/error.h"
#include "runtime/reactor_uv.h"
#include "runtime/runtime.h"

/* --- one at a time -------------------------------------------------------- */

bool opamp__loop_drive(opamp_loop *l) {
  bool ok;
  opamp__lock(l);
  ok = !l->driven;
  if (ok) {
    l->driven = true;
    l->driver = pthread_self();
  }
  opamp__unlock(l);
  return ok;
}

void opamp__loop_undrive(opamp_loop *l) {
  bool finish;
  opamp__lock(l);
  finish = l->free_pending && !l->closed;
  if (!finish) l->driven = false;
  opamp__unlock(l);
  if (finish) opamp__loop_finish(l);
}

/* --- what waits ----------------------------------------------------------- */

void opamp__loop_mark(opamp_loop *l, opamp_client *c) {
  if (!c->dirty) {
    c->dirty = true;
    c->next_dirty = NULL;
    if (l->dirty_tail != NULL)
      l->dirty_tail->next_dirty = c;
    else
      l->dirty_head = c;
    l->dirty_tail = c;
  }
  /* Whoever drives looks at the list before it waits. */
  if (l->driven && pthread_equal(l->driver, pthread_self())) return;
  if (l->wake_sent || l->closed) return;
  l->wake_sent = true;
  opamp__reactor_wake(l->reactor);
}

static opamp_client *next_dirty(opamp_loop *l) {
  opamp_client *c = l->dirty_head;
  if (c == NULL) return NULL;
  l->dirty_head = c->next_dirty;
  if (l->dirty_head == NULL) l->dirty_tail = NULL;
  c->dirty = false;
  return c;
}

static void unlink_client(opamp_loop *l, opamp_client *c) {
  if (c->prev != NULL)
    c->prev->next = c->next;
  else
    l->clients = c->next;
  if (c->next != NULL) c->next->prev = c->prev;
}

/* Under the mutex, which it gives away meanwhile. */
static void drain(opamp_loop *l) {
  opamp_client *c;
  l->wake_sent = false;
  while ((c = next_dirty(l)) != NULL) {
    opamp__command *list = NULL;
    bool freed = opamp__client_gone(c);
    if (freed)
      unlink_client(l, c);
    else
      list = opamp__inbox_take(&c->inbox, c->held > 0 || c->in_callback > 0);
    opamp__unlock(l);
    if (freed) {
      opamp__client_take_down(c);
      opamp__client_unref(c);
    } else if (list != NULL) {
      opamp__client_serve(c, list);
    }
    opamp__lock(l);
  }
}

void opamp__loop_drain(opamp_loop *l) {
  opamp__reactor_enter(l->reactor);
  opamp__lock(l);
  drain(l);
  opamp__unlock(l);
  opamp__reactor_leave(l->reactor);
}

/* --- what is due ---------------------------------------------------------- */

static opamp_client *client_of(opamp__heap_node *n) {
  return (opamp_client *)(void *)((char *)n - offsetof(opamp_client, deadline));
}

/* These under the mutex. */

static opamp_client *first_due(opamp_loop *l, uint64_t now) {
  opamp__heap_node *n = opamp__heap_first(&l->deadlines);
  return n == NULL || n->at > now ? NULL : client_of(n);
}

/* In how many ms the first deadline comes: -1 never. */
static int64_t until_due(opamp_loop *l) {
  const opamp__heap_node *n = opamp__heap_first(&l->deadlines);
  if (n == NULL || n->at >= OPAMP__DEADLINE_NONE) return -1;
  uint64_t now = opamp__now_ms();
  return n->at <= now ? 0 : (int64_t)(n->at - now);
}

/* Whether there is a reason not to wait. A wake-up that came before is seen
 * here, one that comes later ends the wait. */
static bool must_not_wait(opamp_loop *l) {
  l->wake_sent = false;
  if (l->dirty_head != NULL || l->free_pending) return true;
  if (l->has_thread) return l->quit || atomic_load(&l->wake_told);
  return opamp__events_wait(l) || atomic_load(&l->woken);
}

static int64_t sooner(int64_t a, int64_t b) {
  if (a < 0) return b;
  if (b < 0) return a;
  return a < b ? a : b;
}

/* --- steps ---------------------------------------------------------------- */

static void work(opamp_loop *l) {
  uint64_t now = opamp__now_ms();
  opamp_client *c;
  opamp__lock(l);
  drain(l);
  while ((c = first_due(l, now)) != NULL) {
    opamp__unlock(l);
    opamp__client_tick(c);
    opamp__lock(l);
  }
  opamp__unlock(l);
}

int64_t opamp__loop_until(void *loop) {
  opamp_loop *l = loop;
  int64_t ms;
  opamp__lock(l);
  ms = must_not_wait(l) ? 0 : until_due(l);
  opamp__unlock(l);
  return ms;
}

void opamp__loop_step(opamp_loop *l, int64_t timeout_ms) {
  opamp__reactor_enter(l->reactor);
  work(l);
  opamp__reactor_step(l->reactor, timeout_ms);
  work(l);
  opamp__reactor_leave(l->reactor);
}

/* Steps until an event waits, someone wakes the loop, or the time is over. */
static void step_until(opamp_loop *l, int timeout_ms) {
  uint64_t begun = opamp__now_ms();
  for (;;) {
    int64_t left = timeout_ms;
    bool done;
    if (timeout_ms > 0) {
      uint64_t spent = opamp__now_ms() - begun;
      left = spent >= (uint64_t)timeout_ms ? 0 : timeout_ms - (int64_t)spent;
    }
    opamp__loop_step(l, left);
    opamp__lock(l);
    done = opamp__events_wait(l) || l->free_pending;
    opamp__unlock(l);
    /* In this order: a wake-up is used up by the poll it ends. */
    if (atomic_exchange(&l->woken, false) || done || left == 0) return;
  }
}

static opamp_status begin_poll(opamp_loop *l) {
  opamp_status status = opamp__loop_check(l, "opamp_loop_poll");
  bool inside;
  if (status != OPAMP_OK) return status;
  opamp__lock(l);
  inside = opamp__in_callback(l);
  opamp__unlock(l);
  if (inside)
    return opamp__fail(OPAMP_ERR_STATE,
                       "opamp_loop_poll: called inside a callback, which has "
                       "to return first");
  if (!opamp__loop_drive(l))
    return opamp__fail(OPAMP_ERR_BUSY,
                       "opamp_loop_poll: another thread drives the loop, and "
                       "one at a time may");
  return OPAMP_OK;
}

int opamp_loop_poll(opamp_loop *l, int timeout_ms) {
  opamp_status status = begin_poll(l);
  int waiting, ran;
  if (status != OPAMP_OK) return status;
  opamp__loop_ref(l);
  step_until(l, timeout_ms);
  ran = opamp__dispatch(l);
  if (opamp__forked(l)) return OPAMP_ERR_FORKED; /* inside a callback */
  if (ran > 0) opamp__loop_drain(l);
  opamp__lock(l);
  waiting = l->events.len > INT_MAX ? INT_MAX : (int)l->events.len;
  if (l->free_pending) waiting = 0;
  opamp__unlock(l);
  opamp__loop_undrive(l);
  opamp__loop_unref(l);
  return waiting;
}

int opamp_loop_timeout_ms(opamp_loop *l) {
  bool now;
  int64_t ms;
  if (opamp__loop_check(l, __func__) != OPAMP_OK) return -1;
  opamp__lock(l);
  now =
      opamp__events_wait(l) || l->dirty_head != NULL || atomic_load(&l->woken);
  ms = until_due(l);
  opamp__unlock(l);
  if (now) return 0;
  ms = sooner(ms, opamp__reactor_timeout(l->reactor));
  return ms > INT_MAX ? INT_MAX : (int)ms;
}
