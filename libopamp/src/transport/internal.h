/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TRANSPORT_INTERNAL_H
#define OPAMP_TRANSPORT_INTERNAL_H

#include "transport/descriptors.h"
#include "transport/dial.h"
#include "transport/transport.h"

/* What http_curl.c, ws_lws.c and transport.c share. */

/* Something to do in the loop's next round. Nothing is called from inside a
 * call of the owner, nor from inside curl or libwebsockets when it may end the
 * connection: it is put off by one of these, which lives in what it is about.
 */
typedef struct opamp__task {
  struct opamp__task *next;
  void (*run)(void *ctx);
  void *ctx;
  bool queued;
} opamp__task;

typedef struct opamp__http opamp__http;
typedef struct opamp__ws opamp__ws;

struct opamp__transport {
  opamp__reactor *reactor;
  opamp__resolver *resolver;
  opamp__timer *soon;
  opamp__task *first, **last;
  opamp__descriptors descriptors;
  opamp__http *http; /* each made when first needed */
  opamp__ws *ws;
  uint32_t max_connections;
  bool shutting_down;
};

void opamp__soon(opamp__transport *t, opamp__task *task);
void opamp__soon_cancel(opamp__transport *t, opamp__task *task);

/* The reason of an end, kept from where it shows until the owner is told. All
 * connections may end at once, so that it is small. */
typedef struct opamp__ending {
  opamp_status why;
  int http_status; /* not 0: it is the beginning of an opamp__refusal */
  int close_code;
  char text[320];
} opamp__ending;

/* The reason that is an answer of the server. */
enum { OPAMP__BODY_SHOWN = 200 };
typedef struct opamp__refusal {
  opamp__ending ending;
  char location[2048];
  char retry_after[128];
  char body[OPAMP__BODY_SHOWN + 1];
} opamp__refusal;

/* Whether a server may answer with it: what has no three digits is no status,
 * and 0 would mean that there was none. */
static inline bool opamp__http_status(long status) {
  return status >= 100 && status <= 999;
}

/* New ones; NULL when out of memory, which opamp__end_tell says by itself. */
opamp__refusal *opamp__refusal_new(int http_status, const char *what);
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
opamp__ending *
opamp__ending_new(opamp_status why, const char *fmt, ...);
/* Printable ASCII, runs of anything else as one space. */
void opamp__printable(char *out, size_t size, const uint8_t *p, size_t n);
/* Frees `e`. */
void opamp__end_tell(const opamp__sink *sink, void *ctx, opamp__ending *e);

opamp_status opamp__http_open(opamp__conn **out, opamp__transport *t,
                              const opamp__endpoint *ep);
/* Loads libcurl: OPAMP_ERR_UNSUPPORTED. */
opamp_status opamp__http_prepare(void);
/* Without connections: false while something of it is still in the loop. */
bool opamp__http_shutdown(opamp__transport *t);

opamp_status opamp__ws_open(opamp__conn **out, opamp__transport *t,
                            const opamp__endpoint *ep);
/* Makes the context. */
opamp_status opamp__ws_prepare(opamp__transport *t);
bool opamp__ws_shutdown(opamp__transport *t);
/* Those of proxied connections that linger. */
void opamp__ws_close_relays(opamp__transport *t);
/* "libwebsockets 4.1.6", or "no WebSocket". */
void opamp__ws_version(char *out, size_t size);

#endif
