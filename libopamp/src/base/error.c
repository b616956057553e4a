/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { TEXT_MAX = 512 };

static _Thread_local char text[TEXT_MAX];

/* The length of the character at `p`, 0 when there is none. */
static size_t character(const char *p) {
  unsigned char first = (unsigned char)*p;
  size_t n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  return strnlen(p, n) == n && opamp__utf8_valid((const uint8_t *)p, n) ? n : 0;
}

/* One line of UTF-8, whatever a server or a file name put into it, and
 * wherever it was cut: whoever passes it on must not be refused for that. */
static void flatten(void) {
  for (char *p = text; *p != '\0';) {
    size_t n = character(p);
    if (n == 0) *p = '?';
    if (n == 1 && ((unsigned char)*p < 0x20 || *p == 0x7f)) *p = ' ';
    p += n == 0 ? 1 : n;
  }
}

opamp_status opamp__fail(opamp_status s, const char *fmt, ...) {
  char line[TEXT_MAX]; /* an argument may be the present text */
  va_list args;
  va_start(args, fmt);
  if (vsnprintf(line, sizeof line, fmt, args) < 0) line[0] = '\0';
  va_end(args);
  snprintf(text, sizeof text, "%s", line);
  flatten();
  return s;
}

opamp_status opamp__nomem(void) {
  return opamp__fail(OPAMP_ERR_NOMEM, "out of memory");
}

const char *opamp_errmsg(void) {
  return text;
}
