/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

/* main() of a target without libFuzzer: runs it once over each file named, and
 * over each file of the directories named. */

static int ran;

static void run_file(const char *path) {
  enum { PIECE = 4096 };
  uint8_t *bytes = NULL;
  size_t n = 0, got;
  FILE *f = fopen(path, "rb");
  if (f == NULL) fuzz_fail(path, 0, "can be read");
  do {
    bytes = realloc(bytes, n + PIECE);
    if (bytes == NULL) fuzz_fail(path, 0, "there is memory");
    got = fread(bytes + n, 1, PIECE, f);
    n += got;
  } while (got > 0);
  fclose(f);
  LLVMFuzzerTestOneInput(bytes, n);
  free(bytes);
  ran++;
}

static int is_seed(const struct dirent *d) {
  return d->d_name[0] != '.';
}

static void run_path(const char *path) {
  char file[4096];
  struct dirent **list;
  int n = scandir(path, &list, is_seed, alphasort);
  if (n < 0) {
    run_file(path);
    return;
  }
  for (int i = 0; i < n; i++) {
    snprintf(file, sizeof file, "%s/%s", path, list[i]->d_name);
    run_file(file);
    free(list[i]);
  }
  free(list);
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) run_path(argv[i]);
  printf("%d inputs\n", ran);
  return ran == 0;
}
