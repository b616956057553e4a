# SPDX-License-Identifier: Apache-2.0
"""OpAMP, the protocol by which a server manages a fleet of agents.

    import opamp

    client = opamp.Client(
        "wss://opamp.example/v1/opamp",
        identifying={"service.name": "checkout"},
        capabilities=opamp.Capability.DEFAULT
        | opamp.Capability.ACCEPTS_REMOTE_CONFIG
        | opamp.Capability.REPORTS_REMOTE_CONFIG,
    )

    @client.on(opamp.RemoteConfig)
    def apply(offer):
        for name, file in offer.files.items():
            ...
        return opamp.Status.APPLIED

    with client:
        ...

Importing it starts no thread, opens no connection and sets up no logging. Each
name is loaded when it is first used.
"""

from __future__ import annotations

try:
    from opamp import _native as _native
except ImportError as _error:
    if "subinterpreter" not in str(_error):
        raise
    raise ImportError(
        "opamp cannot be loaded in an isolated subinterpreter (one with a GIL of its"
        " own), since CFFI cannot; in a legacy one it can"
    ) from _error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from opamp import aio as aio
    from opamp._client import Client as Client
    from opamp._loop import Loop as Loop
    from opamp._options import limits as limits
    from opamp._process import after_fork_in_child as after_fork_in_child
    from opamp._version import features as features
    from opamp._version import version as version
    from opamp.configdir import ConfigDir as ConfigDir
    from opamp.enums import Capability as Capability
    from opamp.enums import CommandType as CommandType
    from opamp.enums import PackageState as PackageState
    from opamp.enums import PackageType as PackageType
    from opamp.enums import ServerCapability as ServerCapability
    from opamp.enums import ServerErrorType as ServerErrorType
    from opamp.enums import State as State
    from opamp.enums import Status as Status
    from opamp.errors import ClosedError as ClosedError
    from opamp.errors import ConfigError as ConfigError
    from opamp.errors import ConnectError as ConnectError
    from opamp.errors import ErrorCode as ErrorCode
    from opamp.errors import FileError as FileError
    from opamp.errors import ForkedError as ForkedError
    from opamp.errors import MessageError as MessageError
    from opamp.errors import NotSupportedError as NotSupportedError
    from opamp.errors import OpampError as OpampError
    from opamp.errors import OpampTimeoutError as OpampTimeoutError
    from opamp.errors import QueueFullError as QueueFullError
    from opamp.errors import StateError as StateError
    from opamp.errors import TlsError as TlsError
    from opamp.events import BadMessage as BadMessage
    from opamp.events import Command as Command
    from opamp.events import Connected as Connected
    from opamp.events import ConnectFailed as ConnectFailed
    from opamp.events import Connecting as Connecting
    from opamp.events import ConnectionSettings as ConnectionSettings
    from opamp.events import (
        ConnectionSettingsStatus as ConnectionSettingsStatus,
    )
    from opamp.events import CredentialsWanted as CredentialsWanted
    from opamp.events import CustomMessage as CustomMessage
    from opamp.events import Delivered as Delivered
    from opamp.events import Disconnected as Disconnected
    from opamp.events import Dropped as Dropped
    from opamp.events import DuplicateSuspected as DuplicateSuspected
    from opamp.events import EffectiveConfigWanted as EffectiveConfigWanted
    from opamp.events import Event as Event
    from opamp.events import HeartbeatInterval as HeartbeatInterval
    from opamp.events import IdentityChanged as IdentityChanged
    from opamp.events import Log as Log
    from opamp.events import MessageReceived as MessageReceived
    from opamp.events import MessageSent as MessageSent
    from opamp.events import PackagesAvailable as PackagesAvailable
    from opamp.events import Parked as Parked
    from opamp.events import Question as Question
    from opamp.events import RemoteConfig as RemoteConfig
    from opamp.events import RemoteConfigStatus as RemoteConfigStatus
    from opamp.events import ServerError as ServerError
    from opamp.events import Stopped as Stopped
    from opamp.events import StoreErase as StoreErase
    from opamp.events import StoreEvent as StoreEvent
    from opamp.events import StoreLoad as StoreLoad
    from opamp.events import StoreSave as StoreSave
    from opamp.events import TransportClose as TransportClose
    from opamp.events import TransportEvent as TransportEvent
    from opamp.events import TransportOpen as TransportOpen
    from opamp.events import TransportPing as TransportPing
    from opamp.events import TransportSend as TransportSend
    from opamp.messages import AgentToServer as AgentToServer
    from opamp.messages import AvailableComponents as AvailableComponents
    from opamp.messages import Certificate as Certificate
    from opamp.messages import Component as Component
    from opamp.messages import ConfigFile as ConfigFile
    from opamp.messages import (
        ConnectionSettingsOffer as ConnectionSettingsOffer,
    )
    from opamp.messages import (
        ConnectionSettingsReport as ConnectionSettingsReport,
    )
    from opamp.messages import Custom as Custom
    from opamp.messages import Description as Description
    from opamp.messages import DownloadableFile as DownloadableFile
    from opamp.messages import DownloadDetails as DownloadDetails
    from opamp.messages import ErrorResponse as ErrorResponse
    from opamp.messages import Header as Header
    from opamp.messages import Health as Health
    from opamp.messages import Message as Message
    from opamp.messages import OpAMPSettings as OpAMPSettings
    from opamp.messages import OtherSettings as OtherSettings
    from opamp.messages import Package as Package
    from opamp.messages import PackagesOffer as PackagesOffer
    from opamp.messages import PackageStatus as PackageStatus
    from opamp.messages import PackageStatuses as PackageStatuses
    from opamp.messages import ProxySettings as ProxySettings
    from opamp.messages import RemoteConfigOffer as RemoteConfigOffer
    from opamp.messages import RemoteConfigReport as RemoteConfigReport
    from opamp.messages import ServerToAgent as ServerToAgent
    from opamp.messages import TelemetrySettings as TelemetrySettings
    from opamp.messages import TLSSettings as TLSSettings
    from opamp.tls import TLS as TLS
    from opamp.types import Attributes as Attributes
    from opamp.types import AttributeValue as AttributeValue
    from opamp.types import Headers as Headers
    from opamp.types import Options as Options

__version__ = "0.1.0"

# Where each name is.
_HOMES = {
    "_client": "Client",
    "_loop": "Loop",
    "_options": "limits",
    "_process": "after_fork_in_child",
    "_version": "features version",
    "configdir": "ConfigDir",
    "enums": """
        Capability CommandType PackageState PackageType ServerCapability
        ServerErrorType State Status
    """,
    "errors": """
        ClosedError ConfigError ConnectError ErrorCode FileError ForkedError
        MessageError NotSupportedError OpampError OpampTimeoutError
        QueueFullError StateError TlsError
    """,
    "events": """
        BadMessage Command ConnectFailed Connected Connecting
        ConnectionSettings ConnectionSettingsStatus CredentialsWanted
        CustomMessage Delivered Disconnected Dropped DuplicateSuspected
        EffectiveConfigWanted Event HeartbeatInterval IdentityChanged Log
        MessageReceived MessageSent PackagesAvailable Parked Question
        RemoteConfig RemoteConfigStatus ServerError Stopped StoreErase
        StoreEvent StoreLoad StoreSave TransportClose TransportEvent
        TransportOpen TransportPing TransportSend
    """,
    "messages": """
        AgentToServer AvailableComponents Certificate Component ConfigFile
        ConnectionSettingsOffer ConnectionSettingsReport Custom Description
        DownloadDetails DownloadableFile ErrorResponse Header Health Message
        OpAMPSettings OtherSettings Package PackageStatus PackageStatuses
        PackagesOffer ProxySettings RemoteConfigOffer RemoteConfigReport
        ServerToAgent TLSSettings TelemetrySettings
    """,
    "tls": "TLS",
    "types": "AttributeValue Attributes Headers Options",
}
_home_of = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = ["__version__", "aio", *_home_of]  # noqa: PLE0604


if not TYPE_CHECKING:  # so that names that do not exist are found out

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name == "aio":
            return import_module("opamp.aio")
        home = _home_of.get(name)
        if home is None:
            raise AttributeError(f"module 'opamp' has no attribute {name!r}")
        value = getattr(import_module(f"opamp.{home}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
