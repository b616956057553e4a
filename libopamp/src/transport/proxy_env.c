/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/proxy_env.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

/* --- exceptions ----------------------------------------------------------- */

enum { ENTRY_MAX = 256 };

/* The bytes of an address; their number, 0 when it is none. */
static size_t address_of(const char *text, uint8_t out[16]) {
  if (inet_pton(AF_INET, text, out) == 1) return 4;
  if (inet_pton(AF_INET6, text, out) == 1) return 16;
  return 0;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, size_t bits) {
  size_t whole = bits / 8;
  unsigned rest = bits % 8;
  if (memcmp(a, b, whole) != 0) return false;
  return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

/* "10.0.0.0/8", "[fe80::]/10", "::1" */
static bool network_has(char *entry, const uint8_t *address, size_t n) {
  uint8_t network[16];
  uint64_t bits = 8 * n;
  char *slash = strchr(entry, '/');
  if (slash != NULL) {
    *slash = '\0';
    if (!opamp__str_to_u64(opamp__str(slash + 1), &bits)) return false;
  }
  size_t len = strlen(entry);
  if (entry[0] == '[' && entry[len - 1] == ']') {
    entry[len - 1] = '\0';
    entry++;
  }
  return address_of(entry, network) == n && bits <= 8 * n &&
         same_bits(address, network, (size_t)bits);
}

static opamp_str without_last_dot(opamp_str s) {
  if (s.len > 0 && s.ptr[s.len - 1] == '.') s.len--;
  return s;
}

/* "example.com", ".example.com" */
static bool name_ends(const char *entry, const char *host) {
  opamp_str name = without_last_dot(opamp__str(host));
  opamp_str end =
      without_last_dot(opamp__str(entry[0] == '.' ? entry + 1 : entry));
  if (end.len == 0 || end.len > name.len) return false;
  size_t before = name.len - end.len;
  opamp_str tail = {name.ptr + before, end.len};
  return opamp__str_case_eq(tail, end) &&
         (before == 0 || name.ptr[before - 1] == '.');
}

bool opamp__proxy_excepted(const char *list, const char *host) {
  uint8_t address[16];
  size_t n = address_of(host, address);
  char entry[ENTRY_MAX];
  if (strcmp(list, "*") == 0) return true;
  while (*list != '\0') {
    size_t len = strcspn(list, ", ");
    if (len > 0 && len < sizeof entry) {
      memcpy(entry, list, len);
      entry[len] = '\0';
      if (n > 0 ? network_has(entry, address, n) : name_ends(entry, host))
        return true;
    }
    list += len;
    list += strspn(list, ", ");
  }
  return false;
}

/* --- variables ------------------------------------------------------------ */

static const char *set(const char *name) {
  const char *value = getenv(name);
  return value != NULL && value[0] != '\0' ? value : NULL;
}

/* The value of the first variable that is set, and its name. */
static const char *first(const char *const *names, const char **name) {
  const char *value = NULL;
  for (; value == NULL && *names != NULL; names++) {
    *name = *names;
    value = set(*names);
  }
  return value;
}

opamp_status opamp__proxy_from_env(opamp__proxy *out, const opamp__url *url) {
  static const char *const plain[] = {"http_proxy", "all_proxy", "ALL_PROXY",
                                      NULL};
  static const char *const tls[] = {"https_proxy", "HTTPS_PROXY", "all_proxy",
                                    "ALL_PROXY", NULL};
  static const char *const none[] = {"no_proxy", "NO_PROXY", NULL};
  const char *name, *ignored;
  *out = (opamp__proxy){0};
  const char *value = first(url->tls ? tls : plain, &name);
  if (value == NULL) return OPAMP_OK;
  const char *exceptions = first(none, &ignored);
  if (exceptions != NULL && opamp__proxy_excepted(exceptions, url->host))
    return OPAMP_OK;
  opamp_status st = opamp__proxy_parse(out, opamp__str(value));
  if (st != OPAMP_ERR_INVALID) return st;
  char why[200];
  snprintf(why, sizeof why, "%s", opamp_errmsg());
  return opamp__fail(st, "environment variable %s: %s", name, why);
}
