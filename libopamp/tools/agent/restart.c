/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/child.h"

/* The restart command of the server: --on-restart is run, or the apply command
 * again. One run at a time; a command that comes meanwhile is that same one. It
 * may well restart the agent itself, so it is not ended with the agent, and
 * writes to nothing that ends with it. */

struct restart {
  agent *a;
  child *running;
};

static void done(void *user_data, const child_result *r) {
  restart *s = user_data;
  char how[80];
  s->running = NULL;
  child_describe(r, how, sizeof how);
  out_log(s->a, r->exit_code == 0 ? OPAMP_LOG_INFO : OPAMP_LOG_ERROR,
          "--on-restart: %s", how);
}

void restart_run(restart *s) {
  child_spec spec = {s->a->options.on_restart, NULL, 0, 0, CHILD_OUTPUT_STDERR};
  if (spec.command == NULL) {
    offers_apply_again(s->a->offers);
    return;
  }
  if (s->running != NULL) return;
  s->running = child_start(&s->a->waits, &spec, done, s);
  if (s->running == NULL)
    out_log(s->a, OPAMP_LOG_ERROR, "--on-restart: %s", strerror(errno));
}

restart *restart_new(agent *a) {
  restart *s = calloc(1, sizeof *s);
  if (s != NULL) s->a = a;
  return s;
}

void restart_free(restart *s) {
  if (s == NULL) return;
  child_forget(s->running);
  free(s);
}
