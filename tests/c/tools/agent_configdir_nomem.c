/* SPDX-License-Identifier: Apache-2.0 */
#include "agent_configdir_rig.h"
#include "base/mem.h"
#include "harness.h"

/* configdir with the n-th allocation failing, for every n: an error is the
 * right one, and the directory holds the old set or the new one. */

static opamp_msg *new_set;

/* Opens, allows, replaces, commits, replaces, rolls back, reads. */
static opamp_status life(void) {
  opamp_configdir *d;
  opamp_msg *m = NULL;
  opamp_status s = opamp_configdir_open(&d, rig_dir);
  if (s != OPAMP_OK) return s;
  s = opamp_configdir_allow(d, "other");
  if (s == OPAMP_OK) s = opamp_configdir_allow(d, "sub/**");
  if (s == OPAMP_OK) s = opamp_configdir_replace(d, new_set);
  if (s == OPAMP_OK) s = opamp_configdir_commit(d);
  if (s == OPAMP_OK) s = opamp_configdir_replace(d, new_set);
  if (s == OPAMP_OK) s = opamp_configdir_rollback(d);
  if (s == OPAMP_OK) s = opamp_configdir_read(d, &m);
  opamp_msg_free(m);
  opamp_configdir_free(d);
  return s;
}

TEST(every_allocation_may_fail) {
  new_set = rig_offer(FILES("sub/folder/a", "new"));
  size_t n = 1;
  for (opamp_status s = OPAMP_ERR_NOMEM; s != OPAMP_OK; n++) {
    rig_fresh();
    opamp__mem_fail_after(n);
    s = life();
    opamp__mem_fail_after(0);
    if (s != OPAMP_OK && s != OPAMP_ERR_NOMEM)
      harness_fail(__FILE__, __LINE__, "n = %zu: %s", n, opamp_errmsg());
    if (*rig_on_disk(rig_dir) != '\0') /* "": before the first set */
      CHECK_STR(rig_on_disk(rig_dir), "sub/folder/a=new;");
  }
  CHECK(n > 10);
  opamp_msg_free(new_set);
}
