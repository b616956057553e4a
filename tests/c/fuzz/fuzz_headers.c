/* SPDX-License-Identifier: Apache-2.0 */
/* What headers hold. The first byte chooses: 0 a Retry-After as a server writes
 * it, 1 a time, which is written in every form and must be read again, others
 * a list of headers, a line for each name and each value. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/headers.h"
#include "base/retry_after.h"
#include "base/str.h"
#include "fuzz.h"

static const int64_t now_s = 1800000000; /* in January 2027 */

/* --- Retry-After ---------------------------------------------------------- */

static int64_t expected(int64_t at_s) {
  return at_s > now_s ? (at_s - now_s) * 1000 : 0;
}

/* Everything that is read as a date is one for the C library, and the same. */
static void check_date(const char *text, int64_t ms) {
  static const char *const forms[] = {"%a, %d %b %Y %T GMT",
                                      "%A, %d-%b-%y %T GMT", "%a %b %e %T %Y"};
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    struct tm tm = {0};
    const char *end = strptime(text, forms[i], &tm);
    if (end == NULL || *end != '\0') continue;
    /* Its two digits mean 1969 to 2068, ours what is near. */
    if (i != 1) FUZZ_CHECK(ms == expected((int64_t)timegm(&tm)));
    return;
  }
  fuzz_fail(__FILE__, __LINE__, "what is read as a date is one");
}

static void read_value(opamp_bytes value) {
  uint8_t *exact = fuzz_exact(value);
  opamp_str s = {(const char *)exact, value.len};
  int64_t ms = opamp__retry_after_ms(s, now_s);
  char *text;
  s = opamp__str_trim(s);
  text = strndup(s.len > 0 ? s.ptr : "", s.len);
  FUZZ_CHECK(text != NULL && ms >= -1);
  if (ms >= 0) FUZZ_CHECK(strlen(text) == s.len && s.len > 0);
  if (ms >= 0 && strspn(text, "0123456789") == s.len)
    FUZZ_CHECK(ms == INT64_MAX ||
               (uint64_t)ms == 1000 * strtoull(text, NULL, 10));
  else if (ms >= 0)
    check_date(text, ms);
  free(text);
  free(exact);
}

static void write_time(uint64_t number) {
  enum { DAY = 86400, NEAR = 49 * 365 };
  static const char *const forms[] = {"%a, %d %b %Y %T GMT", "%a %b %e %T %Y",
                                      "%A, %d-%b-%y %T GMT"};
  /* From 1900 to 9900 or so. */
  int64_t days = (int64_t)(number / DAY % 2900000) - 25000;
  time_t at = (time_t)(days * DAY + (int64_t)(number % DAY));
  struct tm tm;
  FUZZ_CHECK(gmtime_r(&at, &tm) != NULL);
  for (int i = 0; i < 3; i++) {
    char text[64];
    size_t n = strftime(text, sizeof text, forms[i], &tm);
    if (i == 2 && llabs(days - now_s / DAY) > NEAR) break;
    FUZZ_CHECK(opamp__retry_after_ms((opamp_str){text, n}, now_s) ==
               expected((int64_t)at));
  }
}

/* --- headers -------------------------------------------------------------- */

static bool allowed_name(opamp_str name) {
  static const char token[] =
      "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
      "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  static const char *const ours[] = {"content-type",
                                     "content-length",
                                     "content-encoding",
                                     "transfer-encoding",
                                     "connection",
                                     "upgrade",
                                     "host",
                                     "opamp-instance-uid"};
  char text[64] = "";
  for (size_t i = 0; i < name.len; i++)
    if (memchr(token, name.ptr[i], sizeof token - 1) == NULL) return false;
  if (name.len > 0 && name.len < sizeof text) memcpy(text, name.ptr, name.len);
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
    if (strcasecmp(text, ours[i]) == 0) return false;
  return name.len > 0 &&
         (name.len < 14 || strncasecmp(name.ptr, "sec-websocket-", 14) != 0);
}

static bool allowed_value(opamp_str value) {
  for (size_t i = 0; i < value.len; i++) {
    uint8_t c = (uint8_t)value.ptr[i];
    if ((c < ' ' && c != '\t') || c == 127) return false;
  }
  return true;
}

static bool same(const char *text, opamp_str s) {
  return strlen(text) == s.len && (s.len == 0 || !memcmp(text, s.ptr, s.len));
}

static void add(opamp__headers *h, opamp_bytes name, opamp_bytes value) {
  uint8_t *exact_name = fuzz_exact(name), *exact_value = fuzz_exact(value);
  opamp_str n = {(const char *)exact_name, name.len};
  opamp_str v = {(const char *)exact_value, value.len};
  size_t len = h->len;
  bool added = opamp__headers_add(h, n, v) == OPAMP_OK;
  FUZZ_CHECK(added == (allowed_name(n) && allowed_value(v)));
  FUZZ_CHECK(h->len == len + added);
  if (added)
    FUZZ_CHECK(same(h->list[len].name, n) && same(h->list[len].value, v));
  free(exact_value);
  free(exact_name);
}

static void read_list(fuzz_in *in) {
  opamp__headers h = {NULL, 0}, copy = {NULL, 0};
  while (in->p < in->end) {
    opamp_bytes name = fuzz_line(in), value = fuzz_line(in);
    add(&h, name, value);
  }
  FUZZ_CHECK(opamp__headers_copy(&copy, &h) == OPAMP_OK && copy.len == h.len);
  for (size_t i = 0; i < h.len; i++) {
    FUZZ_CHECK(strcmp(copy.list[i].name, h.list[i].name) == 0);
    FUZZ_CHECK(strcmp(copy.list[i].value, h.list[i].value) == 0);
  }
  opamp__headers_free(&copy);
  opamp__headers_free(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  fuzz_in in = {bytes, bytes + n};
  switch (fuzz_byte(&in)) {
    case 0:
      read_value(fuzz_rest(&in));
      break;
    case 1:
      write_time(fuzz_varint(&in));
      break;
    default:
      read_list(&in);
      break;
  }
  return 0;
}
