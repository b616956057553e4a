/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_FLEET_FLEET_H
#define OPAMP_FLEET_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#include "fleet/histogram.h"
#include "fleet/options.h"
#include "opamp/opamp.h"

/* Many agents on one loop, in one thread.
 *
 *   fleet.c      their life from first to last, and the loop
 *   member.c     one agent: its events
 *   pace.c       when what is done to which agent
 *   report.c     the progress line and the summary */

enum { FLEET_UNANSWERED = 4 };

/* One agent. Small: there may be many. */
typedef struct member {
  opamp_client *client;
  /* When its messages that are not answered were sent: µs since the start, as
   * far as they fit; the oldest first. */
  uint32_t sent_us[FLEET_UNANSWERED];
  uint8_t unanswered;
  bool dialling, connected, reported, running, restart;
} member;

/* An offer that is being applied. They end in the order in which they began. */
typedef struct applying {
  uint64_t due_us;
  member *who;
  opamp_event *offer;
} applying;

typedef struct error_count {
  opamp_status status;
  uint64_t count;
} error_count;

enum { FLEET_ERRORS = 64 };

typedef struct fleet {
  fleet_options *options;
  opamp_loop *loop;
  member *members;
  uint64_t begun_us;

  /* How things stand. */
  uint64_t made, dialling, connected, reported, running;
  bool stopping;
  uint64_t all_connected_us, all_reported_us; /* since begun_us; 0: not yet */

  /* How far each kind of work has come (pace.c). */
  uint64_t healths, churns;   /* that were due */
  uint64_t healths_reported; /* changes, by agents that were running */
  applying *applying; /* a ring of so many */
  uint64_t apply_first, apply_len, apply_cap;
  uint64_t random;

  /* What has been. */
  uint64_t connect_failures, disconnects;
  uint64_t sent, received, bytes_sent, bytes_received;
  uint64_t applied, failed; /* configurations */
  uint64_t settings_applied, settings_failed;
  uint64_t steady_sent, steady_cpu_us; /* when all were connected */
  histogram latency, recent;           /* µs; of all, since the last line */
  error_count errors[FLEET_ERRORS];
  uint64_t rss_before;
  uint64_t line_us, line_sent; /* at the last progress line */
} fleet;

uint64_t fleet_now_us(void);

/* Runs until it is over; what to exit with. */
int fleet_run(fleet_options *o);
/* From a signal handler: once to stop in good order, twice at once. */
void fleet_interrupt(void);

/* --- member.c ------------------------------------------------------------- */

bool member_make(fleet *f, member *m);
/* False, with the text of the library, when it cannot be started. */
bool member_start(fleet *f, member *m);
bool member_report_health(fleet *f, member *m, uint64_t turn);
/* Takes over the event, which belongs to one of the agents. */
void member_event(fleet *f, opamp_event *e);
/* The end of an offer. */
void member_applied(fleet *f, const applying *a);

/* --- pace.c --------------------------------------------------------------- */

/* Does what is due; in how many ms more will be, -1 never. */
int pace_work(fleet *f, uint64_t now_us);
/* An offer is being applied from now on. False when out of memory. */
bool pace_apply_later(fleet *f, member *m, opamp_event *offer);
void pace_free(fleet *f);
/* A number below n, from the seed. */
uint64_t pace_random(fleet *f, uint64_t n);

/* --- report.c ------------------------------------------------------------- */

uint64_t report_cpu_us(void);
uint64_t report_rss_bytes(void);
/* The progress line, if its time has come; in how many ms the next one does. */
int report_progress(fleet *f, uint64_t now_us);
/* What is known only while all still run: taken before they stop. */
typedef struct report_end {
  uint64_t now_us, sent, cpu_us, rss, connected;
} report_end;
report_end report_take(const fleet *f);
/* False when it could not be written. */
bool report_summary(const fleet *f, const report_end *end);

#endif
