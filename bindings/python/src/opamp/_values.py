# SPDX-License-Identifier: Apache-2.0
"""Attribute values: what AnyValue holds, as plain Python values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opamp._glue import bytes_of, octets, text_of, text_span
from opamp._native import ffi, lib
from opamp.errors import ConfigError, ErrorCode, check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from opamp.types import Attributes, AttributeValue


# Nobody would take what is nested more deeply.
_MAX_DEPTH = 60


def _child(parent: Any, field: int, where: str) -> Any:
    out = ffi.new("opamp_msg **")
    check(lib.opamp_msg_add(out, parent, field), where)
    return out[0]


def put_any(target: Any, value: AttributeValue, where: str, depth: int = 0) -> None:
    """Makes the AnyValue `target` hold `value`."""
    if depth > _MAX_DEPTH:
        raise ConfigError(f"{where}: nested too deeply", ErrorCode.DEPTH)
    if isinstance(value, str):
        text = text_span(value, where)
        check(
            lib.opamp_msg_set_str(target, lib.OPAMP_ANY_VALUE_STRING_VALUE, text),
            where,
        )
    elif isinstance(value, bool):  # which is an int, too
        lib.opamp_msg_set_bool(target, lib.OPAMP_ANY_VALUE_BOOL_VALUE, value)
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ConfigError(f"{where}: {value} does not fit into 64 bits")
        lib.opamp_msg_set_i64(target, lib.OPAMP_ANY_VALUE_INT_VALUE, value)
    elif isinstance(value, float):
        lib.opamp_msg_set_f64(target, lib.OPAMP_ANY_VALUE_DOUBLE_VALUE, value)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        check(
            lib.opamp_msg_set_bytes(
                target, lib.OPAMP_ANY_VALUE_BYTES_VALUE, octets(value, where)
            ),
            where,
        )
    elif isinstance(value, Mapping):
        inner = _child(target, lib.OPAMP_ANY_VALUE_KVLIST_VALUE, where)
        put_attributes(inner, lib.OPAMP_KEY_VALUE_LIST_VALUES, value, where, depth + 1)
    elif isinstance(value, Sequence):
        inner = _child(target, lib.OPAMP_ANY_VALUE_ARRAY_VALUE, where)
        for i, item in enumerate(value):
            element = _child(inner, lib.OPAMP_ARRAY_VALUE_VALUES, where)
            put_any(element, item, f"{where}[{i}]", depth + 1)
    elif value is not None:
        raise TypeError(
            f"{where}: an attribute cannot be {type(value).__name__}; it is str,"
            " bool, int, float, bytes, None, or a sequence or mapping of these"
        )


def put_attributes(
    target: Any, field: int, attributes: Attributes, where: str, depth: int = 0
) -> None:
    """Appends `attributes` to the list of KeyValue `field` of `target`."""
    if not isinstance(attributes, Mapping):
        raise TypeError(f"{where} must be a mapping, not {type(attributes).__name__}")
    for key, value in attributes.items():
        text = text_span(key, f"a key of {where}")
        place = f"{where}[{key!r}]"
        pair = _child(target, field, place)
        check(lib.opamp_msg_set_str(pair, lib.OPAMP_KEY_VALUE_KEY, text), place)
        put_any(_child(pair, lib.OPAMP_KEY_VALUE_VALUE, place), value, place, depth)


def read_any(source: Any) -> AttributeValue:
    """What an AnyValue holds; None when it holds nothing."""
    count = lib.opamp_msg_count
    if count(source, lib.OPAMP_ANY_VALUE_STRING_VALUE):
        return text_of(lib.opamp_msg_str(source, lib.OPAMP_ANY_VALUE_STRING_VALUE, 0))
    if count(source, lib.OPAMP_ANY_VALUE_BOOL_VALUE):
        return bool(lib.opamp_msg_bool(source, lib.OPAMP_ANY_VALUE_BOOL_VALUE, 0))
    if count(source, lib.OPAMP_ANY_VALUE_INT_VALUE):
        return int(lib.opamp_msg_i64(source, lib.OPAMP_ANY_VALUE_INT_VALUE, 0))
    if count(source, lib.OPAMP_ANY_VALUE_DOUBLE_VALUE):
        return float(lib.opamp_msg_f64(source, lib.OPAMP_ANY_VALUE_DOUBLE_VALUE, 0))
    if count(source, lib.OPAMP_ANY_VALUE_BYTES_VALUE):
        return bytes_of(lib.opamp_msg_bytes(source, lib.OPAMP_ANY_VALUE_BYTES_VALUE, 0))
    if count(source, lib.OPAMP_ANY_VALUE_ARRAY_VALUE):
        array = lib.opamp_msg_sub(source, lib.OPAMP_ANY_VALUE_ARRAY_VALUE, 0)
        field = lib.OPAMP_ARRAY_VALUE_VALUES
        return tuple(
            read_any(lib.opamp_msg_sub(array, field, i))
            for i in range(count(array, field))
        )
    if count(source, lib.OPAMP_ANY_VALUE_KVLIST_VALUE):
        pairs = lib.opamp_msg_sub(source, lib.OPAMP_ANY_VALUE_KVLIST_VALUE, 0)
        return read_attributes(pairs, lib.OPAMP_KEY_VALUE_LIST_VALUES)
    return None


def read_attributes(source: Any, field: int) -> dict[str, AttributeValue]:
    """A list of KeyValue as a dict; of two with one key the later counts."""
    found = {}
    for i in range(lib.opamp_msg_count(source, field)):
        pair = lib.opamp_msg_sub(source, field, i)
        key = text_of(lib.opamp_msg_str(pair, lib.OPAMP_KEY_VALUE_KEY, 0))
        value = lib.opamp_msg_sub(pair, lib.OPAMP_KEY_VALUE_VALUE, 0)
        found[key] = read_any(value)
    return found
