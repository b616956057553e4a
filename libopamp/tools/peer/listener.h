/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_PEER_LISTENER_H
#define OPAMP_TOOLS_PEER_LISTENER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <uv.h>

/* The listening socket, which can be made to refuse connections for a while
 * and keeps its port meanwhile. */

enum { LISTENER_ADDRESS = 64 };

typedef struct listener {
  uv_loop_t *loop;
  uv_tcp_t *tcp;
  struct sockaddr_storage address;
  bool accepting;
  void (*on_connection)(void *user_data, uv_stream_t *from);
  void *user_data;
} listener;

/* Whether it has the form of an address. */
bool listener_is_address(const char *host_port);

/* Binds to "HOST:PORT" ("[::1]:PORT" for IPv6; port 0: any free one) and
 * listens. loop, on_connection and user_data are set by the caller. False
 * with `err`. */
bool listener_open(listener *l, const char *host_port, char *err,
                   size_t errlen);

/* False: connections are refused until it is called with true. */
bool listener_accept(listener *l, bool on, char *err, size_t errlen);

/* "127.0.0.1:4320". */
void listener_address(const listener *l, char out[LISTENER_ADDRESS]);

void listener_close(listener *l);

/* A server's TLS context from PEM files, without asking for a passphrase. NULL
 * with `err`. */
SSL_CTX *listener_tls(const char *cert, const char *key, char *err,
                      size_t errlen);

/* The other side is asked for a certificate signed by an authority of the file,
 * and must have one unless `optional`. False with `err`. */
bool listener_client_ca(SSL_CTX *ctx, const char *file, bool optional,
                        char *err, size_t errlen);

#endif
