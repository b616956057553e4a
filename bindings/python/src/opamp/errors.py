# SPDX-License-Identifier: Apache-2.0
"""What is raised, and the statuses of the C library behind it."""

from __future__ import annotations

import enum

from opamp._native import ffi, lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class ErrorCode(enum.IntEnum):
    """The library's statuses, one for one; numbers are only ever added."""

    NOMEM = -1
    INVALID = -2
    STATE = -3
    TYPE = -4
    BUSY = -5
    TIMEOUT = -6
    UNSUPPORTED = -7
    FULL = -8
    NOTFOUND = -9
    SPACE = -10
    FORKED = -11
    TRANSPORT = -100
    TLS = -101
    HTTP = -102
    RESOLVE = -103
    CLOSED = -104
    REDIRECT = -105
    IO = -106
    UNAVAILABLE = -107
    DECODE = -200
    LIMIT = -201
    UTF8 = -202
    DEPTH = -203
    FRAME = -204
    TEXT_FRAME = -205
    FOREIGN_UID = -206
    REFUSED = -207


class OpampError(Exception):
    """What went wrong, and where; never a secret. The base of all others."""

    #: The status of the library: an ErrorCode, or a number newer than them.
    code: int

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type[OpampError], tuple[str, int]]:
        return type(self), (str(self), self.code)


class ConfigError(OpampError, ValueError):
    """An option or argument has a value that it cannot have."""

    def __init__(self, message: str, code: int = ErrorCode.INVALID) -> None:
        super().__init__(message, code)


class StateError(OpampError, RuntimeError):
    """Not possible in the present state, or while another thread drives."""

    def __init__(self, message: str, code: int = ErrorCode.STATE) -> None:
        super().__init__(message, code)


class ClosedError(StateError):
    """The client or loop was closed."""


class ForkedError(StateError):
    """The client belongs to the process that this one was forked from."""

    def __init__(self, message: str, code: int = ErrorCode.FORKED) -> None:
        super().__init__(message, code)


class OpampTimeoutError(OpampError, TimeoutError):
    """A deadline passed."""


class NotSupportedError(OpampError, NotImplementedError):
    """Not in this build of the library, or not allowed here."""


class QueueFullError(OpampError):
    """A bounded queue has no room; what was given to it was not taken."""


class FileError(OpampError, OSError):
    """A file could not be read or written."""


class ConnectError(OpampError, ConnectionError):
    """A connection could not be made, or ended."""


class TlsError(ConnectError):
    """TLS could not be set up, or a certificate was not accepted."""


class MessageError(OpampError, ValueError):
    """Bytes or values that are no message of the protocol."""


_CLASSES: dict[int, type[OpampError]] = {
    ErrorCode.INVALID: ConfigError,
    ErrorCode.STATE: StateError,
    ErrorCode.BUSY: StateError,
    ErrorCode.TIMEOUT: OpampTimeoutError,
    ErrorCode.UNSUPPORTED: NotSupportedError,
    ErrorCode.FULL: QueueFullError,
    ErrorCode.FORKED: ForkedError,
    ErrorCode.TLS: TlsError,
    ErrorCode.IO: FileError,
}


def error_of(code: int, message: str) -> OpampError:
    """The exception for a status and its text."""
    kind = _CLASSES.get(code)
    if kind is None:
        kind = OpampError
        if -200 < code <= -100:
            kind = ConnectError
        elif code <= -200:
            kind = MessageError
    try:
        code = ErrorCode(code)
    except ValueError:
        pass  # of a newer library
    if not message:
        message = str(ffi.string(lib.opamp_status_name(code)).decode())
    return kind(message, code)


def fail(code: int, where: str = "") -> NoReturn:
    """Raises what the call that has just returned `code` had to say."""
    if code == ErrorCode.NOMEM:
        raise MemoryError(where or "libopamp")
    message = ffi.string(lib.opamp_errmsg()).decode()
    if where and not message.startswith(f"{where}:"):
        message = f"{where}: {message}"
    raise error_of(code, message)


def check(code: int, where: str = "") -> None:
    """Raises unless a call returned OPAMP_OK; `where` names what was given."""
    if code != 0:
        fail(code, where)
