# SPDX-License-Identifier: Apache-2.0
"""Messages of the protocol as dataclasses and back, by introspection.

A dataclass says which message of the schema it stands for; its fields have the
schema's names unless metadata says otherwise. What has no dataclass is read as
what it holds: an AnyValue as a plain value, a list of KeyValue as a dict, and a
message with a single field, which only wraps it, as that. A message without
fields is a bool: whether it is there.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from opamp import _values
from opamp._glue import bytes_of, octets, static_text, text_of, text_span
from opamp._native import ffi, lib
from opamp.errors import ConfigError, check

Reader = Callable[[Any, int, int], Any]
Writer = Callable[[Any, int, Any, str], None]


def wire(
    default: Any = dataclasses.MISSING,
    name: str | None = None,
    *,
    values: type[enum.IntEnum] | type[enum.IntFlag] | None = None,
    factory: Any = dataclasses.MISSING,
    secret: bool = False,
) -> Any:
    """A field with another name in the schema, of an enumeration, or one whose
    value is not to be printed."""
    metadata = {"name": name, "values": values}
    if factory is not dataclasses.MISSING:
        return dataclasses.field(
            default_factory=factory, repr=not secret, metadata=metadata
        )
    return dataclasses.field(default=default, repr=not secret, metadata=metadata)


_classes: dict[int, type[Any]] = {}
_plans: dict[int, Plan] = {}


def message(schema_name: str) -> Callable[[type[Any]], type[Any]]:
    """Says which message of the schema a dataclass stands for."""

    def register(cls: type[Any]) -> type[Any]:
        number = lib.opamp_msg_type_by_name(schema_name.encode())
        assert number != 0, schema_name
        cls._type = number
        _classes[number] = cls
        return cls

    return register


# --- scalars


def _read_u64(source: Any, field: int, i: int) -> int:
    return int(lib.opamp_msg_u64(source, field, i))


def _read_i64(source: Any, field: int, i: int) -> int:
    return int(lib.opamp_msg_i64(source, field, i))


def _read_f64(source: Any, field: int, i: int) -> float:
    return float(lib.opamp_msg_f64(source, field, i))


def _read_bool(source: Any, field: int, i: int) -> bool:
    return bool(lib.opamp_msg_bool(source, field, i))


def _read_str(source: Any, field: int, i: int) -> str:
    return text_of(lib.opamp_msg_str(source, field, i))


def _read_bytes(source: Any, field: int, i: int) -> bytes:
    return bytes_of(lib.opamp_msg_bytes(source, field, i))


def _need(value: object, kind: type | tuple[type, ...], name: str, where: str) -> None:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{where} must be {name}, not {type(value).__name__}")


def _write_u64(target: Any, field: int, value: Any, where: str) -> None:
    _need(value, int, "int", where)
    if not 0 <= value < 2**64:
        raise ConfigError(f"{where}: {value} is out of range")
    check(lib.opamp_msg_set_u64(target, field, value), where)


def _write_i64(target: Any, field: int, value: Any, where: str) -> None:
    _need(value, int, "int", where)
    if not -(2**63) <= value < 2**63:
        raise ConfigError(f"{where}: {value} is out of range")
    check(lib.opamp_msg_set_i64(target, field, value), where)


def _write_f64(target: Any, field: int, value: Any, where: str) -> None:
    _need(value, (int, float), "float", where)
    check(lib.opamp_msg_set_f64(target, field, value), where)


def _write_bool(target: Any, field: int, value: Any, where: str) -> None:
    _need(value, bool, "bool", where)
    check(lib.opamp_msg_set_bool(target, field, value), where)


def _write_str(target: Any, field: int, value: Any, where: str) -> None:
    check(lib.opamp_msg_set_str(target, field, text_span(value, where)), where)


def _write_bytes(target: Any, field: int, value: Any, where: str) -> None:
    check(lib.opamp_msg_set_bytes(target, field, octets(value, where)), where)


_SCALARS: dict[int, tuple[Reader, Writer]] = {
    lib.OPAMP_KIND_U64: (_read_u64, _write_u64),
    lib.OPAMP_KIND_ENUM: (_read_u64, _write_u64),
    lib.OPAMP_KIND_I64: (_read_i64, _write_i64),
    lib.OPAMP_KIND_F64: (_read_f64, _write_f64),
    lib.OPAMP_KIND_BOOL: (_read_bool, _write_bool),
    lib.OPAMP_KIND_STR: (_read_str, _write_str),
    lib.OPAMP_KIND_BYTES: (_read_bytes, _write_bytes),
}


# --- fields


class Field:
    """One field of a message: how it is read and written."""

    def __init__(self, message_type: int, number: int) -> None:
        flags = lib.opamp_msg_field_flags(message_type, number)
        kind = lib.opamp_msg_field_kind(message_type, number)
        self.number = number
        self.name = static_text(lib.opamp_msg_field_name(message_type, number))
        self.attribute = self.name
        self.values: type[enum.IntEnum] | type[enum.IntFlag] | None = None
        self.absent: Any = dataclasses.MISSING
        self.is_map = bool(flags & lib.OPAMP_FIELD_MAP)
        self.is_list = bool(flags & lib.OPAMP_FIELD_REPEATED) and not self.is_map
        self.is_message = kind == lib.OPAMP_KIND_MSG
        self.sub = lib.opamp_msg_field_type(message_type, number)
        self.is_attributes = self.is_list and self.sub == lib.OPAMP_MSG_KEY_VALUE
        if not self.is_message:
            self.read_one, self.write_one = _SCALARS[kind]

    def reader(self) -> Callable[[Any], Any]:
        """What reads it; which way is decided once, as there are many."""
        number = self.number
        if self.is_attributes:
            return lambda source: _values.read_attributes(source, number)
        if self.is_map:
            return self._read_map
        if self.is_list:
            return self._read_list
        if self.is_message or self.values is not None:
            return self._read_one
        read = self.read_one
        return lambda source: read(source, number, 0)

    def _read_map(self, source: Any) -> dict[str, Any]:
        return {
            text_of(lib.opamp_msg_key(source, self.number, i)): self._item(source, i)
            for i in range(lib.opamp_msg_count(source, self.number))
        }

    def _read_list(self, source: Any) -> tuple[Any, ...]:
        count = lib.opamp_msg_count(source, self.number)
        return tuple(self._item(source, i) for i in range(count))

    def _read_one(self, source: Any) -> Any:
        if self.is_message and not lib.opamp_msg_count(source, self.number):
            return self.absent.copy() if isinstance(self.absent, dict) else self.absent
        return self._item(source, 0)

    def _item(self, source: Any, i: int) -> Any:
        if self.is_message:
            value = read(lib.opamp_msg_sub(source, self.number, i), self.sub)
        else:
            value = self.read_one(source, self.number, i)
        if self.values is not None:
            try:
                return self.values(value)
            except ValueError:
                pass  # of a newer protocol
        return value

    def write(self, target: Any, value: Any, where: str) -> None:
        if self.is_attributes:
            _values.put_attributes(target, self.number, value, where)
        elif self.is_map:
            _need(value, Mapping, "a mapping", where)
            for key, item in value.items():
                self._put(target, key, item, f"{where}[{key!r}]")
        elif self.is_list:
            if isinstance(value, (str, bytes)):
                raise TypeError(f"{where} must be a sequence of its items")
            for i, item in enumerate(value):
                self._add(target, item, f"{where}[{i}]")
        elif value is not None:
            self._add(target, value, where)

    def _add(self, target: Any, value: Any, where: str) -> None:
        if not self.is_message:
            self.write_one(target, self.number, value, where)
            return
        child = ffi.new("opamp_msg **")
        check(lib.opamp_msg_add(child, target, self.number), where)
        write(child[0], self.sub, value, where)

    def _put(self, target: Any, key: Any, value: Any, where: str) -> None:
        name = text_span(key, f"a key of {where}")
        if not self.is_message:
            text = text_span(value, where)
            check(lib.opamp_msg_put_str(target, self.number, name, text), where)
            return
        child = ffi.new("opamp_msg **")
        check(lib.opamp_msg_put(child, target, self.number, name), where)
        write(child[0], self.sub, value, where)


class Plan:
    """How messages of one type are read and written."""

    def __init__(self, message_type: int) -> None:
        count = lib.opamp_msg_field_count(message_type)
        numbers = [lib.opamp_msg_field_at(message_type, i) for i in range(count)]
        fields = [Field(message_type, number) for number in numbers]
        self.cls = _classes.get(message_type)
        self.single = fields[0] if self.cls is None and len(fields) == 1 else None
        self.fields = fields
        if self.cls is not None:
            self.fields = list(self._declared(fields))
        self.readers = [field.reader() for field in self.fields]

    def _declared(self, fields: list[Field]) -> Iterator[Field]:
        """The fields that the dataclass has, as it declares them."""
        by_name = {field.name: field for field in fields}
        for declared in dataclasses.fields(self.cls):  # type: ignore[arg-type]
            name = declared.metadata.get("name") or declared.name
            field = by_name[name]
            field.attribute = declared.name
            field.values = declared.metadata.get("values")
            field.absent = declared.default
            if declared.default_factory is not dataclasses.MISSING:
                field.absent = declared.default_factory()
            yield field


def _plan(message_type: int) -> Plan:
    plan = _plans.get(message_type)
    if plan is None:
        plan = _plans[message_type] = Plan(message_type)
    return plan


def read(source: Any, message_type: int) -> Any:
    """A message of the C library as what stands for it in Python."""
    if message_type == lib.OPAMP_MSG_ANY_VALUE:
        return _values.read_any(source)
    plan = _plan(message_type)
    if plan.cls is not None:
        return plan.cls(*[read_field(source) for read_field in plan.readers])
    if plan.single is None:
        return True  # it has no fields, and says all by being there
    return plan.readers[0](source)


def write(target: Any, message_type: int, value: Any, where: str) -> None:
    """Fills a new message of the C library with what stands for it."""
    if message_type == lib.OPAMP_MSG_ANY_VALUE:
        _values.put_any(target, value, where)
        return
    plan = _plan(message_type)
    if plan.cls is None:
        if plan.single is not None:
            plan.single.write(target, value, where)
        return
    if not isinstance(value, plan.cls):
        convert = getattr(plan.cls, "_from", None)
        if convert is None:
            raise TypeError(
                f"{where} must be {plan.cls.__name__}, not {type(value).__name__}"
            )
        value = convert(value, where)
    for field in plan.fields:
        item = getattr(value, field.attribute)
        if item != field.absent:
            field.write(target, item, f"{where}.{field.attribute}")
