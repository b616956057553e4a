/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAMP_WIRE_SCHEMA_H
#define OPAMP_WIRE_SCHEMA_H

#include <stdbool.h>
#include <string.h>

#include "opamp/v1/opamp.pb-c.h"

/* All messages and enumerations, in the order of the .proto files. A type's
 * number is its index here plus one. It is part of the ABI: new messages go to
 * the end of opamp.proto. */
extern const ProtobufCMessageDescriptor *const opamp__types[];
extern const int opamp__type_count;
extern const ProtobufCEnumDescriptor *const opamp__enums[];
extern const int opamp__enum_count;

/* NULL for a number that is no type; 0 for a descriptor that is none. */
const ProtobufCMessageDescriptor *opamp__type_desc(int type);
int opamp__type_of(const ProtobufCMessageDescriptor *d);

/* A field by number, NULL for none. Numbers are dense from 1 in this schema,
 * which makes the first guess right. */
static inline const ProtobufCFieldDescriptor *opamp__field(
    const ProtobufCMessageDescriptor *d, uint32_t id) {
  if (id - 1 < d->n_fields && d->fields[id - 1].id == id)
    return &d->fields[id - 1];
  return protobuf_c_message_descriptor_get_field(d, id);
}

static inline bool opamp__is_repeated(const ProtobufCFieldDescriptor *f) {
  return f->label == PROTOBUF_C_LABEL_REPEATED;
}

static inline bool opamp__is_oneof(const ProtobufCFieldDescriptor *f) {
  return (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

static inline bool opamp__is_message(const ProtobufCFieldDescriptor *f) {
  return f->type == PROTOBUF_C_TYPE_MESSAGE;
}

/* Map entries are the only nested messages of this schema: their name has a dot
 * behind that of the package. */
static inline bool opamp__is_map(const ProtobufCFieldDescriptor *f) {
  const ProtobufCMessageDescriptor *d = f->descriptor;
  return opamp__is_message(f) && opamp__is_repeated(f) &&
         strchr(d->name + sizeof "opamp.proto.v1", '.') != NULL;
}

#endif
