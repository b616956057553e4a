/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/histogram.h"

#include <stddef.h>

enum { SUB_BITS = 5, SUB = 1 << SUB_BITS };

/* Values below SUB have a bucket each; from there on the bucket is told by the
 * highest bit and the SUB_BITS that follow it. */
static size_t bucket_of(uint64_t value) {
  unsigned shift = 0;
  while (value >> shift >= 2 * SUB) shift++;
  size_t b = shift * SUB + (size_t)(value >> shift);
  return b < HISTOGRAM_BUCKETS ? b : HISTOGRAM_BUCKETS - 1;
}

/* The largest value of a bucket. */
static uint64_t top_of(size_t bucket) {
  size_t shift = bucket < 2 * SUB ? 0 : bucket / SUB - 1;
  uint64_t high = bucket - shift * SUB;
  return ((high + 1) << shift) - 1;
}

void histogram_add(histogram *h, uint64_t value) {
  h->buckets[bucket_of(value)]++;
  h->count++;
  if (value > h->max) h->max = value;
}

uint64_t histogram_at(const histogram *h, double percent) {
  double want = (double)h->count * percent / 100;
  uint64_t seen = 0;
  for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
    seen += h->buckets[i];
    if (seen > 0 && (double)seen >= want)
      return top_of(i) < h->max ? top_of(i) : h->max;
  }
  return h->max;
}
