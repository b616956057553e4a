/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/confignames.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

enum { DEPTH_MAX = 64, COMPONENT_MAX = 255 };

/* --- in error texts ------------------------------------------------------- */

/* A name as an error text may hold it: short, printable, whole characters. */
enum { SHOWN = 120 };

static const char *shown(opamp_str name, char buf[SHOWN + 4]) {
  size_t n = name.len < SHOWN ? name.len : SHOWN;
  while (n < name.len && n > 0 && ((uint8_t)name.ptr[n] & 0xC0) == 0x80) n--;
  for (size_t i = 0; i < n; i++) {
    uint8_t c = (uint8_t)name.ptr[i];
    buf[i] = c < 0x20 || c == 0x7F ? '?' : name.ptr[i];
  }
  strcpy(buf + n, n < name.len ? "..." : "");
  return opamp__utf8_valid((const uint8_t *)buf, strlen(buf)) ? buf : "?";
}

opamp_status opamp__name_refuse(opamp_str name, const char *why) {
  char buf[SHOWN + 4];
  return opamp__fail(OPAMP_ERR_INVALID, "configuration object \"%s\": %s",
                     shown(name, buf), why);
}

opamp_status opamp__name_fail(int error, const char *what, const char *name) {
  char buf[SHOWN + 4];
  return opamp__fail(error == ENOMEM ? OPAMP_ERR_NOMEM : OPAMP_ERR_IO,
                     "%s %s: %s", what, shown(opamp__str(name), buf),
                     strerror(error));
}

/* --- which are refused ---------------------------------------------------- */

static const char *bad_component(const char *c, size_t n) {
  if (n == 0) return "empty path component";
  if (n > COMPONENT_MAX) return "path component longer than 255 bytes";
  if (n == 2 && memcmp(c, "..", 2) == 0) return "\"..\" in the path";
  if (n == 1 && *c == '.') return "\".\" in the path";
  return NULL;
}

opamp_status opamp__name_path(opamp_str name, const char **out) {
  size_t depth = 0;
  *out = "config";
  if (name.len == 0) return OPAMP_OK;
  if (memchr(name.ptr, '\0', name.len) != NULL)
    return opamp__name_refuse(name, "NUL in the name");
  if (name.ptr[0] == '/') return opamp__name_refuse(name, "absolute path");
  for (const char *c = name.ptr, *end = name.ptr + name.len; c <= end;) {
    const char *slash = memchr(c, '/', (size_t)(end - c));
    const char *stop = slash != NULL ? slash : end;
    const char *why = bad_component(c, (size_t)(stop - c));
    if (why != NULL) return opamp__name_refuse(name, why);
    if (++depth > DEPTH_MAX)
      return opamp__name_refuse(name, "more than 64 components");
    c = stop + 1;
  }
  *out = name.ptr;
  return OPAMP_OK;
}

/* --- which are allowed ---------------------------------------------------- */

static const char *next_character(const char *s) {
  do s++;
  while (((uint8_t)*s & 0xC0) == 0x80);
  return s;
}

/* fnmatch(3) would depend on the locale, and knows no "**". Each kind of star
 * first takes nothing, and more when the rest does not fit; only the last one
 * of a kind can help, and a "**" makes every "*" before it a closed matter. */
bool opamp__name_matches(const char *p, const char *s) {
  const char *star_p = NULL, *star_s = NULL, *deep_p = NULL, *deep_s = NULL;
  for (;;) {
    if (p[0] == '*' && p[1] == '*') {
      while (*p == '*') p++;
      deep_p = p;
      deep_s = s;
      star_p = NULL;
    } else if (*p == '*') {
      star_p = ++p;
      star_s = s;
    } else if (*p == '\0' && *s == '\0') {
      return true;
    } else if (*p == '?' && *s != '\0' && *s != '/') {
      p++;
      s = next_character(s);
    } else if (*p != '\0' && *p == *s) {
      p++;
      s++;
    } else if (star_p != NULL && *star_s != '\0' && *star_s != '/') {
      p = star_p;
      s = ++star_s;
    } else if (deep_p != NULL && *deep_s != '\0') {
      p = deep_p;
      s = ++deep_s;
      star_p = NULL;
    } else {
      return false;
    }
  }
}
