/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/schema.h"

#include "schema_lists.h"
#include "wire/wire.h"

#define DESCRIPTOR(name) &opamp__proto__v1__##name##__descriptor,

const ProtobufCMessageDescriptor *const opamp__types[] = {
    OPAMP__SCHEMA_MESSAGES(DESCRIPTOR)};

const ProtobufCEnumDescriptor *const opamp__enums[] = {
    OPAMP__SCHEMA_ENUMS(DESCRIPTOR)};

const int opamp__type_count = sizeof opamp__types / sizeof *opamp__types;
const int opamp__enum_count = sizeof opamp__enums / sizeof *opamp__enums;

const ProtobufCMessageDescriptor *opamp__type_desc(int type) {
  if (type < 1 || type > opamp__type_count) return NULL;
  return opamp__types[type - 1];
}

int opamp__type_of(const ProtobufCMessageDescriptor *d) {
  for (int i = 0; i < opamp__type_count; i++)
    if (opamp__types[i] == d) return i + 1;
  return 0;
}

const char *opamp__protobuf_version(void) {
  return protobuf_c_version();
}
