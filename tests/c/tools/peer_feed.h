/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_PEER_FEED_H
#define OPAMP_TESTS_PEER_FEED_H

#include <stdbool.h>

#include "common/buf.h"

/* The parsers of opamp-peer as readers that take a piece and note what they
 * find, so that two ways of cutting the same bytes can be compared. False: it
 * is done, the bytes are bad. */
typedef bool (*peer_feeder)(void *parser, tool_buf *notes,
                            const uint8_t *bytes, size_t n);

/* The parser is an http1. */
bool peer_feed_http(void *parser, tool_buf *notes, const uint8_t *bytes,
                    size_t n);
/* The parser is a ws_reader. */
bool peer_feed_ws(void *parser, tool_buf *notes, const uint8_t *bytes,
                  size_t n);

#endif
