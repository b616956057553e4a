/* SPDX-License-Identifier: Apache-2.0 */
#include "opamp/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "runtime/reactor_uv.h"
#include "runtime/runtime.h"

enum { DEFAULT_CONNECTIONS = 64, IDLE_STEP_MS = 20, IDLE_STEPS = 150 };

/* --- what only this layer may have ---------------------------------------- */

/* The only clock of the protocol: monotonic, so that a stepped wall clock
 * neither storms nor stalls (CONN-12). */
uint64_t opamp__now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* SplitMix64: a counter and a mixer, hence usable from any thread. It is for
 * jitter; instance uids take their randomness from the system. */
uint64_t opamp__random64(void *loop) {
  opamp_loop *l = loop;
  uint64_t z = atomic_fetch_add(&l->random, UINT64_C(0x9e3779b97f4a7c15)) +
               UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

uint64_t opamp__loop_seed(const opamp_loop *l) {
  uint64_t seed = 0;
  if (!opamp__random(&seed, sizeof seed))
    seed = opamp__now_ms() ^ (uint64_t)(uintptr_t)l;
  return seed;
}

bool opamp__forked(const opamp_loop *l) {
  if (l->pid == getpid()) return false;
  (void)opamp__fail(OPAMP_ERR_FORKED, "the loop belongs to process %ld",
                    (long)l->pid);
  return true;
}

opamp_status opamp__loop_check(const opamp_loop *l, const char *function) {
  opamp_status status = opamp__handle_check(l, OPAMP__HANDLE_LOOP, function);
  return status == OPAMP_OK && opamp__forked(l) ? OPAMP_ERR_FORKED : status;
}

/* --- life ----------------------------------------------------------------- */

void opamp__loop_ref(opamp_loop *l) {
  atomic_fetch_add(&l->refs, 1);
}

void opamp__loop_unref(opamp_loop *l) {
  if (atomic_fetch_sub(&l->refs, 1) > 1) return;
  opamp__heap_free(&l->deadlines);
  pthread_cond_destroy(&l->event_came);
  pthread_mutex_destroy(&l->mutex);
  opamp__handle_free(&l->handle, sizeof *l);
}

static bool init_locks(opamp_loop *l) {
  pthread_condattr_t attr;
  bool ok;
  if (pthread_condattr_init(&attr) != 0) return false;
  ok = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
       pthread_cond_init(&l->event_came, &attr) == 0;
  pthread_condattr_destroy(&attr);
  if (!ok) return false;
  if (pthread_mutex_init(&l->mutex, NULL) == 0) return true;
  pthread_cond_destroy(&l->event_came);
  return false;
}

opamp_status opamp_loop_new(opamp_loop **out, uint32_t max_connections) {
  opamp_loop *l = opamp__calloc(1, sizeof *l);
  opamp_status status;
  *out = NULL;
  if (l == NULL) return opamp__nomem();
  if (!init_locks(l)) {
    opamp__free(l);
    return opamp__nomem();
  }
  opamp__handle_begin(&l->handle, OPAMP__HANDLE_LOOP);
  atomic_init(&l->refs, 1);
  atomic_init(&l->random, opamp__loop_seed(l));
  l->pid = getpid();
  l->event_fd = -1;
  status = opamp__reactor_new(&l->reactor);
  if (status == OPAMP_OK) {
    status = opamp__transport_new(
        &l->transport, l->reactor,
        max_connections == 0 ? DEFAULT_CONNECTIONS : max_connections);
    if (status != OPAMP_OK)
      opamp__reactor_free(l->reactor);
    else
      opamp__reactor_on_wait(l->reactor, opamp__loop_until, l);
  }
  if (status != OPAMP_OK) {
    opamp__loop_unref(l);
    return status;
  }
  *out = l;
  return OPAMP_OK;
}

/* Takes every client off the list; they are freed as far as others can see. */
static opamp_client *seize_clients(opamp_loop *l) {
  opamp_client *list;
  opamp__lock(l);
  list = l->clients;
  l->clients = NULL;
  l->closed = true; /* nobody wakes the reactor any more */
  l->dirty_head = l->dirty_tail = NULL;
  for (opamp_client *c = list; c != NULL; c = c->next)
    opamp__handle_end(&c->handle);
  opamp__unlock(l);
  return list;
}

/* Whether nothing is left of its connections. */
static bool come_to_rest(opamp_loop *l) {
  opamp__reactor_on_wait(l->reactor, NULL, NULL);
  /* libwebsockets crashes when its context goes while the descriptors of
   * connections that were just aborted are still being closed. */
  opamp__transport_close_idle(l->transport);
  opamp__reactor_run(l->reactor);
  opamp__transport_shutdown(l->transport);
  opamp__reactor_run(l->reactor);
  for (int i = 0; i < IDLE_STEPS; i++) {
    if (opamp__transport_idle(l->transport)) return true;
    opamp__reactor_step(l->reactor, IDLE_STEP_MS);
  }
  return opamp__transport_idle(l->transport);
}

/* Leaked when something keeps the transport busy for seconds: that must not
 * keep the caller here for ever. */
static void release_transport(opamp_loop *l) {
  bool rests = come_to_rest(l);
  if (rests) opamp__transport_free(l->transport);
  opamp__reactor_leave(l->reactor);
  if (rests) (void)opamp__reactor_free(l->reactor);
}

/* By the thread that drives, which nobody does afterwards. */
void opamp__loop_finish(opamp_loop *l) {
  opamp_client *next;
  opamp__reactor_enter(l->reactor);
  for (opamp_client *c = seize_clients(l); c != NULL; c = next) {
    opamp_event *waiting;
    next = c->next;
    opamp__lock(l);
    waiting = opamp__queue_purge(c);
    opamp__unlock(l);
    opamp__events_discard(waiting);
    opamp__client_take_down(c);
    opamp__client_unref(c);
  }
  release_transport(l);
  opamp__lock(l);
  if (l->event_fd >= 0) close(l->event_fd);
  l->event_fd = -1;
  /* In a forked child nobody waits, whatever the condition thinks. */
  if (l->pid == getpid()) pthread_cond_broadcast(&l->event_came);
  opamp__unlock(l);
  opamp__loop_unref(l);
}

void opamp_loop_free(opamp_loop *l) {
  /* A forked child must neither run nor take down what the parent uses. */
  if (l == NULL || opamp__loop_check(l, __func__) != OPAMP_OK) return;
  opamp__handle_end(&l->handle);
  opamp__loop_end_thread(l);
  opamp__loop_ref(l);
  opamp__lock(l);
  l->free_pending = true;
  opamp__unlock(l);
  /* Who drives it now finishes it when it is done. */
  if (opamp__loop_drive(l)) {
    opamp__loop_undrive(l);
  } else {
    opamp__lock(l);
    if (!l->closed) opamp__reactor_wake(l->reactor);
    opamp__unlock(l);
  }
  opamp__loop_unref(l);
}

/* --- waking, descriptors -------------------------------------------------- */

static bool is_loop(const opamp_loop *l, const char *function) {
  return opamp__handle_check(l, OPAMP__HANDLE_LOOP, function) == OPAMP_OK;
}

void opamp_loop_wake(opamp_loop *l) {
  /* A child would wake its parent. */
  if (!is_loop(l, __func__) || l->pid != getpid()) return;
  atomic_store(&l->woken, true);
  atomic_store(&l->wake_told, true);
  opamp__reactor_wake(l->reactor);
}

int opamp_loop_fd(const opamp_loop *l) {
  return is_loop(l, __func__) ? opamp__reactor_fd(l->reactor) : -1;
}

int opamp_loop_event_fd(opamp_loop *l) {
  int fd;
  if (opamp__loop_check(l, __func__) != OPAMP_OK) return -1;
  opamp__lock(l);
  if (l->event_fd < 0) {
    l->event_fd =
        eventfd(opamp__events_wait(l) ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->event_fd < 0)
      (void)opamp__fail(OPAMP_ERR_IO, "eventfd: %s", strerror(errno));
  }
  fd = l->event_fd;
  opamp__unlock(l);
  return fd;
}

/* --- events --------------------------------------------------------------- */

opamp_event *opamp_loop_next_event(opamp_loop *l) {
  opamp_event *e;
  if (opamp__loop_check(l, __func__) != OPAMP_OK) return NULL;
  opamp__lock(l);
  e = opamp__queue_pop(&l->events);
  opamp__unlock(l);
  return e;
}

static struct timespec after_ms(int timeout_ms) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  t.tv_sec += timeout_ms / 1000;
  t.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
  if (t.tv_nsec >= 1000000000) {
    t.tv_sec++;
    t.tv_nsec -= 1000000000;
  }
  return t;
}

/* Under the mutex: whether there is something for the caller, *out or else. */
static bool has_come(opamp_loop *l, opamp_event **out) {
  *out = opamp__queue_pop(&l->events);
  return *out != NULL || l->calls.head != NULL ||
         atomic_exchange(&l->woken, false);
}

/* Under the mutex. */
static opamp_status wait_for_event(opamp_loop *l, int timeout_ms,
                                   opamp_event **out) {
  struct timespec end = after_ms(timeout_ms > 0 ? timeout_ms : 0);
  int error = 0;
  for (;;) {
    if (!l->closed && has_come(l, out)) return OPAMP_OK;
    if (l->closed || !l->has_thread)
      return opamp__fail(OPAMP_ERR_STATE,
                         "opamp_loop_wait_event: the loop has no thread that "
                         "could bring an event");
    if (timeout_ms == 0 || error != 0)
      return opamp__fail(OPAMP_ERR_TIMEOUT, "no event came in %d ms",
                         timeout_ms);
    error = timeout_ms < 0
                ? pthread_cond_wait(&l->event_came, &l->mutex)
                : pthread_cond_timedwait(&l->event_came, &l->mutex, &end);
  }
}

opamp_status opamp_loop_wait_event(opamp_loop *l, int timeout_ms,
                                   opamp_event **out) {
  opamp_status status = opamp__loop_check(l, __func__);
  *out = NULL;
  if (status != OPAMP_OK) return status;
  opamp__loop_ref(l);
  opamp__lock(l);
  status = wait_for_event(l, timeout_ms, out);
  opamp__unlock(l);
  opamp__loop_unref(l);
  return status;
}
