/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/http1.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
  REQUEST_LINE,
  HEADER_LINE,
  BODY,
  CHUNK_SIZE,
  CHUNK_DATA,
  CHUNK_END,
  TRAILER_LINE,
  COMPLETE,
  BROKEN
};

void http1_init(http1 *p, const http1_limits *limits) {
  *p = (http1){.limits = *limits, .state = REQUEST_LINE};
}

static void request_free(http1_request *r) {
  tool_buf_free(&r->text);
  tool_buf_free(&r->body);
  free(r->headers);
  *r = (http1_request){0};
}

void http1_free(http1 *p) {
  request_free(&p->request);
  tool_buf_free(&p->line);
}

void http1_next(http1 *p) {
  http1_limits limits = p->limits;
  http1_free(p);
  http1_init(p, &limits);
}

bool http1_in_request(const http1 *p) {
  return p->state != COMPLETE && p->state != BROKEN &&
         (p->state != REQUEST_LINE || p->line.len > 0);
}

/* Returns false, for `return bad(…)`. */
static bool bad(http1 *p, int status, const char *why) {
  p->state = BROKEN;
  p->status = status;
  p->why = why;
  return false;
}

/* --- headers -------------------------------------------------------------- */

static const char *text_at(const http1_request *r, size_t at) {
  return r->text.ptr != NULL ? (const char *)r->text.ptr + at : "";
}

const char *http1_method(const http1_request *r) {
  return text_at(r, r->method);
}

const char *http1_target(const http1_request *r) {
  return text_at(r, r->target);
}

const char *http1_header_name(const http1_request *r, size_t i) {
  return i < r->header_count ? text_at(r, r->headers[i].name) : NULL;
}

const char *http1_header_value(const http1_request *r, size_t i) {
  return i < r->header_count ? text_at(r, r->headers[i].value) : NULL;
}

const char *http1_header_get(const http1_request *r, const char *name) {
  for (size_t i = 0; i < r->header_count; i++)
    if (strcasecmp(http1_header_name(r, i), name) == 0)
      return http1_header_value(r, i);
  return NULL;
}

static bool list_has(const char *list, const char *token) {
  size_t n = strlen(token);
  for (;;) {
    list += strspn(list, " \t,");
    if (*list == '\0') return false;
    size_t k = strcspn(list, " \t,;");
    if (k == n && strncasecmp(list, token, n) == 0) return true;
    list += strcspn(list, ",");
  }
}

bool http1_header_has(const http1_request *r, const char *name,
                      const char *token) {
  for (size_t i = 0; i < r->header_count; i++)
    if (strcasecmp(http1_header_name(r, i), name) == 0 &&
        list_has(http1_header_value(r, i), token))
      return true;
  return false;
}

/* --- lines of the head ---------------------------------------------------- */

static bool is_token(const char *s, size_t n) {
  for (size_t i = 0; i < n; i++) {
    char c = s[i];
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
          (c >= '0' && c <= '9') ||
          (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL)))
      return false;
  }
  return n > 0;
}

static bool no_controls(const char *s, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (((unsigned char)s[i] < ' ' && s[i] != '\t') || s[i] == 127)
      return false;
  return true;
}

/* Appends a part of the head with its NUL and gives its place. */
static size_t keep(http1_request *r, const char *s, size_t n) {
  size_t at = r->text.len;
  tool_buf_add(&r->text, s, n);
  tool_buf_add(&r->text, "", 1);
  return at;
}

static bool request_line(http1 *p, const char *s, size_t n) {
  http1_request *r = &p->request;
  const char *space = memchr(s, ' ', n);
  size_t method_len = space != NULL ? (size_t)(space - s) : n;
  if (!is_token(s, method_len)) return bad(p, 400, "bad method");
  const char *target = s + method_len + 1;
  size_t rest = space != NULL ? n - method_len - 1 : 0;
  space = rest > 0 ? memchr(target, ' ', rest) : NULL;
  size_t target_len = space != NULL ? (size_t)(space - target) : 0;
  if (target_len == 0 || !no_controls(target, target_len))
    return bad(p, 400, "bad request target");
  const char *version = target + target_len + 1;
  if (rest - target_len - 1 != 8 || memcmp(version, "HTTP/", 5) != 0)
    return bad(p, 400, "bad HTTP version");
  if (memcmp(version, "HTTP/1.1", 8) != 0 &&
      memcmp(version, "HTTP/1.0", 8) != 0)
    return bad(p, 505, "not HTTP/1.1");
  r->minor = version[7] - '0';
  r->method = keep(r, s, method_len);
  r->target = keep(r, target, target_len);
  p->state = HEADER_LINE;
  return true;
}

static bool header_line(http1 *p, const char *s, size_t n) {
  http1_request *r = &p->request;
  const char *colon = memchr(s, ':', n);
  if (colon == NULL) return bad(p, 400, "bad header");
  size_t name_len = (size_t)(colon - s);
  if (!is_token(s, name_len)) return bad(p, 400, "bad header");
  const char *value = colon + 1;
  size_t len = n - name_len - 1;
  while (len > 0 && (*value == ' ' || *value == '\t')) value++, len--;
  while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t')) len--;
  if (!no_controls(value, len)) return bad(p, 400, "bad header value");
  if (r->header_count == p->limits.headers)
    return bad(p, 431, "too many headers");
  if (r->header_count == r->header_room) {
    size_t room = r->header_room == 0 ? 16 : 2 * r->header_room;
    http1_header *h = realloc(r->headers, room * sizeof *h);
    if (h == NULL) return bad(p, 500, "out of memory");
    r->headers = h;
    r->header_room = room;
  }
  http1_header *h = &r->headers[r->header_count++];
  h->name = keep(r, s, name_len);
  h->value = keep(r, value, len);
  return true;
}

/* --- how long the body is ------------------------------------------------- */

static bool parse_length(const char *s, uint64_t *out) {
  uint64_t n = 0;
  if (*s == '\0') return false;
  for (; *s != '\0'; s++) {
    if (*s < '0' || *s > '9' || n > UINT64_MAX / 10 - 10) return false;
    n = n * 10 + (uint64_t)(*s - '0');
  }
  *out = n;
  return true;
}

/* Content-Length, which may come twice only with the same value: two readers
 * that take different ones could be made to disagree. */
static bool content_length(http1 *p, bool *given) {
  *given = false;
  for (size_t i = 0; i < p->request.header_count; i++) {
    uint64_t n;
    if (strcasecmp(http1_header_name(&p->request, i), "Content-Length") != 0)
      continue;
    if (!parse_length(http1_header_value(&p->request, i), &n) ||
        (*given && n != p->left))
      return bad(p, 400, "bad Content-Length");
    *given = true;
    p->left = n;
  }
  return true;
}

static bool head_done(http1 *p) {
  http1_request *r = &p->request;
  const char *coding = http1_header_get(r, "Transfer-Encoding");
  bool has_length;
  if (r->text.failed) return bad(p, 500, "out of memory");
  if (!content_length(p, &has_length)) return false;
  if (coding != NULL) {
    if (has_length || r->minor == 0)
      return bad(p, 400, "Transfer-Encoding beside Content-Length");
    if (strcasecmp(coding, "chunked") != 0)
      return bad(p, 501, "unknown Transfer-Encoding");
  }
  if (r->minor == 1 && http1_header_get(r, "Host") == NULL)
    return bad(p, 400, "no Host");
  if (p->left > p->limits.body) return bad(p, 413, "body too large");
  r->keep_alive = r->minor == 1
                      ? !http1_header_has(r, "Connection", "close")
                      : http1_header_has(r, "Connection", "keep-alive");
  r->expects_continue =
      r->minor == 1 && http1_header_has(r, "Expect", "100-continue");
  p->chunked = coding != NULL;
  p->state = p->chunked ? CHUNK_SIZE : p->left > 0 ? BODY : COMPLETE;
  return true;
}

static bool chunk_size(http1 *p, const char *s, size_t n) {
  uint64_t size = 0;
  size_t i = 0;
  for (; i < n; i++) {
    char c = s[i];
    int d = c >= '0' && c <= '9'   ? c - '0'
            : c >= 'a' && c <= 'f' ? c - 'a' + 10
            : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                   : -1;
    if (d < 0) break;
    if (size >> 60 != 0) return bad(p, 413, "chunk too large");
    size = size << 4 | (uint64_t)d;
  }
  // What follows the digits is an extension, which is ignored.
  if (i == 0 || (i < n && strchr("; \t", s[i]) == NULL))
    return bad(p, 400, "bad chunk size");
  if (size > p->limits.body - p->request.body.len)
    return bad(p, 413, "body too large");
  p->left = size;
  p->state = size > 0 ? CHUNK_DATA : TRAILER_LINE;
  return true;
}

/* --- feeding -------------------------------------------------------------- */

/* A line is complete in p->line, without its line end. */
static bool line_done(http1 *p) {
  const char *s = p->line.len > 0 ? (const char *)p->line.ptr : "";
  size_t n = p->line.len;
  if (n > 0 && s[n - 1] == '\r') n--;
  if (memchr(s, '\0', n) != NULL || memchr(s, '\r', n) != NULL)
    return bad(p, 400, "control character");
  switch (p->state) {
    case REQUEST_LINE:
      // RFC 9112 2.2: an empty line before the request line is ignored.
      return n == 0 || request_line(p, s, n);
    case HEADER_LINE:
      return n > 0 ? header_line(p, s, n) : head_done(p);
    case CHUNK_SIZE:
      return chunk_size(p, s, n);
    case CHUNK_END:
      if (n > 0) return bad(p, 400, "chunk longer than its size");
      p->state = CHUNK_SIZE;
      return true;
    default: /* TRAILER_LINE */
      if (n > 0) return header_line(p, s, n);
      p->state = COMPLETE;
      return true;
  }
}

static bool feed_line(http1 *p, const uint8_t *bytes, size_t n, size_t *used) {
  const uint8_t *end = memchr(bytes, '\n', n);
  size_t k = end != NULL ? (size_t)(end - bytes) : n;
  if (k > p->limits.line - p->line.len)
    return bad(p, p->state == REQUEST_LINE ? 414 : 431, "line too long");
  tool_buf_add(&p->line, bytes, k);
  if (p->line.failed) return bad(p, 500, "out of memory");
  *used += end != NULL ? k + 1 : k;
  if (end == NULL) return true;
  bool ok = line_done(p);
  tool_buf_clear(&p->line);
  return ok;
}

static bool feed_data(http1 *p, const uint8_t *bytes, size_t n, size_t *used) {
  size_t k = n < p->left ? n : (size_t)p->left;
  tool_buf_add(&p->request.body, bytes, k);
  if (p->request.body.failed) return bad(p, 500, "out of memory");
  *used += k;
  p->left -= k;
  if (p->left == 0) p->state = p->state == BODY ? COMPLETE : CHUNK_END;
  return true;
}

http1_result http1_feed(http1 *p, const uint8_t *bytes, size_t n,
                        size_t *used) {
  *used = 0;
  while (p->state < COMPLETE && *used < n) {
    bool in_head = p->state == HEADER_LINE;
    bool ok = p->state == BODY || p->state == CHUNK_DATA
                  ? feed_data(p, bytes + *used, n - *used, used)
                  : feed_line(p, bytes + *used, n - *used, used);
    if (!ok) return HTTP1_BAD;
    if (in_head && p->state != HEADER_LINE && p->state != COMPLETE)
      return HTTP1_HEAD;
  }
  return p->state == COMPLETE ? HTTP1_DONE
         : p->state == BROKEN ? HTTP1_BAD
                              : HTTP1_MORE;
}

const char *http1_reason(int status) {
  static const struct {
    int status;
    const char *text;
  } reasons[] = {
      {100, "Continue"},
      {101, "Switching Protocols"},
      {200, "OK"},
      {204, "No Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {426, "Upgrade Required"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
  };
  for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
    if (reasons[i].status == status) return reasons[i].text;
  return "Status";
}
