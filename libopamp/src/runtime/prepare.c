/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "base/error.h"
#include "opamp/loop.h"
#include "runtime/reactor_uv.h"
#include "runtime/runtime.h"

/* A loop that is made in one place and used in another: inside a chroot, or in
 * a forked child. */

opamp_status opamp_loop_prepare(opamp_loop *l) {
  opamp_status status = opamp__loop_check(l, __func__);
  if (status != OPAMP_OK) return status;
  if (!opamp__loop_drive(l))
    return opamp__fail(OPAMP_ERR_BUSY,
                       "opamp_loop_prepare: the loop is being driven");
  opamp__reactor_enter(l->reactor);
  status = opamp__transport_prepare(l->transport);
  opamp__reactor_leave(l->reactor);
  opamp__loop_undrive(l);
  return status;
}

/* What a client leaves in it is the parent's. */
static bool unused(opamp_loop *l) {
  return opamp__loop_at_rest(l) && !l->used && l->event_fd < 0;
}

opamp_status opamp_loop_adopt(opamp_loop *l) {
  opamp_status status = opamp__handle_check(l, OPAMP__HANDLE_LOOP, __func__);
  pid_t pid = getpid();
  if (status != OPAMP_OK || l->pid == pid) return status;
  if (!unused(l))
    return opamp__fail(OPAMP_ERR_STATE,
                       "opamp_loop_adopt: the loop was in use when the child "
                       "was made, or before");
  /* The order counts: the replaced descriptors are put into the new list of
   * what is watched. */
  if (!opamp__transport_adopt(l->transport) || !opamp__reactor_fork(l->reactor))
    return opamp__fail(OPAMP_ERR_IO, "opamp_loop_adopt: no descriptors");
  /* Or all children would have the same jitter. */
  atomic_store(&l->random, opamp__loop_seed(l));
  l->pid = pid;
  return OPAMP_OK;
}
