/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_PEER_STREAM_H
#define OPAMP_TOOLS_PEER_STREAM_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "opamp/types.h"

/* One accepted TCP connection, plain or TLS, as a stream of bytes on a libuv
 * loop. All functions may be called inside the callbacks: the stream goes away
 * only after on_closed, and that never comes inside a call. */
typedef struct stream stream;

typedef struct stream_handler {
  void (*on_data)(void *user_data, const uint8_t *bytes, size_t n);
  /* Once, last: `error` is NULL when the stream ended in good order. */
  void (*on_closed)(void *user_data, const char *error);
} stream_handler;

/* Takes a waiting connection of `listener` and reads from it. `tls` may be
 * NULL. NULL when there is no memory, or nothing to accept. */
stream *stream_accept(uv_stream_t *listener, SSL_CTX *tls,
                      const stream_handler *handler, void *user_data);

/* Sends a copy of the bytes. */
void stream_write(stream *s, opamp_bytes bytes);

/* Its TLS state, NULL when it is plain. Borrowed. */
const SSL *stream_tls(const stream *s);

/* Stops and continues reading. */
void stream_pause(stream *s, bool paused);

/* Sends what waits, then the end of the stream, and gives the other side a
 * moment to end it too; what it still sends is dropped. */
void stream_finish(stream *s);

/* Ends it at once with a TCP reset. */
void stream_reset(stream *s);

#endif
