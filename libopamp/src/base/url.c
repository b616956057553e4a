/* SPDX-License-Identifier: Apache-2.0 */
#include "base/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

/* What a URL says, as spans of its text. No error text prints more of it than
 * a scheme or a port: anything else may hold a secret. */
typedef struct parts {
  opamp_str host;
  opamp_str target;
  uint16_t port;
  bool tls;
  bool websocket;
  bool ipv6;
} parts;

enum { HOST_MAX = 253, SCHEME_SHOWN = 16 };

static opamp_str front(opamp_str s, size_t n) {
  opamp_str f = {s.ptr, n};
  return f;
}

static opamp_str behind(opamp_str s, size_t n) {
  opamp_str b = {s.ptr + n, s.len - n};
  return b;
}

/* The index of the first of `set`, s.len when there is none. */
static size_t find(opamp_str s, const char *set) {
  size_t i = 0;
  while (i < s.len && strchr(set, s.ptr[i]) == NULL) i++;
  return i;
}

static bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
         (c >= 'A' && c <= 'Z');
}

size_t opamp__url_scheme_length(opamp_str s) {
  size_t n = 0;
  while (n < s.len && (is_alnum(s.ptr[n]) || memchr("+-.", s.ptr[n], 3))) n++;
  return s.len - n >= 3 && memcmp(s.ptr + n, "://", 3) == 0 ? n : 0;
}

static uint16_t default_port(bool tls) {
  return tls ? 443 : 80;
}

/* --- parsing -------------------------------------------------------------- */

static opamp_status check_characters(opamp_str s) {
  for (size_t i = 0; i < s.len; i++) {
    unsigned char c = (unsigned char)s.ptr[i];
    if (c < 0x20 || c == 0x7f)
      return opamp__fail(OPAMP_ERR_INVALID, "url: control character");
    if (c == ' ' || c == '\\' || c > 0x7f)
      return opamp__fail(OPAMP_ERR_INVALID,
                         "url: a space, backslash or non-ASCII character must "
                         "be percent-encoded");
    if (c == '#')
      return opamp__fail(OPAMP_ERR_INVALID, "url: a fragment has no meaning");
  }
  return OPAMP_OK;
}

static opamp_status parse_scheme(parts *p, opamp_str *rest) {
  size_t n = opamp__url_scheme_length(*rest);
  opamp_str scheme = front(*rest, n);
  if (n == 0)
    return opamp__fail(OPAMP_ERR_INVALID,
                       "url: it must begin with ws://, wss://, http:// or "
                       "https://");
  p->websocket = opamp__str_case_eq(scheme, OPAMP__LIT("ws")) ||
                 opamp__str_case_eq(scheme, OPAMP__LIT("wss"));
  p->tls = opamp__str_case_eq(scheme, OPAMP__LIT("wss")) ||
           opamp__str_case_eq(scheme, OPAMP__LIT("https"));
  if (!p->websocket && !p->tls &&
      !opamp__str_case_eq(scheme, OPAMP__LIT("http")))
    return opamp__fail(OPAMP_ERR_INVALID,
                       "url: unknown scheme \"%.*s\" (ws, wss, http, https)",
                       (int)(n < SCHEME_SHOWN ? n : SCHEME_SHOWN), scheme.ptr);
  *rest = behind(*rest, n + 3);
  return OPAMP_OK;
}

static opamp_status parse_port(parts *p, opamp_str s) {
  uint64_t port;
  if (!opamp__str_to_u64(s, &port) || port == 0 || port > UINT16_MAX)
    return opamp__fail(OPAMP_ERR_INVALID,
                       "url: the port is no number from 1 to 65535");
  p->port = (uint16_t)port;
  return OPAMP_OK;
}

bool opamp__url_is_ipv6(opamp_str s) {
  char text[INET6_ADDRSTRLEN];
  uint8_t address[16];
  if (s.len >= sizeof text) return false;
  memcpy(text, s.ptr, s.len);
  text[s.len] = '\0';
  return inet_pton(AF_INET6, text, address) == 1;
}

bool opamp__url_is_host_name(opamp_str s) {
  for (size_t i = 0; i < s.len; i++)
    if (!is_alnum(s.ptr[i]) && memchr("-._", s.ptr[i], 3) == NULL) return false;
  return s.len <= HOST_MAX;
}

/* host, host:port, [v6], [v6]:port */
static opamp_status parse_authority(parts *p, opamp_str s) {
  size_t end = find(s, ":");
  if (find(s, "@") < s.len)
    return opamp__fail(OPAMP_ERR_INVALID,
                       "url: user and password do not belong into it; set an "
                       "Authorization header");
  if (s.len > 0 && s.ptr[0] == '[') {
    end = find(s, "]");
    p->ipv6 = true;
    p->host = behind(front(s, end), 1);
    if (end == s.len || !opamp__url_is_ipv6(p->host))
      return opamp__fail(OPAMP_ERR_INVALID, "url: bad IPv6 address");
    end++;
  } else {
    p->host = front(s, end);
  }
  if (p->host.len == 0) return opamp__fail(OPAMP_ERR_INVALID, "url: no host");
  if (!p->ipv6 && !opamp__url_is_host_name(p->host))
    return opamp__fail(OPAMP_ERR_INVALID, "url: bad host name");
  p->port = default_port(p->tls);
  if (end == s.len) return OPAMP_OK;
  return parse_port(p,
                    s.ptr[end] == ':' ? behind(s, end + 1) : behind(s, s.len));
}

static opamp_status parse(parts *p, opamp_str text) {
  opamp_str rest = text;
  *p = (parts){0};
  if (text.len == 0) return opamp__fail(OPAMP_ERR_INVALID, "url: empty");
  opamp_status s = check_characters(text);
  if (s != OPAMP_OK) return s;
  if ((s = parse_scheme(p, &rest)) != OPAMP_OK) return s;
  size_t end = find(rest, "/?");
  p->target = behind(rest, end);
  return parse_authority(p, front(rest, end));
}

/* --- building ------------------------------------------------------------- */

static const char *scheme_of(const parts *p) {
  if (p->websocket) return p->tls ? "wss" : "ws";
  return p->tls ? "https" : "http";
}

static void lower_case(char *s) {
  for (; *s != '\0'; s++)
    if (*s >= 'A' && *s <= 'Z') *s = (char)(*s + ('a' - 'A'));
}

static opamp_status build(opamp__url *out, const parts *p) {
  opamp__buf b = {0};
  char port[8] = "";
  int host_len = (int)p->host.len;
  bool has_path = p->target.len > 0 && p->target.ptr[0] == '/';
  if (p->port != default_port(p->tls))
    snprintf(port, sizeof port, ":%u", p->port);

  bool ok =
      opamp__buf_printf(&b, "%s://%s%.*s%s%s", scheme_of(p), p->ipv6 ? "[" : "",
                        host_len, p->host.ptr, p->ipv6 ? "]" : "", port);
  size_t target = b.len;
  ok = ok && (has_path || opamp__buf_append(&b, "/v1/opamp", 9)) &&
       opamp__buf_append(&b, p->target.ptr, p->target.len) &&
       opamp__buf_byte(&b, '\0');
  size_t host = b.len;
  ok = ok && opamp__buf_append(&b, p->host.ptr, p->host.len) &&
       opamp__buf_byte(&b, '\0');
  size_t second_target = b.len;
  ok = ok && opamp__buf_reserve(&b, host - target) &&
       opamp__buf_append(&b, b.ptr + target, host - target);
  if (!ok) {
    opamp__buf_free(&b);
    return opamp__nomem();
  }
  char *text = (char *)b.ptr;
  char kept = text[target];
  text[target] = '\0';
  lower_case(text);
  text[target] = kept;
  lower_case(text + host);
  *out = (opamp__url){text,    text + host, text + second_target,
                      p->port, p->tls,      p->websocket,
                      p->ipv6};
  return OPAMP_OK;
}

opamp_status opamp__url_parse(opamp__url *out, opamp_str text) {
  parts p;
  *out = (opamp__url){0};
  opamp_status s = parse(&p, text);
  return s == OPAMP_OK ? build(out, &p) : s;
}

static parts parts_of(const opamp__url *u) {
  parts p = {opamp__str(u->host),
             opamp__str(u->target),
             u->port,
             u->tls,
             u->websocket,
             u->ipv6};
  return p;
}

opamp_status opamp__url_copy(opamp__url *out, const opamp__url *u) {
  *out = (opamp__url){0};
  if (u->text == NULL) return OPAMP_OK;
  parts p = parts_of(u);
  return build(out, &p);
}

void opamp__url_free(opamp__url *u) {
  opamp__free(u->text);
  *u = (opamp__url){0};
}

/* --- redirects ------------------------------------------------------------ */

/* Takes "." and ".." out of a path that begins with a slash, up to its query
 * (RFC 3986 §5.2.4). Returns the new length. */
static size_t remove_dots(char *path, size_t len) {
  size_t end = find((opamp_str){path, len}, "?"), in = 0, out = 0;
  while (in < end) {
    opamp_str rest = {path + in + 1, end - in - 1};
    opamp_str segment = front(rest, find(rest, "/"));
    bool last = segment.len == rest.len;
    bool up = opamp__str_eq(segment, OPAMP__LIT(".."));
    if (up)
      while (out > 0 && path[--out] != '/') continue;
    if (!up && !opamp__str_eq(segment, OPAMP__LIT("."))) {
      memmove(path + out, path + in, segment.len + 1);
      out += segment.len + 1;
    } else if (last) {
      path[out++] = '/';
    }
    in += segment.len + 1;
  }
  memmove(path + out, path + end, len - end);
  return out + len - end;
}

/* The target that a relative reference means. */
static bool join(opamp__buf *b, opamp_str base, opamp_str location) {
  size_t path = find(base, "?");
  size_t directory = path;
  while (directory > 0 && base.ptr[directory - 1] != '/') directory--;
  size_t keep = location.ptr[0] == '/'   ? 0
                : location.ptr[0] == '?' ? path
                                         : directory;
  if (!opamp__buf_append(b, base.ptr, keep) ||
      !opamp__buf_append(b, location.ptr, location.len))
    return false;
  b->len = remove_dots((char *)b->ptr, b->len);
  return true;
}

static opamp_status resolve_relative(opamp__url *out, const opamp__url *base,
                                     opamp_str location) {
  opamp__buf target = {0};
  opamp_status s = check_characters(location);
  if (s != OPAMP_OK) return s;
  parts p = parts_of(base);
  if (!join(&target, p.target, location)) {
    s = opamp__nomem();
    goto done;
  }
  p.target = (opamp_str){(const char *)target.ptr, target.len};
  s = build(out, &p);
done:
  opamp__buf_free(&target);
  return s;
}

/* "//host/path": the scheme stays. */
static opamp_status resolve_authority(opamp__url *out, const opamp__url *base,
                                      opamp_str location) {
  opamp__buf text = {0};
  parts p = parts_of(base);
  opamp_status s = OPAMP_ERR_NOMEM;
  if (opamp__buf_printf(&text, "%s:", scheme_of(&p)) &&
      opamp__buf_append(&text, location.ptr, location.len))
    s = opamp__url_parse(out, (opamp_str){(const char *)text.ptr, text.len});
  else
    s = opamp__nomem();
  opamp__buf_free(&text);
  return s;
}

opamp_status opamp__url_resolve(opamp__url *out, const opamp__url *base,
                                opamp_str location) {
  parts p;
  *out = (opamp__url){0};
  /* A fragment is for readers; nobody sends it on. */
  opamp_str l = opamp__str_trim(location);
  l = front(l, find(l, "#"));
  if (l.len == 0)
    return opamp__fail(OPAMP_ERR_INVALID, "url: the redirect names no place");
  if (l.len >= 2 && memcmp(l.ptr, "//", 2) == 0)
    return resolve_authority(out, base, l);
  /* A colon before the first slash is a scheme's, known or not. */
  size_t colon = find(l, ":/?");
  if (colon == l.len || l.ptr[colon] != ':')
    return resolve_relative(out, base, l);
  opamp_status s = parse(&p, l);
  if (s != OPAMP_OK) return s;
  if (base->websocket) p.websocket = true;
  return build(out, &p);
}

/* --- comparing and writing ------------------------------------------------ */

bool opamp__url_same_origin(const opamp__url *a, const opamp__url *b) {
  return a->port == b->port &&
         opamp__str_case_eq(opamp__str(a->host), opamp__str(b->host));
}

bool opamp__url_authority(const opamp__url *u, char *buf, size_t n) {
  const char *open = u->ipv6 ? "[" : "", *close = u->ipv6 ? "]" : "";
  int len;
  if (u->port == default_port(u->tls))
    len = snprintf(buf, n, "%s%s%s", open, u->host, close);
  else
    len = snprintf(buf, n, "%s%s%s:%u", open, u->host, close, u->port);
  return len >= 0 && (size_t)len < n;
}
