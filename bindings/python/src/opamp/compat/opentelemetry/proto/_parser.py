# SPDX-License-Identifier: Apache-2.0
"""Reads the schema, as far as its files use the language of protobuf: proto3
without nested types, services and options."""

from __future__ import annotations

import re

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TOKEN = re.compile(r'//.*|"[^"]*"|[\w.]+|\S')

_Field: Any = FieldDescriptorProto
_SCALARS = {
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "double": _Field.TYPE_DOUBLE,
    "fixed64": _Field.TYPE_FIXED64,
    "int64": _Field.TYPE_INT64,
    "string": _Field.TYPE_STRING,
    "uint64": _Field.TYPE_UINT64,
}


def parse(text: str, name: str) -> Any:
    """The FileDescriptorProto of the file `name`."""
    return _Parser(text, name).parse()


class _Parser:
    def __init__(self, text: str, name: str) -> None:
        self._tokens: list[str] = [
            t for t in _TOKEN.findall(text) if not t.startswith("//")
        ]
        self._at = 0
        self._file: Any = FileDescriptorProto(name=name)
        # What is not one of these is a message.
        self._enums = {
            self._tokens[i + 1] for i, t in enumerate(self._tokens) if t == "enum"
        }

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, expected: str) -> None:
        found = self._next()
        if found != expected:
            raise ValueError(f"{self._file.name}: {found!r} where {expected!r} goes")

    def _until(self, end: str) -> bool:
        """Whether there is more before `end`, which is taken."""
        if self._tokens[self._at] != end:
            return True
        self._at += 1
        return False

    def parse(self) -> Any:
        while self._at < len(self._tokens):
            word = self._next()
            if word == "message":
                self._message()
            elif word == "enum":
                self._enum()
            else:
                self._statement(word)
        return self._file

    def _statement(self, word: str) -> None:
        if word == "syntax":
            self._take("=")
            self._file.syntax = self._next().strip('"')
        elif word == "package":
            self._file.package = self._next()
        elif word == "import":
            self._file.dependency.append(self._next().strip('"'))
        else:
            raise ValueError(f"{self._file.name}: {word!r} is not known")
        self._take(";")

    def _enum(self) -> None:
        enum = self._file.enum_type.add(name=self._next())
        self._take("{")
        while self._until("}"):
            value = enum.value.add(name=self._next())
            self._take("=")
            value.number = int(self._next(), 0)
            self._take(";")

    def _message(self) -> None:
        message = self._file.message_type.add(name=self._next())
        self._take("{")
        while self._until("}"):
            if self._tokens[self._at] == "oneof":
                self._at += 1
                self._oneof(message)
            else:
                self._field(message)

    def _oneof(self, message: DescriptorProto) -> None:
        index = len(message.oneof_decl)
        message.oneof_decl.add(name=self._next())
        self._take("{")
        while self._until("}"):
            self._field(message).oneof_index = index

    def _field(self, message: Any) -> Any:
        field = message.field.add(label=_Field.LABEL_OPTIONAL)
        word = self._next()
        if word == "repeated":
            field.label = _Field.LABEL_REPEATED
            word = self._next()
        entry = self._entry() if word == "map" else None
        if entry is None:
            self._set_type(field, word)
        field.name = self._next()
        self._take("=")
        field.number = int(self._next())
        self._take(";")
        if entry is not None:
            self._add_entry(message, field, entry)
        return field

    def _set_type(self, field: Any, word: str) -> None:
        if word in _SCALARS:
            field.type = _SCALARS[word]
            return
        field.type = _Field.TYPE_ENUM if word in self._enums else _Field.TYPE_MESSAGE
        field.type_name = f".{self._file.package}.{word}"

    def _entry(self) -> DescriptorProto:
        """What a map is a list of."""
        entry: Any = DescriptorProto()
        entry.options.map_entry = True
        self._take("<")
        for number, (name, end) in enumerate((("key", ","), ("value", ">")), 1):
            part = entry.field.add(
                name=name, number=number, label=_Field.LABEL_OPTIONAL
            )
            self._set_type(part, self._next())
            self._take(end)
        return entry

    def _add_entry(self, message: Any, field: Any, entry: Any) -> None:
        words = field.name.split("_")
        entry.name = "".join(word.capitalize() for word in words) + "Entry"
        message.nested_type.append(entry)
        field.label = _Field.LABEL_REPEATED
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{self._file.package}.{message.name}.{entry.name}"
