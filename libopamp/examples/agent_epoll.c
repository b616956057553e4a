/* SPDX-License-Identifier: Apache-2.0 */

/* An agent inside a program that has an epoll loop of its own, `agent_epoll
 * URL`. The loop watches one more descriptor and waits no longer than the agent
 * may; the program's own timer keeps its time whatever the server does, and
 * reports how late it was as the agent's health. Ctrl-C ends it in good order.
 *
 *   cc agent_epoll.c $(pkg-config --cflags --libs libopamp) -o agent_epoll
 */

#include <opamp/opamp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { TICK_MS = 100 };

typedef struct program {
  opamp_client *agent;
  int epoll, timer, signals;
  uint64_t due_ms; /* the next tick */
  unsigned ticks;
  bool done;
} program;

static uint64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- the program as it was without an agent ------------------------------- */

static void watch(program *p, int fd) {
  struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
  epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &e);
}

static void set_up(program *p) {
  struct itimerspec every = {{0, TICK_MS * 1000000}, {0, TICK_MS * 1000000}};
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, NULL);
  p->epoll = epoll_create1(EPOLL_CLOEXEC);
  p->signals = signalfd(-1, &set, SFD_CLOEXEC);
  p->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  p->due_ms = now_ms() + TICK_MS;
  timerfd_settime(p->timer, 0, &every, NULL);
  watch(p, p->signals);
  watch(p, p->timer);
}

static void on_tick(program *p) {
  uint64_t expired, late = now_ms() - p->due_ms;
  char status[64];
  if (read(p->timer, &expired, sizeof expired) != sizeof expired) return;
  p->due_ms += expired * TICK_MS;
  snprintf(status, sizeof status, "tick %u late %u ms", ++p->ticks,
           (unsigned)late);
  printf("%s\n", status);
  opamp_client_report_health(p->agent, true, status, NULL);
}

static void on_signal(program *p) {
  struct signalfd_siginfo info;
  if (read(p->signals, &info, sizeof info) == sizeof info)
    opamp_client_stop(p->agent); /* the event STOPPED follows */
}

/* --- the agent ------------------------------------------------------------ */

static void on_event(opamp_event *e, void *user_data) {
  program *p = user_data;
  int kind = opamp_event_kind(e);
  printf("%s %s\n", opamp_event_kind_name(kind),
         opamp_str_z(opamp_event_text(e)));
  if (kind == OPAMP_EVENT_STOPPED) p->done = true;
}

static bool start_agent(program *p, const char *url) {
  opamp_callbacks callbacks = {.struct_size = sizeof callbacks,
                               .on_other = on_event};
  opamp_options *o = NULL;
  bool ok =
      opamp_options_new(&o) == OPAMP_OK &&
      opamp_options_set_text(o, OPAMP_TEXT_URL, url) == OPAMP_OK &&
      opamp_client_new(&p->agent, NULL, o) == OPAMP_OK &&
      opamp_client_set_callbacks(p->agent, &callbacks, p) == OPAMP_OK &&
      opamp_client_report_service(p->agent, "agent_epoll", NULL) == OPAMP_OK &&
      opamp_client_start(p->agent) == OPAMP_OK;
  opamp_options_free(o);
  return ok;
}

int main(int argc, char **argv) {
  program p = {0};
  if (argc != 2) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  set_up(&p);
  if (!start_agent(&p, argv[1])) {
    fprintf(stderr, "agent_epoll: %s\n", opamp_errmsg());
    opamp_client_free(p.agent);
    return 1;
  }
  watch(&p, opamp_client_fd(p.agent));
  while (!p.done) {
    struct epoll_event ready[4];
    int n = epoll_wait(p.epoll, ready, 4, opamp_client_timeout_ms(p.agent));
    for (int i = 0; i < n; i++) {
      if (ready[i].data.fd == p.timer) on_tick(&p);
      if (ready[i].data.fd == p.signals) on_signal(&p);
    }
    opamp_client_poll(p.agent, 0); /* never waits; runs on_event */
  }
  opamp_client_free(p.agent);
}
