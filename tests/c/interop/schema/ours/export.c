/* SPDX-License-Identifier: Apache-2.0 */
/* Prints our schema, one line for each field and enumeration value; export.py
 * and main.go print that of others in the same form. */
#include <stdio.h>

#include "wire/schema.h"

static const char *type_name(const ProtobufCFieldDescriptor *f, char out[80]) {
  static const char *const scalars[] = {[PROTOBUF_C_TYPE_INT64] = "int64",
                                        [PROTOBUF_C_TYPE_UINT64] = "uint64",
                                        [PROTOBUF_C_TYPE_BOOL] = "bool",
                                        [PROTOBUF_C_TYPE_FIXED64] = "fixed64",
                                        [PROTOBUF_C_TYPE_DOUBLE] = "double",
                                        [PROTOBUF_C_TYPE_STRING] = "string",
                                        [PROTOBUF_C_TYPE_BYTES] = "bytes"};
  const ProtobufCMessageDescriptor *message = f->descriptor;
  const ProtobufCEnumDescriptor *enumeration = f->descriptor;
  if (f->type == PROTOBUF_C_TYPE_MESSAGE)
    snprintf(out, 80, "message:%s", message->short_name);
  else if (f->type == PROTOBUF_C_TYPE_ENUM)
    snprintf(out, 80, "enum:%s", enumeration->short_name);
  else
    snprintf(out, 80, "%s", scalars[f->type]);
  return out;
}

static void print_field(const ProtobufCMessageDescriptor *d,
                        const ProtobufCFieldDescriptor *f) {
  const ProtobufCFieldDescriptor *value = f;
  const char *shape = "one";
  char type[80];
  if (opamp__is_map(f)) {
    value = &((const ProtobufCMessageDescriptor *)f->descriptor)->fields[1];
    shape = "map";
  } else if (opamp__is_repeated(f)) {
    shape = "list";
  } else if (opamp__is_oneof(f)) {
    shape = "oneof";
  }
  printf("field %s %u %s %s %s\n", d->short_name, f->id, shape,
         type_name(value, type), f->name);
}

int main(void) {
  for (int i = 0; i < opamp__type_count; i++)
    for (unsigned k = 0; k < opamp__types[i]->n_fields; k++)
      print_field(opamp__types[i], &opamp__types[i]->fields[k]);
  for (int i = 0; i < opamp__type_count; i++)
    printf("message %s\n", opamp__types[i]->short_name);
  for (int i = 0; i < opamp__enum_count; i++)
    for (unsigned k = 0; k < opamp__enums[i]->n_values; k++)
      printf("enum %s %d %s\n", opamp__enums[i]->short_name,
             opamp__enums[i]->values[k].value, opamp__enums[i]->values[k].name);
  return 0;
}
