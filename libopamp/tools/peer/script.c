/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/lines.h"

static json_t *current(const script *s) {
  return json_array_get(s->lines, s->next);
}

static const char *awaited(const script *s) {
  return json_string_value(json_object_get(current(s), "when"));
}

/* --- reading -------------------------------------------------------------- */

static bool is_event(const char *name) {
  static const char *const names[] = {
      "connected", "message", "sent",           "bad_message",
      "refused",   "closed",  "connect_failed",
  };
  for (size_t i = 0; name != NULL && i < sizeof names / sizeof *names; i++)
    if (strcmp(name, names[i]) == 0) return true;
  return false;
}

/* NULL, or what is wrong with a line. */
static const char *check(const json_t *line) {
  const json_t *when = json_object_get(line, "when");
  const json_t *after = json_object_get(line, "after_ms");
  if (when != NULL && !is_event(json_string_value(when)))
    return "when: there is no such event";
  if (after != NULL &&
      (!json_is_integer(after) || json_integer_value(after) < 0))
    return "after_ms: not a number of milliseconds";
  json_t *command = json_copy((json_t *)line);
  json_object_del(command, "when");
  json_object_del(command, "after_ms");
  const char *why = peer_command_check(command);
  json_decref(command);
  return why;
}

static bool add_line(script *s, const char *text, size_t len, char *why,
                     size_t room) {
  if (strspn(text, " \t\r\n") == len) return true;
  json_t *line = tool_line_parse(text, len, why, room);
  const char *wrong = line != NULL ? check(line) : NULL;
  if (wrong != NULL) snprintf(why, room, "%s", wrong);
  if (wrong != NULL) json_decref(line);
  if (line == NULL || wrong != NULL) return false;
  if (json_array_append_new(s->lines, line) == 0) return true;
  snprintf(why, room, "out of memory");
  return false;
}

bool script_load(script *s, const char *file, bool *missing, char *err,
                 size_t errlen) {
  char *text = NULL;
  size_t room = 0, number = 0;
  ssize_t n;
  char why[300];
  bool ok = true;
  FILE *f = fopen(file, "re");
  *missing = f == NULL;
  if (f == NULL) {
    snprintf(err, errlen, "%s: %s", file, strerror(errno));
    return false;
  }
  s->lines = json_array();
  while (ok && (n = getline(&text, &room, f)) >= 0) {
    number++;
    ok = add_line(s, text, (size_t)n, why, sizeof why);
  }
  if (!ok) snprintf(err, errlen, "%s:%zu: %s", file, number, why);
  free(text);
  fclose(f);
  return ok;
}

/* --- running -------------------------------------------------------------- */

static void go_on(script *s);

static void run_line(script *s) {
  json_t *line = json_copy(current(s));
  uint64_t connection = s->connection;
  s->next++;
  s->connection = 0;
  json_object_del(line, "when");
  json_object_del(line, "after_ms");
  peer_command(s->peer, line, connection);
  json_decref(line);
}

static void time_over(uv_timer_t *t) {
  script *s = t->data;
  run_line(s);
  go_on(s);
}

/* What the line waited for is there, or it waited for nothing. */
static bool due(script *s) {
  uint64_t ms =
      (uint64_t)json_integer_value(json_object_get(current(s), "after_ms"));
  if (ms == 0) return true;
  uv_timer_start(&s->timer, time_over, ms, 0);
  return false;
}

static void go_on(script *s) {
  while (s->running && current(s) != NULL && awaited(s) == NULL) {
    if (!due(s)) return;
    run_line(s);
  }
}

void script_event(script *s, const json_t *event) {
  const char *name = json_string_value(json_object_get(event, "event"));
  if (!s->running || current(s) == NULL || awaited(s) == NULL ||
      uv_is_active((uv_handle_t *)&s->timer) || strcmp(awaited(s), name) != 0)
    return;
  s->connection =
      (uint64_t)json_integer_value(json_object_get(event, "connection"));
  if (!due(s)) return;
  run_line(s);
  go_on(s);
}

void script_start(script *s, peer *p, uv_loop_t *loop) {
  s->peer = p;
  s->running = true;
  uv_timer_init(loop, &s->timer);
  s->timer.data = s;
  go_on(s);
}

void script_stop(script *s) {
  if (!s->running) return;
  s->running = false;
  uv_close((uv_handle_t *)&s->timer, NULL);
}

void script_free(script *s) {
  json_decref(s->lines);
}
