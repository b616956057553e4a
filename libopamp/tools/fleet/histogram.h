/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_FLEET_HISTOGRAM_H
#define OPAMP_FLEET_HISTOGRAM_H

#include <stdint.h>

/* How often a value occurred, values being known to 1 part in 32: so many
 * buckets for each power of two, however many values there are. */

enum { HISTOGRAM_BUCKETS = 1024 };

typedef struct histogram {
  uint64_t count, max;
  uint64_t buckets[HISTOGRAM_BUCKETS];
} histogram;

void histogram_add(histogram *h, uint64_t value);
/* The value that `percent` of all do not exceed, 0 when there are none. */
uint64_t histogram_at(const histogram *h, double percent);

#endif
