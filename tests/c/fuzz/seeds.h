/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_SEEDS_H
#define OPAMP_TESTS_SEEDS_H

#include "base/buf.h"

/* The seed corpus: what the fuzzer begins with. Nothing of it is kept in the
 * repository; it is made of the transcripts and of a few texts. */

/* Writes DIR/target/<digest of the bytes>. */
void seeds_write(const char *target, const void *bytes, size_t n);

/* seeds_core.c: plays the transcripts of a directory. Each becomes a seed of
 * `core`, and each message in them, with all its sub-messages, one of `wire`.
 * False when one does not go as written. */
bool seeds_of_transcripts(const char *dir);

#endif
