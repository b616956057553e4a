/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of JSON to opamp-agent's standard input, with a client that is not
 * started. Each gets one result, and one that is refused changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/command.h"
#include "common/lines.h"
#include "fuzz.h"

/* The linker puts this in the place of what prints (--wrap). */
void __wrap_out_print(agent *a, json_t *line);

static json_t *printed;

void __wrap_out_print(agent *a, json_t *line) {
  char *text = json_dumps(line, JSON_COMPACT);
  FUZZ_CHECK(text != NULL && printed == NULL && a != NULL);
  free(text);
  printed = line;
}

/* In the place of main.c. */
void agent_stop(agent *a, bool disconnect) {
  (void)disconnect;
  a->stopping = true;
}

void agent_fail(agent *a, const char *fmt, ...) {
  (void)a;
  fuzz_fail(__FILE__, __LINE__, fmt);
}

static const char *member(const char *key) {
  return json_string_value(json_object_get(printed, key));
}

static void check_result(const char *line, size_t len) {
  json_t *id = line != NULL ? tool_line_id(line, len) : NULL;
  const json_t *ok = json_object_get(printed, "ok");
  FUZZ_CHECK(strcmp(member("event"), "result") == 0 && json_is_boolean(ok));
  FUZZ_CHECK(json_is_true(ok) || member("error") != NULL);
  FUZZ_CHECK(json_is_true(ok) || strlen(member("message")) > 0);
  /* In a line that is no object nothing is looked for. */
  if (json_is_true(ok) && id != NULL)
    FUZZ_CHECK(json_equal(json_object_get(printed, "id"), id));
  json_decref(id);
}

static void on_line(void *user_data, const char *line, size_t len) {
  agent *a = user_data;
  uint64_t before = opamp_client_undelivered(a->client);
  bool stopping = a->stopping;
  command_run(a, line, len);
  FUZZ_CHECK(printed != NULL);
  check_result(line, len);
  const json_t *ok = json_object_get(printed, "ok");
  bool batch = line != NULL && strstr(line, "batch") != NULL;
  if (!json_is_true(ok) && !batch) {
    FUZZ_CHECK(opamp_client_undelivered(a->client) == before);
    FUZZ_CHECK(a->stopping == stopping);
  }
  json_decref(printed);
  printed = NULL;
}

static void set_up(agent *a) {
  static char name[] = "opamp-agent", json[] = "--json";
  static char bare[] = "--no-default-attributes", url[] = "ws://127.0.0.1:1";
  char *args[] = {name, json, bare, url};
  FUZZ_CHECK(agent_options_parse(&a->options, 4, args) < 0);
  FUZZ_CHECK(opamp_loop_new(&a->loop, 1) == OPAMP_OK);
  FUZZ_CHECK(opamp_client_new(&a->client, a->loop,
                              a->options.connection.library) == OPAMP_OK);
  a->own_description = true;
  a->headers = headers_new(a);
  FUZZ_CHECK(a->headers != NULL);
}

static void tear_down(agent *a) {
  headers_free(a->headers);
  opamp_client_free(a->client);
  opamp_loop_free(a->loop);
  json_decref(a->declared);
  agent_options_free(&a->options);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  static const char state[] = "{\"command\":\"state\"}";
  agent a = {0};
  tool_lines lines = {0};
  set_up(&a);
  tool_lines_feed(&lines, bytes, n / 2, on_line, &a);
  tool_lines_feed(&lines, bytes + n / 2, n - n / 2, on_line, &a);
  tool_lines_end(&lines, on_line, &a);
  on_line(&a, state, sizeof state - 1);
  tear_down(&a);
  return 0;
}
