/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/guard.h"

#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "wire/arena.h"

enum {
  DEPTH_MAX = 64,
  VARINT_MAX = 10,
  SHORT_VARINT_MAX = 5, /* of a tag or a length, as protobuf-c has it */
  WIRE_VARINT = 0,
  WIRE_64 = 1,
  WIRE_LENGTH = 2,
  WIRE_32 = 5
};

const opamp__limits opamp__limits_default = {
    .bytes = (size_t)64 << 20,
    .depth = DEPTH_MAX,
    .fields = 1000 * 1000,
    .unknown = 10 * 1000,
    .repeats = 16,
    .heap = (size_t)256 << 20,
};

/* A message that is being read. */
typedef struct level {
  const ProtobufCMessageDescriptor *d;
  const uint8_t *end;
  uint64_t seen; /* singular sub-messages, by index; 64 fields are plenty */
} level;

typedef struct guard {
  const uint8_t *p; /* the cursor; it never passes its level's end */
  level *at;
  level stack[DEPTH_MAX];
  const opamp__limits *limits;
  size_t fields;
  size_t unknown;
  unsigned repeats;
  opamp__scan scan;
} guard;

static opamp_status bad(const guard *g, const char *what) {
  return opamp__fail(OPAMP_ERR_DECODE, "%s: %s", g->at->d->short_name, what);
}

static opamp_status too_many(const guard *g, const char *what) {
  return opamp__fail(OPAMP_ERR_LIMIT, "%s: too many %s", g->at->d->short_name,
                     what);
}

static bool read_varint(guard *g, size_t max, uint64_t *out) {
  const uint8_t *p = g->p;
  size_t n = (size_t)(g->at->end - p);
  uint64_t v = 0;
  if (n > max) n = max;
  for (size_t i = 0; i < n; i++) {
    v |= (uint64_t)(p[i] & 0x7f) << (7 * i);
    if (p[i] < 0x80) {
      g->p = p + i + 1;
      *out = v;
      return true;
    }
  }
  return false;
}

/* The wire type that a field's values have. */
static unsigned wire_type_of(const ProtobufCFieldDescriptor *f) {
  switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
      return WIRE_LENGTH;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
      return WIRE_64;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
      return WIRE_32;
    default:
      return WIRE_VARINT;
  }
}

/* Goes into the sub-message `f`, which ends at `end`. */
static opamp_status enter(guard *g, const ProtobufCFieldDescriptor *f,
                          const uint8_t *end) {
  level *l = g->at;
  const ProtobufCMessageDescriptor *d = f->descriptor;
  if (!opamp__is_repeated(f)) {
    uint64_t bit = UINT64_C(1) << ((f - l->d->fields) & 63);
    /* protobuf-c merges them one by one, each time copying what it has: the
     * bound is on the message as a whole, so that levels do not multiply. */
    if ((l->seen & bit) != 0 && ++g->repeats >= g->limits->repeats)
      return too_many(g, "repetitions of a singular sub-message");
    l->seen |= bit;
  }
  if ((size_t)(l - g->stack) + 1 >= g->limits->depth ||
      l + 1 == g->stack + DEPTH_MAX)
    return opamp__fail(OPAMP_ERR_DEPTH, "%s: nested too deeply", d->short_name);
  g->scan.nested = true;
  g->scan.heap += opamp__arena_cost(d->sizeof_message);
  g->at = l + 1;
  *g->at = (level){d, end, 0};
  return OPAMP_OK;
}

/* Text becomes a C string there, so a NUL would cut it. */
static opamp_status check_text(const guard *g,
                               const ProtobufCFieldDescriptor *f, size_t n) {
  if (memchr(g->p, '\0', n) != NULL)
    return opamp__fail(OPAMP_ERR_UTF8, "%s.%s: NUL in a text",
                       g->at->d->short_name, f->name);
  if (!opamp__utf8_valid(g->p, n))
    return opamp__fail(OPAMP_ERR_UTF8, "%s.%s: not UTF-8", g->at->d->short_name,
                       f->name);
  return OPAMP_OK;
}

static opamp_status read_length(guard *g, const ProtobufCFieldDescriptor *f) {
  uint64_t n;
  opamp_status s = OPAMP_OK;
  if (!read_varint(g, SHORT_VARINT_MAX, &n)) return bad(g, "bad length");
  if (n > (uint64_t)(g->at->end - g->p))
    return bad(g, "a length goes beyond the end");
  if (f == NULL) {
    g->scan.heap += (size_t)n + VARINT_MAX;
    g->p += n;
    return OPAMP_OK;
  }
  if (opamp__is_repeated(f)) g->scan.heap += 2 * sizeof(void *);
  if (opamp__is_message(f)) return enter(g, f, g->p + n);
  if (f->type == PROTOBUF_C_TYPE_STRING) s = check_text(g, f, (size_t)n);
  g->scan.heap += opamp__arena_cost((size_t)n + 1);
  g->p += n;
  return s;
}

/* What follows the tag. */
static opamp_status read_value(guard *g, const ProtobufCFieldDescriptor *f,
                               unsigned type) {
  uint64_t ignored;
  size_t n = type == WIRE_64 ? 8 : 4;
  switch (type) {
    case WIRE_VARINT:
      return read_varint(g, VARINT_MAX, &ignored) ? OPAMP_OK
                                                  : bad(g, "bad varint");
    case WIRE_LENGTH:
      return read_length(g, f);
    case WIRE_64:
    case WIRE_32:
      if (n > (size_t)(g->at->end - g->p)) return bad(g, "cut short");
      g->p += n;
      return OPAMP_OK;
    default:
      return bad(g, "a wire type that proto3 does not have");
  }
}

static opamp_status read_field(guard *g) {
  uint64_t tag;
  if (!read_varint(g, SHORT_VARINT_MAX, &tag)) return bad(g, "bad tag");
  unsigned type = (unsigned)tag & 7;
  if (tag >> 3 == 0 || tag > UINT32_MAX) return bad(g, "bad field number");
  if (++g->fields > g->limits->fields) return too_many(g, "fields");
  const ProtobufCFieldDescriptor *f =
      opamp__field(g->at->d, (uint32_t)(tag >> 3));
  if (f == NULL) {
    if (++g->unknown > g->limits->unknown) return too_many(g, "unknown fields");
    g->scan.heap +=
        opamp__arena_cost(VARINT_MAX) + sizeof(ProtobufCMessageUnknownField);
  } else if (wire_type_of(f) != type) {
    return bad(g, "a field of another wire type");
  }
  return read_value(g, f, type);
}

opamp_status opamp__guard(const ProtobufCMessageDescriptor *d, opamp_bytes wire,
                          const opamp__limits *limits, opamp__scan *out) {
  guard g;
  if (wire.len > limits->bytes)
    return opamp__fail(OPAMP_ERR_LIMIT, "%s: %zu bytes, the limit is %zu",
                       d->short_name, wire.len, limits->bytes);
  g.p = wire.ptr;
  g.at = g.stack;
  g.stack[0] = (level){d, wire.ptr + wire.len, 0};
  g.limits = limits;
  g.fields = g.unknown = 0;
  g.repeats = 0;
  g.scan = (opamp__scan){opamp__arena_cost(d->sizeof_message), false};
  for (;;) {
    while (g.p == g.at->end) {
      if (g.at == g.stack) {
        *out = g.scan;
        return g.scan.heap <= limits->heap
                   ? OPAMP_OK
                   : opamp__fail(OPAMP_ERR_LIMIT,
                                 "%s: unpacking it would take too much memory",
                                 d->short_name);
      }
      g.at--;
    }
    opamp_status s = read_field(&g);
    if (s != OPAMP_OK) return s;
  }
}
