/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_AGENT_FILES_H
#define OPAMP_AGENT_FILES_H

#include <stdbool.h>

#include "opamp/configdir.h"
#include "opamp/message.h"

/* Where the files of an offer are, and which set was good last:
 *   FILES_KEPT      in --config-dir, which keeps the last good set itself
 *   FILES_PRIVATE   in a temporary directory while --apply runs
 *   FILES_NOWHERE   only in memory
 * The last good offer of this run is kept in memory as well: for its hash, and
 * in the latter two for its files. */

enum { FILES_KEPT, FILES_PRIVATE, FILES_NOWHERE };

typedef struct files {
  int form;
  opamp_configdir *dir;
  char *temporary; /* the private directory's parent */
  opamp_msg *good; /* AgentRemoteConfig; NULL: none in this run */
  char why[300];   /* what files_place has to say; "": opamp_errmsg has it */
} files;

/* Opens; `path` is for FILES_KEPT. The error is in opamp_errmsg. */
opamp_status files_open(files *f, int form, const char *path);
void files_close(files *f);

/* Puts an AgentRemoteConfig in place; files_why says what failed. */
opamp_status files_place(files *f, const opamp_msg *offer);
const char *files_why(const files *f);
/* It is good. */
opamp_status files_keep(files *f, const opamp_msg *offer);
/* The last good set comes back. *any: there is one, and it is in place. */
opamp_status files_restore(files *f, bool *any);
/* The private directory is not needed any more. */
void files_remove_private(files *f);

/* Absolute, NULL without a directory. */
const char *files_path(const files *f);
/* The EffectiveConfig they are; *out NULL when there is none to speak of. */
opamp_status files_effective(files *f, opamp_msg **out);

#endif
