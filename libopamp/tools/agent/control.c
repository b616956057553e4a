/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/agent.h"
#include "common/lines.h"

struct control {
  agent *a;
  wait_fd input;
  tool_lines lines;
};

/* Commands are run as their lines become complete; a last line without a line
 * feed counts, for `echo -n` and for programs that forget it. */
static void on_line(void *user_data, const char *line, size_t len) {
  control *c = user_data;
  command_run(c->a, line, len);
}

static void on_input(void *user_data) {
  control *c = user_data;
  char buf[16384];
  ssize_t n = read(STDIN_FILENO, buf, sizeof buf);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (n > 0) {
    tool_lines_feed(&c->lines, buf, (size_t)n, on_line, c);
    return;
  }
  wait_remove(&c->a->waits, &c->input);
  tool_lines_end(&c->lines, on_line, c);
  agent_stop(c->a, true);
}

control *control_new(agent *a) {
  control *c = calloc(1, sizeof *c);
  if (c == NULL) return NULL;
  c->a = a;
  wait_add(&a->waits, &c->input, STDIN_FILENO, on_input, c);
  return c;
}

void control_free(control *c) {
  if (c == NULL) return;
  wait_remove(&c->a->waits, &c->input);
  tool_buf_free(&c->lines.rest);
  free(c);
}
