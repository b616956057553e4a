/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_BENCH_H
#define OPAMP_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* What the benchmarks share. Times of these machines drift, so each figure is
 * printed beside a floor that was measured in the same run, and as a ratio to
 * it; nothing here passes or fails. */

static inline uint64_t bench_now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The shortest of `rounds` runs of `n` calls, in ns for one call: what the code
 * costs when nothing disturbs it. */
static inline double bench_best_ns(void (*call)(void *), void *ctx, int n,
                                   int rounds) {
  double best = 1e18;
  for (int r = 0; r < rounds; r++) {
    uint64_t begin = bench_now_ns();
    for (int i = 0; i < n; i++) call(ctx);
    double ns = (double)(bench_now_ns() - begin) / n;
    if (ns < best) best = ns;
  }
  return best;
}

static inline void bench_line(const char *what, double ns, const char *floor,
                              double floor_ns) {
  printf("%-44s %9.0f ns   %-30s %9.0f ns   x %.1f\n", what, ns, floor,
         floor_ns, ns / floor_ns);
}

#endif
