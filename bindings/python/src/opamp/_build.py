# SPDX-License-Identifier: Apache-2.0
"""Events of the C library as those of events.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opamp import _codec, _glue
from opamp import events as ev
from opamp._base import LEVELS
from opamp._native import ffi, lib
from opamp.enums import CommandType, ServerErrorType, Status
from opamp.errors import error_of

if TYPE_CHECKING:
    import uuid

    from opamp._base import BaseClient


def _number(e: Any, key: int) -> int:
    return int(lib.opamp_event_number(e, key))


def _bytes(e: Any) -> bytes:
    return _glue.bytes_of(lib.opamp_event_bytes(e))


def _seconds(e: Any) -> float | None:
    wait = _number(e, lib.OPAMP_NUM_RETRY_IN_MS)
    return None if wait < 0 else wait / 1000


def _error(e: Any) -> Any:
    return error_of(lib.opamp_event_status(e), _text(e))


def _text(e: Any) -> str:
    return _glue.text_of(lib.opamp_event_text(e))


def _fields(e: Any, message_type: int) -> frozenset[str]:
    return _glue.bit_names(message_type, _number(e, lib.OPAMP_NUM_FIELDS))


def _enum(kind: Any, value: int) -> Any:
    try:
        return kind(value)
    except ValueError:
        return value  # of a newer protocol


def _uid(span: Any) -> uuid.UUID:
    import uuid

    return uuid.UUID(bytes=_glue.bytes_of(span))


def _message(e: Any) -> Any:
    """The message of an event as its dataclass."""
    source = lib.opamp_event_msg(e)
    return _codec.read(source, lib.opamp_msg_type(source))


def _settings(e: Any) -> tuple[Any, ...]:
    offer = _message(e)
    return (
        offer.hash,
        offer.opamp,
        offer.own_metrics,
        offer.own_traces,
        offer.own_logs,
        offer.other_connections,
        bool(_number(e, lib.OPAMP_NUM_RESTORED)),
    )


def _remote_config(e: Any) -> tuple[Any, ...]:
    restored = bool(_number(e, lib.OPAMP_NUM_RESTORED))
    return _bytes(e), _message(e).files, restored


def _packages(e: Any) -> tuple[Any, ...]:
    offer = _message(e)
    return offer.packages, offer.all_packages_hash


def _custom(e: Any) -> tuple[Any, ...]:
    custom = _message(e)
    return custom.capability, custom.type, custom.data


def _server_error(e: Any) -> tuple[Any, ...]:
    answer = _message(e)
    kind = _enum(ServerErrorType, answer.type)
    return kind, answer.error_message, _seconds(e)


def _status(e: Any) -> tuple[Any, ...]:
    return _bytes(e), _enum(Status, _number(e, lib.OPAMP_NUM_STATE)), _text(e)


def _failed(e: Any) -> tuple[Any, ...]:
    return _error(e), _number(e, lib.OPAMP_NUM_HTTP_STATUS), _seconds(e)


def _disconnected(e: Any) -> tuple[Any, ...]:
    error, http_status, wait = _failed(e)
    return error, _number(e, lib.OPAMP_NUM_CLOSE_CODE), http_status, wait


def _sent(e: Any) -> tuple[Any, ...]:
    return (
        _number(e, lib.OPAMP_NUM_SEQUENCE_NUM),
        _number(e, lib.OPAMP_NUM_SIZE),
        _fields(e, lib.OPAMP_MSG_AGENT_TO_SERVER),
    )


def _received(e: Any) -> tuple[Any, ...]:
    return (
        _number(e, lib.OPAMP_NUM_SIZE),
        _fields(e, lib.OPAMP_MSG_SERVER_TO_AGENT),
        _message(e),
    )


def _level(e: Any) -> int:
    return LEVELS[_number(e, lib.OPAMP_NUM_LEVEL)]


def _identity(e: Any) -> tuple[Any, ...]:
    return _uid(lib.opamp_event_bytes(e)), _uid(lib.opamp_event_previous(e))


def _transport(*rest: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    return lambda e: (
        _number(e, lib.OPAMP_NUM_CONNECTION),
        *(part(e) for part in rest),
    )


def _store(*rest: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    return lambda e: (
        _text(e),
        _number(e, lib.OPAMP_NUM_REQUEST),
        *(part(e) for part in rest),
    )


def _one(key: int, convert: Callable[[int], Any] = int) -> Callable[[Any], Any]:
    return lambda e: (convert(_number(e, key)),)


# What each class holds beyond what all events hold, in the order of its fields.
_PARTS: dict[type[ev.Event], Callable[[Any], tuple[Any, ...]]] = {
    ev.Connecting: lambda e: (_text(e), _number(e, lib.OPAMP_NUM_ATTEMPT)),
    ev.Connected: lambda e: (_text(e),),
    ev.ConnectFailed: _failed,
    ev.Disconnected: _disconnected,
    ev.Stopped: _one(lib.OPAMP_NUM_DISCONNECT_SENT, bool),
    ev.CredentialsWanted: _one(lib.OPAMP_NUM_HTTP_STATUS),
    ev.HeartbeatInterval: _one(lib.OPAMP_NUM_INTERVAL_MS, lambda ms: ms / 1000),
    ev.DuplicateSuspected: lambda e: (),
    ev.MessageSent: _sent,
    ev.MessageReceived: _received,
    ev.Delivered: _one(lib.OPAMP_NUM_SEQUENCE_NUM),
    ev.BadMessage: lambda e: (_error(e),),
    ev.ServerError: _server_error,
    ev.CustomMessage: _custom,
    ev.Parked: lambda e: (_fields(e, lib.OPAMP_MSG_AGENT_TO_SERVER),),
    ev.Dropped: _one(lib.OPAMP_NUM_COUNT),
    ev.Log: lambda e: (_level(e),),
    ev.RemoteConfig: _remote_config,
    ev.RemoteConfigStatus: _status,
    ev.ConnectionSettings: _settings,
    ev.ConnectionSettingsStatus: _status,
    ev.PackagesAvailable: _packages,
    ev.Command: _one(lib.OPAMP_NUM_STATE, lambda v: _enum(CommandType, v)),
    ev.IdentityChanged: _identity,
    ev.EffectiveConfigWanted: lambda e: (),
    ev.TransportOpen: _transport(_text),
    ev.TransportSend: _transport(_text, _bytes),
    ev.TransportPing: _transport(),
    ev.TransportClose: _transport(lambda e: _number(e, lib.OPAMP_NUM_CLOSE_CODE)),
    ev.StoreLoad: _store(),
    ev.StoreSave: _store(_bytes, lambda e: bool(_number(e, lib.OPAMP_NUM_SECRET))),
    ev.StoreErase: _store(),
}

_CLASSES = {cls._kind: (cls, parts) for cls, parts in _PARTS.items()}


def build(kind: int, e: Any, client: BaseClient) -> ev.Event:
    """The event for `e`, which it frees with itself."""
    cls, parts = _CLASSES.get(kind, (ev.Event, lambda e: ()))
    e = ffi.gc(e, lib.opamp_event_free)
    return cls(client, _text(e), e, *parts(e))
