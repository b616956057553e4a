/* SPDX-License-Identifier: Apache-2.0 */
/* opamp-peer: the peer of peer.h with a command line, standard input and
 * signals. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/lines.h"
#include "peer/human.h"
#include "peer/options.h"
#include "peer/peer.h"
#include "peer/script.h"

typedef struct program {
  peer_cli cli;
  uv_loop_t loop;
  peer *peer;
  script script;
  uv_signal_t signals[2];
  uv_poll_t input; /* standard input, when it can be waited for */
  bool polling;
  bool signalled;
  tool_lines lines;
  bool failed;
} program;

/* --- signals -------------------------------------------------------------- */

static void on_signal(uv_signal_t *s, int number) {
  program *g = s->data;
  (void)number;
  // The second one means it.
  if (g->signalled) _exit(CLI_EXIT_FAILED);
  g->signalled = true;
  peer_stop(g->peer);
}

static void start_signals(program *g) {
  static const int numbers[2] = {SIGINT, SIGTERM};
  for (size_t i = 0; i < 2; i++) {
    uv_signal_init(&g->loop, &g->signals[i]);
    g->signals[i].data = g;
    uv_signal_start(&g->signals[i], on_signal, numbers[i]);
  }
}

static void stop_signals(program *g) {
  for (size_t i = 0; i < 2; i++) uv_close((uv_handle_t *)&g->signals[i], NULL);
}

/* --- events --------------------------------------------------------------- */

static void on_event(void *user_data, const json_t *event) {
  program *g = user_data;
  bool ok = g->failed ||
            (g->cli.json ? tool_line_write(STDOUT_FILENO, event, NULL, NULL)
                         : human_write(STDOUT_FILENO, event));
  if (!ok) {
    g->failed = true;
    fprintf(stderr, "opamp-peer: standard output cannot be written\n");
    if (g->peer != NULL) peer_stop(g->peer);
  }
  script_event(&g->script, event);
}

static void on_stopped(void *user_data, bool failed) {
  program *g = user_data;
  g->failed = g->failed || failed;
  script_stop(&g->script);
  stop_signals(g);
  if (g->polling && !uv_is_closing((uv_handle_t *)&g->input))
    uv_close((uv_handle_t *)&g->input, NULL);
}

/* --- standard input ------------------------------------------------------- */

static void on_line(void *user_data, const char *line, size_t len) {
  program *g = user_data;
  peer_command_line(g->peer, line, len);
}

/* Reads once; false at the end. */
static bool read_input(program *g) {
  char bytes[16 * 1024];
  ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
  if (n > 0) {
    tool_lines_feed(&g->lines, bytes, (size_t)n, on_line, g);
    return true;
  }
  tool_lines_end(&g->lines, on_line, g);
  peer_stop(g->peer);
  return false;
}

static void on_input(uv_poll_t *h, int status, int events) {
  (void)status, (void)events;
  if (!read_input(h->data)) uv_close((uv_handle_t *)h, NULL);
}

static void start_input(program *g) {
  // A plain file or /dev/null cannot be waited for, and need not be.
  if (uv_guess_handle(STDIN_FILENO) == UV_FILE) {
    while (read_input(g)) continue;
    return;
  }
  // libuv makes the descriptor non-blocking, which a terminal shares with the
  // shell; reading once when there is something does not need it.
  int flags = fcntl(STDIN_FILENO, F_GETFL);
  if (uv_poll_init(&g->loop, &g->input, STDIN_FILENO) != 0) {
    peer_stop(g->peer);
    return;
  }
  fcntl(STDIN_FILENO, F_SETFL, flags);
  g->polling = true;
  g->input.data = g;
  uv_poll_start(&g->input, UV_READABLE, on_input);
}

/* --- life ----------------------------------------------------------------- */

/* -1: go on; otherwise the exit code. */
static int start(program *g) {
  char err[600];
  bool missing;
  if (g->cli.script != NULL &&
      !script_load(&g->script, g->cli.script, &missing, err, sizeof err)) {
    fprintf(stderr, "opamp-peer: %s\n", err);
    return missing ? CLI_EXIT_START : CLI_EXIT_USAGE;
  }
  g->cli.peer.on_event = on_event;
  g->cli.peer.on_stopped = on_stopped;
  g->cli.peer.user_data = g;
  // Before the address is known: who reads it may send a signal at once.
  start_signals(g);
  g->peer = peer_new(&g->loop, &g->cli.peer, err, sizeof err);
  if (g->peer == NULL) {
    fprintf(stderr, "opamp-peer: %s\n", err);
    stop_signals(g);
    return CLI_EXIT_START;
  }
  if (g->cli.script != NULL) script_start(&g->script, g->peer, &g->loop);
  if (g->cli.control) start_input(g);
  if (g->failed) peer_stop(g->peer);
  return -1;
}

/* Every connection is a descriptor; the soft limit is often 1,024. */
static void raise_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
  program *g = calloc(1, sizeof *g);
  if (g == NULL) return CLI_EXIT_START;
  int code = peer_cli_parse(&g->cli, argc, argv);
  if (code < 0) {
    signal(SIGPIPE, SIG_IGN);
    raise_limit();
    uv_loop_init(&g->loop);
    code = start(g);
    uv_run(&g->loop, UV_RUN_DEFAULT);
    peer_free(g->peer);
    script_free(&g->script);
    tool_buf_free(&g->lines.rest);
    uv_loop_close(&g->loop);
    if (code < 0) code = g->failed ? CLI_EXIT_FAILED : CLI_EXIT_OK;
  }
  free(g);
  return code;
}
