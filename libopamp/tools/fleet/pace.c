/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "fleet/fleet.h"

/* Work that is spread over the fleet needs no timer for each agent: what is due
 * follows from the time that has passed, and its turn goes round. */

enum { WINDOW = 256 /* agents that dial at once */ };

#define SECOND UINT64_C(1000000)

/* SplitMix64. */
uint64_t pace_random(fleet *f, uint64_t n) {
  uint64_t z = f->random += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return (z ^ (z >> 31)) % n;
}

/* What is due of something that happens `rate` times in a second, after so
 * many µs; and in how many µs the one after `done` is. */
static uint64_t due(double rate, uint64_t us) {
  return (uint64_t)((double)us * rate / (double)SECOND);
}

static int64_t until(double rate, uint64_t done, uint64_t us) {
  double at = (double)(done + 1) * (double)SECOND / rate;
  return at > (double)us ? (int64_t)(at - (double)us) : 0;
}

static int64_t sooner(int64_t a, int64_t b) {
  if (a < 0 || (b >= 0 && b < a)) return b;
  return a;
}

/* --- starting ------------------------------------------------------------- */

static bool start_next(fleet *f) {
  member *m = &f->members[f->made];
  if (!member_make(f, m)) return false;
  f->made++;
  return member_start(f, m);
}

/* In µs, -1: nothing more to start, or what dials now decides. */
static int64_t start_members(fleet *f, uint64_t us) {
  uint64_t n = f->options->n;
  double rate = (double)f->options->rate;
  if (f->options->rate > 0) {
    uint64_t target = due(rate, us) + 1;
    while (f->made < n && f->made < target)
      if (!start_next(f)) return 100000;
    return f->made < n ? until(rate, f->made - 1, us) : -1;
  }
  while (f->made < n && f->dialling < WINDOW)
    if (!start_next(f)) return 100000;
  return -1;
}

/* --- health and churn ----------------------------------------------------- */

static int64_t report_healths(fleet *f, uint64_t us) {
  uint64_t n = f->options->n, target;
  double rate;
  if (f->options->health_every_ms == 0) return -1;
  rate = (double)n * 1000 / (double)f->options->health_every_ms;
  for (target = due(rate, us); f->healths < target; f->healths++) {
    member *m = &f->members[f->healths % n];
    if (m->running && member_report_health(f, m, 1 + f->healths / n))
      f->healths_reported++;
  }
  return until(rate, f->healths, us);
}

/* From when all were connected once. */
static int64_t churn(fleet *f, uint64_t us) {
  uint64_t n = f->options->n, target;
  double rate = (double)n * f->options->churn_percent / 100 / 60;
  if (rate <= 0 || f->all_connected_us == 0) return -1;
  us -= f->all_connected_us;
  for (target = due(rate, us); f->churns < target; f->churns++) {
    member *m = &f->members[f->churns % n];
    if (!m->running || m->restart) continue;
    m->restart = true;
    (void)opamp_client_stop(m->client);
  }
  return until(rate, f->churns, us);
}

/* --- offers --------------------------------------------------------------- */

bool pace_apply_later(fleet *f, member *m, opamp_event *offer) {
  if (f->apply_len == f->apply_cap) {
    uint64_t cap = f->apply_cap > 0 ? f->apply_cap * 2 : 256;
    applying *grown = malloc(cap * sizeof *grown);
    if (grown == NULL) return false;
    for (uint64_t i = 0; i < f->apply_len; i++)
      grown[i] = f->applying[(f->apply_first + i) % f->apply_cap];
    free(f->applying);
    f->applying = grown;
    f->apply_cap = cap;
    f->apply_first = 0;
  }
  f->applying[(f->apply_first + f->apply_len++) % f->apply_cap] =
      (applying){fleet_now_us() + f->options->apply_delay_ms * 1000, m, offer};
  return true;
}

static int64_t end_applying(fleet *f, uint64_t now_us) {
  while (f->apply_len > 0) {
    applying *a = &f->applying[f->apply_first];
    if (a->due_us > now_us) return (int64_t)(a->due_us - now_us);
    f->apply_first = (f->apply_first + 1) % f->apply_cap;
    f->apply_len--;
    member_applied(f, a);
  }
  return -1;
}

void pace_free(fleet *f) {
  while (f->apply_len > 0) {
    opamp_event_free(f->applying[f->apply_first].offer);
    f->apply_first = (f->apply_first + 1) % f->apply_cap;
    f->apply_len--;
  }
  free(f->applying);
}

int pace_work(fleet *f, uint64_t now_us) {
  uint64_t us = now_us - f->begun_us;
  int64_t in = end_applying(f, now_us);
  if (!f->stopping) {
    in = sooner(in, start_members(f, us));
    in = sooner(in, report_healths(f, us));
    in = sooner(in, churn(f, us));
  }
  return in < 0 ? -1 : (int)(in / 1000 + 1);
}
