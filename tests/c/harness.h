/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_HARNESS_H
#define OPAMP_TESTS_HARNESS_H

/* The test harness. A test program is any number of
 *
 *   TEST(name) { CHECK(…); CHECK_EQ(…, …); }
 *
 * and is linked with harness.c, which has main(): without arguments it runs
 * every test, with arguments those named, with --list it prints their names. A
 * failed check prints where and what, and ends that test only. */

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct harness_test {
  const char *name;
  void (*run)(void);
  struct harness_test *next;
} harness_test;

void harness_register(harness_test *t);
#if defined(__GNUC__)
__attribute__((noreturn, format(printf, 3, 4)))
#endif
void harness_fail(const char *file, int line, const char *fmt, ...);
void harness_check_str(const char *file, int line, const char *expr,
                       const char *got, const char *want);
void harness_check_mem(const char *file, int line, const char *expr,
                       const void *got, size_t got_len, const void *want,
                       size_t want_len);

/* The end of a forked child: no exit(), which would end the parent's business,
 * but what ran is counted for ./dev coverage. */
_Noreturn void harness_child_exit(int status);

/* The directory of the test sources, for data files. */
const char *harness_source_dir(void);

#define TEST(name)                                                     \
  static void test_##name(void);                                       \
  __attribute__((constructor)) static void register_##name(void) {     \
    static harness_test t = {#name, test_##name, NULL};                \
    harness_register(&t);                                              \
  }                                                                    \
  static void test_##name(void)

#define CHECK(cond)                                          \
  do {                                                       \
    if (!(cond)) harness_fail(__FILE__, __LINE__, "%s", #cond); \
  } while (0)

/* Integers. */
#define CHECK_EQ(got, want)                                               \
  do {                                                                    \
    long long got_ = (long long)(got), want_ = (long long)(want);         \
    if (got_ != want_)                                                    \
      harness_fail(__FILE__, __LINE__, "%s is %lld, not %lld", #got, got_, \
                   want_);                                                \
  } while (0)

/* NUL-terminated texts. */
#define CHECK_STR(got, want) \
  harness_check_str(__FILE__, __LINE__, #got, (got), (want))

#define CHECK_MEM(got, got_len, want, want_len)                        \
  harness_check_mem(__FILE__, __LINE__, #got, (got), (got_len), (want), \
                    (want_len))

#endif
