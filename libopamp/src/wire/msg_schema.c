/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <string.h>

#include "opamp/message.h"
#include "wire/schema.h"

const char *opamp_msg_type_name(int type) {
  const ProtobufCMessageDescriptor *d = opamp__type_desc(type);
  return d != NULL ? d->short_name : NULL;
}

int opamp_msg_type_by_name(const char *name) {
  for (int i = 0; i < opamp__type_count; i++)
    if (strcmp(opamp__types[i]->short_name, name) == 0) return i + 1;
  return 0;
}

/* --- fields --------------------------------------------------------------- */

static const ProtobufCFieldDescriptor *field_of(int type, int field) {
  const ProtobufCMessageDescriptor *d = opamp__type_desc(type);
  return d != NULL && field > 0 ? opamp__field(d, (uint32_t)field) : NULL;
}

/* The field itself, or that of the value in a map's entries. */
static const ProtobufCFieldDescriptor *value_of(int type, int field) {
  const ProtobufCFieldDescriptor *f = field_of(type, field);
  if (f == NULL || !opamp__is_map(f)) return f;
  return &((const ProtobufCMessageDescriptor *)f->descriptor)->fields[1];
}

size_t opamp_msg_field_count(int type) {
  const ProtobufCMessageDescriptor *d = opamp__type_desc(type);
  return d != NULL ? d->n_fields : 0;
}

int opamp_msg_field_at(int type, size_t i) {
  const ProtobufCMessageDescriptor *d = opamp__type_desc(type);
  return d != NULL && i < d->n_fields ? (int)d->fields[i].id : 0;
}

int opamp_msg_field_by_name(int type, const char *name) {
  const ProtobufCMessageDescriptor *d = opamp__type_desc(type);
  for (unsigned i = 0; d != NULL && i < d->n_fields; i++)
    if (strcmp(d->fields[i].name, name) == 0) return (int)d->fields[i].id;
  return 0;
}

const char *opamp_msg_field_name(int type, int field) {
  const ProtobufCFieldDescriptor *f = field_of(type, field);
  return f != NULL ? f->name : NULL;
}

int opamp_msg_field_kind(int type, int field) {
  const ProtobufCFieldDescriptor *f = value_of(type, field);
  if (f == NULL) return 0;
  switch (f->type) {
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
      return OPAMP_KIND_U64;
    case PROTOBUF_C_TYPE_INT64:
      return OPAMP_KIND_I64;
    case PROTOBUF_C_TYPE_DOUBLE:
      return OPAMP_KIND_F64;
    case PROTOBUF_C_TYPE_BOOL:
      return OPAMP_KIND_BOOL;
    case PROTOBUF_C_TYPE_STRING:
      return OPAMP_KIND_STR;
    case PROTOBUF_C_TYPE_BYTES:
      return OPAMP_KIND_BYTES;
    case PROTOBUF_C_TYPE_MESSAGE:
      return OPAMP_KIND_MSG;
    case PROTOBUF_C_TYPE_ENUM:
      return OPAMP_KIND_ENUM;
    default:
      return 0;
  }
}

unsigned opamp_msg_field_flags(int type, int field) {
  const ProtobufCFieldDescriptor *f = field_of(type, field);
  unsigned flags = 0;
  if (f == NULL) return 0;
  if (opamp__is_repeated(f)) flags |= OPAMP_FIELD_REPEATED;
  if (opamp__is_map(f)) flags |= OPAMP_FIELD_MAP;
  if (opamp__is_oneof(f)) flags |= OPAMP_FIELD_ONEOF;
  return flags;
}

int opamp_msg_field_type(int type, int field) {
  const ProtobufCFieldDescriptor *f = value_of(type, field);
  return f != NULL && opamp__is_message(f) ? opamp__type_of(f->descriptor) : 0;
}

/* --- enumerations --------------------------------------------------------- */

/* "RemoteConfigStatuses_APPLIED" without what its enumeration is called. */
static const char *short_name(const char *name) {
  const char *bar = strchr(name, '_');
  return bar != NULL ? bar + 1 : name;
}

static const char *name_of(const ProtobufCEnumDescriptor *e, uint64_t value) {
  int64_t v = (int64_t)value;
  if (v < INT_MIN || v > INT_MAX) return NULL;
  const ProtobufCEnumValue *found =
      protobuf_c_enum_descriptor_get_value(e, (int)v);
  return found != NULL ? short_name(found->name) : NULL;
}

static bool value_by_name(const ProtobufCEnumDescriptor *e, const char *name,
                          uint64_t *out) {
  for (unsigned i = 0; i < e->n_values; i++) {
    if (strcmp(short_name(e->values[i].name), name) == 0) {
      *out = (uint64_t)(int64_t)e->values[i].value;
      return true;
    }
  }
  return false;
}

static const ProtobufCEnumDescriptor *enum_of(int type, int field) {
  const ProtobufCFieldDescriptor *f = value_of(type, field);
  return f != NULL && f->type == PROTOBUF_C_TYPE_ENUM ? f->descriptor : NULL;
}

const char *opamp_msg_enum_name(int type, int field, uint64_t value) {
  const ProtobufCEnumDescriptor *e = enum_of(type, field);
  return e != NULL ? name_of(e, value) : NULL;
}

bool opamp_msg_enum_value(int type, int field, const char *name,
                          uint64_t *out) {
  const ProtobufCEnumDescriptor *e = enum_of(type, field);
  return e != NULL && value_by_name(e, name, out);
}

/* --- capabilities --------------------------------------------------------- */

#define AGENT &opamp__proto__v1__agent_capabilities__descriptor
#define SERVER &opamp__proto__v1__server_capabilities__descriptor

static const char *bit_name(const ProtobufCEnumDescriptor *e, uint64_t bit) {
  return bit != 0 ? name_of(e, bit) : NULL;
}

static uint64_t bit_by_name(const ProtobufCEnumDescriptor *e,
                            const char *name) {
  uint64_t bit;
  return value_by_name(e, name, &bit) ? bit : 0;
}

const char *opamp_agent_capability_name(uint64_t bit) {
  return bit_name(AGENT, bit);
}

uint64_t opamp_agent_capability_by_name(const char *name) {
  return bit_by_name(AGENT, name);
}

const char *opamp_server_capability_name(uint64_t bit) {
  return bit_name(SERVER, bit);
}

uint64_t opamp_server_capability_by_name(const char *name) {
  return bit_by_name(SERVER, name);
}
