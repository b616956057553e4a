/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/pack.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "wire/message.h"
#include "wire/wire.h"

/* A message is written from its end to its beginning: the length of a
 * sub-message is known when its turn comes, and nothing is measured twice or
 * moved. */
typedef struct writer {
  uint8_t *at;
  bool canonical;
} writer;

enum { DEPTH_MAX = 64 };

/* --- values --------------------------------------------------------------- */

static size_t varint_size(uint64_t v) {
#if defined(__GNUC__)
  return (size_t)(70 - __builtin_clzll(v | 1)) / 7;
#else
  size_t n = 1;
  for (; v >= 0x80; v >>= 7) n++;
  return n;
#endif
}

static void write_varint(writer *w, uint64_t v) {
  uint8_t *p = w->at -= varint_size(v);
  for (; v >= 0x80; v >>= 7) *p++ = (uint8_t)(v | 0x80);
  *p = (uint8_t)v;
}

static void write_raw(writer *w, const void *p, size_t n) {
  w->at -= n;
  if (n > 0) memcpy(w->at, p, n);
}

static uint64_t tag_of(const ProtobufCFieldDescriptor *f) {
  uint64_t type = 0;
  if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_BYTES ||
      f->type == PROTOBUF_C_TYPE_MESSAGE)
    type = 2;
  if (f->type == PROTOBUF_C_TYPE_FIXED64 || f->type == PROTOBUF_C_TYPE_DOUBLE)
    type = 1;
  return (uint64_t)f->id << 3 | type;
}

/* A field whose values are varints, as the number that is written. */
static uint64_t varint_of(const ProtobufCFieldDescriptor *f, const void *v) {
  switch (f->type) {
    case PROTOBUF_C_TYPE_BOOL:
      return *(const protobuf_c_boolean *)v != 0;
    case PROTOBUF_C_TYPE_ENUM:
      return (uint64_t)(int64_t) * (const int32_t *)v;
    default:
      return *(const uint64_t *)v;
  }
}

static opamp_bytes text_of(const void *v) {
  const char *text = *(char *const *)v;
  opamp_bytes b = {(const uint8_t *)text, text != NULL ? strlen(text) : 0};
  return b;
}

static opamp_bytes bytes_of(const void *v) {
  const ProtobufCBinaryData *data = v;
  opamp_bytes b = {data->data, data->len};
  return b;
}

/* --- measuring ------------------------------------------------------------ */

/* Adds the size of a message; false when it is nested too deeply. */
static bool measure(const ProtobufCMessage *m, unsigned depth, size_t *total);

static bool measure_value(const ProtobufCFieldDescriptor *f, const void *v,
                          unsigned depth, size_t *total) {
  size_t n = 0;
  switch (f->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
      if (!measure(*(ProtobufCMessage *const *)v, depth + 1, &n)) return false;
      break;
    case PROTOBUF_C_TYPE_STRING:
      n = text_of(v).len;
      break;
    case PROTOBUF_C_TYPE_BYTES:
      n = bytes_of(v).len;
      break;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
      *total += varint_size(tag_of(f)) + 8;
      return true;
    default:
      *total += varint_size(tag_of(f)) + varint_size(varint_of(f, v));
      return true;
  }
  *total += varint_size(tag_of(f)) + varint_size(n) + n;
  return true;
}

static bool measure(const ProtobufCMessage *m, unsigned depth, size_t *total) {
  if (depth > DEPTH_MAX) return false;
  for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
    const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
    size_t n = opamp__count(m, f);
    for (size_t k = 0; k < n; k++)
      if (!measure_value(f, opamp__value(m, f, k), depth, total)) return false;
  }
  for (unsigned i = 0; i < m->n_unknown_fields; i++)
    *total += varint_size((uint64_t)m->unknown_fields[i].tag << 3) +
              m->unknown_fields[i].len;
  return true;
}

/* --- writing -------------------------------------------------------------- */

/* These return false when out of memory, which only sorting needs. */
static bool write_message(writer *w, const ProtobufCMessage *m);

static bool write_value(writer *w, const ProtobufCFieldDescriptor *f,
                        const void *v) {
  uint8_t *end = w->at;
  opamp_bytes b;
  switch (f->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
      if (!write_message(w, *(ProtobufCMessage *const *)v)) return false;
      write_varint(w, (uint64_t)(end - w->at));
      break;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
      b = f->type == PROTOBUF_C_TYPE_STRING ? text_of(v) : bytes_of(v);
      write_raw(w, b.ptr, b.len);
      write_varint(w, b.len);
      break;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
      for (int shift = 56; shift >= 0; shift -= 8)
        *--w->at = (uint8_t)(opamp__load64(v) >> shift);
      break;
    default:
      write_varint(w, varint_of(f, v));
  }
  write_varint(w, tag_of(f));
  return true;
}

/* A list of attributes is a set, so its order says nothing. The message may be
 * read by others at the same time, so a copy of the list is sorted. */
static bool write_sorted(writer *w, const ProtobufCMessage *m,
                         const ProtobufCFieldDescriptor *f, size_t n) {
  void **copy = opamp__alloc(2 * n * sizeof *copy);
  if (copy == NULL) return false;
  memcpy(copy, *opamp__list(m, f), n * sizeof *copy);
  opamp__sort_by_key(copy, copy + n, n);
  bool ok = true;
  for (size_t k = n; k > 0 && ok; k--) ok = write_value(w, f, &copy[k - 1]);
  opamp__free(copy);
  return ok;
}

static bool is_set(const ProtobufCFieldDescriptor *f) {
  return opamp__is_repeated(f) &&
         f->descriptor == &opamp__proto__v1__key_value__descriptor;
}

static bool write_message(writer *w, const ProtobufCMessage *m) {
  for (unsigned i = m->n_unknown_fields; i > 0; i--) {
    const ProtobufCMessageUnknownField *u = &m->unknown_fields[i - 1];
    write_raw(w, u->data, u->len);
    write_varint(w, (uint64_t)u->tag << 3 | (unsigned)u->wire_type);
  }
  for (unsigned i = m->descriptor->n_fields; i > 0; i--) {
    const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i - 1];
    size_t n = opamp__count(m, f);
    if (n > 1 && w->canonical && is_set(f)) {
      if (!write_sorted(w, m, f, n)) return false;
      continue;
    }
    for (size_t k = n; k > 0; k--)
      if (!write_value(w, f, opamp__value(m, f, k - 1))) return false;
  }
  return true;
}

/* --- the entrances -------------------------------------------------------- */

static opamp_status size_of(const ProtobufCMessage *m, size_t *size) {
  *size = 0;
  if (measure(m, 1, size)) return OPAMP_OK;
  return opamp__fail(OPAMP_ERR_DEPTH, "%s: nested too deeply",
                     m->descriptor->short_name);
}

opamp_status opamp__pack(const ProtobufCMessage *m, bool canonical,
                         opamp__buf *out) {
  size_t size;
  opamp_status s = size_of(m, &size);
  if (s != OPAMP_OK || size == 0) return s;
  if (!opamp__buf_reserve(out, size)) return opamp__nomem();
  writer w = {out->ptr + out->len + size, canonical};
  if (!write_message(&w, m)) return opamp__nomem();
  out->len += size;
  return OPAMP_OK;
}

opamp_status opamp__msg_pack_canonical(const opamp_msg *m, opamp__buf *out) {
  if (m == NULL) return OPAMP_OK;
  return opamp__pack(opamp__pb_const(m), true, out);
}

opamp_status opamp_msg_pack(const opamp_msg *m, uint8_t *buf, size_t *len) {
  size_t size = 0, room = *len;
  opamp_status s = m != NULL ? opamp__msg_check(m, __func__) : OPAMP_OK;
  if (s == OPAMP_OK && m != NULL) s = size_of(opamp__pb_const(m), &size);
  if (s != OPAMP_OK) return s;
  *len = size;
  if (size > room)
    return opamp__fail(OPAMP_ERR_SPACE, "%zu bytes do not fit in %zu", size,
                       room);
  if (size == 0) return OPAMP_OK;
  writer w = {buf + size, false};
  write_message(&w, opamp__pb_const(m));
  return OPAMP_OK;
}
