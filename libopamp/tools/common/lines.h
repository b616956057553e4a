/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_LINES_H
#define OPAMP_TOOLS_LINES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

/* JSON lines: one object per line, both ways. */

/* Room for the largest message, 64 MiB, in base64. */
enum { TOOL_LINE_MAX = 96 * 1024 * 1024 };

/* Asked while the reader of a descriptor takes nothing: true gives up. */
typedef bool (*tool_give_up)(void *user_data);

/* Writes all of it. A reader that has stopped reading must not keep the program
 * from its signals: `give_up`, which may be NULL, is asked ten times a second
 * meanwhile, and a signal that is caught ends the wait too. False with errno
 * (EINTR: given up). */
bool tool_write(int fd, const char *text, size_t len, tool_give_up give_up,
                void *user_data);

/* Writes `object` as one line, like tool_write. */
bool tool_line_write(int fd, const json_t *object, tool_give_up give_up,
                     void *user_data);

/* Input in pieces. Zero-initialise it; tool_buf_free(&reader.rest). */
typedef struct tool_lines {
  tool_buf rest;
  bool skipping; /* inside a line that is too long */
} tool_lines;

/* A line without its line feed, NUL-terminated; NULL: one that was too long. */
typedef void (*tool_line_cb)(void *user_data, const char *line, size_t len);

/* Calls back for every line that `bytes` completes, an empty one too.
 * tool_lines_end does so for a last one without a line feed. */
void tool_lines_feed(tool_lines *r, const void *bytes, size_t n,
                     tool_line_cb on_line, void *user_data);
void tool_lines_end(tool_lines *r, tool_line_cb on_line, void *user_data);

/* The object of a line, or NULL with what and where in `err`. Keys given twice
 * are errors. */
json_t *tool_line_parse(const char *line, size_t len, char *err, size_t errlen);

/* The "id" of a line that tool_line_parse refused, as far as it can be read; a
 * new reference or NULL. */
json_t *tool_line_id(const char *line, size_t len);

#endif
