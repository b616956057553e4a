/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_FUZZ_PIECES_H
#define OPAMP_TESTS_FUZZ_PIECES_H

#include "fuzz.h"
#include "peer_feed.h"

/* Feeds the bytes in pieces of `size` and then of less and less, or as a whole
 * when that is 0. */
void fuzz_pieces(peer_feeder feed, void *parser, tool_buf *notes,
                 opamp_bytes bytes, size_t size);

/* Two rows of notes are the same; frees them. */
void fuzz_same(tool_buf *a, tool_buf *b);

#endif
