/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_WIRE_MESSAGE_H
#define OPAMP_WIRE_MESSAGE_H

#include "opamp/message.h"
#include "wire/arena.h"
#include "wire/schema.h"

/* An opamp_msg is the protobuf-c message itself, root or nested, each a piece
 * of the root's arena. These are the only casts between the two. */
static inline ProtobufCMessage *opamp__pb(opamp_msg *m) {
  return (ProtobufCMessage *)m;
}

static inline const ProtobufCMessage *opamp__pb_const(const opamp_msg *m) {
  return (const ProtobufCMessage *)m;
}

static inline opamp_msg *opamp__msg_of(ProtobufCMessage *pb) {
  return (opamp_msg *)pb;
}

/* Freed memory was wiped first, so that a freed message has no descriptor, as
 * long as the memory is nobody else's. */
static inline bool opamp__pb_freed(const ProtobufCMessage *m) {
  return m->descriptor == NULL;
}

/* Where the value of a field is, and what counts it: a size_t for a list, the
 * number of the field that is set for a oneof. */
static inline void *opamp__member(const ProtobufCMessage *m, size_t offset) {
  return (char *)(uintptr_t)m + offset;
}

static inline size_t *opamp__list_len(const ProtobufCMessage *m,
                                      const ProtobufCFieldDescriptor *f) {
  return opamp__member(m, f->quantifier_offset);
}

/* The only lists of this schema are of messages and of texts. */
static inline void ***opamp__list(const ProtobufCMessage *m,
                                  const ProtobufCFieldDescriptor *f) {
  return opamp__member(m, f->offset);
}

static inline uint32_t *opamp__case(const ProtobufCMessage *m,
                                    const ProtobufCFieldDescriptor *f) {
  return opamp__member(m, f->quantifier_offset);
}

/* Eight bytes of a number or of a double. */
static inline uint64_t opamp__load64(const void *v) {
  uint64_t bits;
  memcpy(&bits, v, sizeof bits);
  return bits;
}

/* Whether a member holds what an absent field holds. */
static inline bool opamp__is_zero(const ProtobufCFieldDescriptor *f,
                                  const void *v) {
  switch (f->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
      return *(void *const *)v == NULL;
    case PROTOBUF_C_TYPE_STRING:
      return *(char *const *)v == NULL || **(char *const *)v == '\0';
    case PROTOBUF_C_TYPE_BYTES:
      return ((const ProtobufCBinaryData *)v)->len == 0;
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
      return *(const int32_t *)v == 0;
    default:
      return opamp__load64(v) == 0;
  }
}

/* How many values a field has, as opamp_msg_count says. */
static inline size_t opamp__count(const ProtobufCMessage *m,
                                  const ProtobufCFieldDescriptor *f) {
  const void *v = opamp__member(m, f->offset);
  if (opamp__is_repeated(f)) return *opamp__list_len(m, f);
  if (!opamp__is_oneof(f)) return !opamp__is_zero(f, v);
  if (*opamp__case(m, f) != f->id) return 0;
  return !opamp__is_message(f) || !opamp__is_zero(f, v);
}

/* The i-th of those values, which must be there. A map's are its entries. */
static inline const void *opamp__value(const ProtobufCMessage *m,
                                       const ProtobufCFieldDescriptor *f,
                                       size_t i) {
  if (opamp__is_repeated(f)) return &(*opamp__list(m, f))[i];
  return opamp__member(m, f->offset);
}

/* --- map.c ---------------------------------------------------------------- */

/* The text at the front of a map entry or a KeyValue. */
const char *opamp__entry_key(const void *entry);

/* Sorts pointers to map entries or KeyValues by key, equal ones staying in
 * order. `spare` has room for as many. */
void opamp__sort_by_key(void **list, void **spare, size_t n);

/* Orders the maps of a message that was just unpacked, and of all below it,
 * leaving one entry for each key and a value in each. False when out of
 * memory. */
bool opamp__maps_settle(ProtobufCMessage *m, opamp__arena *a);

/* The place of a key in a map: its index, or where it belongs. */
bool opamp__map_find(const ProtobufCMessage *m,
                     const ProtobufCFieldDescriptor *f, opamp_str key,
                     size_t *index);

/* --- message.c ------------------------------------------------------------ */

/* An empty message in `a`; NULL when out of memory. */
ProtobufCMessage *opamp__pb_new(const ProtobufCMessageDescriptor *d,
                                opamp__arena *a);

#endif
