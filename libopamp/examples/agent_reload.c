/* SPDX-License-Identifier: Apache-2.0 */

/* A program whose configuration the server may change, `agent_reload URL DIR`.
 * It reads DIR/app.conf, a line "interval = SECONDS". Offered files replace
 * those in DIR and are tried: when they are bad, the ones that worked last are
 * back before the server is told why. Ctrl-C ends it in good order.
 *
 *   cc agent_reload.c $(pkg-config --cflags --libs libopamp) -o agent_reload
 */

#include <opamp/opamp.h>
#include <signal.h>
#include <stdio.h>

typedef struct app {
  opamp_configdir *files;
  int interval;
  const char *why; /* it did not work; until the next call of the library */
} app;

static opamp_loop *loop;
static volatile sig_atomic_t stopping;

static void on_signal(int sig) {
  (void)sig;
  stopping = 1;
  opamp_loop_wake(loop);
}

/* --- the program's own way to load its configuration ---------------------- */

/* Leaves everything as it was when the file is no good. */
static bool load(app *a) {
  char path[4096];
  int interval = 0;
  FILE *f;
  snprintf(path, sizeof path, "%s/app.conf", opamp_configdir_path(a->files));
  f = fopen(path, "re");
  if (f == NULL) {
    a->why = "there is no app.conf";
    return false;
  }
  if (fscanf(f, "interval = %d", &interval) != 1 || interval < 1)
    a->why = "app.conf: interval must be above 0";
  else
    a->interval = interval;
  fclose(f);
  return interval >= 1;
}

/* --- what the server may do ----------------------------------------------- */

/* In place, loaded, and kept after a crash: all or nothing. */
static bool apply(app *a, const opamp_msg *offered) {
  bool shown = opamp_configdir_replace(a->files, offered) == OPAMP_OK;
  if (shown && !load(a)) return false;
  if (shown && opamp_configdir_commit(a->files) == OPAMP_OK) return true;
  a->why = opamp_errmsg();
  return false;
}

static void on_remote_config(opamp_event *offer, void *user_data) {
  app *a = user_data;
  if (apply(a, opamp_event_msg(offer))) {
    opamp_event_accept(offer);
  } else {
    opamp_event_reject(offer, a->why); /* sent when this function returns */
    if (opamp_configdir_rollback(a->files) != OPAMP_OK)
      fprintf(stderr, "agent_reload: going back: %s\n", opamp_errmsg());
    load(a); /* a commit may fail after the new file was loaded */
  }
  printf("interval is %d\n", a->interval);
}

/* After every accepted offer, and once at the start. */
static void report_effective(opamp_client *agent, app *a) {
  opamp_msg *files;
  if (opamp_configdir_read(a->files, &files) != OPAMP_OK) return;
  opamp_client_set_effective_config(agent, files);
  opamp_msg_free(files);
}

static void on_effective_config_wanted(opamp_event *e, void *user_data) {
  report_effective(opamp_event_client(e), user_data);
}

static void on_event(opamp_event *e, void *user_data) {
  (void)user_data;
  printf("%s %s\n", opamp_event_kind_name(opamp_event_kind(e)),
         opamp_str_z(opamp_event_text(e)));
}

static bool make_agent(opamp_client **agent, const char *url, app *a) {
  opamp_callbacks callbacks = {
      .struct_size = sizeof callbacks,
      .on_remote_config = on_remote_config,
      .on_effective_config_wanted = on_effective_config_wanted,
      .on_other = on_event,
  };
  opamp_options *o = NULL;
  bool ok =
      opamp_options_new(&o) == OPAMP_OK &&
      opamp_options_set_text(o, OPAMP_TEXT_URL, url) == OPAMP_OK &&
      opamp_options_set_capabilities(
          o, OPAMP_CAPABILITIES_DEFAULT |
                 OPAMP_AGENT_CAPABILITIES_ACCEPTS_REMOTE_CONFIG |
                 OPAMP_AGENT_CAPABILITIES_REPORTS_REMOTE_CONFIG |
                 OPAMP_AGENT_CAPABILITIES_REPORTS_EFFECTIVE_CONFIG) ==
          OPAMP_OK &&
      opamp_client_new(agent, NULL, o) == OPAMP_OK &&
      opamp_client_set_callbacks(*agent, &callbacks, a) == OPAMP_OK &&
      opamp_client_report_service(*agent, "agent_reload", NULL) == OPAMP_OK;
  opamp_options_free(o);
  return ok;
}

/* A crash between replacing and committing leaves files that nobody tried. */
static bool open_files(app *a, const char *dir) {
  return opamp_configdir_open(&a->files, dir) == OPAMP_OK &&
         opamp_configdir_allow(a->files, "app.conf") == OPAMP_OK &&
         (opamp_configdir_is_good(a->files) ||
          opamp_configdir_rollback(a->files) == OPAMP_OK);
}

int main(int argc, char **argv) {
  app a = {0};
  opamp_client *agent = NULL;
  if (argc != 3) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (!open_files(&a, argv[2]) || !make_agent(&agent, argv[1], &a)) {
    fprintf(stderr, "agent_reload: %s\n", opamp_errmsg());
    opamp_client_free(agent);
    opamp_configdir_free(a.files);
    return 1;
  }
  if (!load(&a)) fprintf(stderr, "agent_reload: %s\n", a.why);
  loop = opamp_client_loop(agent);
  signal(SIGINT, on_signal);
  report_effective(agent, &a);
  opamp_client_start(agent);
  while (!stopping) opamp_loop_poll(loop, -1);
  opamp_client_stop(agent);
  while (opamp_client_state(agent) != OPAMP_STATE_STOPPED)
    opamp_loop_poll(loop, -1);
  opamp_client_free(agent);
  opamp_configdir_free(a.files);
}
