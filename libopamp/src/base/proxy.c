/* SPDX-License-Identifier: Apache-2.0 */
#include "base/proxy.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"

/* The longest user and password of SOCKS5 (RFC 1929). */
enum { SECRET_MAX = 255, SCHEME_SHOWN = 16 };

static const struct {
  opamp_str scheme;
  opamp__proxy_kind kind;
  uint16_t port;
} schemes[] = {{{"http", 4}, OPAMP__PROXY_HTTP, 80},
               {{"https", 5}, OPAMP__PROXY_HTTPS, 443},
               {{"socks5", 6}, OPAMP__PROXY_SOCKS5, 1080},
               {{"socks5h", 7}, OPAMP__PROXY_SOCKS5H, 1080}};

static opamp_str behind(opamp_str s, size_t n) {
  return (opamp_str){s.ptr + n, s.len - n};
}

static opamp_status bad(const char *what) {
  return opamp__fail(OPAMP_ERR_INVALID, "proxy: %s", what);
}

static opamp_status check_characters(opamp_str s) {
  if (s.len == 0) return bad("empty");
  for (size_t i = 0; i < s.len; i++) {
    unsigned char c = (unsigned char)s.ptr[i];
    if (c <= ' ' || c >= 0x7f || c == '\\')
      return bad(
          "a control character, space, backslash or non-ASCII character must "
          "be percent-encoded");
  }
  return OPAMP_OK;
}

/* Only what looks like a scheme is ever shown: it cannot hold a password. */
static opamp_status parse_scheme(opamp__proxy *p, opamp_str *rest) {
  size_t n = opamp__url_scheme_length(*rest);
  opamp_str scheme = {rest->ptr, n};
  p->kind = schemes[0].kind;
  p->port = schemes[0].port;
  if (n == 0) return OPAMP_OK;
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
    if (!opamp__str_case_eq(scheme, schemes[i].scheme)) continue;
    p->kind = schemes[i].kind;
    p->port = schemes[i].port;
    *rest = behind(*rest, n + 3);
    return OPAMP_OK;
  }
  return opamp__fail(OPAMP_ERR_INVALID,
                     "proxy: unknown scheme \"%.*s\" (http, https, socks5, "
                     "socks5h)",
                     (int)(n < SCHEME_SHOWN ? n : SCHEME_SHOWN), scheme.ptr);
}

/* --- user and password ---------------------------------------------------- */

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* The byte that "%41" stands for, -1 when it is none or may not be there. */
static int decoded_byte(opamp_str s) {
  int high = s.len >= 3 ? hex(s.ptr[1]) : -1;
  int low = s.len >= 3 ? hex(s.ptr[2]) : -1;
  int c = high < 0 || low < 0 ? -1 : high << 4 | low;
  return c < ' ' || c == 0x7f ? -1 : c;
}

static opamp_status decode(char **out, opamp_str s) {
  size_t n = 0;
  char *d = opamp__strndup(s.ptr, s.len);
  *out = d;
  if (d == NULL) return opamp__nomem();
  for (size_t i = 0; i < s.len; i++) {
    int c = (unsigned char)s.ptr[i];
    if (c == '%') {
      c = decoded_byte(behind(s, i));
      i += 2;
    }
    if (c < 0) return bad("a bad percent-encoding in user or password");
    d[n++] = (char)c;
  }
  opamp__wipe(d + n, s.len - n);
  return n <= SECRET_MAX ? OPAMP_OK
                         : bad("user or password is longer than 255 bytes");
}

/* "user", "user:password", up to the last "@". */
static opamp_status parse_credentials(opamp__proxy *p, opamp_str *rest) {
  size_t at = rest->len, colon = 0;
  while (at > 0 && rest->ptr[at - 1] != '@') at--;
  if (at == 0) return OPAMP_OK;
  opamp_str both = {rest->ptr, at - 1};
  *rest = behind(*rest, at);
  while (colon < both.len && both.ptr[colon] != ':') colon++;
  opamp_status st = decode(&p->user, (opamp_str){both.ptr, colon});
  if (st != OPAMP_OK) return st;
  if (p->user[0] == '\0') return bad("a password without a user");
  /* Basic ends the user with one; the password would be another. */
  if (strchr(p->user, ':') != NULL) return bad("a colon in the user");
  return decode(&p->password,
                behind(both, colon < both.len ? colon + 1 : colon));
}

/* --- host and port -------------------------------------------------------- */

static opamp_status parse_port(opamp__proxy *p, opamp_str s) {
  uint64_t port;
  if (s.len == 0) return OPAMP_OK;
  if (s.ptr[0] != ':' || !opamp__str_to_u64(behind(s, 1), &port) || port == 0 ||
      port > UINT16_MAX)
    return bad("the port is no number from 1 to 65535");
  p->port = (uint16_t)port;
  return OPAMP_OK;
}

static opamp_status parse_host(opamp__proxy *p, opamp_str s) {
  size_t end = 0;
  opamp_str host = s;
  p->ipv6 = s.len > 0 && s.ptr[0] == '[';
  while (end < s.len && s.ptr[end] != (p->ipv6 ? ']' : ':')) end++;
  host.len = end;
  if (p->ipv6) {
    host = behind(host, 1);
    if (end == s.len || !opamp__url_is_ipv6(host))
      return bad("bad IPv6 address");
    end++;
  } else if (host.len == 0) {
    return bad("no host");
  } else if (!opamp__url_is_host_name(host)) {
    return bad("bad host name");
  }
  opamp_status st = parse_port(p, behind(s, end));
  if (st != OPAMP_OK) return st;
  p->host = opamp__strndup(host.ptr, host.len);
  if (p->host == NULL) return opamp__nomem();
  for (char *c = p->host; *c != '\0'; c++)
    if (*c >= 'A' && *c <= 'Z') *c = (char)(*c + ('a' - 'A'));
  return OPAMP_OK;
}

static opamp_status set_address(opamp__proxy *p) {
  char text[300];
  int n = snprintf(text, sizeof text, p->ipv6 ? "[%s]:%u" : "%s:%u", p->host,
                   (unsigned)p->port);
  p->address = opamp__strndup(text, (size_t)n);
  return p->address != NULL ? OPAMP_OK : opamp__nomem();
}

static opamp_status parse(opamp__proxy *p, opamp_str text) {
  opamp_str rest = text;
  opamp_status st = check_characters(text);
  if (st == OPAMP_OK) st = parse_scheme(p, &rest);
  /* A path would mean nothing; a slash alone is what people write. */
  if (rest.len > 0 && rest.ptr[rest.len - 1] == '/') rest.len--;
  if (st == OPAMP_OK && memchr(rest.ptr, '/', rest.len) != NULL)
    st = bad("a path has no meaning (in a password, / is %2F)");
  if (st == OPAMP_OK) st = parse_credentials(p, &rest);
  if (st == OPAMP_OK) st = parse_host(p, rest);
  return st == OPAMP_OK ? set_address(p) : st;
}

opamp_status opamp__proxy_parse(opamp__proxy *out, opamp_str text) {
  *out = (opamp__proxy){0};
  opamp_status st = parse(out, text);
  if (st != OPAMP_OK) opamp__proxy_free(out);
  return st;
}

/* --- copies --------------------------------------------------------------- */

static bool copy_text(char **out, const char *text) {
  if (text == NULL) return true;
  *out = opamp__strndup(text, strlen(text));
  return *out != NULL;
}

opamp_status opamp__proxy_copy(opamp__proxy *out, const opamp__proxy *p) {
  *out = (opamp__proxy){.kind = p->kind, .port = p->port, .ipv6 = p->ipv6};
  if (copy_text(&out->address, p->address) && copy_text(&out->host, p->host) &&
      copy_text(&out->user, p->user) &&
      copy_text(&out->password, p->password) &&
      opamp__headers_copy(&out->headers, &p->headers) == OPAMP_OK)
    return OPAMP_OK;
  opamp__proxy_free(out);
  return opamp__nomem();
}

static void free_secret(char *s) {
  if (s != NULL) opamp__wipe(s, strlen(s));
  opamp__free(s);
}

void opamp__proxy_free(opamp__proxy *p) {
  opamp__free(p->address);
  opamp__free(p->host);
  free_secret(p->user);
  free_secret(p->password);
  opamp__headers_free(&p->headers);
  *p = (opamp__proxy){0};
}

static bool same_text(const char *a, const char *b) {
  return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool opamp__proxy_eq(const opamp__proxy *a, const opamp__proxy *b) {
  if (a == NULL || b == NULL) return a == b;
  if (a->kind != b->kind || a->headers.len != b->headers.len ||
      !same_text(a->address, b->address) || !same_text(a->user, b->user) ||
      !same_text(a->password, b->password))
    return false;
  for (size_t i = 0; i < a->headers.len; i++)
    if (strcmp(a->headers.list[i].name, b->headers.list[i].name) != 0 ||
        strcmp(a->headers.list[i].value, b->headers.list[i].value) != 0)
      return false;
  return true;
}
