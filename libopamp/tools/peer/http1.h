/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_TOOLS_PEER_HTTP1_H
#define OPAMP_TOOLS_PEER_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

/* HTTP/1.1 requests (RFC 9112) from bytes in pieces of any size. No sockets,
 * no clock, no allocation beyond the request itself. */

typedef struct http1_limits {
  size_t line;    /* the request line, a header line, a chunk's size line */
  size_t headers; /* how many, trailers included */
  size_t body;    /* bytes */
} http1_limits;

typedef struct http1_header {
  size_t name, value; /* places in http1_request.text */
} http1_header;

typedef struct http1_request {
  tool_buf text;         /* all of the head, each part NUL-terminated */
  size_t method, target; /* places in it */
  int minor;             /* HTTP/1.<minor>, 0 or 1 */
  http1_header *headers;
  size_t header_count, header_room;
  bool keep_alive;
  bool expects_continue;
  tool_buf body;
} http1_request;

typedef enum http1_result {
  HTTP1_MORE, /* all was consumed, the request is not complete */
  HTTP1_HEAD, /* the head is complete and a body follows: comes once */
  HTTP1_DONE, /* the request is complete; http1_next begins another one */
  HTTP1_BAD   /* `status` and `why` say what is wrong; nothing more is read */
} http1_result;

typedef struct http1 {
  http1_limits limits;
  http1_request request;
  int state;
  tool_buf line;
  uint64_t left; /* of the body, or of the chunk */
  bool chunked;
  int status; /* the response that a bad request deserves */
  const char *why;
} http1;

void http1_init(http1 *p, const http1_limits *limits);
void http1_free(http1 *p);

/* Reads until something is complete. *used is how much it consumed. */
http1_result http1_feed(http1 *p, const uint8_t *bytes, size_t n, size_t *used);

/* Drops the complete request. */
void http1_next(http1 *p);

/* Whether a request has begun and is not complete. */
bool http1_in_request(const http1 *p);

const char *http1_method(const http1_request *r);
const char *http1_target(const http1_request *r);
/* The i-th header; NULL after the last. */
const char *http1_header_name(const http1_request *r, size_t i);
const char *http1_header_value(const http1_request *r, size_t i);
/* The first header of that name in any case, NULL for none. */
const char *http1_header_get(const http1_request *r, const char *name);
/* Whether one of the headers of that name, read as a comma-separated list,
 * has `token`, in any case. */
bool http1_header_has(const http1_request *r, const char *name,
                      const char *token);

/* The reason phrase of a status code. */
const char *http1_reason(int status);

#endif
