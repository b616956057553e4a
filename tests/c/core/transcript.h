/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_TRANSCRIPT_H
#define OPAMP_TESTS_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>

/* A transcript is the life of one core: what goes in at which virtual time, and
 * everything that comes out. README.md beside the transcripts explains the
 * text; it is enough to read one of them. */

typedef struct transcript {
  const char *file;
  char *name;
  char **lines; /* with `first_line` the number of the first one */
  size_t len;
  size_t first_line;
} transcript;

/* All transcripts of a file; the count, or -1 when it cannot be read. */
long transcript_load(const char *path, transcript **out);
void transcript_free(transcript *list, size_t n);

/* How to play. */
typedef struct transcript_mode {
  bool loose;        /* only invariants and memory; expectations do not count */
  size_t fail_after; /* the n-th allocation of the core fails, 0 none */
  bool doubled;      /* every message of the server arrives twice */
} transcript_mode;

/* Plays one. False when something did not go as written, which is said on
 * stderr with file and line. */
bool transcript_play(const transcript *t, const transcript_mode *mode);

#endif
