/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_PLACE_H
#define OPAMP_TESTS_PLACE_H

#include <stdbool.h>
#include <sys/types.h>

#include "opamp/status.h"

/* What tests that write files share: a place, and hostile worlds around it. */

/* A new, empty place, in memory when there is room for 256 MiB; the
 * one before is removed, and the last one at exit. */
extern char place_root[64];
void place_fresh(const char *name);
/* A path below it, in one of a few buffers that take turns. */
const char *place_path(const char *name);
void place_write(const char *name, const char *text);

/* --- in a child ----------------------------------------------------------- */

#define EXPECT(cond)                                                 \
  do {                                                               \
    if (!(cond)) {                                                   \
      fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #cond, \
              opamp_errmsg());                                       \
      return 1;                                                      \
    }                                                                \
  } while (0)

/* Runs `what` where it can do no harm to other tests; its result, 0 by EXPECT
 * when all is well. */
int place_in_child(int (*what)(void));

/* Root may do everything, so that it has to become somebody: 65534. */
bool place_become_nobody(void);

/* In a child: a world in which one may mount, with a tmpfs of 64 KiB at "disk".
 * false: containers and sanitizers may forbid that. */
bool place_with_disk(void);

/* --- killed --------------------------------------------------------------- */

/* Runs `what` in a child that is killed before its n-th system call, or only
 * those counted that can change a file system. Whether it was; if not, it came
 * to its end, and `what` to OPAMP_OK. */
typedef enum place_calls { PLACE_ALL_CALLS, PLACE_CHANGES } place_calls;
bool place_killed_at(int n, place_calls counted, opamp_status (*what)(void *),
                     void *ctx);

#endif
