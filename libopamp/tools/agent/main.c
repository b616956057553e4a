/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent.h"
#include "common/utf8.h"

/* --- stopping ------------------------------------------------------------- */

/* Without the client's own event there is still one line that says so. */
static void finish(agent *a, const char *reason) {
  json_t *line = out_new(a, "stopped");
  a->finished = true;
  json_object_set_new(line, "reason", json_string(reason));
  json_object_set_new(line, "disconnect_sent",
                      json_boolean(a->disconnect_sent));
  out_print(a, line);
}

void agent_stop(agent *a, bool disconnect) {
  if (a->stopping) return;
  a->stopping = true;
  a->stop_by_ms = wait_now_ms() +
                  (int64_t)opamp_options_number(a->options.connection.library,
                                                OPAMP_OPT_STOP_TIMEOUT);
  if (a->offers != NULL) offers_stop(a->offers);
  if (!a->started)
    finish(a, "stopped before it was started");
  else if (disconnect)
    opamp_client_stop(a->client);
  else
    opamp_client_stop_silent(a->client);
}

void agent_fail(agent *a, const char *fmt, ...) {
  char text[500];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  out_log(a, OPAMP_LOG_ERROR, "%s", text);
  a->exit_code = CLI_EXIT_FAILED;
  a->finished = true;
}

static void on_for(void *user_data) {
  agent_stop(user_data, true);
}

/* --- signals -------------------------------------------------------------- */

static void on_signal(void *user_data) {
  agent *a = user_data;
  struct signalfd_siginfo info;
  while (read(a->signals.fd, &info, sizeof info) == (ssize_t)sizeof info) {
    if (info.ssi_signo == SIGHUP) {
      offers_report(a->offers);
    } else if (!a->signalled) {
      a->signalled = true;
      agent_stop(a, true);
    } else if (!a->finished) {
      a->exit_code = CLI_EXIT_FAILED;
      finish(a, "a second signal");
    }
  }
}

/* The signals that are read as data from now on; the library's threads inherit
 * the mask, commands are started without it. */
static bool take_signals(agent *a) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  /* Whoever started the agent may have ignored them, or taken its children. */
  signal(SIGTERM, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  signal(SIGHUP, SIG_DFL);
  signal(SIGCHLD, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
  if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) return false;
  int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) return false;
  wait_add(&a->waits, &a->signals, fd, on_signal, a);
  return true;
}

/* A descriptor of ours must never be taken for one of the standard three. */
static void open_standard(void) {
  int fd;
  do {
    fd = open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) close(fd);
}

/* --- starting ------------------------------------------------------------- */

static opamp_status set_health(agent *a) {
  struct timespec now;
  opamp_msg *m;
  clock_gettime(CLOCK_REALTIME, &now);
  uint64_t nano = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
  opamp_status s = opamp_msg_new(&m, OPAMP_MSG_COMPONENT_HEALTH);
  if (s != OPAMP_OK) return s;
  s = opamp_msg_set_bool(m, OPAMP_COMPONENT_HEALTH_HEALTHY, true);
  if (s == OPAMP_OK)
    s = opamp_msg_set_u64(m, OPAMP_COMPONENT_HEALTH_START_TIME_UNIX_NANO, nano);
  if (s == OPAMP_OK)
    s = opamp_msg_set_u64(m, OPAMP_COMPONENT_HEALTH_STATUS_TIME_UNIX_NANO,
                          nano);
  if (s == OPAMP_OK)
    s = opamp_msg_set_str(m, OPAMP_COMPONENT_HEALTH_STATUS,
                          opamp_str_of("running"));
  if (s == OPAMP_OK) s = opamp_client_set_health(a->client, m);
  opamp_msg_free(m);
  return s;
}

static void on_loop(void *user_data) {
  (void)user_data; /* opamp_loop_poll is called after every wait */
}

static bool build(agent *a) {
  if (opamp_loop_new(&a->loop, 1) != OPAMP_OK) return false;
  opamp_status s =
      opamp_client_new(&a->client, a->loop, a->options.connection.library);
  /* Options that do not go together, which only the library can tell. */
  if (s == OPAMP_ERR_INVALID) a->exit_code = CLI_EXIT_USAGE;
  if (s != OPAMP_OK) return false;
  wait_add(&a->waits, &a->from_loop, opamp_loop_fd(a->loop), on_loop, a);
  a->own_description = true;
  a->headers = headers_new(a);
  a->restart = restart_new(a);
  if (a->headers == NULL || a->restart == NULL) return false;
  if (attributes_describe(a) != OPAMP_OK || set_health(a) != OPAMP_OK)
    return false;
  a->offers = offers_new(a);
  return a->offers != NULL;
}

static void print_starting(agent *a) {
  char url[4096];
  size_t len = sizeof url;
  uint8_t uid[OPAMP_UID_LEN];
  json_t *line = out_new(a, "starting");
  if (opamp_client_endpoint(a->client, url, &len) != OPAMP_OK) len = 0;
  out_text(line, "endpoint", (opamp_str){url, len});
  opamp_client_instance_uid(a->client, uid);
  out_uid(line, "instance_uid", (opamp_bytes){uid, sizeof uid});
  out_print(a, line);
}

/* The headers are there, or could not be had. */
static void connect_now(void *user_data) {
  agent *a = user_data;
  if (a->stopping) return;
  a->started = true;
  if (opamp_client_start(a->client) != OPAMP_OK)
    agent_fail(a, "%s", opamp_errmsg());
}

static bool start(agent *a) {
  if (!take_signals(a)) {
    fprintf(stderr, "%s: signals: %s\n", agent_tool.name, strerror(errno));
    return false;
  }
  if (!build(a)) {
    fprintf(stderr, "%s: %s\n", agent_tool.name, opamp_errmsg());
    return false;
  }
  print_starting(a);
  if (a->options.control && (a->control = control_new(a)) == NULL) return false;
  if (a->options.for_ms > 0)
    wait_in(&a->waits, &a->for_timer, a->options.for_ms, on_for, a);
  headers_refresh(a->headers, connect_now, a);
  return true;
}

/* --- running -------------------------------------------------------------- */

/* The library is a guest of our own poll(): its descriptor and its deadline are
 * two of the things waited for, and opamp_loop_poll never waits itself. */
static void run(agent *a) {
  opamp_event *e;
  while (!a->finished) {
    if (opamp_loop_poll(a->loop, 0) < 0) {
      agent_fail(a, "%s", opamp_errmsg());
      return;
    }
    while (!a->finished && (e = opamp_loop_next_event(a->loop)) != NULL) {
      event_handle(a, e);
      opamp_event_free(e);
    }
    if (a->finished) return;
    if (!wait_once(&a->waits, opamp_loop_timeout_ms(a->loop)))
      agent_fail(a, "poll: %s", strerror(errno));
  }
}

static void clean_up(agent *a) {
  control_free(a->control);
  offers_free(a->offers);
  restart_free(a->restart);
  headers_free(a->headers);
  opamp_client_free(a->client);
  opamp_loop_free(a->loop);
  json_decref(a->declared);
  if (a->signals.ready != NULL) close(a->signals.fd);
  agent_options_free(&a->options);
}

int main(int argc, char **argv) {
  agent a = {.started_ms = wait_now_ms()};
  open_standard();
  int code = agent_options_parse(&a.options, argc, argv);
  if (code < 0) {
    if (start(&a))
      run(&a);
    else if (a.exit_code == CLI_EXIT_OK)
      a.exit_code = CLI_EXIT_START;
    code = a.exit_code;
  }
  clean_up(&a);
  return code;
}
