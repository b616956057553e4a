/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_CORE_NUMBERS_H
#define OPAMP_CORE_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

#include "opamp/options.h"

/* The table behind opamp_option_at and its sisters: every delay, limit and
 * switch, with default and bounds. */

enum { OPAMP__NUMBERS = 72 }; /* keys are below this */

typedef struct opamp__number {
  int key;
  const char *name;
  uint64_t def, min, max;
} opamp__number;

/* NULL for an unknown key. */
const opamp__number *opamp__number_find(int key);

/* The i-th of them; NULL after the last. */
const opamp__number *opamp__number_at(size_t i);

/* All defaults, indexed by key. */
void opamp__numbers_default(uint64_t values[OPAMP__NUMBERS]);

#endif
