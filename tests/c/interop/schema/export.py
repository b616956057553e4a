#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the schema inside opentelemetry-opamp-client in the form of ours/export.c.

Exits 77 when the package is not installed.
"""

import sys

try:
    from opentelemetry._opamp.proto import anyvalue_pb2, opamp_pb2
except ImportError as missing:
    print(missing, file=sys.stderr)
    sys.exit(77)

from google.protobuf.descriptor import FieldDescriptor as F

SCALARS = {
    F.TYPE_BOOL: "bool", F.TYPE_INT64: "int64", F.TYPE_UINT64: "uint64",
    F.TYPE_FIXED64: "fixed64", F.TYPE_DOUBLE: "double",
    F.TYPE_STRING: "string", F.TYPE_BYTES: "bytes",
}


def type_name(field):
    if field.message_type is not None:
        return "message:" + field.message_type.name
    if field.enum_type is not None:
        return "enum:" + field.enum_type.name
    return SCALARS.get(field.type, f"type{field.type}")


def print_field(message, field):
    entry = field.message_type
    shape, value = "one", field
    if entry is not None and entry.GetOptions().map_entry:
        shape, value = "map", entry.fields_by_name["value"]
    elif field.is_repeated:
        shape = "list"
    elif field.containing_oneof is not None:
        shape = "oneof"
    print("field", message.name, field.number, shape, type_name(value),
          field.name)


for file in (anyvalue_pb2.DESCRIPTOR, opamp_pb2.DESCRIPTOR):
    for message in file.message_types_by_name.values():
        print("message", message.name)
        for field in message.fields:
            print_field(message, field)
    for enum in file.enum_types_by_name.values():
        for value in enum.values:
            print("enum", enum.name, value.number, value.name)
