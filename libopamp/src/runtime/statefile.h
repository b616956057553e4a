/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_RUNTIME_STATEFILE_H
#define OPAMP_RUNTIME_STATEFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "opamp/types.h"

/* What a file of the state directory looks like: a header, and the value.
 *
 *    0  8   "opampst" and a NUL
 *    8  4   version of the format, 1
 *   12 44   the key, NULs behind it: a file is of no use under another name
 *   56  8   length of the value
 *   64 32   SHA-256 of the value
 *   96 32   SHA-256 of the 96 bytes before
 *
 * Numbers have their highest byte first. The first twelve bytes mean the same
 * in every version. Pure functions, no file is touched here. */

enum { OPAMP__STATEFILE_HEAD = 128, OPAMP__STATEFILE_KEY = 40 };
static const size_t opamp__statefile_max = (size_t)80 << 20; /* of a value */

/* Whether this is a key: [a-z_]{1,40}. */
bool opamp__statefile_is_key(const char *key);

/* False: no hash could be made, which takes memory. */
bool opamp__statefile_head(uint8_t head[OPAMP__STATEFILE_HEAD], const char *key,
                           opamp_bytes value);

typedef enum opamp__statefile_verdict {
  OPAMP__STATEFILE_GOOD,
  OPAMP__STATEFILE_SHORT,   /* shorter than it says */
  OPAMP__STATEFILE_BROKEN,  /* not what was written */
  OPAMP__STATEFILE_NEWER,   /* of a later version of the format */
  OPAMP__STATEFILE_OTHER,   /* another key's */
  OPAMP__STATEFILE_FOREIGN, /* never was such a file */
  OPAMP__STATEFILE_UNKNOWN  /* no hash could be made */
} opamp__statefile_verdict;

/* About the first bytes of a file, HEAD of them or all that there are, and the
 * length of all of it. When GOOD, `size` minus HEAD bytes follow, at most
 * opamp__statefile_max. */
opamp__statefile_verdict opamp__statefile_check_head(opamp_bytes head,
                                                     uint64_t size,
                                                     const char *key);

/* About the value behind a good header: GOOD, BROKEN or UNKNOWN. */
opamp__statefile_verdict opamp__statefile_check_value(
    const uint8_t head[OPAMP__STATEFILE_HEAD], opamp_bytes value);

#endif
