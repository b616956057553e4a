/* SPDX-License-Identifier: Apache-2.0 */
#include "gen.h"

#include <stdio.h>

static opamp_str numbered(char buf[32], const char *what, int i) {
  int n = snprintf(buf, 32, "%s-%d", what, i);
  return (opamp_str){buf, (size_t)n};
}

static opamp_status set_scalar(opamp_msg *m, int field, int kind, int i) {
  char buf[32];
  opamp_str text = numbered(buf, "t\xc3\xa9xt", i);
  opamp_bytes bytes = {(const uint8_t *)buf, text.len + 1}; /* with a NUL */
  switch (kind) {
    case OPAMP_KIND_U64:
      return opamp_msg_set_u64(m, field, UINT64_MAX - (unsigned)i);
    case OPAMP_KIND_I64:
      return opamp_msg_set_i64(m, field, INT64_MIN + i);
    case OPAMP_KIND_F64:
      return opamp_msg_set_f64(m, field, -1.5 * i - 0.25);
    case OPAMP_KIND_BOOL:
      return opamp_msg_set_bool(m, field, true);
    case OPAMP_KIND_STR:
      return opamp_msg_set_str(m, field, text);
    case OPAMP_KIND_BYTES:
      return opamp_msg_set_bytes(m, field, bytes);
    case OPAMP_KIND_ENUM:
      return opamp_msg_set_u64(m, field, (uint64_t)i % 2 + 1);
    default:
      return OPAMP_ERR_UNSUPPORTED;
  }
}

static opamp_status fill_map(opamp_msg *m, int field, int depth,
                             unsigned pick) {
  int kind = opamp_msg_field_kind(opamp_msg_type(m), field);
  opamp_status s = OPAMP_OK;
  for (int i = 3; i > 0 && s == OPAMP_OK; i--) {
    char key[32], value[32];
    opamp_msg *child;
    opamp_str k = numbered(key, "key", i % 3);
    if (kind == OPAMP_KIND_STR) {
      s = opamp_msg_put_str(m, field, k, numbered(value, "value", i));
    } else {
      s = opamp_msg_put(&child, m, field, k);
      if (s == OPAMP_OK) s = gen_fill(child, depth - 1, pick + (unsigned)i);
    }
  }
  return s;
}

static opamp_status fill_field(opamp_msg *m, int field, int depth,
                               unsigned pick) {
  int type = opamp_msg_type(m);
  int kind = opamp_msg_field_kind(type, field);
  unsigned flags = opamp_msg_field_flags(type, field);
  int n = flags & OPAMP_FIELD_REPEATED ? 3 : 1;
  opamp_status s = OPAMP_OK;
  if (kind == OPAMP_KIND_MSG && depth == 0) return OPAMP_OK;
  if (flags & OPAMP_FIELD_MAP) return fill_map(m, field, depth, pick);
  for (int i = 0; i < n && s == OPAMP_OK; i++) {
    opamp_msg *child;
    if (kind == OPAMP_KIND_MSG) {
      s = opamp_msg_add(&child, m, field);
      if (s == OPAMP_OK) s = gen_fill(child, depth - 1, pick + (unsigned)i);
    } else {
      s = set_scalar(m, field, kind, field * 10 + i);
    }
  }
  return s;
}

opamp_status gen_fill(opamp_msg *m, int depth, unsigned pick) {
  int type = opamp_msg_type(m);
  size_t n = opamp_msg_field_count(type);
  unsigned members = 0, chosen = 0, seen = 0;
  opamp_status s = OPAMP_OK;
  for (size_t i = 0; i < n; i++)
    if (opamp_msg_field_flags(type, opamp_msg_field_at(type, i)) &
        OPAMP_FIELD_ONEOF)
      members++;
  if (members > 0) chosen = pick % members;
  for (size_t i = 0; i < n && s == OPAMP_OK; i++) {
    int field = opamp_msg_field_at(type, i);
    unsigned flags = opamp_msg_field_flags(type, field);
    if ((flags & OPAMP_FIELD_ONEOF) == 0 || seen++ == chosen)
      s = fill_field(m, field, depth, pick);
  }
  return s;
}

static void check_value(const opamp_msg *a, const opamp_msg *b, int field,
                        size_t i) {
  int kind = opamp_msg_field_kind(opamp_msg_type(a), field);
  opamp_str s = opamp_msg_str(a, field, i), t = opamp_msg_str(b, field, i);
  opamp_bytes x = opamp_msg_bytes(a, field, i);
  opamp_bytes y = opamp_msg_bytes(b, field, i);
  opamp_str k = opamp_msg_key(a, field, i), l = opamp_msg_key(b, field, i);
  double f = opamp_msg_f64(a, field, i), g = opamp_msg_f64(b, field, i);
  CHECK(opamp_msg_u64(a, field, i) == opamp_msg_u64(b, field, i));
  CHECK(opamp_msg_i64(a, field, i) == opamp_msg_i64(b, field, i));
  CHECK(memcmp(&f, &g, sizeof f) == 0);
  CHECK(opamp_msg_bool(a, field, i) == opamp_msg_bool(b, field, i));
  CHECK((s.ptr == NULL) == (t.ptr == NULL));
  CHECK_MEM(s.ptr, s.len, t.ptr, t.len);
  CHECK_MEM(x.ptr, x.len, y.ptr, y.len);
  CHECK_MEM(k.ptr, k.len, l.ptr, l.len);
  if (kind == OPAMP_KIND_MSG)
    gen_check_equal(opamp_msg_sub(a, field, i), opamp_msg_sub(b, field, i));
}

void gen_check_equal(const opamp_msg *a, const opamp_msg *b) {
  int type = opamp_msg_type(a);
  CHECK(a != NULL && b != NULL);
  CHECK_EQ(opamp_msg_type(b), type);
  for (size_t i = 0; i < opamp_msg_field_count(type); i++) {
    int field = opamp_msg_field_at(type, i);
    size_t n = opamp_msg_count(a, field);
    CHECK_EQ(opamp_msg_count(b, field), n);
    for (size_t k = 0; k < n; k++) check_value(a, b, field, k);
  }
}

opamp__buf gen_pack(const opamp_msg *m) {
  opamp__buf b = {0};
  size_t len = 0;
  opamp_status s = opamp_msg_pack(m, NULL, &len);
  CHECK(s == (len > 0 ? OPAMP_ERR_SPACE : OPAMP_OK));
  CHECK(opamp__buf_reserve(&b, len + 1));
  b.len = len;
  b.ptr[len] = 0xa5;
  CHECK_EQ(opamp_msg_pack(m, b.ptr, &len), OPAMP_OK);
  CHECK_EQ(len, b.len);
  CHECK_EQ(b.ptr[len], 0xa5);
  return b;
}

opamp__buf gen_canonical(const opamp_msg *m) {
  opamp__buf b = {0};
  CHECK_EQ(opamp__msg_pack_canonical(m, &b), OPAMP_OK);
  return b;
}

opamp_msg *gen_parse(int type, opamp__buf wire) {
  opamp_msg *m;
  opamp_status s = opamp_msg_parse(&m, type, opamp__buf_bytes(&wire));
  if (s != OPAMP_OK)
    harness_fail(__FILE__, __LINE__, "parsing: %s", opamp_errmsg());
  return m;
}

opamp_msg *gen_new(int type) {
  opamp_msg *m;
  CHECK_EQ(opamp_msg_new(&m, type), OPAMP_OK);
  return m;
}
