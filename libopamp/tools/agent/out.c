/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent.h"
#include "common/lines.h"
#include "common/text.h"
#include "common/utf8.h"

/* Both forms of output are made from the same JSON object, so that they cannot
 * say different things. */

json_t *out_new(const agent *a, const char *event) {
  return json_pack("{s:s, s:I}", "event", event, "t_ms",
                   (json_int_t)(wait_now_ms() - a->started_ms));
}

/* --- values --------------------------------------------------------------- */

static void add_buf(json_t *line, const char *key, tool_buf *text) {
  if (!text->failed)
    json_object_set_new(
        line, key,
        json_stringn(text->len > 0 ? (char *)text->ptr : "", text->len));
  tool_buf_free(text);
}

void out_hex(json_t *line, const char *key, opamp_bytes b) {
  tool_buf text = {0};
  tool_hex_format(&text, b);
  add_buf(line, key, &text);
}

void out_base64(json_t *line, const char *key, opamp_bytes b) {
  tool_buf text = {0};
  tool_base64_format(&text, b);
  add_buf(line, key, &text);
}

void out_uid(json_t *line, const char *key, opamp_bytes uid) {
  char text[OPAMP_UID_TEXT_LEN + 1];
  if (uid.len != OPAMP_UID_LEN) return;
  opamp_uid_format(uid.ptr, text);
  json_object_set_new(line, key, json_string(text));
}

void out_text(json_t *line, const char *key, opamp_str text) {
  json_object_set_new(line, key,
                      json_stringn(text.len > 0 ? text.ptr : "", text.len));
}

/* --- a line for people ---------------------------------------------------- */

static const char *color(const char *event) {
  static const char *const red[] = {"connect_failed", "server_error",
                                    "bad_message",    "parked",
                                    "dropped",        "duplicate_suspected"};
  static const char *const green[] = {"connected", "delivered"};
  static const char *const dim[] = {"message_sent", "message_received"};
  for (size_t i = 0; i < sizeof red / sizeof *red; i++)
    if (strcmp(event, red[i]) == 0) return "\033[31m";
  for (size_t i = 0; i < sizeof green / sizeof *green; i++)
    if (strcmp(event, green[i]) == 0) return "\033[32m";
  for (size_t i = 0; i < sizeof dim / sizeof *dim; i++)
    if (strcmp(event, dim[i]) == 0) return "\033[2m";
  return "\033[1m";
}

/* Texts come from the network: nothing in them may steer the terminal. */
static void print_value(FILE *out, const json_t *v) {
  char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
  const char *s = json_string_value(v);
  if (s != NULL && *s != '\0' && strpbrk(s, " \"\\\n\t=") == NULL &&
      text != NULL)
    fprintf(out, "%.*s", (int)strlen(text) - 2, text + 1);
  else if (text != NULL)
    fputs(text, out);
  free(text);
}

static void print_for_people(FILE *out, json_t *line) {
  const char *event = json_string_value(json_object_get(line, "event"));
  bool terminal = isatty(STDOUT_FILENO) == 1;
  struct timespec now;
  struct tm tm;
  char clock[16] = "";
  const char *key;
  json_t *value;
  if (event == NULL) return;
  clock_gettime(CLOCK_REALTIME, &now);
  if (localtime_r(&now.tv_sec, &tm) != NULL)
    strftime(clock, sizeof clock, "%H:%M:%S", &tm);
  fprintf(out, "%s.%03ld %s%s%s", clock, now.tv_nsec / 1000000,
          terminal ? color(event) : "", event, terminal ? "\033[0m" : "");
  json_object_foreach(line, key, value) {
    if (strcmp(key, "event") == 0 || strcmp(key, "t_ms") == 0) continue;
    fprintf(out, " %s=", key);
    print_value(out, value);
  }
  putc('\n', out);
}

/* --- writing -------------------------------------------------------------- */

/* A reader that stopped reading must not keep the agent from stopping. */
static bool give_up(void *user_data) {
  const agent *a = user_data;
  sigset_t pending;
  if (sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) == 1 ||
                                    sigismember(&pending, SIGINT) == 1))
    return true;
  if (a->stopping) return wait_now_ms() >= a->stop_by_ms;
  return a->for_timer.due != NULL && wait_now_ms() >= a->for_timer.at_ms;
}

static bool put(agent *a, int fd, const char *text, size_t len) {
  if (a->stuck[fd] || tool_write(fd, text, len, give_up, a)) return true;
  a->stuck[fd] = errno == EINTR;
  return a->stuck[fd];
}

static bool put_for_people(agent *a, json_t *line) {
  char *text = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&text, &len);
  if (out == NULL) return false;
  print_for_people(out, line);
  bool ok = !ferror(out);
  ok = fclose(out) == 0 && ok && put(a, STDOUT_FILENO, text, len);
  free(text);
  return ok;
}

static bool put_json(agent *a, const json_t *line) {
  bool ok = a->stuck[STDOUT_FILENO] ||
            tool_line_write(STDOUT_FILENO, line, give_up, a);
  if (!ok) a->stuck[STDOUT_FILENO] = errno == EINTR;
  return ok || a->stuck[STDOUT_FILENO];
}

void out_print(agent *a, json_t *line) {
  bool ok = false;
  errno = ENOMEM;
  if (line != NULL)
    ok = a->options.json ? put_json(a, line) : put_for_people(a, line);
  int e = errno;
  json_decref(line);
  if (ok || a->exit_code != CLI_EXIT_OK) return;
  fprintf(stderr, "%s: standard output: %s\n", agent_tool.name, strerror(e));
  a->exit_code = CLI_EXIT_FAILED;
  agent_stop(a, true);
}

/* --- log ------------------------------------------------------------------ */

static const char *level_name(int level) {
  static const char *const names[] = {"error", "warn", "info", "debug"};
  return names[level < OPAMP_LOG_ERROR   ? 0
               : level > OPAMP_LOG_DEBUG ? 3
                                         : level - 1];
}

void out_log_text(agent *a, int level, const char *text) {
  if (level > a->options.log + OPAMP_LOG_ERROR) return;
  tool_buf said = {0};
  tool_buf_printf(&said, "%s: %s: %s\n", agent_tool.name, level_name(level),
                  text);
  if (!said.failed) put(a, STDERR_FILENO, (char *)said.ptr, said.len);
  tool_buf_free(&said);
  if (!a->options.json) return;
  json_t *line = out_new(a, "log");
  json_object_set_new(line, "level", json_string(level_name(level)));
  json_object_set_new(line, "message", json_string(text));
  out_print(a, line);
}

void out_log(agent *a, int level, const char *fmt, ...) {
  char raw[6000], text[6000];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(raw, sizeof raw, fmt, ap);
  va_end(ap);
  utf8_clean(text, sizeof text, raw, strlen(raw));
  out_log_text(a, level, text);
}
