/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_LINES_H
#define OPAMP_TOOLS_LINES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/buf.h"

/* JSON lines: one object per line, both ways. */

/* Room for the largest message, 64 MiB, in base64. */
enum { TOOL_LINE_MAX = 96 * 1024 * 1024 };

/* Writes `object` as one line and flushes. False when it could not be
 * written. */
bool tool_line_write(FILE *out, const json_t *object);

/* Input in pieces. Zero-initialise it; tool_buf_free(&reader.rest). */
typedef struct tool_lines {
  tool_buf rest;
  bool skipping; /* inside a line that is too long */
} tool_lines;

/* A line without its line feed, NUL-terminated; NULL: one that was too long. */
typedef void (*tool_line_cb)(void *user_data, const char *line, size_t len);

/* Calls back for every line that `bytes` completes; empty lines are skipped.
 * tool_lines_end does so for a last one without a line feed. */
void tool_lines_feed(tool_lines *r, const void *bytes, size_t n,
                     tool_line_cb on_line, void *user_data);
void tool_lines_end(tool_lines *r, tool_line_cb on_line, void *user_data);

/* The object of a line, or NULL with what and where in `err`. Keys given twice
 * are errors. */
json_t *tool_line_parse(const char *line, size_t len, char *err, size_t errlen);

#endif
