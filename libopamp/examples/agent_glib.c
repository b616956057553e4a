/* SPDX-License-Identifier: Apache-2.0 */

/* An agent as a source of GLib's main loop, `agent_glib URL`: the source asks
 * for the agent's descriptor and deadline, and polls it when either is due. The
 * program's own timer keeps its time whatever the server does, and reports how
 * late it was as the agent's health. Ctrl-C ends it in good order.
 *
 *   cc agent_glib.c $(pkg-config --cflags --libs libopamp glib-2.0) \
 *     -o agent_glib
 */

#include <glib-unix.h>
#include <glib.h>
#include <opamp/opamp.h>
#include <signal.h>
#include <stdio.h>

enum { TICK_MS = 100 };

typedef struct program {
  GMainLoop *loop;
  opamp_client *agent;
  gint64 due_us; /* the next tick */
  unsigned ticks;
} program;

/* --- a source that drives an agent ---------------------------------------- */

typedef struct agent_source {
  GSource base;
  opamp_client *agent;
  gpointer io;
} agent_source;

static gboolean agent_prepare(GSource *source, gint *timeout_ms) {
  *timeout_ms = opamp_client_timeout_ms(((agent_source *)source)->agent);
  return *timeout_ms == 0;
}

static gboolean agent_check(GSource *source) {
  agent_source *s = (agent_source *)source;
  return g_source_query_unix_fd(source, s->io) != 0 ||
         opamp_client_timeout_ms(s->agent) == 0;
}

static gboolean agent_dispatch(GSource *source, GSourceFunc callback,
                               gpointer user_data) {
  (void)callback;
  (void)user_data;
  opamp_client_poll(((agent_source *)source)->agent, 0); /* never waits */
  return G_SOURCE_CONTINUE;
}

static guint agent_source_attach(opamp_client *agent) {
  static GSourceFuncs functions = {
      .prepare = agent_prepare,
      .check = agent_check,
      .dispatch = agent_dispatch,
  };
  GSource *source = g_source_new(&functions, sizeof(agent_source));
  agent_source *s = (agent_source *)source;
  guint id;
  s->agent = agent;
  s->io = g_source_add_unix_fd(source, opamp_client_fd(agent), G_IO_IN);
  id = g_source_attach(source, NULL);
  g_source_unref(source);
  return id;
}

/* --- the program ---------------------------------------------------------- */

static gboolean on_tick(gpointer user_data) {
  program *p = user_data;
  gint64 now = g_get_monotonic_time(), late = (now - p->due_us) / 1000;
  char status[64];
  p->due_us = now + TICK_MS * 1000;
  g_snprintf(status, sizeof status, "tick %u late %d ms", ++p->ticks,
             (int)late);
  printf("%s\n", status);
  opamp_client_report_health(p->agent, true, status, NULL);
  return G_SOURCE_CONTINUE;
}

static gboolean on_interrupt(gpointer user_data) {
  program *p = user_data;
  opamp_client_stop(p->agent); /* the event STOPPED follows */
  return G_SOURCE_CONTINUE;
}

static void on_event(opamp_event *e, void *user_data) {
  program *p = user_data;
  int kind = opamp_event_kind(e);
  printf("%s %s\n", opamp_event_kind_name(kind),
         opamp_str_z(opamp_event_text(e)));
  if (kind == OPAMP_EVENT_STOPPED) g_main_loop_quit(p->loop);
}

static bool make_agent(program *p, const char *url) {
  opamp_callbacks callbacks = {.struct_size = sizeof callbacks,
                               .on_other = on_event};
  opamp_options *o = NULL;
  bool ok =
      opamp_options_new(&o) == OPAMP_OK &&
      opamp_options_set_text(o, OPAMP_TEXT_URL, url) == OPAMP_OK &&
      opamp_client_new(&p->agent, NULL, o) == OPAMP_OK &&
      opamp_client_set_callbacks(p->agent, &callbacks, p) == OPAMP_OK &&
      opamp_client_report_service(p->agent, "agent_glib", NULL) == OPAMP_OK &&
      opamp_client_start(p->agent) == OPAMP_OK;
  opamp_options_free(o);
  return ok;
}

int main(int argc, char **argv) {
  program p = {0};
  guint sources[3];
  if (argc != 2) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (!make_agent(&p, argv[1])) {
    fprintf(stderr, "agent_glib: %s\n", opamp_errmsg());
    opamp_client_free(p.agent);
    return 1;
  }
  p.loop = g_main_loop_new(NULL, FALSE);
  p.due_us = g_get_monotonic_time() + TICK_MS * 1000;
  sources[0] = g_timeout_add(TICK_MS, on_tick, &p);
  sources[1] = g_unix_signal_add(SIGINT, on_interrupt, &p);
  sources[2] = agent_source_attach(p.agent);
  g_main_loop_run(p.loop);
  for (int i = 0; i < 3; i++) g_source_remove(sources[i]);
  g_main_loop_unref(p.loop);
  opamp_client_free(p.agent); /* after the source that watched it */
}
