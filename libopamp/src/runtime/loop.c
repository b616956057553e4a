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

bool opamp__forked(const opamp_loop *l) {
  if (l->pid == getpid()) return false;
  (void)opamp__fail(OPAMP_ERR_FORKED, "the loop belongs to process %ld",
                    (long)l->pid);
  return true;
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
  opamp__free(l);
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
  uint64_t seed = 0;
  opamp_status status;
  *out = NULL;
  if (l == NULL) return opamp__nomem();
  if (!init_locks(l)) {
    opamp__free(l);
    return opamp__nomem();
  }
  if (!opamp__random(&seed, sizeof seed))
    seed = opamp__now_ms() ^ (uint64_t)(uintptr_t)l;
  atomic_init(&l->refs, 1);
  atomic_init(&l->random, seed);
  l->pid = getpid();
  l->event_fd = -1;
  status = opamp__reactor_new(&l->reactor);
  if (status == OPAMP_OK) {
    status = opamp__transport_new(
        &l->transport, l->reactor,
        max_connections == 0 ? DEFAULT_CONNECTIONS : max_connections);
    if (status != OPAMP_OK) opamp__reactor_free(l->reactor);
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
    atomic_store(&c->freed, true);
  opamp__unlock(l);
  return list;
}

/* Leaked when something keeps the transport busy for seconds: that must not
 * keep the caller here for ever. */
static void release_transport(opamp_loop *l) {
  /* libwebsockets crashes when its context goes while the descriptors of
   * connections that were just aborted are still being closed. */
  opamp__transport_close_idle(l->transport);
  opamp__reactor_step(l->reactor, 0);
  opamp__transport_shutdown(l->transport);
  for (int i = 0; i < IDLE_STEPS; i++) {
    opamp__reactor_run(l->reactor);
    if (opamp__transport_idle(l->transport)) break;
    opamp__reactor_wait(l->reactor, IDLE_STEP_MS);
  }
  if (!opamp__transport_idle(l->transport)) return;
  opamp__transport_free(l->transport);
  (void)opamp__reactor_free(l->reactor);
}

/* By the thread that drives, which nobody does afterwards. */
void opamp__loop_finish(opamp_loop *l) {
  opamp_client *next;
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
  if (l == NULL) return;
  /* A forked child must neither run nor take down what the parent uses. */
  if (opamp__forked(l)) return;
  (void)opamp_loop_stop_thread(l);
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

void opamp_loop_wake(opamp_loop *l) {
  if (l->pid != getpid()) return; /* a child would wake its parent */
  atomic_store(&l->woken, true);
  atomic_store(&l->wake_told, true);
  opamp__reactor_wake(l->reactor);
}

int opamp_loop_fd(const opamp_loop *l) {
  return opamp__reactor_fd(l->reactor);
}

int opamp_loop_event_fd(opamp_loop *l) {
  int fd;
  if (opamp__forked(l)) return -1;
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
  if (opamp__forked(l)) return NULL;
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

opamp_event *opamp_loop_wait_event(opamp_loop *l, int timeout_ms) {
  struct timespec end = after_ms(timeout_ms > 0 ? timeout_ms : 0);
  opamp_event *e = NULL;
  int error = 0;
  if (opamp__forked(l)) return NULL;
  opamp__loop_ref(l);
  opamp__lock(l);
  while (!l->closed && error == 0) {
    e = opamp__queue_pop(&l->events);
    if (e != NULL || l->calls.head != NULL || !l->has_thread ||
        timeout_ms == 0 || atomic_exchange(&l->woken, false))
      break;
    error = timeout_ms < 0
                ? pthread_cond_wait(&l->event_came, &l->mutex)
                : pthread_cond_timedwait(&l->event_came, &l->mutex, &end);
  }
  opamp__unlock(l);
  opamp__loop_unref(l);
  return e;
}
