/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

enum { TEXT_MAX = 512 };

static _Thread_local char text[TEXT_MAX];

/* One line, whatever a server or a file name put into it. */
static void flatten(void) {
  for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++)
    if (*p < 0x20 || *p == 0x7f) *p = ' ';
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
