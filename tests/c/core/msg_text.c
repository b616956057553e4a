/* SPDX-License-Identifier: Apache-2.0 */
#include "msg_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STRING = 4096 };

static void skip(const char **t) {
  while (**t == ' ') (*t)++;
}

long msg_text_string(const char **text, char *out, size_t cap) {
  const char *t = *text;
  size_t n = 0;
  if (*t++ != '"') return -1;
  while (*t != '"') {
    char c = *t++;
    if (c == '\0' || n + 1 >= cap) return -1;
    if (c == '\\' && *t == 'x') {
      char hex[3] = {t[1], t[2], 0};
      c = (char)strtol(hex, NULL, 16);
      t += 3;
    } else if (c == '\\') {
      c = *t++;
    }
    out[n++] = c;
  }
  out[n] = '\0';
  *text = t + 1;
  return (long)n;
}

static size_t word(const char *t) {
  size_t n = 0;
  while (isalnum((unsigned char)t[n]) || t[n] == '_') n++;
  return n;
}

static opamp_status parse_scalar(opamp_msg *m, int field, const char **t) {
  int type = opamp_msg_type(m), kind = opamp_msg_field_kind(type, field);
  char buf[MAX_STRING];
  char *end;
  opamp_status s;
  uint64_t v;
  if (kind == OPAMP_KIND_STR || kind == OPAMP_KIND_BYTES) {
    long n = msg_text_string(t, buf, sizeof buf);
    if (n < 0) return OPAMP_ERR_INVALID;
    if (kind == OPAMP_KIND_STR)
      return opamp_msg_set_str(m, field, (opamp_str){buf, (size_t)n});
    return opamp_msg_set_bytes(m, field,
                               (opamp_bytes){(uint8_t *)buf, (size_t)n});
  }
  if (isalpha((unsigned char)**t)) {
    snprintf(buf, sizeof buf, "%.*s", (int)word(*t), *t);
    *t += word(*t);
    if (kind == OPAMP_KIND_BOOL)
      return opamp_msg_set_bool(m, field, strcmp(buf, "true") == 0);
    if (!opamp_msg_enum_value(type, field, buf, &v)) return OPAMP_ERR_INVALID;
    return opamp_msg_set_u64(m, field, v);
  }
  if (kind == OPAMP_KIND_F64)
    s = opamp_msg_set_f64(m, field, strtod(*t, &end));
  else if (kind == OPAMP_KIND_I64)
    s = opamp_msg_set_i64(m, field, strtoll(*t, &end, 0));
  else
    s = opamp_msg_set_u64(m, field, strtoull(*t, &end, 0));
  *t = end;
  return s;
}

static bool parse_braces(opamp_msg *child, const char **t) {
  if (*(*t)++ != '{' || !msg_text_parse(child, t) || **t != '}') return false;
  (*t)++;
  return true;
}

static bool parse_map(opamp_msg *m, int field, const char **t) {
  char key[MAX_STRING], value[MAX_STRING];
  opamp_msg *child;
  long n, len;
  (*t)++;
  n = msg_text_string(t, key, sizeof key);
  if (n < 0 || *(*t)++ != ']') return false;
  opamp_str k = {key, (size_t)n};
  if (opamp_msg_field_kind(opamp_msg_type(m), field) == OPAMP_KIND_MSG)
    return opamp_msg_put(&child, m, field, k) == OPAMP_OK &&
           parse_braces(child, t);
  if (*(*t)++ != ':') return false;
  len = msg_text_string(t, value, sizeof value);
  return len >= 0 &&
         opamp_msg_put_str(m, field, k, (opamp_str){value, (size_t)len}) ==
             OPAMP_OK;
}

bool msg_text_parse(opamp_msg *m, const char **t) {
  for (skip(t); **t != '\0' && **t != '}'; skip(t)) {
    char name[64];
    opamp_msg *child;
    int field;
    snprintf(name, sizeof name, "%.*s", (int)word(*t), *t);
    field = opamp_msg_field_by_name(opamp_msg_type(m), name);
    if (field == 0) return false;
    *t += strlen(name);
    if (**t == '[') {
      if (!parse_map(m, field, t)) return false;
    } else if (**t == '{') {
      if (opamp_msg_add(&child, m, field) != OPAMP_OK ||
          !parse_braces(child, t))
        return false;
    } else if (*(*t)++ != ':' || parse_scalar(m, field, t) != OPAMP_OK) {
      return false;
    }
  }
  return true;
}

/* --- printing ------------------------------------------------------------- */

typedef struct writer {
  char *out;
  size_t cap, len;
} writer;

static void put(writer *w, const char *s, size_t n) {
  for (size_t i = 0; i < n && w->len + 1 < w->cap; i++) w->out[w->len++] = s[i];
  if (w->cap > 0) w->out[w->len] = '\0';
}

static void put_z(writer *w, const char *s) {
  put(w, s, strlen(s));
}

static void put_string(writer *w, const char *s, size_t n) {
  put_z(w, "\"");
  for (size_t i = 0; i < n; i++) {
    char hex[8];
    if (isprint((unsigned char)s[i]) && s[i] != '"' && s[i] != '\\') {
      put(w, &s[i], 1);
    } else {
      snprintf(hex, sizeof hex, "\\x%02x", (unsigned char)s[i]);
      put_z(w, hex);
    }
  }
  put_z(w, "\"");
}

static void put_scalar(writer *w, const opamp_msg *m, int field, size_t i) {
  int type = opamp_msg_type(m), kind = opamp_msg_field_kind(type, field);
  char buf[40];
  opamp_str s;
  opamp_bytes b;
  const char *name;
  switch (kind) {
    case OPAMP_KIND_STR:
      s = opamp_msg_str(m, field, i);
      put_string(w, s.ptr, s.len);
      return;
    case OPAMP_KIND_BYTES:
      b = opamp_msg_bytes(m, field, i);
      put_string(w, (const char *)b.ptr, b.len);
      return;
    case OPAMP_KIND_BOOL:
      put_z(w, opamp_msg_bool(m, field, i) ? "true" : "false");
      return;
    case OPAMP_KIND_F64:
      snprintf(buf, sizeof buf, "%g", opamp_msg_f64(m, field, i));
      break;
    case OPAMP_KIND_I64:
      snprintf(buf, sizeof buf, "%" PRId64, opamp_msg_i64(m, field, i));
      break;
    default:
      name = kind == OPAMP_KIND_ENUM
                 ? opamp_msg_enum_name(type, field, opamp_msg_u64(m, field, i))
                 : NULL;
      snprintf(buf, sizeof buf, "%" PRIu64, opamp_msg_u64(m, field, i));
      if (name != NULL) snprintf(buf, sizeof buf, "%s", name);
      break;
  }
  put_z(w, buf);
}

static void print(writer *w, const opamp_msg *m);

static void print_value(writer *w, const opamp_msg *m, int field, size_t i) {
  int type = opamp_msg_type(m);
  opamp_str key = {NULL, 0};
  put_z(w, opamp_msg_field_name(type, field));
  if (opamp_msg_field_flags(type, field) & OPAMP_FIELD_MAP) {
    key = opamp_msg_key(m, field, i);
    put_z(w, "[");
    put_string(w, key.ptr, key.len);
    put_z(w, "]");
  }
  if (opamp_msg_field_kind(type, field) == OPAMP_KIND_MSG) {
    put_z(w, "{");
    print(w, opamp_msg_sub(m, field, i));
    put_z(w, "}");
  } else {
    put_z(w, ":");
    if (opamp_msg_field_flags(type, field) & OPAMP_FIELD_MAP) {
      opamp_str v = opamp_msg_find_str(m, field, key);
      put_string(w, v.ptr, v.len);
    } else {
      put_scalar(w, m, field, i);
    }
  }
}

static void print(writer *w, const opamp_msg *m) {
  int type = opamp_msg_type(m);
  bool first = true;
  for (size_t f = 0; f < opamp_msg_field_count(type); f++) {
    int field = opamp_msg_field_at(type, f);
    for (size_t i = 0; i < opamp_msg_count(m, field); i++) {
      if (!first) put_z(w, " ");
      first = false;
      print_value(w, m, field, i);
    }
  }
}

size_t msg_text_print(const opamp_msg *m, char *out, size_t cap) {
  writer w = {out, cap, 0};
  put_z(&w, "");
  print(&w, m);
  return w.len;
}
