/* SPDX-License-Identifier: Apache-2.0 */
#include "common/lines.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- output --------------------------------------------------------------- */

/* A pipe that poll() calls writable takes PIPE_BUF bytes without blocking; it
 * is not made non-blocking, because others may share it. */
static bool wait_writable(int fd, tool_give_up give_up, void *user_data) {
  struct pollfd out = {fd, POLLOUT, 0};
  int n;
  while ((n = poll(&out, 1, 100)) == 0) {
    if (give_up == NULL || !give_up(user_data)) continue;
    errno = EINTR;
    return false;
  }
  return n > 0;
}

bool tool_write(int fd, const char *text, size_t len, tool_give_up give_up,
                void *user_data) {
  while (len > 0) {
    if (!wait_writable(fd, give_up, user_data)) return false;
    ssize_t n = write(fd, text, len < PIPE_BUF ? len : PIPE_BUF);
    if (n < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (n < 0) continue;
    text += n;
    len -= (size_t)n;
  }
  return true;
}

bool tool_line_write(int fd, const json_t *object, tool_give_up give_up,
                     void *user_data) {
  bool ok = false;
  tool_buf line = {0};
  char *text = json_dumps(object, JSON_COMPACT);
  tool_buf_text(&line, text != NULL ? text : "");
  tool_buf_add(&line, "\n", 1);
  errno = ENOMEM;
  if (text != NULL && !line.failed)
    ok = tool_write(fd, (const char *)line.ptr, line.len, give_up, user_data);
  free(text);
  tool_buf_free(&line);
  return ok;
}

/* --- input ---------------------------------------------------------------- */

static void line_done(tool_lines *r, tool_line_cb on_line, void *user_data) {
  bool bad = r->skipping || r->rest.failed;
  r->skipping = false;
  if (!bad && r->rest.len > 0 && r->rest.ptr[r->rest.len - 1] == '\r')
    r->rest.len--;
  // The line leaves the reader first, so that the callback may feed it.
  tool_buf line = r->rest;
  r->rest = (tool_buf){0};
  tool_buf_add(&line, "", 1);
  bad = bad || line.failed;
  on_line(user_data, bad ? NULL : (const char *)line.ptr,
          bad ? 0 : line.len - 1);
  tool_buf_free(&line);
}

void tool_lines_feed(tool_lines *r, const void *bytes, size_t n,
                     tool_line_cb on_line, void *user_data) {
  const char *p = bytes;
  while (n > 0) {
    const char *end = memchr(p, '\n', n);
    size_t k = end != NULL ? (size_t)(end - p) : n;
    if (k > TOOL_LINE_MAX - r->rest.len) {
      r->skipping = true;
      tool_buf_clear(&r->rest);
    }
    if (!r->skipping) tool_buf_add(&r->rest, p, k);
    if (end == NULL) break;
    line_done(r, on_line, user_data);
    p += k + 1;
    n -= k + 1;
  }
}

void tool_lines_end(tool_lines *r, tool_line_cb on_line, void *user_data) {
  if (r->rest.len > 0 || r->skipping) line_done(r, on_line, user_data);
  tool_buf_free(&r->rest);
}

json_t *tool_line_parse(const char *line, size_t len, char *err,
                        size_t errlen) {
  json_error_t e;
  json_t *j = json_loadb(line, len, JSON_REJECT_DUPLICATES, &e);
  if (j == NULL) {
    // "… near 'text'": that may be a secret.
    char *near = strstr(e.text, " near '");
    if (near != NULL) *near = '\0';
    snprintf(err, errlen, "not JSON: %s, column %d", e.text, e.column);
  } else if (!json_is_object(j)) {
    snprintf(err, errlen, "not a JSON object");
    json_decref(j);
    j = NULL;
  }
  return j;
}

json_t *tool_line_id(const char *line, size_t len) {
  json_t *j = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
  json_t *id = json_incref(json_object_get(j, "id"));
  json_decref(j);
  return id;
}
