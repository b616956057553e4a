/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fleet/fleet.h"

enum { LINE_US = 1000000 };

/* --- what the system says ------------------------------------------------- */

static uint64_t us_of(struct timeval t) {
  return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

uint64_t report_cpu_us(void) {
  struct rusage u;
  if (getrusage(RUSAGE_SELF, &u) != 0) return 0;
  return us_of(u.ru_utime) + us_of(u.ru_stime);
}

uint64_t report_rss_bytes(void) {
  unsigned long size, resident = 0;
  FILE *in = fopen("/proc/self/statm", "re");
  if (in == NULL) return 0;
  if (fscanf(in, "%lu %lu", &size, &resident) != 2) resident = 0;
  fclose(in);
  return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* --- the progress line ---------------------------------------------------- */

static double ms_at(const histogram *h, double percent) {
  return (double)histogram_at(h, percent) / 1000;
}

int report_progress(fleet *f, uint64_t now_us) {
  static int terminal = -1;
  uint64_t passed = now_us - f->line_us;
  if (passed < LINE_US) return (int)((LINE_US - passed) / 1000 + 1);
  if (terminal < 0) terminal = isatty(STDERR_FILENO);
  fprintf(stderr,
          "%s%" PRIu64 "/%" PRIu64 " connected, %.0f messages/s, %" PRIu64
          " failures, latency p50 %.2f ms p99 %.2f ms%s",
          terminal ? "\r\033[K" : "", f->connected, f->options->n,
          (double)(f->sent - f->line_sent) * 1e6 / (double)passed,
          f->connect_failures + f->disconnects, ms_at(&f->recent, 50),
          ms_at(&f->recent, 99), terminal ? "" : "\n");
  f->line_us = now_us;
  f->line_sent = f->sent;
  f->recent = (histogram){0};
  return LINE_US / 1000;
}

/* --- the summary ---------------------------------------------------------- */

report_end report_take(const fleet *f) {
  return (report_end){.now_us = fleet_now_us(),
                      .sent = f->sent,
                      .cpu_us = report_cpu_us(),
                      .rss = report_rss_bytes(),
                      .connected = f->connected};
}

static json_t *number(uint64_t n) {
  return json_integer((json_int_t)n);
}

static json_t *ms(uint64_t us) {
  return json_integer((json_int_t)(us / 1000));
}

static json_t *ms_or_never(uint64_t us) {
  return us == 0 ? json_integer(-1) : ms(us);
}

static json_t *latency(const histogram *h) {
  return json_pack("{s:f, s:f, s:f, s:f}", "p50", ms_at(h, 50), "p90",
                   ms_at(h, 90), "p99", ms_at(h, 99), "max",
                   (double)h->max / 1000);
}

static json_t *steady(const fleet *f, const report_end *end) {
  uint64_t begun = f->begun_us + f->all_connected_us;
  if (f->all_connected_us == 0)
    return json_pack("{s:i, s:i, s:i}", "duration_ms", 0, "messages", 0,
                     "cpu_ms", 0);
  return json_pack("{s:o, s:o, s:f}", "duration_ms", ms(end->now_us - begun),
                   "messages", number(end->sent - f->steady_sent), "cpu_ms",
                   (double)(end->cpu_us - f->steady_cpu_us) / 1000);
}

static json_t *errors(const fleet *f) {
  json_t *o = json_object();
  for (size_t i = 0; i < FLEET_ERRORS && f->errors[i].count > 0; i++)
    json_object_set_new(o, opamp_status_name(f->errors[i].status),
                        number(f->errors[i].count));
  return o;
}

static json_t *summary(const fleet *f, const report_end *end) {
  struct rusage u = {0};
  uint64_t grown = end->rss > f->rss_before ? end->rss - f->rss_before : 0;
  const struct {
    const char *key;
    json_t *value;
  } rows[] = {
      {"clients", number(f->options->n)},
      {"connected", number(end->connected)},
      {"connect_failures", number(f->connect_failures)},
      {"disconnects", number(f->disconnects)},
      {"time_to_all_connected_ms", ms_or_never(f->all_connected_us)},
      {"time_to_all_reported_ms", ms_or_never(f->all_reported_us)},
      {"messages_sent", number(f->sent)},
      {"messages_received", number(f->received)},
      {"bytes_sent", number(f->bytes_sent)},
      {"bytes_received", number(f->bytes_received)},
      {"configs_applied", number(f->applied)},
      {"configs_failed", number(f->failed)},
      {"settings_applied", number(f->settings_applied)},
      {"settings_failed", number(f->settings_failed)},
      {"healths_reported", number(f->healths_reported)},
      {"latency_ms", latency(&f->latency)},
      {"cpu_user_ms",
       ms(getrusage(RUSAGE_SELF, &u) == 0 ? us_of(u.ru_utime) : 0)},
      {"cpu_system_ms", ms(us_of(u.ru_stime))},
      {"steady", steady(f, end)},
      {"rss_bytes", number(end->rss)},
      {"rss_per_client_bytes", number(f->made > 0 ? grown / f->made : 0)},
      {"errors", errors(f)}};
  json_t *o = json_object();
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    json_object_set_new(o, rows[i].key, rows[i].value);
  return o;
}

static void print_human(json_t *o, const char *prefix) {
  const char *key;
  json_t *value;
  json_object_foreach(o, key, value) {
    char name[80];
    snprintf(name, sizeof name, "%s%s", prefix, key);
    if (json_is_object(value)) {
      char deeper[82];
      snprintf(deeper, sizeof deeper, "%s.", name);
      print_human(value, deeper);
    } else if (json_is_real(value)) {
      printf("%-26s %.3f\n", name, json_real_value(value));
    } else {
      printf("%-26s %" JSON_INTEGER_FORMAT "\n", name,
             json_integer_value(value));
    }
  }
}

bool report_summary(const fleet *f, const report_end *end) {
  json_t *o = summary(f, end);
  if (isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
  if (!f->options->json) {
    print_human(o, "");
  } else if (json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) ==
             0) {
    putchar('\n');
  }
  json_decref(o);
  return fflush(stdout) == 0 && !ferror(stdout);
}
