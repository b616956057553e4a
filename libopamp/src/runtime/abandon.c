/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "opamp/loop.h"
#include "runtime/reactor_uv.h"
#include "runtime/runtime.h"

/* The end of a loop in a forked child. Connections, the kernel's list of what
 * is watched, and the descriptors that wake somebody up are shared with the
 * parent: none of them may be written to, read or changed, only closed. */

/* A mutex that is held belongs to a thread that is not here. */
bool opamp__loop_at_rest(opamp_loop *l) {
  bool rest;
  if (pthread_mutex_trylock(&l->mutex) != 0) return false;
  rest = !l->driven && !l->dispatching;
  opamp__unlock(l);
  return rest;
}

/* The order counts: the replaced descriptors are put into the new list of what
 * is watched. */
static bool part_from_parent(opamp_loop *l) {
  return opamp__loop_at_rest(l) && opamp__transport_cut(l->transport) &&
         opamp__reactor_fork(l->reactor) && opamp__loop_drive(l);
}

void opamp_loop_abandon(opamp_loop *l) {
  opamp__sigpipe pipe;
  if (l == NULL ||
      opamp__handle_check(l, OPAMP__HANDLE_LOOP, __func__) != OPAMP_OK ||
      l->pid == getpid())
    return;
  opamp__handle_end(&l->handle);
  /* First, as taking events out of the queue would read it. */
  if (l->event_fd >= 0) close(l->event_fd);
  l->event_fd = -1;
  opamp__sigpipe_hold(&pipe);
  if (part_from_parent(l)) {
    opamp__loop_finish(l);
  } else {
    opamp__transport_close_descriptors(l->transport);
    opamp__reactor_close_descriptors(l->reactor);
  }
  opamp__sigpipe_release(&pipe);
}
