/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_CONFIGDIR_RIG_H
#define OPAMP_TESTS_CONFIGDIR_RIG_H

#include <stdbool.h>

#include "opamp/configdir.h"
#include "place.h"

/* What the tests of opamp/configdir.h share: a place, offers, and what is on
 * the disk. Functions that return text return it in a buffer of their own. */

/* A new place. `rig_dir` is in it and does not exist. */
extern char rig_dir[80];
void rig_fresh(void);

/* An AgentRemoteConfig of names and bodies in turn, ended by NULL. */
#define FILES(...) ((const char *const[]){__VA_ARGS__, NULL})
opamp_msg *rig_offer(const char *const *files);

opamp_configdir *rig_open(void);
opamp_status rig_replace(opamp_configdir *d, const char *const *files);

/* "name=body;" of every file, sorted by name: as the library reads DIR, and as
 * this process finds it below any path ("": there is no such directory). */
const char *rig_shown(opamp_configdir *d);
const char *rig_on_disk(const char *path);

/* --- a whole life, to be disturbed at any instant ------------------------- */

/* The user's files, then: opened, replaced by a good set, committed, replaced
 * by a bad one, rolled back, replaced, committed. */
enum { RIG_PHASES = 7 };

/* What may be shown, and what may be the last good set, while a phase lasts. */
typedef struct rig_phase {
  const char *name, *shown[2], *good[2];
} rig_phase;
extern const rig_phase rig_phases[RIG_PHASES];

/* The place before a life, with the user's files. */
void rig_before_life(void);
/* Lives until the first failure; *phase, a volatile int: the one that lasts,
 * RIG_PHASES at the end. */
opamp_status rig_life(void *phase);
/* Checks all that is promised when the life ended in `phase`; `undone`: of which
 * nothing may be left. `when` is for the texts of failures. */
void rig_after_life(int phase, bool undone, const char *when);

#endif
