# SPDX-License-Identifier: Apache-2.0
"""Spans, texts and messages of the C library as Python values and back."""

from __future__ import annotations

from opamp._native import ffi, lib
from opamp.errors import ConfigError, ErrorCode, check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def text_of(span: Any) -> str:
    """A copy of an opamp_str; "" for an absent one."""
    return ffi.unpack(span.ptr, span.len).decode() if span.len else ""


def bytes_of(span: Any) -> bytes:
    """A copy of an opamp_bytes; b"" for an absent one."""
    return bytes(ffi.buffer(span.ptr, span.len)) if span.len else b""


def static_text(chars: Any) -> str:
    """A NUL-terminated text that the library owns; "" for NULL."""
    return ffi.string(chars).decode() if chars else ""


def encoded(value: object, where: str) -> bytes:
    """A str as UTF-8; raises with the name of what was given."""
    if not isinstance(value, str):
        raise TypeError(f"{where} must be str, not {type(value).__name__}")
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"{where}: cannot be encoded as UTF-8 ({error.reason} at {error.start})",
            ErrorCode.UTF8,
        ) from None


def chars(value: object, where: str) -> bytes:
    """A str for a `const char *`, which cannot hold a NUL."""
    data = encoded(value, where)
    if b"\0" in data:
        raise ConfigError(f"{where}: holds a NUL character", ErrorCode.UTF8)
    return data


def text_span(value: object, where: str) -> Any:
    """A str as an opamp_str."""
    data = encoded(value, where)
    return (ffi.from_buffer(data), len(data))


def octets(value: object, where: str) -> Any:
    """What bytes-like or str `value` holds, as an opamp_bytes."""
    if isinstance(value, str):
        value = encoded(value, where)
    try:
        view = ffi.from_buffer("uint8_t[]", value)
    except (TypeError, BufferError, ValueError):
        raise TypeError(
            f"{where} must be bytes or str, not {type(value).__name__}"
        ) from None
    return (view, len(view))


def new_message(kind: int) -> Any:
    """An empty message of type OPAMP_MSG_…, freed with the last reference."""
    out = ffi.new("opamp_msg **")
    check(lib.opamp_msg_new(out, kind))
    return ffi.gc(out[0], lib.opamp_msg_free)


def parse_message(kind: int, wire: object, where: str) -> Any:
    """A message read from its protobuf encoding."""
    out = ffi.new("opamp_msg **")
    check(lib.opamp_msg_parse(out, kind, octets(wire, where)), where)
    return ffi.gc(out[0], lib.opamp_msg_free)


def packed(call: Any, handle: Any) -> bytes:
    """What a function packs into as much room as it asks for."""
    size = ffi.new("size_t *")
    status = call(handle, ffi.NULL, size)
    if status != ErrorCode.SPACE:
        check(status)
    data = bytearray(size[0])
    check(call(handle, ffi.from_buffer("uint8_t[]", data), size))
    return bytes(data)


def pack_message(message: Any) -> bytes:
    """The protobuf encoding of a message."""
    return packed(lib.opamp_msg_pack, message)


def sized(call: Any, handle: Any) -> bytes:
    """What a getter with a buffer and its size copies out."""
    size = ffi.new("size_t *", 256)
    while True:
        buffer = ffi.new("char[]", size[0] + 1)
        status = call(handle, buffer, size)
        if status != ErrorCode.SPACE:
            check(status)
            return bytes(ffi.buffer(buffer, size[0]))


def bit_names(message_type: int, bits: int) -> frozenset[str]:
    """The schema's names of the fields whose bits are set."""
    return frozenset(
        static_text(lib.opamp_msg_field_name(message_type, n)) or str(n)
        for n in range(bits.bit_length())
        if bits >> n & 1
    )
