/* SPDX-License-Identifier: Apache-2.0 */
#include "base/redact.h"

#include "base/str.h"

/* Where the reader is. */
typedef struct cursor {
  const char *p;
  size_t len, at;
  size_t line;    /* where the present line begins */
  unsigned depth; /* of brackets: JSON, and YAML in its flow form */
} cursor;

static char peek(const cursor *c, size_t at) {
  return at < c->len ? c->p[at] : '\0';
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

static bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == '/';
}

static bool is_quote(char c) {
  return c == '"' || c == '\'';
}

static size_t skip_blanks(const cursor *c, size_t at) {
  while (is_blank(peek(c, at))) at++;
  return at;
}

static size_t end_of_line(const cursor *c, size_t at) {
  while (at < c->len && c->p[at] != '\n') at++;
  return at;
}

/* Behind the quoted string that begins at `at`; the end of the line when it is
 * not closed there. */
static size_t end_of_quoted(const cursor *c, size_t at) {
  char quote = c->p[at++];
  for (; at < c->len && c->p[at] != '\n'; at++) {
    if (c->p[at] == '\\' && quote == '"')
      at++;
    else if (c->p[at] == quote)
      return at + 1;
  }
  return at < c->len ? at : c->len;
}

/* --- patterns ------------------------------------------------------------- */

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

/* One pattern; on a mismatch the last star takes one character more. */
static bool matches(opamp_str key, opamp_str pattern) {
  size_t k = 0, p = 0, star = SIZE_MAX, from = 0;
  while (k < key.len) {
    if (p < pattern.len && pattern.ptr[p] == '*') {
      star = p++;
      from = k;
    } else if (p < pattern.len &&
               (pattern.ptr[p] == '?' ||
                lower(pattern.ptr[p]) == lower(key.ptr[k]))) {
      p++;
      k++;
    } else if (star != SIZE_MAX) {
      p = star + 1;
      k = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.len && pattern.ptr[p] == '*') p++;
  return p == pattern.len;
}

static bool is_secret(opamp_str key, opamp_str patterns) {
  size_t at = 0;
  while (at < patterns.len) {
    size_t n = 0;
    while (at + n < patterns.len && patterns.ptr[at + n] != ',') n++;
    opamp_str one = {patterns.ptr + at, n};
    if (n > 0 && matches(key, opamp__str_trim(one))) return true;
    at += n + 1;
  }
  return false;
}

/* --- values --------------------------------------------------------------- */

/* Behind the bracketed structure that begins at `at`. */
static size_t end_of_brackets(const cursor *c, size_t at) {
  unsigned depth = 0;
  while (at < c->len) {
    char ch = c->p[at];
    if (is_quote(ch)) {
      at = end_of_quoted(c, at);
      continue;
    }
    if (ch == '{' || ch == '[') depth++;
    if ((ch == '}' || ch == ']') && --depth == 0) return at + 1;
    at++;
  }
  return at;
}

/* Behind the lines that belong to a key in column `column`: deeper ones, empty
 * ones between them, and the items of a list in the same column. */
static size_t end_of_block(const cursor *c, size_t at, size_t column) {
  size_t end = at;
  while (at < c->len) {
    size_t first = skip_blanks(c, at + 1), indent = first - (at + 1);
    bool empty = first >= c->len || c->p[first] == '\n';
    bool item = indent == column && peek(c, first) == '-' &&
                (is_blank(peek(c, first + 1)) || peek(c, first + 1) == '\n');
    if (!empty && indent <= column && !item) break;
    at = end_of_line(c, first);
    if (!empty) end = at;
  }
  return end;
}

static size_t end_in_brackets(const cursor *c, size_t at) {
  while (at < c->len && c->p[at] != ',' && c->p[at] != '}' && c->p[at] != ']' &&
         c->p[at] != '\n')
    at++;
  return at;
}

/* Behind the value that begins at `at`, of a key in column `column`. */
static size_t end_of_value(const cursor *c, size_t at, size_t column) {
  char first = peek(c, at);
  if (c->depth > 0 && is_quote(first)) return end_of_quoted(c, at);
  if (first == '{' || first == '[') at = end_of_brackets(c, at);
  if (c->depth > 0) return end_in_brackets(c, at);
  return end_of_block(c, end_of_line(c, at), column);
}

/* --- the text ------------------------------------------------------------- */

/* Moves to `to`, minding lines. */
static void move(cursor *c, size_t to) {
  for (; c->at < to; c->at++)
    if (c->p[c->at] == '\n') c->line = c->at + 1;
}

/* A word or quoted string: copied, and what follows it as well when it is a
 * key. */
static bool take_token(cursor *c, opamp__buf *out, opamp_str patterns) {
  size_t begin = c->at, column = begin - c->line, end, after, value;
  opamp_str key;
  if (is_quote(c->p[begin])) {
    end = end_of_quoted(c, begin);
    key = (opamp_str){c->p + begin + 1, end - begin >= 2 ? end - begin - 2 : 0};
  } else {
    for (end = begin; is_word(peek(c, end));) end++;
    key = (opamp_str){c->p + begin, end - begin};
  }
  after = skip_blanks(c, end);
  if ((peek(c, after) != ':' && peek(c, after) != '=') ||
      !is_secret(key, patterns)) {
    move(c, end);
    return opamp__buf_append(out, c->p + begin, end - begin);
  }
  value = skip_blanks(c, after + 1);
  end = end_of_value(c, value, column);
  move(c, end);
  if (end == value) return opamp__buf_append(out, c->p + begin, end - begin);
  return opamp__buf_append(out, c->p + begin, value - begin) &&
         (c->p[value] != '\n' || opamp__buf_byte(out, ' ')) &&
         opamp__buf_append(out, "\"***\"", 5);
}

static bool take_other(cursor *c, opamp__buf *out) {
  char ch = c->p[c->at];
  if (ch == '{' || ch == '[') c->depth++;
  if ((ch == '}' || ch == ']') && c->depth > 0) c->depth--;
  move(c, c->at + 1);
  return opamp__buf_byte(out, (uint8_t)ch);
}

bool opamp__redact(opamp__buf *out, opamp_str text, opamp_str patterns) {
  cursor c = {text.ptr, text.len, 0, 0, 0};
  bool ok = true;
  while (ok && c.at < c.len) {
    char ch = c.p[c.at];
    ok = is_word(ch) || is_quote(ch) ? take_token(&c, out, patterns)
                                     : take_other(&c, out);
  }
  return ok;
}
