/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { TEXT_MAX = 512 };

static _Thread_local char text[TEXT_MAX];

/* One line of UTF-8, whatever a server or a file name put into it, and
 * wherever it was cut: whoever passes it on must not be refused for that. */
static void flatten(void) {
  opamp__utf8_mend((uint8_t *)text, strlen(text));
  for (char *p = text; *p != '\0'; p++)
    if ((unsigned char)*p < 0x20 || *p == 0x7f) *p = ' ';
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
