/* SPDX-License-Identifier: Apache-2.0 */

/* The smallest agent, `agent_min URL`: it tells the server its name and health
 * and prints what happens. Ctrl-C ends it in good order.
 *
 *   cc agent_min.c $(pkg-config --cflags --libs libopamp) -o agent_min
 */

#include <opamp/opamp.h>
#include <signal.h>
#include <stdio.h>

static opamp_loop *loop;
static volatile sig_atomic_t stopping;

static void on_signal(int sig) {
  (void)sig;
  stopping = 1;
  opamp_loop_wake(loop); /* safe in a signal handler */
}

int main(int argc, char **argv) {
  opamp_options *o;
  opamp_client *c;
  int kind = 0;
  if (argc != 2 || opamp_options_new(&o) != OPAMP_OK) return 2;
  if (opamp_options_set_text(o, OPAMP_TEXT_URL, argv[1]) != OPAMP_OK ||
      opamp_client_new(&c, NULL, o) != OPAMP_OK)
    return fprintf(stderr, "agent_min: %s\n", opamp_errmsg()), 1;
  opamp_options_free(o);
  loop = opamp_client_loop(c);
  signal(SIGINT, on_signal);
  opamp_client_report_service(c, "agent_min", NULL);
  opamp_client_report_health(c, true, "running", NULL);
  opamp_client_start(c);
  while (kind != OPAMP_EVENT_STOPPED) {
    opamp_event *e = opamp_loop_next_event(loop);
    if (e == NULL) {
      if (stopping) opamp_client_stop(c); /* the event STOPPED follows */
      opamp_loop_poll(loop, -1);
      continue;
    }
    kind = opamp_event_kind(e);
    printf("%s %s\n", opamp_event_kind_name(kind),
           opamp_str_z(opamp_event_text(e)));
    fflush(stdout);
    opamp_event_free(e);
  }
  opamp_client_free(c); /* and its loop */
}
