# SPDX-License-Identifier: Apache-2.0
"""Everything a client has to say, as frozen dataclasses.

An event owns what it holds, and may be kept. Some events are questions, which
`accept()`, `reject()` or `defer()` answer, from any thread, until their
deadline (option offer_deadline); one that nobody answers is deferred, and
becomes FAILED at its deadline. So an agent that accepts configurations and has
no handler for them reports FAILED.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from opamp import _glue
from opamp._native import ffi, lib
from opamp.enums import CommandType, ServerErrorType, Status
from opamp.errors import ErrorCode, OpampError, check
from opamp.messages import (
    ConfigFile,
    OpAMPSettings,
    OtherSettings,
    Package,
    ServerToAgent,
    TelemetrySettings,
)

if TYPE_CHECKING:
    import uuid


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """The base of all events; a handler for it gets those without one of their
    own."""

    _kind: ClassVar[int] = 0

    #: Whose event it is: an opamp.Client or opamp.aio.Client.
    client: Any = dataclasses.field(repr=False)
    #: What there is to say about it: a URL, a reason; often empty.
    text: str
    _native: Any = dataclasses.field(repr=False)

    @property
    def raw(self) -> bytes | None:
        """What the server said, as a packed ServerToAgent with the part that
        the event is about, fields of newer protocols included; None for an
        event without a message."""
        if not lib.opamp_event_msg(self._native):
            return None
        return _glue.packed(lib.opamp_event_raw, self._native)


@dataclass(frozen=True, slots=True, eq=False)
class Question(Event):
    """An offer, which waits for an answer."""

    def accept(self) -> None:
        """The offer is in effect: the server is told APPLIED. Raises StateError
        when it was answered before."""
        check(lib.opamp_event_accept(self._native))

    def reject(self, text: str) -> None:
        """The offer cannot be used: the server is told FAILED, and why."""
        check(lib.opamp_event_reject(self._native, _glue.chars(text, "text")))

    def defer(self) -> None:
        """The answer will come later, by the client's methods: the server is
        told APPLYING. It is due within option offer_deadline from now, else
        FAILED; `set_remote_config_status(hash, Status.APPLYING)` puts it off
        again."""
        check(lib.opamp_event_defer(self._native))


# --- the connection


@dataclass(frozen=True, slots=True, eq=False)
class Connecting(Event):
    """An attempt to connect begins."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_CONNECTING
    url: str
    attempt: int  #: counted from 1


@dataclass(frozen=True, slots=True, eq=False)
class Connected(Event):
    """Connected; over HTTP, the first answer."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_CONNECTED
    url: str


@dataclass(frozen=True, slots=True, eq=False)
class ConnectFailed(Event):
    """No connection came about."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_CONNECT_FAILED
    error: OpampError
    http_status: int  #: 0: none
    retry_in: float | None  #: seconds until the next attempt


@dataclass(frozen=True, slots=True, eq=False)
class Disconnected(Event):
    """A connection ended."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_DISCONNECTED
    error: OpampError
    close_code: int  #: of WebSocket; 0: none
    http_status: int  #: 0: none
    retry_in: float | None  #: seconds until the next attempt


@dataclass(frozen=True, slots=True, eq=False)
class Stopped(Event):
    """The client has stopped; nothing is sent any more."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_STOPPED
    disconnect_sent: bool  #: whether AgentDisconnect went out


@dataclass(frozen=True, slots=True, eq=False)
class CredentialsWanted(Event):
    """The server said 401 or 403; `set_headers()` is the answer. None is needed
    where option headers is a function."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_CREDENTIALS_WANTED
    http_status: int


@dataclass(frozen=True, slots=True, eq=False)
class HeartbeatInterval(Event):
    """The server changed the interval of heartbeats."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_HEARTBEAT_INTERVAL
    interval: float  #: seconds


@dataclass(frozen=True, slots=True, eq=False)
class DuplicateSuspected(Event):
    """Perhaps another agent has the same instance uid."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_DUPLICATE_SUSPECTED


# --- messages


@dataclass(frozen=True, slots=True, eq=False)
class MessageSent(Event):
    """A message went out (option trace_messages)."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_MESSAGE_SENT
    sequence_num: int
    size: int  #: bytes
    fields: frozenset[str]  #: names of the fields of AgentToServer in it


@dataclass(frozen=True, slots=True, eq=False)
class MessageReceived(Event):
    """A message came (option trace_messages)."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_MESSAGE_RECEIVED
    size: int  #: bytes
    fields: frozenset[str]  #: names of the fields of ServerToAgent in it
    message: ServerToAgent


@dataclass(frozen=True, slots=True, eq=False)
class Delivered(Event):
    """Everything set so far has been delivered."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_DELIVERED
    sequence_num: int  #: of the last message


@dataclass(frozen=True, slots=True, eq=False)
class BadMessage(Event):
    """A message came that could not be processed."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_BAD_MESSAGE
    error: OpampError


@dataclass(frozen=True, slots=True, eq=False)
class ServerError(Event):
    """The server could not process a message (ServerErrorResponse)."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_SERVER_ERROR
    type: ServerErrorType | int
    message: str
    retry_in: float | None  #: seconds


@dataclass(frozen=True, slots=True, eq=False)
class CustomMessage(Event):
    """A custom message, of a capability that was declared."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_CUSTOM_MESSAGE
    capability: str
    type: str
    data: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Parked(Event):
    """State the server refuses; it is left out until it changes."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_PARKED
    fields: frozenset[str]  #: names of fields of AgentToServer


@dataclass(frozen=True, slots=True, eq=False)
class Dropped(Event):
    """A queue was full."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_DROPPED
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Log(Event):
    """A log record. `logging` gets it anyway, as of the logger "opamp"."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_LOG
    level: int  #: of the module logging


# --- offers and commands


@dataclass(frozen=True, slots=True, eq=False)
class RemoteConfig(Question):
    """A configuration is offered."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_REMOTE_CONFIG
    hash: bytes
    files: Mapping[str, ConfigFile]
    restored: bool  #: from the store, at start


@dataclass(frozen=True, slots=True, eq=False)
class RemoteConfigStatus(Event):
    """What the server will be told of a configuration."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_REMOTE_CONFIG_STATUS
    hash: bytes
    status: Status | int
    error_message: str


@dataclass(frozen=True, slots=True, eq=False)
class ConnectionSettings(Question):
    """Connection settings are offered. The part `opamp` is the library's own
    business; the answer is about the others."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_CONNECTION_SETTINGS
    hash: bytes
    opamp: OpAMPSettings | None
    own_metrics: TelemetrySettings | None
    own_traces: TelemetrySettings | None
    own_logs: TelemetrySettings | None
    other_connections: Mapping[str, OtherSettings]
    restored: bool  #: from the store, at start


@dataclass(frozen=True, slots=True, eq=False)
class ConnectionSettingsStatus(Event):
    """What the server will be told of connection settings."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_CONNECTION_SETTINGS_STATUS
    hash: bytes
    status: Status | int
    error_message: str


@dataclass(frozen=True, slots=True, eq=False)
class PackagesAvailable(Event):
    """Packages are offered; `set_package_statuses()` tells what became of
    them."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_PACKAGES
    packages: Mapping[str, Package]
    all_packages_hash: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Command(Event):
    """The server wants something done."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_COMMAND
    type: CommandType | int


@dataclass(frozen=True, slots=True, eq=False)
class IdentityChanged(Event):
    """The server gave the agent a new instance uid."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_IDENTITY
    instance_uid: uuid.UUID
    previous: uuid.UUID


@dataclass(frozen=True, slots=True, eq=False)
class EffectiveConfigWanted(Event):
    """A configuration was applied; `set_effective_config()` tells what is in
    effect now."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_EFFECTIVE_CONFIG_WANTED


# --- a transport of the application's own


@dataclass(frozen=True, slots=True, eq=False)
class TransportEvent(Event):
    """What a transport of the application's own is asked for (option
    own_transport). Answers may come from any thread; one that comes too late
    for its connection has no effect."""

    connection: int  #: they grow; a newer one ends those before it

    def received(self, message: bytes) -> None:
        """A message came, the whole of it; over http, a response's body."""
        data = _glue.octets(message, "message")
        handle = self.client._handle
        check(lib.opamp_client_transport_received(handle, self.connection, data))

    def alive(self) -> None:
        """The server is there: it answered a ping, or part of a message came."""
        handle = self.client._handle
        check(lib.opamp_client_transport_alive(handle, self.connection))

    def closed(
        self,
        why: ErrorCode = ErrorCode.TRANSPORT,
        code: int = 0,
        retry_after: float | None = None,
        text: str = "",
    ) -> None:
        """The connection could not be made, ended, or the request failed.
        `code` is an HTTP status or a WebSocket close code, 0 for none."""
        wait = -1 if retry_after is None else round(retry_after * 1000)
        check(
            lib.opamp_client_transport_closed(
                self.client._handle,
                self.connection,
                int(why),
                code,
                wait,
                _glue.chars(text, "text"),
            )
        )


@dataclass(frozen=True, slots=True, eq=False)
class TransportOpen(TransportEvent):
    """Make a connection; `opened()` or `closed()` answers."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_TRANSPORT_OPEN
    url: str

    def opened(self) -> None:
        """The connection is made."""
        handle = self.client._handle
        check(lib.opamp_client_transport_opened(handle, self.connection))


@dataclass(frozen=True, slots=True, eq=False)
class TransportSend(TransportEvent):
    """Send a message. Over ws, `written()` answers when the next may come; over
    http, `received()` with the body of the response, or `closed()`."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_TRANSPORT_SEND
    url: str  #: over http only
    message: bytes = dataclasses.field(repr=False)

    def written(self) -> None:
        """The message is on its way."""
        handle = self.client._handle
        check(lib.opamp_client_transport_written(handle, self.connection))


@dataclass(frozen=True, slots=True, eq=False)
class TransportPing(TransportEvent):
    """See whether the server is there; `alive()` answers, if so."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_TRANSPORT_PING


@dataclass(frozen=True, slots=True, eq=False)
class TransportClose(TransportEvent):
    """End the connection in good order, then `closed()`; or, when close_code is
    0, at once."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_TRANSPORT_CLOSE
    close_code: int


# --- a store of the application's own


@dataclass(frozen=True, slots=True, eq=False)
class StoreEvent(Event):
    """What a store of the application's own is asked for (option store).
    Answers may come from any thread, until option store_timeout. Each of the
    three wants a handler of its own."""

    key: str  #: at most 40 letters, digits and underscores
    _request: int = dataclasses.field(repr=False)

    def failed(self, why: str) -> None:
        """It could not be done."""
        text = _glue.chars(why, "why")
        handle = self.client._handle
        check(lib.opamp_client_store_failed(handle, self._request, text))


@dataclass(frozen=True, slots=True, eq=False)
class StoreLoad(StoreEvent):
    """The value of a key is wanted; `loaded()` or `failed()` answers."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_STORE_LOAD

    def loaded(self, value: bytes | None) -> None:
        """The value as it was saved last; None: there is none."""
        span = (ffi.NULL, 0) if value is None else _glue.octets(value, "value")
        handle = self.client._handle
        check(lib.opamp_client_store_loaded(handle, self._request, span))


@dataclass(frozen=True, slots=True, eq=False)
class StoreErase(StoreEvent):
    """A key is to be forgotten; `saved()` or `failed()` answers."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_STORE_ERASE

    def saved(self) -> None:
        """It is done, for good: a crash of the machine does not take it back."""
        handle = self.client._handle
        check(lib.opamp_client_store_saved(handle, self._request))


@dataclass(frozen=True, slots=True, eq=False)
class StoreSave(StoreErase):
    """A value is to be kept under a key; `saved()` or `failed()` answers."""

    _kind: ClassVar[int] = lib.OPAMP_EVENT_STORE_SAVE
    value: bytes = dataclasses.field(repr=False)
    secret: bool  #: it may hold keys, tokens or passwords
