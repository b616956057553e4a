/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/message.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "wire/guard.h"
#include "wire/pack.h"

enum { NEW_HINT = 256, PARSE_HINT_MAX = 4096 };

ProtobufCMessage *opamp__pb_new(const ProtobufCMessageDescriptor *d,
                                opamp__arena *a) {
  ProtobufCMessage *pb = opamp__arena_alloc(a, d->sizeof_message);
  if (pb != NULL) d->message_init(pb);
  return pb;
}

opamp_status opamp__msg_check(const opamp_msg *m, const char *function) {
  if (m == NULL)
    return opamp__fail(OPAMP_ERR_INVALID, "%s: the message is NULL", function);
  if (opamp__pb_freed(opamp__pb_const(m)))
    return opamp__fail(OPAMP_ERR_INVALID, "%s: the message was freed",
                       function);
  return OPAMP_OK;
}

opamp_status opamp_msg_new(opamp_msg **out, int type) {
  const ProtobufCMessageDescriptor *d = opamp__type_desc(type);
  *out = NULL;
  if (d == NULL)
    return opamp__fail(OPAMP_ERR_INVALID, "no message type %d", type);
  opamp__arena *a = opamp__arena_new(NEW_HINT, SIZE_MAX);
  if (a == NULL) return opamp__nomem();
  ProtobufCMessage *pb = opamp__pb_new(d, a);
  if (pb == NULL) {
    opamp__arena_free(a);
    return opamp__nomem();
  }
  a->root = pb;
  *out = opamp__msg_of(pb);
  return OPAMP_OK;
}

void opamp_msg_free(opamp_msg *m) {
  if (m == NULL || opamp__msg_check(m, __func__) != OPAMP_OK) return;
  opamp__arena *a = opamp__arena_of(m);
  /* Freeing a sub-message is a mistake that must not cost the root. */
  if (a->root == m) opamp__arena_free(a);
}

/* --- unpacking ------------------------------------------------------------ */

static void *unpack_alloc(void *arena, size_t n) {
  return opamp__arena_alloc(arena, n);
}

static void unpack_free(void *arena, void *p) {
  opamp__arena_drop(arena, p);
}

static opamp_status why(const opamp__arena *a,
                        const ProtobufCMessageDescriptor *d) {
  if (a->starved) return opamp__nomem();
  if (a->over)
    return opamp__fail(OPAMP_ERR_LIMIT, "%s: it takes too much memory",
                       d->short_name);
  return opamp__fail(OPAMP_ERR_DECODE, "%s: cannot be decoded", d->short_name);
}

/* Unpacks what has passed the guard, or was packed here. */
static opamp_status unpack(opamp_msg **out, const ProtobufCMessageDescriptor *d,
                           opamp_bytes wire, const opamp__scan *scan,
                           opamp__arena *a) {
  ProtobufCAllocator allocator = {unpack_alloc, unpack_free, a};
  ProtobufCMessage *pb =
      protobuf_c_message_unpack(d, &allocator, wire.len, wire.ptr);
  if (pb == NULL || (scan->nested && !opamp__maps_settle(pb, a))) {
    opamp_status s = why(a, d);
    opamp__arena_free(a);
    return s;
  }
  a->root = pb;
  a->cap = SIZE_MAX;
  *out = opamp__msg_of(pb);
  return OPAMP_OK;
}

/* In the caller's memory when the message fits, or begins, there. */
static opamp__arena *arena_for(const opamp__scan *scan, void *memory,
                               size_t size, size_t cap) {
  size_t hint = scan->heap < PARSE_HINT_MAX ? scan->heap : PARSE_HINT_MAX;
  opamp__arena *a = NULL;
  if (memory != NULL && hint <= size) a = opamp__arena_on(memory, size, cap);
  return a != NULL ? a : opamp__arena_new(hint, cap);
}

opamp_status opamp__msg_parse(opamp_msg **out, int type, opamp_bytes wire,
                              const opamp__limits *limits) {
  return opamp__msg_parse_in(NULL, 0, out, type, wire, limits);
}

opamp_status opamp__msg_parse_in(void *memory, size_t size, opamp_msg **out,
                                 int type, opamp_bytes wire,
                                 const opamp__limits *limits) {
  static const uint8_t nothing;
  const ProtobufCMessageDescriptor *d = opamp__type_desc(type);
  opamp__scan scan;
  *out = NULL;
  if (d == NULL)
    return opamp__fail(OPAMP_ERR_INVALID, "no message type %d", type);
  if (wire.len == 0) wire.ptr = &nothing;
  opamp_status s = opamp__guard(d, wire, limits, &scan);
  if (s != OPAMP_OK) return s;
  opamp__arena *a = arena_for(&scan, memory, size, limits->heap);
  return a != NULL ? unpack(out, d, wire, &scan, a) : opamp__nomem();
}

opamp_status opamp_msg_parse(opamp_msg **out, int type, opamp_bytes wire) {
  return opamp__msg_parse(out, type, wire, &opamp__limits_default);
}

/* Through the wire form: what was built here needs no guard, and its size is
 * the caller's affair. */
opamp_status opamp_msg_dup(opamp_msg **out, const opamp_msg *m) {
  opamp__buf packed = {0};
  opamp_status s = opamp__msg_check(m, __func__);
  *out = NULL;
  if (s != OPAMP_OK) return s;
  const ProtobufCMessageDescriptor *d = opamp__pb_const(m)->descriptor;
  s = opamp__pack(opamp__pb_const(m), false, &packed);
  if (s == OPAMP_OK) {
    opamp__scan scan = {packed.len + d->sizeof_message, true};
    opamp__arena *a = arena_for(&scan, NULL, 0, SIZE_MAX);
    s = a != NULL ? unpack(out, d, opamp__buf_bytes(&packed), &scan, a)
                  : opamp__nomem();
  }
  opamp__buf_wipe_free(&packed);
  return s;
}
