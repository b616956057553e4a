/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_BUF_H
#define OPAMP_TOOLS_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that grow. Zero-initialise it. When memory runs out `failed` is set
 * and stays set, and nothing is added any more: a caller adds all it has and
 * asks once. */
typedef struct tool_buf {
  uint8_t *ptr;
  size_t len;
  size_t room;
  bool failed;
} tool_buf;

void tool_buf_add(tool_buf *b, const void *bytes, size_t n);
void tool_buf_text(tool_buf *b, const char *text);
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void tool_buf_printf(tool_buf *b, const char *fmt, ...);

/* Room for n more bytes at ptr + len; NULL when there is none. */
uint8_t *tool_buf_reserve(tool_buf *b, size_t n);

/* Removes the first n bytes. */
void tool_buf_drop(tool_buf *b, size_t n);

/* Makes it empty and keeps the memory; `failed` is cleared. */
void tool_buf_clear(tool_buf *b);
void tool_buf_free(tool_buf *b);

#endif
