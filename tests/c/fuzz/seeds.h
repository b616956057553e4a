/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_SEEDS_H
#define OPAMP_TESTS_SEEDS_H

#include "base/buf.h"
#include "core/core.h"

/* The seed corpus: what the fuzzer begins with. Nothing of it is kept in the
 * repository; it is made of the transcripts and of a few texts. */

/* Writes DIR/target/<digest of the bytes>. */
void seeds_write(const char *target, const void *bytes, size_t n);

/* seeds_core.c: plays the transcripts of a directory. Each becomes a seed of
 * `core`, and each message in them, with all its sub-messages, one of `wire`.
 * False when one does not go as written. */
bool seeds_of_transcripts(const char *dir);

/* seeds_answer.c: what a server sent, or how it ended, as its answer to a
 * transport: of `http_answer` or `ws_answer`. And some that no transcript has.
 */
void seeds_frame(const uint8_t *p, size_t n, bool websocket);
void seeds_closed(const opamp__in_closed *c, bool websocket);
void seeds_wild_answers(void);

#endif
