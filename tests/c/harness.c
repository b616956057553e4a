/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static harness_test *tests;
static jmp_buf escape;

void harness_register(harness_test *t) {
  harness_test **at = &tests;
  while (*at != NULL && strcmp((*at)->name, t->name) < 0) at = &(*at)->next;
  t->next = *at;
  *at = t;
}

void harness_fail(const char *file, int line, const char *fmt, ...) {
  va_list args;
  fprintf(stderr, "%s:%d: ", file, line);
  va_start(args, fmt);
  vfprintf(stderr, fmt, args);
  va_end(args);
  fputc('\n', stderr);
  longjmp(escape, 1);
}

void harness_check_str(const char *file, int line, const char *expr,
                       const char *got, const char *want) {
  if (got == NULL || strcmp(got, want) != 0)
    harness_fail(file, line, "%s is \"%s\", not \"%s\"", expr,
                 got == NULL ? "(null)" : got, want);
}

void harness_check_mem(const char *file, int line, const char *expr,
                       const void *got, size_t got_len, const void *want,
                       size_t want_len) {
  if (got_len != want_len)
    harness_fail(file, line, "%s has %zu bytes, not %zu", expr, got_len,
                 want_len);
  for (size_t i = 0; i < got_len; i++)
    if (((const uint8_t *)got)[i] != ((const uint8_t *)want)[i])
      harness_fail(file, line, "%s differs at byte %zu", expr, i);
}

extern void __gcov_dump(void) __attribute__((weak));

void harness_child_exit(int status) {
  if (__gcov_dump != NULL) __gcov_dump();
  _exit(status);
}

const char *harness_source_dir(void) {
  return TESTS_SOURCE_DIR;
}

static bool run(harness_test *t) {
  bool ok = setjmp(escape) == 0;
  if (ok) t->run();
  printf("%s %s\n", ok ? "ok  " : "FAIL", t->name);
  fflush(stdout);
  return ok;
}

static bool wanted(const harness_test *t, int argc, char **argv) {
  if (argc < 2) return true;
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], t->name) == 0) return true;
  return false;
}

int main(int argc, char **argv) {
  bool list = argc == 2 && strcmp(argv[1], "--list") == 0;
  int ran = 0, failed = 0;
  for (harness_test *t = tests; t != NULL; t = t->next) {
    if (list) {
      puts(t->name);
    } else if (wanted(t, argc, argv)) {
      ran++;
      if (!run(t)) failed++;
    }
  }
  if (list) return 0;
  printf("%d of %d tests passed\n", ran - failed, ran);
  return failed > 0 || ran == 0;
}
