/* SPDX-License-Identifier: Apache-2.0 */
#include "base/headers.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

/* RFC 9110 §5.6.2. */
static bool is_token(opamp_str s) {
  for (size_t i = 0; i < s.len; i++) {
    char c = s.ptr[i];
    bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                 (c >= 'a' && c <= 'z');
    if (!alnum && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
      return false;
  }
  return s.len > 0;
}

static bool has_control(opamp_str s) {
  for (size_t i = 0; i < s.len; i++) {
    unsigned char c = (unsigned char)s.ptr[i];
    if ((c < 0x20 && c != '\t') || c == 0x7f) return true;
  }
  return false;
}

/* Set by the protocol or its transports alone. */
static bool is_reserved(opamp_str name) {
  static const char *const names[] = {"Content-Type",
                                      "Content-Length",
                                      "Content-Encoding",
                                      "Transfer-Encoding",
                                      "Connection",
                                      "Upgrade",
                                      "Host",
                                      "OpAMP-Instance-UID"};
  opamp_str sec = OPAMP__LIT("Sec-WebSocket-");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (opamp__str_case_eq(name, opamp__str(names[i]))) return true;
  if (name.len < sec.len) return false;
  name.len = sec.len;
  return opamp__str_case_eq(name, sec);
}

static opamp_status check(opamp_str name, opamp_str value) {
  int n = name.len < 64 ? (int)name.len : 64;
  if (name.len == 0)
    return opamp__fail(OPAMP_ERR_INVALID, "header: the name is empty");
  if (!is_token(name))
    return opamp__fail(OPAMP_ERR_INVALID,
                       "header \"%.*s\": not a valid header name", n, name.ptr);
  if (is_reserved(name))
    return opamp__fail(OPAMP_ERR_INVALID,
                       "header \"%.*s\": set by the protocol itself", n,
                       name.ptr);
  if (has_control(value))
    return opamp__fail(OPAMP_ERR_INVALID,
                       "header \"%.*s\": control character in the value", n,
                       name.ptr);
  return OPAMP_OK;
}

static void wipe_header(opamp__header *h) {
  if (h->value != NULL) opamp__wipe(h->value, strlen(h->value));
  opamp__free(h->name);
  opamp__free(h->value);
}

static opamp_status append(opamp__headers *h, opamp_str name, opamp_str value) {
  opamp__header *list = opamp__realloc(h->list, (h->len + 1) * sizeof *h->list);
  if (list == NULL) return opamp__nomem();
  h->list = list;
  opamp__header one = {opamp__strndup(name.ptr, name.len),
                       opamp__strndup(value.ptr, value.len)};
  if (one.name == NULL || one.value == NULL) {
    wipe_header(&one);
    return opamp__nomem();
  }
  h->list[h->len++] = one;
  return OPAMP_OK;
}

opamp_status opamp__headers_add(opamp__headers *h, opamp_str name,
                                opamp_str value) {
  opamp_status s = check(name, value);
  return s == OPAMP_OK ? append(h, name, value) : s;
}

opamp_status opamp__headers_copy(opamp__headers *out, const opamp__headers *h) {
  *out = (opamp__headers){0};
  for (size_t i = 0; i < h->len; i++) {
    opamp_status s =
        append(out, opamp__str(h->list[i].name), opamp__str(h->list[i].value));
    if (s != OPAMP_OK) {
      opamp__headers_free(out);
      return s;
    }
  }
  return OPAMP_OK;
}

void opamp__headers_free(opamp__headers *h) {
  for (size_t i = 0; i < h->len; i++) wipe_header(&h->list[i]);
  opamp__free(h->list);
  *h = (opamp__headers){0};
}
