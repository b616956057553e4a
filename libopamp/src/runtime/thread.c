/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "runtime/runtime.h"

/* Enough for TLS handshakes and getaddrinfo; a host's default may be far less
 * (musl: 128 KiB) or far more. */
enum { STACK_SIZE = 1024 * 1024 };

static bool must_quit(opamp_loop *l) {
  bool quit;
  opamp__lock(l);
  quit = l->quit;
  /* A signal handler may not touch the condition; its wake-up ends here. */
  if (atomic_exchange(&l->wake_told, false))
    pthread_cond_broadcast(&l->event_came);
  opamp__unlock(l);
  return quit;
}

static void *run(void *arg) {
  opamp_loop *l = arg;
  while (!must_quit(l)) opamp__loop_step(l, -1);
  opamp__loop_undrive(l);
  opamp__loop_unref(l);
  return NULL;
}

static int create(opamp_loop *l, pthread_t *thread) {
  pthread_attr_t attr;
  sigset_t all, before;
  int error = pthread_attr_init(&attr);
  if (error != 0) return error;
  error = pthread_attr_setstacksize(&attr, STACK_SIZE);
  if (error == 0) {
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(thread, &attr, run, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
  }
  pthread_attr_destroy(&attr);
  return error;
}

/* Under the mutex, so that the new thread finds everything in place. */
static opamp_status start(opamp_loop *l) {
  int error;
  if (l->has_thread)
    return opamp__fail(OPAMP_ERR_STATE,
                       "opamp_loop_start_thread: the loop has a thread");
  if (l->driven)
    return opamp__fail(
        OPAMP_ERR_BUSY,
        "opamp_loop_start_thread: another thread drives the loop");
  opamp__loop_ref(l); /* the thread's */
  error = create(l, &l->thread);
  if (error != 0) {
    opamp__loop_unref(l);
    return opamp__fail(OPAMP_ERR_NOMEM, "thread: %s", strerror(error));
  }
  l->driver = l->thread;
  l->driven = l->has_thread = true;
  l->quit = false;
  return OPAMP_OK;
}

opamp_status opamp_loop_start_thread(opamp_loop *l) {
  opamp_status status = opamp__loop_check(l, __func__);
  if (status != OPAMP_OK) return status;
  opamp__lock(l);
  status = start(l);
  opamp__unlock(l);
  return status;
}

void opamp__loop_end_thread(opamp_loop *l) {
  bool had;
  pthread_t thread;
  opamp__lock(l);
  had = l->has_thread && !l->quit;
  thread = l->thread;
  if (had) {
    l->quit = true;
    opamp__reactor_wake(l->reactor);
  }
  opamp__unlock(l);
  if (!had) return;
  pthread_join(thread, NULL);
  opamp__lock(l);
  l->has_thread = l->quit = false;
  pthread_cond_broadcast(&l->event_came);
  opamp__unlock(l);
}

opamp_status opamp_loop_stop_thread(opamp_loop *l) {
  opamp_status status = opamp__loop_check(l, __func__);
  if (status == OPAMP_OK) opamp__loop_end_thread(l);
  return status;
}
