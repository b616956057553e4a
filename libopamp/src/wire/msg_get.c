/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "wire/message.h"

/* A value that is there; NULL when it is not, or when there is no such field.
 * `*f` is set with it. */
static const void *get(const opamp_msg *msg, int field, size_t i,
                       const ProtobufCFieldDescriptor **f) {
  const ProtobufCMessage *m = opamp__pb_const(msg);
  if (m == NULL || opamp__pb_freed(m) || field < 1) return NULL;
  *f = opamp__field(m->descriptor, (uint32_t)field);
  if (*f == NULL || i >= opamp__count(m, *f)) return NULL;
  return opamp__value(m, *f, i);
}

int opamp_msg_type(const opamp_msg *m) {
  if (m == NULL || opamp__pb_freed(opamp__pb_const(m))) return 0;
  return opamp__type_of(opamp__pb_const(m)->descriptor);
}

size_t opamp_msg_count(const opamp_msg *msg, int field) {
  const ProtobufCFieldDescriptor *f;
  if (get(msg, field, 0, &f) == NULL) return 0;
  return opamp__count(opamp__pb_const(msg), f);
}

uint64_t opamp_msg_u64(const opamp_msg *m, int field, size_t i) {
  const ProtobufCFieldDescriptor *f;
  const void *v = get(m, field, i, &f);
  if (v == NULL) return 0;
  if (f->type == PROTOBUF_C_TYPE_ENUM)
    return (uint64_t)(int64_t) * (const int32_t *)v;
  if (f->type == PROTOBUF_C_TYPE_UINT64 || f->type == PROTOBUF_C_TYPE_FIXED64)
    return *(const uint64_t *)v;
  return 0;
}

int64_t opamp_msg_i64(const opamp_msg *m, int field, size_t i) {
  const ProtobufCFieldDescriptor *f;
  const void *v = get(m, field, i, &f);
  return v != NULL && f->type == PROTOBUF_C_TYPE_INT64 ? *(const int64_t *)v
                                                       : 0;
}

double opamp_msg_f64(const opamp_msg *m, int field, size_t i) {
  const ProtobufCFieldDescriptor *f;
  const void *v = get(m, field, i, &f);
  return v != NULL && f->type == PROTOBUF_C_TYPE_DOUBLE ? *(const double *)v
                                                        : 0;
}

bool opamp_msg_bool(const opamp_msg *m, int field, size_t i) {
  const ProtobufCFieldDescriptor *f;
  const void *v = get(m, field, i, &f);
  return v != NULL && f->type == PROTOBUF_C_TYPE_BOOL &&
         *(const protobuf_c_boolean *)v != 0;
}

static opamp_str text(const char *z) {
  return opamp__str(z != NULL ? z : "");
}

/* The value of a map entry, of a field of type `type`. */
static const void *entry_value(const ProtobufCMessage *entry,
                               ProtobufCType type) {
  const ProtobufCFieldDescriptor *f = &entry->descriptor->fields[1];
  return f->type == type ? opamp__member(entry, f->offset) : NULL;
}

/* For a map of texts the i-th value. */
opamp_str opamp_msg_str(const opamp_msg *m, int field, size_t i) {
  const ProtobufCFieldDescriptor *f;
  const void *v = get(m, field, i, &f);
  opamp_str absent = {NULL, 0};
  if (v != NULL && opamp__is_map(f))
    v = entry_value(*(ProtobufCMessage *const *)v, PROTOBUF_C_TYPE_STRING);
  else if (v != NULL && f->type != PROTOBUF_C_TYPE_STRING)
    v = NULL;
  return v != NULL ? text(*(char *const *)v) : absent;
}

opamp_bytes opamp_msg_bytes(const opamp_msg *m, int field, size_t i) {
  static const uint8_t empty;
  const ProtobufCFieldDescriptor *f;
  const ProtobufCBinaryData *v = get(m, field, i, &f);
  opamp_bytes b = {NULL, 0};
  if (v == NULL || f->type != PROTOBUF_C_TYPE_BYTES) return b;
  b.ptr = v->len > 0 ? v->data : &empty;
  b.len = v->len;
  return b;
}

static const opamp_msg *sub_message(const ProtobufCFieldDescriptor *f,
                                    const void *v) {
  if (opamp__is_map(f))
    v = entry_value(*(ProtobufCMessage *const *)v, PROTOBUF_C_TYPE_MESSAGE);
  return v != NULL ? opamp__msg_of(*(ProtobufCMessage *const *)v) : NULL;
}

const opamp_msg *opamp_msg_sub(const opamp_msg *m, int field, size_t i) {
  const ProtobufCFieldDescriptor *f;
  const void *v = get(m, field, i, &f);
  return v != NULL && opamp__is_message(f) ? sub_message(f, v) : NULL;
}

/* --- maps ----------------------------------------------------------------- */

opamp_str opamp_msg_key(const opamp_msg *m, int field, size_t i) {
  const ProtobufCFieldDescriptor *f;
  const void *v = get(m, field, i, &f);
  opamp_str absent = {NULL, 0};
  if (v == NULL || !opamp__is_map(f)) return absent;
  return text(opamp__entry_key(*(void *const *)v));
}

/* The index of a key in a map field, SIZE_MAX for none. */
static size_t index_of(const opamp_msg *msg, int field, opamp_str key) {
  const ProtobufCFieldDescriptor *f;
  size_t i;
  if (get(msg, field, 0, &f) == NULL || !opamp__is_map(f)) return SIZE_MAX;
  return opamp__map_find(opamp__pb_const(msg), f, key, &i) ? i : SIZE_MAX;
}

const opamp_msg *opamp_msg_find(const opamp_msg *m, int field, opamp_str key) {
  return opamp_msg_sub(m, field, index_of(m, field, key));
}

opamp_str opamp_msg_find_str(const opamp_msg *m, int field, opamp_str key) {
  return opamp_msg_str(m, field, index_of(m, field, key));
}
