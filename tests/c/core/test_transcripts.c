/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "transcript.h"

/* Plays transcripts: all of a directory, or the files named.
 *
 *   test_transcripts [--all|--memory|--doubled] [-k text] FILE|DIR…
 *
 * --memory plays each again and again with the n-th allocation failing, for
 * every n there is; --doubled with each message of the server arriving twice.
 * In both only the invariants count, and that nothing crashes or leaks. */

static const char *only;
static int played, failed;

static bool play_failing(const transcript *t) {
  transcript_mode count = {.loose = true};
  bool ok = true;
  size_t before = opamp__mem_count(), n;
  (void)transcript_play(t, &count);
  n = opamp__mem_count() - before;
  for (size_t i = 1; i <= n; i++) {
    transcript_mode mode = {.loose = true, .fail_after = i};
    ok = transcript_play(t, &mode) && ok;
  }
  return ok;
}

static void play(const transcript *t, const char *how) {
  transcript_mode mode = {0};
  bool ok;
  if (only != NULL && strstr(t->name, only) == NULL) return;
  if (strcmp(how, "--memory") == 0) {
    ok = play_failing(t);
  } else {
    mode.loose = mode.doubled = strcmp(how, "--doubled") == 0;
    ok = transcript_play(t, &mode);
  }
  printf("%s %s\n", ok ? "ok  " : "FAIL", t->name);
  played++;
  if (!ok) failed++;
}

static void play_file(const char *path, const char *how) {
  transcript *list;
  long n = transcript_load(path, &list);
  if (n < 0) {
    fprintf(stderr, "%s: cannot be read\n", path);
    failed++;
    return;
  }
  for (long i = 0; i < n; i++) play(&list[i], how);
  transcript_free(list, (size_t)n);
}

static int is_txt(const struct dirent *d) {
  size_t n = strlen(d->d_name);
  return n > 4 && strcmp(d->d_name + n - 4, ".txt") == 0;
}

static void play_path(const char *path, const char *how) {
  struct dirent **list;
  char file[4096];
  int n = scandir(path, &list, is_txt, alphasort);
  if (n < 0) {
    play_file(path, how);
    return;
  }
  for (int i = 0; i < n; i++) {
    snprintf(file, sizeof file, "%s/%s", path, list[i]->d_name);
    play_file(file, how);
    free(list[i]);
  }
  free(list);
}

int main(int argc, char **argv) {
  const char *how = "--all";
  for (int i = 1; i < argc; i++) {
    if (strncmp(argv[i], "--", 2) == 0)
      how = argv[i];
    else if (strcmp(argv[i], "-k") == 0 && i + 1 < argc)
      only = argv[++i];
    else
      play_path(argv[i], how);
  }
  printf("%d of %d transcripts played as written\n", played - failed, played);
  return failed > 0 || played == 0;
}
