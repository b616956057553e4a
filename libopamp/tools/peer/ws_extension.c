/* SPDX-License-Identifier: Apache-2.0 */
/* The negotiation of permessage-deflate (RFC 7692 7.1). */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "peer/websocket.h"

enum { MAX_BITS = 15, MIN_BITS = 9 }; /* zlib has no raw window of 8 */

/* The next word of a header value: a token, a number or a quoted one. */
static size_t word(const char **at, const char **text) {
  const char *p = *at + strspn(*at, " \t");
  if (*p == '"') p++;
  *text = p;
  size_t n = strcspn(p, " \t,;=\"");
  p += n;
  if (*p == '"') p++;
  *at = p + strspn(p, " \t");
  return n;
}

static bool word_is(const char *text, size_t n, const char *want) {
  return n == strlen(want) && strncasecmp(text, want, n) == 0;
}

static bool bits_ok(const char *text, size_t n, int *bits) {
  if (n == 0 || n > 2 || strspn(text, "0123456789") < n) return false;
  *bits = (int)strtol(text, NULL, 10);
  return *bits >= 8 && *bits <= MAX_BITS;
}

/* Reads one offer up to its comma. The window bits to use, 0: not for us. */
static int read_offer(const char **at, bool *wants_bits) {
  const char *text, *value = NULL;
  size_t n = word(at, &text);
  bool ok = word_is(text, n, "permessage-deflate");
  int bits = MAX_BITS, ignored;
  while (**at != '\0' && **at != ',') {
    size_t value_len = 0;
    const char *before = *at;
    if (**at == ';') ++*at;
    n = word(at, &text);
    if (**at == '=') {
      ++*at;
      value_len = word(at, &value);
    }
    if (*at == before) ++*at; /* a stray character: never stand still */
    if (word_is(text, n, "server_max_window_bits")) {
      ok = ok && value_len > 0 && bits_ok(value, value_len, &bits);
      *wants_bits = true;
    } else if (word_is(text, n, "client_max_window_bits")) {
      ok = ok && (value_len == 0 || bits_ok(value, value_len, &ignored));
    } else {
      ok = ok && value_len == 0 &&
           (word_is(text, n, "server_no_context_takeover") ||
            word_is(text, n, "client_no_context_takeover"));
    }
  }
  return ok && bits >= MIN_BITS ? bits : 0;
}

int ws_negotiate_deflate(tool_buf *answer, const char *offers) {
  while (*offers != '\0') {
    bool wants_bits = false;
    int bits = read_offer(&offers, &wants_bits);
    if (bits != 0) {
      tool_buf_text(answer,
                    "permessage-deflate; server_no_context_takeover; "
                    "client_no_context_takeover");
      if (wants_bits)
        tool_buf_printf(answer, "; server_max_window_bits=%d", bits);
      return bits;
    }
    if (*offers == ',') offers++;
  }
  return 0;
}
