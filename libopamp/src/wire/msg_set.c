/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "wire/message.h"
#include "wire/wire.h"

/* The field of a setter and where its value goes, or why there is none. */
typedef struct target {
  ProtobufCMessage *m;
  opamp__arena *arena;
  const ProtobufCFieldDescriptor *f;
  opamp_status status;
} target;

static bool aim(target *t, opamp_msg *msg, int field, const char *function) {
  t->status = opamp__msg_check(msg, function);
  if (t->status != OPAMP_OK) return false;
  t->m = opamp__pb(msg);
  t->arena = opamp__arena_of(msg);
  t->f = field > 0 ? opamp__field(t->m->descriptor, (uint32_t)field) : NULL;
  if (t->f == NULL)
    t->status = opamp__fail(OPAMP_ERR_TYPE, "%s has no field %d",
                            t->m->descriptor->short_name, field);
  return t->f != NULL;
}

static opamp_status other_kind(const target *t) {
  return opamp__fail(OPAMP_ERR_TYPE, "%s.%s is of another kind",
                     t->m->descriptor->short_name, t->f->name);
}

/* Stores a value of n bytes in a singular field. */
static void store(const target *t, const void *v, size_t n) {
  memcpy(opamp__member(t->m, t->f->offset), v, n);
  if (opamp__is_oneof(t->f)) *opamp__case(t->m, t->f) = t->f->id;
}

/* --- numbers -------------------------------------------------------------- */

/* The fields of this schema that repeat are messages and texts. */
static bool is_number(const target *t, ProtobufCType type) {
  return t->f->type == type && !opamp__is_repeated(t->f);
}

static opamp_status set_enum(const target *t, uint64_t v) {
  int64_t wide = (int64_t)v;
  if (wide < INT32_MIN || wide > INT32_MAX)
    return opamp__fail(OPAMP_ERR_INVALID, "%s.%s: beyond an enumeration",
                       t->m->descriptor->short_name, t->f->name);
  int32_t value = (int32_t)wide;
  store(t, &value, sizeof value);
  return OPAMP_OK;
}

opamp_status opamp_msg_set_u64(opamp_msg *m, int field, uint64_t v) {
  target t;
  if (!aim(&t, m, field, __func__)) return t.status;
  if (is_number(&t, PROTOBUF_C_TYPE_ENUM)) return set_enum(&t, v);
  if (!is_number(&t, PROTOBUF_C_TYPE_UINT64) &&
      !is_number(&t, PROTOBUF_C_TYPE_FIXED64))
    return other_kind(&t);
  store(&t, &v, sizeof v);
  return OPAMP_OK;
}

static opamp_status set_number(opamp_msg *m, int field, ProtobufCType type,
                               const void *v, size_t n, const char *function) {
  target t;
  if (!aim(&t, m, field, function)) return t.status;
  if (!is_number(&t, type)) return other_kind(&t);
  store(&t, v, n);
  return OPAMP_OK;
}

opamp_status opamp_msg_set_i64(opamp_msg *m, int field, int64_t v) {
  return set_number(m, field, PROTOBUF_C_TYPE_INT64, &v, sizeof v, __func__);
}

opamp_status opamp_msg_set_f64(opamp_msg *m, int field, double v) {
  return set_number(m, field, PROTOBUF_C_TYPE_DOUBLE, &v, sizeof v, __func__);
}

opamp_status opamp_msg_set_bool(opamp_msg *m, int field, bool v) {
  protobuf_c_boolean wide = v;
  return set_number(m, field, PROTOBUF_C_TYPE_BOOL, &wide, sizeof wide,
                    __func__);
}

/* --- texts and bytes ------------------------------------------------------ */

static opamp_status check_text(const target *t, opamp_str v) {
  if (v.len == 0) return OPAMP_OK;
  if (memchr(v.ptr, '\0', v.len) != NULL)
    return opamp__fail(OPAMP_ERR_UTF8, "%s.%s: NUL in a text",
                       t->m->descriptor->short_name, t->f->name);
  if (!opamp__utf8_valid((const uint8_t *)v.ptr, v.len))
    return opamp__fail(OPAMP_ERR_UTF8, "%s.%s: not UTF-8",
                       t->m->descriptor->short_name, t->f->name);
  return OPAMP_OK;
}

/* A copy with a NUL behind it. It takes the place of `old`, the piece that the
 * field has now, when that is large enough: a field that is set again and again
 * must not grow its message. */
static void *copy(opamp__arena *a, void *old, const void *p, size_t n) {
  bool fits = old != NULL && opamp__arena_size(old) > n;
  char *to = fits ? old : opamp__arena_alloc(a, n + 1);
  if (to == NULL) return NULL;
  if (n > 0) memmove(to, p, n);
  to[n] = '\0';
  if (!fits) opamp__arena_drop(a, old);
  return to;
}

/* protobuf-c's empty text is shared and no piece of ours. */
static char *text_piece(const void *member) {
  char *text = *(char *const *)member;
  return text != protobuf_c_empty_string ? text : NULL;
}

static opamp_status append(const target *t, void *element) {
  void ***list = opamp__list(t->m, t->f);
  size_t *n = opamp__list_len(t->m, t->f);
  void **grown = opamp__arena_grow(t->arena, *list, (*n + 1) * sizeof *grown);
  if (grown == NULL) return opamp__nomem();
  grown[(*n)++] = element;
  *list = grown;
  return OPAMP_OK;
}

opamp_status opamp_msg_set_str(opamp_msg *m, int field, opamp_str v) {
  target t;
  if (!aim(&t, m, field, __func__)) return t.status;
  if (t.f->type != PROTOBUF_C_TYPE_STRING) return other_kind(&t);
  opamp_status s = check_text(&t, v);
  if (s != OPAMP_OK) return s;
  bool single = !opamp__is_repeated(t.f) && !opamp__is_oneof(t.f);
  void *old = single ? text_piece(opamp__member(t.m, t.f->offset)) : NULL;
  char *text = copy(t.arena, old, v.ptr, v.len);
  if (text == NULL) return opamp__nomem();
  if (opamp__is_repeated(t.f)) return append(&t, text);
  store(&t, &text, sizeof text);
  return OPAMP_OK;
}

opamp_status opamp_msg_set_bytes(opamp_msg *m, int field, opamp_bytes v) {
  target t;
  if (!aim(&t, m, field, __func__)) return t.status;
  if (!is_number(&t, PROTOBUF_C_TYPE_BYTES)) return other_kind(&t);
  const ProtobufCBinaryData *now = opamp__member(t.m, t.f->offset);
  void *old = opamp__is_oneof(t.f) ? NULL : now->data;
  ProtobufCBinaryData data = {v.len, copy(t.arena, old, v.ptr, v.len)};
  if (data.data == NULL) return opamp__nomem();
  store(&t, &data, sizeof data);
  return OPAMP_OK;
}

/* --- sub-messages --------------------------------------------------------- */

opamp_status opamp_msg_add(opamp_msg **child, opamp_msg *m, int field) {
  target t;
  opamp_status s = OPAMP_OK;
  *child = NULL;
  if (!aim(&t, m, field, __func__)) return t.status;
  if (!opamp__is_message(t.f) || opamp__is_map(t.f)) return other_kind(&t);
  bool list = opamp__is_repeated(t.f);
  ProtobufCMessage *sub = NULL;
  if (!list && opamp__count(t.m, t.f) > 0)
    sub = *(ProtobufCMessage **)opamp__member(t.m, t.f->offset);
  if (sub == NULL) {
    sub = opamp__pb_new(t.f->descriptor, t.arena);
    if (sub == NULL) return opamp__nomem();
    if (list)
      s = append(&t, sub);
    else
      store(&t, &sub, sizeof sub);
  }
  if (s == OPAMP_OK) *child = opamp__msg_of(sub);
  return s;
}

static ProtobufCMessage *new_entry(const target *t, opamp_str key) {
  ProtobufCMessage *e = opamp__pb_new(t->f->descriptor, t->arena);
  char *text = copy(t->arena, NULL, key.ptr, key.len);
  if (e == NULL || text == NULL) return NULL;
  const ProtobufCFieldDescriptor *fields = e->descriptor->fields;
  memcpy(opamp__member(e, fields[0].offset), &text, sizeof text);
  if (opamp__is_message(&fields[1])) {
    ProtobufCMessage *value = opamp__pb_new(fields[1].descriptor, t->arena);
    if (value == NULL) return NULL;
    memcpy(opamp__member(e, fields[1].offset), &value, sizeof value);
  }
  return e;
}

/* A new entry, with an empty value, in its place among the others. */
static ProtobufCMessage *insert(target *t, size_t index, opamp_str key) {
  ProtobufCMessage *entry = new_entry(t, key);
  t->status = entry != NULL ? append(t, entry) : opamp__nomem();
  if (t->status != OPAMP_OK) return NULL;
  void **list = *opamp__list(t->m, t->f);
  size_t last = *opamp__list_len(t->m, t->f) - 1;
  memmove(list + index + 1, list + index, (last - index) * sizeof *list);
  list[index] = entry;
  return entry;
}

/* The entry of `key` in a map of values of `type`, made when absent. NULL when
 * that fails, with t->status. */
static ProtobufCMessage *put(target *t, ProtobufCType type, opamp_str key) {
  size_t index;
  const ProtobufCMessageDescriptor *d = t->f->descriptor;
  if (!opamp__is_map(t->f) || d->fields[1].type != type)
    t->status = other_kind(t);
  else
    t->status = check_text(t, key);
  if (t->status != OPAMP_OK) return NULL;
  if (!opamp__map_find(t->m, t->f, key, &index)) return insert(t, index, key);
  return (*opamp__list(t->m, t->f))[index];
}

opamp_status opamp_msg_put(opamp_msg **child, opamp_msg *m, int field,
                           opamp_str key) {
  target t;
  *child = NULL;
  if (!aim(&t, m, field, __func__)) return t.status;
  ProtobufCMessage *entry = put(&t, PROTOBUF_C_TYPE_MESSAGE, key);
  if (entry == NULL) return t.status;
  size_t at = entry->descriptor->fields[1].offset;
  *child = opamp__msg_of(*(ProtobufCMessage **)opamp__member(entry, at));
  return OPAMP_OK;
}

opamp_status opamp_msg_put_str(opamp_msg *m, int field, opamp_str key,
                               opamp_str value) {
  target t;
  if (!aim(&t, m, field, __func__)) return t.status;
  opamp_status s = check_text(&t, value);
  if (s != OPAMP_OK) return s;
  char *text = copy(t.arena, NULL, value.ptr, value.len);
  if (text == NULL) return opamp__nomem();
  ProtobufCMessage *entry = put(&t, PROTOBUF_C_TYPE_STRING, key);
  if (entry == NULL) return t.status;
  memcpy(opamp__member(entry, entry->descriptor->fields[1].offset), &text,
         sizeof text);
  return OPAMP_OK;
}

opamp_status opamp_msg_clear(opamp_msg *m, int field) {
  target t;
  if (!aim(&t, m, field, __func__)) return t.status;
  void *member = opamp__member(t.m, t.f->offset);
  if (opamp__is_repeated(t.f)) {
    *opamp__list_len(t.m, t.f) = 0;
  } else if (opamp__is_oneof(t.f)) {
    if (*opamp__case(t.m, t.f) == t.f->id) *opamp__case(t.m, t.f) = 0;
  } else if (t.f->type == PROTOBUF_C_TYPE_STRING) {
    const char *empty = protobuf_c_empty_string;
    memcpy(member, &empty, sizeof empty);
  } else if (t.f->type == PROTOBUF_C_TYPE_BYTES) {
    memset(member, 0, sizeof(ProtobufCBinaryData));
  } else if (opamp__is_message(t.f)) {
    memset(member, 0, sizeof(void *));
  } else {
    bool narrow =
        t.f->type == PROTOBUF_C_TYPE_BOOL || t.f->type == PROTOBUF_C_TYPE_ENUM;
    memset(member, 0, narrow ? sizeof(int32_t) : sizeof(uint64_t));
  }
  return OPAMP_OK;
}
