/* SPDX-License-Identifier: Apache-2.0 */

/* An agent inside a program that blocks, `agent_thread URL`. The library drives
 * the agent in a thread of its own; one thread of the program waits for events,
 * another one does the program's work, which here is counting the lines of its
 * standard input, and reports on it as it goes. The end of the input ends it.
 *
 *   cc agent_thread.c $(pkg-config --cflags --libs libopamp) \
 *     -pthread -o agent_thread
 */

#include <opamp/opamp.h>
#include <pthread.h>
#include <stdio.h>

/* What is set needs no lock and never waits: any thread may do it. */
static void *work(void *arg) {
  opamp_client *agent = arg;
  char line[1000], status[64];
  unsigned lines = 0;
  while (fgets(line, sizeof line, stdin) != NULL) {
    snprintf(status, sizeof status, "%u lines", ++lines);
    opamp_client_report_health(agent, true, status, NULL);
  }
  opamp_client_stop(agent); /* the event STOPPED follows */
  return NULL;
}

static bool make_agent(opamp_client **agent, const char *url) {
  opamp_options *o = NULL;
  bool ok =
      opamp_options_new(&o) == OPAMP_OK &&
      opamp_options_set_text(o, OPAMP_TEXT_URL, url) == OPAMP_OK &&
      opamp_client_new(agent, NULL, o) == OPAMP_OK &&
      opamp_client_report_service(*agent, "agent_thread", NULL) == OPAMP_OK &&
      opamp_client_report_health(*agent, true, "0 lines", NULL) == OPAMP_OK &&
      opamp_client_start(*agent) == OPAMP_OK &&
      opamp_client_start_thread(*agent) == OPAMP_OK;
  opamp_options_free(o);
  return ok;
}

int main(int argc, char **argv) {
  opamp_client *agent = NULL;
  pthread_t worker;
  int kind = 0;
  if (argc != 2) return 2;
  if (!make_agent(&agent, argv[1])) {
    fprintf(stderr, "agent_thread: %s\n", opamp_errmsg());
    opamp_client_free(agent);
    return 1;
  }
  if (pthread_create(&worker, NULL, work, agent) != 0) return 1;
  while (kind != OPAMP_EVENT_STOPPED) {
    opamp_event *e;
    if (opamp_client_wait_event(agent, -1, &e) != OPAMP_OK) return 1;
    if (e == NULL) continue; /* somebody called opamp_loop_wake */
    kind = opamp_event_kind(e);
    printf("%s %s\n", opamp_event_kind_name(kind),
           opamp_str_z(opamp_event_text(e)));
    fflush(stdout);
    opamp_event_free(e);
  }
  pthread_join(worker, NULL);
  opamp_client_free(agent); /* and its loop, whose thread ends first */
}
