/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/human.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/lines.h"

static const char *text(const json_t *event, const char *key) {
  const char *s = json_string_value(json_object_get(event, key));
  return s != NULL ? s : "";
}

static long long number(const json_t *event, const char *key) {
  return (long long)json_integer_value(json_object_get(event, key));
}

static void message(FILE *out, const json_t *event) {
  const json_t *m = json_object_get(event, "message");
  if (m != NULL)
    json_dumpf(m, out, JSON_COMPACT);
  else
    fprintf(out, "%lld bytes", number(event, "bytes"));
}

static void what(FILE *out, const char *name, const json_t *event) {
  if (strcmp(name, "connected") == 0) {
    fprintf(out, "connected: %s %s", text(event, "transport"),
            text(event, "path"));
    const json_t *tls = json_object_get(event, "tls");
    const json_t *cert = json_object_get(tls, "client_certificate");
    if (cert != NULL)
      fprintf(out, ", certificate of %s", text(cert, "subject"));
  } else if (strcmp(name, "message") == 0) {
    fputs("<- ", out);
    message(out, event);
  } else if (strcmp(name, "sent") == 0) {
    fputs("-> ", out);
    message(out, event);
  } else if (strcmp(name, "closed") == 0) {
    bool clean = json_is_true(json_object_get(event, "clean"));
    fputs("closed", out);
    if (number(event, "code") != 0)
      fprintf(out, " %lld", number(event, "code"));
    fprintf(out, "%s %s", clean ? "" : ", not clean", text(event, "message"));
  } else if (strcmp(name, "refused") == 0) {
    fprintf(out, "answered %s with status %lld", text(event, "path"),
            number(event, "http_status"));
  } else if (strcmp(name, "result") == 0) {
    bool ok = json_is_true(json_object_get(event, "ok"));
    fprintf(out, "%s%s", ok ? "ok" : "refused: ", text(event, "message"));
  } else {
    fprintf(out, "%s: %s", name, text(event, "message"));
  }
}

static void line(FILE *out, const json_t *event) {
  const char *name = text(event, "event");
  if (strcmp(name, "listening") == 0) {
    fputs(text(event, "address"), out);
  } else {
    fprintf(out, "%8.3f ", (double)number(event, "t_ms") / 1000);
    if (number(event, "connection") != 0)
      fprintf(out, "#%lld ", number(event, "connection"));
    what(out, name, event);
  }
  putc('\n', out);
}

bool human_write(int fd, const json_t *event) {
  char *bytes = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&bytes, &len);
  if (out == NULL) return false;
  line(out, event);
  bool ok = !ferror(out);
  ok = fclose(out) == 0 && ok && tool_write(fd, bytes, len, NULL, NULL);
  free(bytes);
  return ok;
}
