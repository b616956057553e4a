/* SPDX-License-Identifier: Apache-2.0 */

/* An agent inside a program that lives on libuv, `agent_libuv URL`: one uv_poll
 * for its descriptor, one uv_timer for its deadline. The program's own timer
 * keeps its time whatever the server does, and reports how late it was as the
 * agent's health. Ctrl-C ends it in good order.
 *
 *   cc agent_libuv.c $(pkg-config --cflags --libs libopamp libuv) \
 *     -o agent_libuv
 */

#include <opamp/opamp.h>
#include <signal.h>
#include <stdio.h>
#include <uv.h>

enum { TICK_MS = 100 };

typedef struct program {
  uv_loop_t loop;
  uv_signal_t interrupt;
  uv_timer_t own;
  int64_t due_ms; /* the next tick of our own */
  unsigned ticks;

  opamp_client *agent;
  uv_poll_t agent_io;
  uv_timer_t agent_timer;
} program;

/* --- the agent ------------------------------------------------------------ */

static void on_agent_timer(uv_timer_t *timer);

/* Does what is due, which never waits, and asks when to come back. */
static void drive(program *p) {
  int ms;
  opamp_client_poll(p->agent, 0);
  if (uv_is_closing((uv_handle_t *)&p->agent_timer)) return; /* STOPPED */
  ms = opamp_client_timeout_ms(p->agent);
  if (ms < 0)
    uv_timer_stop(&p->agent_timer);
  else
    uv_timer_start(&p->agent_timer, on_agent_timer, (uint64_t)ms, 0);
}

static void on_agent_timer(uv_timer_t *timer) {
  drive(timer->data);
}

static void on_agent_io(uv_poll_t *io, int status, int events) {
  (void)status;
  (void)events;
  drive(io->data);
}

static void close_handle(uv_handle_t *handle, void *arg) {
  (void)arg;
  uv_close(handle, NULL);
}

static void on_event(opamp_event *e, void *user_data) {
  program *p = user_data;
  int kind = opamp_event_kind(e);
  printf("%s %s\n", opamp_event_kind_name(kind),
         opamp_str_z(opamp_event_text(e)));
  if (kind == OPAMP_EVENT_STOPPED) uv_walk(&p->loop, close_handle, NULL);
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
      opamp_client_report_service(p->agent, "agent_libuv", NULL) == OPAMP_OK &&
      opamp_client_start(p->agent) == OPAMP_OK;
  opamp_options_free(o);
  return ok;
}

static void watch_agent(program *p) {
  uv_poll_init(&p->loop, &p->agent_io, opamp_client_fd(p->agent));
  uv_timer_init(&p->loop, &p->agent_timer);
  p->agent_io.data = p->agent_timer.data = p;
  uv_poll_start(&p->agent_io, UV_READABLE, on_agent_io);
  drive(p);
}

/* --- the program as it was without an agent ------------------------------- */

static int64_t now_ms(void) {
  return (int64_t)(uv_hrtime() / 1000000);
}

static void on_tick(uv_timer_t *timer) {
  program *p = timer->data;
  int64_t now = now_ms(), late = now - p->due_ms;
  char status[64];
  p->due_ms = now + TICK_MS; /* libuv too counts from when it ran */
  snprintf(status, sizeof status, "tick %u late %d ms", ++p->ticks, (int)late);
  printf("%s\n", status);
  opamp_client_report_health(p->agent, true, status, NULL);
}

static void on_interrupt(uv_signal_t *handle, int sig) {
  program *p = handle->data;
  (void)sig;
  opamp_client_stop(p->agent); /* the event STOPPED follows */
}

int main(int argc, char **argv) {
  program p = {0};
  if (argc != 2) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (!make_agent(&p, argv[1])) {
    fprintf(stderr, "agent_libuv: %s\n", opamp_errmsg());
    opamp_client_free(p.agent);
    return 1;
  }
  uv_loop_init(&p.loop);
  uv_signal_init(&p.loop, &p.interrupt);
  uv_timer_init(&p.loop, &p.own);
  p.interrupt.data = p.own.data = &p;
  uv_signal_start(&p.interrupt, on_interrupt, SIGINT);
  p.due_ms = now_ms() + TICK_MS;
  uv_timer_start(&p.own, on_tick, TICK_MS, TICK_MS);
  watch_agent(&p);
  uv_run(&p.loop, UV_RUN_DEFAULT);
  opamp_client_free(p.agent); /* after what watched its descriptor */
  return uv_loop_close(&p.loop) != 0;
}
