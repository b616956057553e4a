/* SPDX-License-Identifier: Apache-2.0 */

/* Two agents with different servers on one loop, `agent_two_servers URL URL`,
 * as a vendor's program has it that its customer manages too. One thread, one
 * place where events are taken; each agent has its own identity, state and
 * connection, and one server's trouble is not the other's. Ctrl-C ends it in
 * good order.
 *
 *   cc agent_two_servers.c $(pkg-config --cflags --libs libopamp) \
 *     -o agent_two_servers
 */

#include <opamp/opamp.h>
#include <signal.h>
#include <stdio.h>

enum { AGENTS = 2 };

static const char *const names[AGENTS] = {"vendor", "customer"};
static opamp_loop *loop;
static volatile sig_atomic_t stopping;

static void on_signal(int sig) {
  (void)sig;
  stopping = 1;
  opamp_loop_wake(loop);
}

/* The options are only looked at by opamp_client_new: one object does for
 * both. What has no loop of its own is freed with the loop. */
static bool make_agents(opamp_client **agents, char *const *urls) {
  opamp_options *o = NULL;
  bool ok = opamp_loop_new(&loop, AGENTS) == OPAMP_OK &&
            opamp_options_new(&o) == OPAMP_OK;
  for (int i = 0; ok && i < AGENTS; i++) {
    ok = opamp_options_set_text(o, OPAMP_TEXT_URL, urls[i]) == OPAMP_OK &&
         opamp_client_new(&agents[i], loop, o) == OPAMP_OK &&
         opamp_client_report_service(agents[i], names[i], NULL) == OPAMP_OK &&
         opamp_client_report_health(agents[i], true, "running", NULL) ==
             OPAMP_OK &&
         opamp_client_start(agents[i]) == OPAMP_OK;
    if (ok) opamp_client_set_user_data(agents[i], (void *)names[i]);
  }
  opamp_options_free(o);
  return ok;
}

int main(int argc, char **argv) {
  opamp_client *agents[AGENTS];
  int stopped = 0;
  if (argc != 1 + AGENTS) return 2;
  if (!make_agents(agents, argv + 1)) {
    fprintf(stderr, "agent_two_servers: %s\n", opamp_errmsg());
    opamp_loop_free(loop);
    return 1;
  }
  signal(SIGINT, on_signal);
  while (stopped < AGENTS) {
    opamp_event *e = opamp_loop_next_event(loop);
    if (e == NULL) {
      for (int i = 0; stopping && i < AGENTS; i++) opamp_client_stop(agents[i]);
      opamp_loop_poll(loop, -1);
      continue;
    }
    if (opamp_event_kind(e) == OPAMP_EVENT_STOPPED) stopped++;
    printf("%s: %s %s\n", (const char *)opamp_event_user_data(e),
           opamp_event_kind_name(opamp_event_kind(e)),
           opamp_str_z(opamp_event_text(e)));
    fflush(stdout);
    opamp_event_free(e);
  }
  opamp_loop_free(loop); /* and its clients */
}
