/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transcript.h"

static void trim_end(char *s) {
  size_t n = strlen(s);
  while (n > 0 && (s[n - 1] == '\n' || s[n - 1] == ' ')) s[--n] = '\0';
}

static void begin(transcript **list, size_t *n, const char *path,
                  const char *name, size_t line) {
  *list = realloc(*list, (*n + 1) * sizeof **list);
  (*list)[*n] = (transcript){.file = path, .first_line = line};
  (*list)[*n].name = strdup(name);
  (*n)++;
}

static void add(transcript *t, const char *line) {
  t->lines = realloc(t->lines, (t->len + 1) * sizeof *t->lines);
  t->lines[t->len++] = strdup(line);
}

long transcript_load(const char *path, transcript **out) {
  FILE *f = fopen(path, "r");
  char *line = NULL;
  size_t cap = 0, n = 0, number = 0;
  *out = NULL;
  if (f == NULL) return -1;
  while (getline(&line, &cap, f) >= 0) {
    number++;
    trim_end(line);
    if (strncmp(line, "=== ", 4) == 0)
      begin(out, &n, path, line + 4, number + 1);
    else if (n > 0)
      add(&(*out)[n - 1], line);
  }
  free(line);
  fclose(f);
  return (long)n;
}

void transcript_free(transcript *list, size_t n) {
  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < list[i].len; k++) free(list[i].lines[k]);
    free(list[i].lines);
    free(list[i].name);
  }
  free(list);
}
