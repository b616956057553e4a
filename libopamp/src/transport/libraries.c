/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/libraries.h"

#include <pthread.h>

static pthread_mutex_t libraries = PTHREAD_MUTEX_INITIALIZER;

static void lock(void) {
  pthread_mutex_lock(&libraries);
}

static void unlock(void) {
  pthread_mutex_unlock(&libraries);
}

static void mind_forks(void) {
  (void)pthread_atfork(lock, unlock, unlock);
}

void opamp__libraries_lock(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, mind_forks);
  lock();
}

void opamp__libraries_unlock(void) {
  unlock();
}
