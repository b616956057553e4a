/* SPDX-License-Identifier: Apache-2.0 */
/* N agents with this library, as a program would have them: one loop, one
 * thread, what happens is taken as events and thrown away.
 *
 *   libopamp_client URL N INTERVAL_MS     until it is told to end
 */
#include <opamp/opamp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { DIALS = 256 };

static bool start(opamp_loop *l, const opamp_options *o) {
  opamp_client *c;
  return opamp_client_new(&c, l, o) == OPAMP_OK &&
         opamp_client_report_service(c, "opamp-bare", NULL) == OPAMP_OK &&
         opamp_client_start(c) == OPAMP_OK;
}

int main(int argc, char **argv) {
  opamp_options *o;
  opamp_loop *l;
  struct rlimit r;
  if (argc != 4 || opamp_options_new(&o) != OPAMP_OK) return 2;
  unsigned long n = strtoul(argv[2], NULL, 10), made = 0, dialling = 0;
  uint64_t ms = strtoull(argv[3], NULL, 10);
  getrlimit(RLIMIT_NOFILE, &r);
  r.rlim_cur = r.rlim_max;
  setrlimit(RLIMIT_NOFILE, &r);
  if (opamp_options_set_text(o, OPAMP_TEXT_URL, argv[1]) != OPAMP_OK ||
      opamp_options_set_number(o, OPAMP_OPT_HEARTBEAT, ms) != OPAMP_OK ||
      opamp_options_set_number(o, OPAMP_OPT_POLL_INTERVAL, ms) != OPAMP_OK ||
      opamp_loop_new(&l, (uint32_t)n) != OPAMP_OK)
    return fprintf(stderr, "%s\n", opamp_errmsg()), 1;
  for (;;) {
    opamp_event *e;
    for (; made < n && dialling < DIALS; made++, dialling++)
      if (!start(l, o)) return fprintf(stderr, "%s\n", opamp_errmsg()), 1;
    if (opamp_loop_poll(l, -1) < 0) return 1;
    while ((e = opamp_loop_next_event(l)) != NULL) {
      int kind = opamp_event_kind(e);
      if (kind == OPAMP_EVENT_CONNECTED) dialling--;
      opamp_event_free(e);
    }
  }
}
