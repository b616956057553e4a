/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <sys/mman.h>

#include "agent_configdir_rig.h"
#include "harness.h"

/* A process that is killed at every system call that can change a file system:
 * before it is done, so that each state in between is seen. The one that comes
 * after it to tidy up is killed as well. */

static opamp_status tidy(void *phase) {
  opamp_configdir *d;
  (void)phase; /* the one that was killed tells */
  opamp_status s = opamp_configdir_open(&d, rig_dir);
  opamp_configdir_free(d);
  return s;
}

TEST(killed_at_every_system_call) {
  volatile int *phase = mmap(NULL, sizeof *phase, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(phase != MAP_FAILED);
  int n = 0, phases = 0;
  bool killed = true;
  while (killed) {
    char when[60];
    rig_before_life();
    killed = place_killed_at(++n, PLACE_CHANGES, rig_life, (void *)phase);
    place_killed_at(n % 16 + 1, PLACE_CHANGES, tidy, NULL);
    snprintf(when, sizeof when, "killed at change %d, in phase %d", n, *phase);
    rig_after_life(*phase, false, when);
    phases |= 1 << *phase;
  }
  CHECK_EQ(phases, (1 << (RIG_PHASES + 1)) - 1);
  CHECK(n > 100);
  munmap((void *)phase, sizeof *phase);
}
