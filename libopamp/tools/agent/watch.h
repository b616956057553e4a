/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_AGENT_WATCH_H
#define OPAMP_AGENT_WATCH_H

#include "agent/wait.h"

/* Notices changes anywhere below a directory. */

typedef struct watch watch;

/* Calls `changed` a moment after the last of a burst of changes. NULL with
 * errno. */
watch *watch_new(waits *list, const char *dir, wait_cb changed,
                 void *user_data);
void watch_free(watch *w);

/* Another directory has this path now. */
void watch_renew(watch *w);

#endif
