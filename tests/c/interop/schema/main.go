// SPDX-License-Identifier: Apache-2.0

// Prints the schema inside opamp-go in the form of ours/export.c.
package main

import (
	"fmt"

	"github.com/open-telemetry/opamp-go/protobufs"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func typeName(f protoreflect.FieldDescriptor) string {
	switch f.Kind() {
	case protoreflect.MessageKind:
		return "message:" + string(f.Message().Name())
	case protoreflect.EnumKind:
		return "enum:" + string(f.Enum().Name())
	default:
		return f.Kind().String()
	}
}

func printField(m protoreflect.MessageDescriptor, f protoreflect.FieldDescriptor) {
	shape, value := "one", f
	switch {
	case f.IsMap():
		shape, value = "map", f.MapValue()
	case f.IsList():
		shape = "list"
	case f.ContainingOneof() != nil:
		shape = "oneof"
	}
	fmt.Println("field", m.Name(), f.Number(), shape, typeName(value), f.Name())
}

func printFile(file protoreflect.FileDescriptor) {
	for i := 0; i < file.Messages().Len(); i++ {
		m := file.Messages().Get(i)
		fmt.Println("message", m.Name())
		for k := 0; k < m.Fields().Len(); k++ {
			printField(m, m.Fields().Get(k))
		}
	}
	for i := 0; i < file.Enums().Len(); i++ {
		e := file.Enums().Get(i)
		for k := 0; k < e.Values().Len(); k++ {
			v := e.Values().Get(k)
			fmt.Println("enum", e.Name(), v.Number(), v.Name())
		}
	}
}

func main() {
	printFile(protobufs.File_anyvalue_proto)
	printFile(protobufs.File_opamp_proto)
}
