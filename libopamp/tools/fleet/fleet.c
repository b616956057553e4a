/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/fleet.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { SPARE_DESCRIPTORS = 64, STOP_SLACK_MS = 5000 };

uint64_t fleet_now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* --- being interrupted ---------------------------------------------------- */

static volatile sig_atomic_t interrupts;
static opamp_loop *volatile interrupted_loop;

void fleet_interrupt(void) {
  interrupts++;
  if (interrupted_loop != NULL) opamp_loop_wake(interrupted_loop);
}

/* --- descriptors ---------------------------------------------------------- */

static bool raise_limit(uint64_t n) {
  struct rlimit r;
  uint64_t need = n + SPARE_DESCRIPTORS;
  if (getrlimit(RLIMIT_NOFILE, &r) != 0) return true;
  r.rlim_cur = r.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &r);
  if (r.rlim_max == RLIM_INFINITY || r.rlim_max >= need) return true;
  fprintf(stderr,
          "%s: -n %llu: %llu open files are needed, the hard limit is %llu "
          "(ulimit -Hn)\n",
          fleet_tool.name, (unsigned long long)n, (unsigned long long)need,
          (unsigned long long)r.rlim_max);
  return false;
}

/* --- life ----------------------------------------------------------------- */

static bool make(fleet *f) {
  f->members = calloc(f->options->n, sizeof *f->members);
  if (f->members == NULL) {
    fprintf(stderr, "%s: out of memory\n", fleet_tool.name);
    return false;
  }
  /* Before the first agent, options that do not go together. */
  if (opamp_loop_new(&f->loop, (uint32_t)f->options->n) != OPAMP_OK ||
      !member_make(f, &f->members[0])) {
    fprintf(stderr, "%s: %s\n", fleet_tool.name, opamp_errmsg());
    return false;
  }
  opamp_client_free(f->members[0].client);
  f->members[0].client = NULL;
  return true;
}

static void free_all(fleet *f) {
  interrupted_loop = NULL;
  for (uint64_t i = 0; f->members != NULL && i < f->options->n; i++)
    opamp_client_free(f->members[i].client);
  pace_free(f);
  opamp_loop_free(f->loop);
  free(f->members);
}

static void stop_all(fleet *f) {
  f->stopping = true;
  for (uint64_t i = 0; i < f->made; i++)
    if (f->members[i].running) (void)opamp_client_stop(f->members[i].client);
}

/* Whether the time is over that --duration gives. */
static bool is_over(const fleet *f, uint64_t now_us) {
  const fleet_options *o = f->options;
  return o->has_duration && f->all_connected_us != 0 &&
         now_us - f->begun_us - f->all_connected_us >= o->duration_ms * 1000;
}

static int until_over(const fleet *f, uint64_t now_us) {
  uint64_t end;
  if (!f->options->has_duration || f->all_connected_us == 0) return -1;
  end = f->begun_us + f->all_connected_us + f->options->duration_ms * 1000;
  if (end <= now_us) return 0;
  return (end - now_us) / 1000 < 1000000 ? (int)((end - now_us) / 1000 + 1)
                                         : 1000000;
}

static int sooner(int a, int b) {
  return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* One round; false when the loop is broken. */
static bool turn(fleet *f, uint64_t now_us) {
  opamp_event *e;
  int wait = pace_work(f, now_us);
  wait = sooner(wait, report_progress(f, now_us));
  wait = sooner(wait, until_over(f, now_us));
  if (opamp_loop_poll(f->loop, wait) < 0) {
    fprintf(stderr, "%s: %s\n", fleet_tool.name, opamp_errmsg());
    return false;
  }
  while ((e = opamp_loop_next_event(f->loop)) != NULL) member_event(f, e);
  return true;
}

static int run(fleet *f) {
  uint64_t now = fleet_now_us(), stop_by = 0;
  report_end end = {0};
  for (;; now = fleet_now_us()) {
    if (!f->stopping && (interrupts > 0 || is_over(f, now))) {
      end = report_take(f);
      stop_all(f);
      stop_by =
          now + 1000 * (STOP_SLACK_MS +
                        opamp_options_number(f->options->connection.library,
                                             OPAMP_OPT_STOP_TIMEOUT));
    }
    if (f->stopping && (f->running == 0 || now >= stop_by || interrupts > 1))
      break;
    if (!turn(f, now)) return CLI_EXIT_FAILED;
  }
  return report_summary(f, &end) ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}

int fleet_run(fleet_options *o) {
  fleet f = {.options = o, .random = o->seed};
  int code = CLI_EXIT_START;
  if (raise_limit(o->n) && make(&f)) {
    interrupted_loop = f.loop;
    f.rss_before = report_rss_bytes();
    f.begun_us = f.line_us = fleet_now_us();
    code = run(&f);
  }
  free_all(&f);
  return code;
}
