/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/utf8.h"
#include "common/lines.h"
#include "common/text.h"

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
  char text[TOOL_UUID_TEXT];
  if (uid.len != OPAMP_UID_LEN) return;
  tool_uuid_format(text, uid.ptr);
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
static void print_value(const json_t *v) {
  char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
  const char *s = json_string_value(v);
  if (s != NULL && *s != '\0' && strpbrk(s, " \"\\\n\t=") == NULL &&
      text != NULL)
    printf("%.*s", (int)strlen(text) - 2, text + 1);
  else if (text != NULL)
    fputs(text, stdout);
  free(text);
}

static void print_for_people(json_t *line) {
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
  printf("%s.%03ld %s%s%s", clock, now.tv_nsec / 1000000,
         terminal ? color(event) : "", event, terminal ? "\033[0m" : "");
  json_object_foreach(line, key, value) {
    if (strcmp(key, "event") == 0 || strcmp(key, "t_ms") == 0) continue;
    printf(" %s=", key);
    print_value(value);
  }
  putchar('\n');
}

void out_print(agent *a, json_t *line) {
  bool ok = line != NULL;
  if (ok && a->options.json) {
    ok = tool_line_write(stdout, line);
  } else if (ok) {
    print_for_people(line);
    ok = fflush(stdout) == 0 && !ferror(stdout);
  }
  json_decref(line);
  if (ok || a->exit_code != CLI_EXIT_OK) return;
  fprintf(stderr, "%s: standard output: %s\n", agent_tool.name,
          strerror(line == NULL ? ENOMEM : errno));
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
  fprintf(stderr, "%s: %s: %s\n", agent_tool.name, level_name(level), text);
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
