/* SPDX-License-Identifier: Apache-2.0 */
#include "base/retry_after.h"

#include <stdbool.h>
#include <string.h>

#include "base/str.h"

/* A cursor over a date; `ok` falls once and stays down. */
typedef struct cursor {
  opamp_str rest;
  bool ok;
} cursor;

typedef struct date {
  int64_t year, month, day, hour, minute, second;
} date;

static void expect(cursor *c, const char *text) {
  size_t n = strlen(text);
  if (c->ok && c->rest.len >= n && memcmp(c->rest.ptr, text, n) == 0) {
    c->rest.ptr += n;
    c->rest.len -= n;
  } else {
    c->ok = false;
  }
}

/* Exactly n digits, no larger than max. */
static int64_t number(cursor *c, size_t n, int64_t max) {
  uint64_t v = 0;
  opamp_str digits = {c->rest.ptr, n};
  if (!c->ok || c->rest.len < n || !opamp__str_to_u64(digits, &v) ||
      (int64_t)v > max) {
    c->ok = false;
    return 0;
  }
  c->rest.ptr += n;
  c->rest.len -= n;
  return (int64_t)v;
}

/* One of `n` names; returns which. */
static int64_t word(cursor *c, const char *const *names, int n) {
  for (int i = 0; i < n && c->ok; i++) {
    cursor trial = *c;
    expect(&trial, names[i]);
    if (trial.ok) {
      *c = trial;
      return i;
    }
  }
  c->ok = false;
  return 0;
}

static int64_t month(cursor *c) {
  static const char *const names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return word(c, names, 12) + 1;
}

static void time_of_day(cursor *c, date *d) {
  d->hour = number(c, 2, 23);
  expect(c, ":");
  d->minute = number(c, 2, 59);
  expect(c, ":");
  d->second = number(c, 2, 60); /* a leap second is allowed */
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool imf_fixdate(opamp_str s, date *d) {
  static const char *const days[] = {"Sun", "Mon", "Tue", "Wed",
                                     "Thu", "Fri", "Sat"};
  cursor c = {s, true};
  word(&c, days, 7);
  expect(&c, ", ");
  d->day = number(&c, 2, 31);
  expect(&c, " ");
  d->month = month(&c);
  expect(&c, " ");
  d->year = number(&c, 4, 9999);
  expect(&c, " ");
  time_of_day(&c, d);
  expect(&c, " GMT");
  return c.ok && c.rest.len == 0;
}

/* The year that a Gregorian day since 1970 falls in is not far from this. */
static int64_t about_year(int64_t unix_s) {
  return 1970 + unix_s / 31556952;
}

/* Sunday, 06-Nov-94 08:49:37 GMT; a year more than 50 years ahead is in the
 * past (RFC 9110 §5.6.7). */
static bool rfc850(opamp_str s, int64_t now_s, date *d) {
  static const char *const days[] = {"Sunday",    "Monday",   "Tuesday",
                                     "Wednesday", "Thursday", "Friday",
                                     "Saturday"};
  cursor c = {s, true};
  word(&c, days, 7);
  expect(&c, ", ");
  d->day = number(&c, 2, 31);
  expect(&c, "-");
  d->month = month(&c);
  expect(&c, "-");
  d->year = number(&c, 2, 99);
  expect(&c, " ");
  time_of_day(&c, d);
  expect(&c, " GMT");
  int64_t now = about_year(now_s);
  d->year += now / 100 * 100;
  if (d->year > now + 50) d->year -= 100;
  return c.ok && c.rest.len == 0;
}

/* Sun Nov  6 08:49:37 1994 */
static bool asctime_date(opamp_str s, date *d) {
  static const char *const days[] = {"Sun", "Mon", "Tue", "Wed",
                                     "Thu", "Fri", "Sat"};
  cursor c = {s, true};
  word(&c, days, 7);
  expect(&c, " ");
  d->month = month(&c);
  expect(&c, " ");
  if (c.ok && c.rest.len > 0 && c.rest.ptr[0] == ' ') {
    expect(&c, " ");
    d->day = number(&c, 1, 9);
  } else {
    d->day = number(&c, 2, 31);
  }
  expect(&c, " ");
  time_of_day(&c, d);
  expect(&c, " ");
  d->year = number(&c, 4, 9999);
  return c.ok && c.rest.len == 0;
}

/* Days from 1970-01-01, counting years from March so that the leap day is the
 * last of its year. */
static int64_t days_from_epoch(const date *d) {
  int64_t year = d->year - (d->month <= 2);
  int64_t from_march = (d->month + 9) % 12;
  int64_t era = year / 400, year_of_era = year % 400;
  int64_t day_of_year = (153 * from_march + 2) / 5 + d->day - 1;
  int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

static bool day_exists(const date *d) {
  static const int8_t lengths[] = {31, 28, 31, 30, 31, 30,
                                   31, 31, 30, 31, 30, 31};
  bool leap = d->year % 4 == 0 && (d->year % 100 != 0 || d->year % 400 == 0);
  int64_t n = lengths[d->month - 1] + (d->month == 2 && leap);
  return d->day >= 1 && d->day <= n;
}

static bool all_digits(opamp_str s) {
  for (size_t i = 0; i < s.len; i++)
    if (s.ptr[i] < '0' || s.ptr[i] > '9') return false;
  return s.len > 0;
}

int64_t opamp__retry_after_ms(opamp_str value, int64_t unix_now_s) {
  date d = {0};
  uint64_t seconds;
  opamp_str s = opamp__str_trim(value);
  if (all_digits(s)) {
    bool small = opamp__str_to_u64(s, &seconds) && seconds <= INT64_MAX / 1000;
    return small ? (int64_t)seconds * 1000 : INT64_MAX;
  }
  if (!imf_fixdate(s, &d) && !rfc850(s, unix_now_s, &d) && !asctime_date(s, &d))
    return -1;
  if (!day_exists(&d)) return -1;
  int64_t at =
      days_from_epoch(&d) * 86400 + d.hour * 3600 + d.minute * 60 + d.second;
  return at > unix_now_s ? (at - unix_now_s) * 1000 : 0;
}
