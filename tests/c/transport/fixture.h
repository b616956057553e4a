/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TESTS_TRANSPORT_FIXTURE_H
#define OPAMP_TESTS_TRANSPORT_FIXTURE_H

#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/buf.h"
#include "harness.h"
#include "runtime/reactor_uv.h"
#include "transport/transport.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#endif

/* A loop with a transport on it. */
typedef struct world {
  opamp__reactor *reactor;
  opamp__transport *transport;
} world;

void world_open(world *w, uint32_t max_connections);
/* Checks that nothing is left in the loop. */
void world_close(world *w);

/* A server (peer.py) in a process of its own. */
typedef struct server {
  pid_t pid;
  int in;
  FILE *out;
  int port;
} server;

/* `role` and its options, NULL-terminated. */
void server_start(server *s, const char *role, ...);
/* The next line of it, which must begin so; without the beginning. */
const char *server_line(server *s, const char *beginning);
void server_stop(server *s);

/* A program's own directory with certificates (EC, made at first use): ca.pem
 * signed server.pem (localhost, 127.0.0.1, ::1), elsewhere.pem (another name),
 * expired.pem and client.pem, each with its .key; other.pem is an authority
 * that signed nothing. */
const char *cert_path(const char *name);
/* "name=/path/of/file" for server_start. */
const char *cert_option(const char *option, const char *name);

/* What a connection told its owner. */
typedef struct client {
  opamp__conn *conn; /* NULL: closed */
  int opened, frames, alive, written, closed;
  opamp__buf frame; /* the last one */
  opamp_status why;
  int http_status, close_code;
  char text[512], location[512], retry_after[128], body[256];
  /* What to do inside a call of the sink, and in which: 'o', 'f', 'a', 'w'. */
  char act_in;
  char act; /* 'a' abort, 'c' close, 's' send again */
  uint8_t *out;
  size_t out_len;
} client;

typedef struct target {
  const char *scheme; /* "ws" */
  const char *host;   /* "127.0.0.1" */
  int port;
  const char *path;
  opamp__tls *tls;
  size_t max_receive; /* 0: 1 MiB */
  bool compress, numeric_hosts;
  const opamp__headers *headers;
  const char *proxy; /* its URL; NULL: none */
  size_t fail_nth; /* allocation from open on that fails; 0: none */
} target;

/* A server of ours under its usual address. */
target at(const char *scheme, const server *s);
void client_open(client *c, world *w, const target *t);
opamp_status client_try_open(client *c, world *w, const target *t);
/* Sends a copy, which lives until the client is reset. */
void client_send(client *c, const void *p, size_t n);
void client_send_text(client *c, const char *text);
/* Aborts when still there, and frees. */
void client_reset(client *c);

/* Steps until the counter has reached n; fails after ten seconds. */
void run_until(world *w, const int *counter, int n);
/* For so long, whatever happens. */
void run_for(world *w, int ms);
int64_t now_ms(void);
int open_files(void);

#endif
