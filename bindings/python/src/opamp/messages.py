# SPDX-License-Identifier: Apache-2.0
"""The messages of the protocol as frozen dataclasses.

They hold copies and may be kept. Times are in nanoseconds since 1970, as the
protocol has them. A message that is absent is None, also where it is read as the
map or list that it wraps; a map or list of its own that is absent is empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from opamp import _codec, _glue
from opamp._codec import message, wire
from opamp.enums import (
    Capability,
    CommandType,
    PackageState,
    PackageType,
    ServerCapability,
    ServerErrorType,
    Status,
)
from opamp.types import AttributeValue

_M = TypeVar("_M", bound="Message")


class Message:
    """What all messages can do."""

    __slots__ = ()
    _type: ClassVar[int] = 0

    @classmethod
    def from_bytes(cls: type[_M], wire: bytes) -> _M:
        """Reads the protobuf encoding; raises MessageError when it is none."""
        parsed = _glue.parse_message(cls._type, wire, cls.__name__)
        return _codec.read(parsed, cls._type)  # type: ignore[no-any-return]

    def to_bytes(self) -> bytes:
        """The protobuf encoding. What a newer protocol has beyond the fields of
        this class is not in it."""
        return _glue.pack_message(native(self, type(self).__name__))


def native(value: Message, where: str) -> Any:
    """A message as one of the C library."""
    made = _glue.new_message(value._type)
    _codec.write(made, value._type, value, where)
    return made


# --- what several of them hold


@message("Header")
@dataclass(frozen=True, slots=True)
class Header(Message):
    """One HTTP header; its value may be a secret and is not printed."""

    name: str = wire("", "key")
    value: str = wire("", secret=True)


@message("TLSCertificate")
@dataclass(frozen=True, slots=True)
class Certificate(Message):
    """A certificate with its key and authority, all PEM."""

    cert: bytes = b""
    private_key: bytes = wire(b"", secret=True)
    ca_cert: bytes = b""


@message("TLSConnectionSettings")
@dataclass(frozen=True, slots=True)
class TLSSettings(Message):
    """How TLS is to be set up for offered connections."""

    ca_pem_contents: str = ""
    include_system_ca_certs_pool: bool = False
    insecure_skip_verify: bool = False
    min_version: str = ""
    max_version: str = ""
    cipher_suites: Sequence[str] = ()


@message("ProxyConnectionSettings")
@dataclass(frozen=True, slots=True)
class ProxySettings(Message):
    """A proxy for offered connections; its URL may hold a password."""

    url: str = wire("", secret=True)
    connect_headers: Sequence[Header] = ()


# --- what the agent reports


@message("AgentDescription")
@dataclass(frozen=True, slots=True)
class Description(Message):
    """Who the agent is (AgentDescription)."""

    identifying: Mapping[str, AttributeValue] = wire(
        name="identifying_attributes", factory=dict
    )
    non_identifying: Mapping[str, AttributeValue] = wire(
        name="non_identifying_attributes", factory=dict
    )


@message("ComponentHealth")
@dataclass(frozen=True, slots=True)
class Health(Message):
    """How an agent or a part of it is (ComponentHealth)."""

    healthy: bool = False
    status: str = ""
    last_error: str = ""
    start_time: int = wire(0, "start_time_unix_nano")
    status_time: int = wire(0, "status_time_unix_nano")
    components: Mapping[str, Health] = wire(name="component_health_map", factory=dict)
    attributes: Mapping[str, AttributeValue] = wire(factory=dict)


@message("AgentConfigObject")
@dataclass(frozen=True, slots=True)
class ConfigFile(Message):
    """One file of a configuration (AgentConfigObject). str is taken as UTF-8."""

    body: bytes = wire(b"", secret=True)
    content_type: str = ""
    role: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.body, str):
            object.__setattr__(self, "body", _glue.encoded(self.body, "body"))

    def __repr__(self) -> str:
        return (
            f"ConfigFile(<{len(self.body)} bytes>,"
            f" content_type={self.content_type!r}, role={self.role!r})"
        )

    @classmethod
    def _from(cls, value: object, where: str) -> ConfigFile:
        """What stands for a file without saying more: its body."""
        if isinstance(value, str):
            value = _glue.encoded(value, where)
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"{where} must be ConfigFile, bytes or str, not {type(value).__name__}"
            )
        return cls(value)  # type: ignore[arg-type]


@message("ComponentDetails")
@dataclass(frozen=True, slots=True)
class Component(Message):
    """A component that is part of the agent (ComponentDetails)."""

    metadata: Mapping[str, AttributeValue] = wire(factory=dict)
    components: Mapping[str, Component] = wire(name="sub_component_map", factory=dict)


@message("AvailableComponents")
@dataclass(frozen=True, slots=True)
class AvailableComponents(Message):
    """All components the agent could use, and a hash over them."""

    components: Mapping[str, Component] = wire(factory=dict)
    hash: bytes = b""


@message("PackageDownloadDetails")
@dataclass(frozen=True, slots=True)
class DownloadDetails(Message):
    """How far the download of a package has come."""

    percent: float = wire(0.0, "download_percent")
    bytes_per_second: float = wire(0.0, "download_bytes_per_second")


@message("PackageStatus")
@dataclass(frozen=True, slots=True)
class PackageStatus(Message):
    """What became of one package."""

    name: str = ""
    agent_has_version: str = ""
    agent_has_hash: bytes = b""
    server_offered_version: str = ""
    server_offered_hash: bytes = b""
    status: PackageState | int = wire(PackageState.INSTALLED, values=PackageState)
    error_message: str = ""
    download_details: DownloadDetails | None = None


@message("PackageStatuses")
@dataclass(frozen=True, slots=True)
class PackageStatuses(Message):
    """What became of all packages."""

    packages: Mapping[str, PackageStatus] = wire(factory=dict)
    server_provided_all_packages_hash: bytes = b""
    error_message: str = ""


@message("RemoteConfigStatus")
@dataclass(frozen=True, slots=True)
class RemoteConfigReport(Message):
    """What the agent says of a remote configuration (RemoteConfigStatus)."""

    hash: bytes = wire(b"", "last_remote_config_hash")
    status: Status | int = wire(Status.UNSET, values=Status)
    error_message: str = ""


@message("ConnectionSettingsStatus")
@dataclass(frozen=True, slots=True)
class ConnectionSettingsReport(Message):
    """What the agent says of connection settings (ConnectionSettingsStatus)."""

    hash: bytes = wire(b"", "last_connection_settings_hash")
    status: Status | int = wire(Status.UNSET, values=Status)
    error_message: str = ""


# --- what the server offers


@message("AgentRemoteConfig")
@dataclass(frozen=True, slots=True)
class RemoteConfigOffer(Message):
    """An offered configuration (AgentRemoteConfig)."""

    files: Mapping[str, ConfigFile] = wire(name="config", factory=dict)
    hash: bytes = wire(b"", "config_hash")


@message("OpAMPConnectionSettings")
@dataclass(frozen=True, slots=True)
class OpAMPSettings(Message):
    """Offered settings of the connection to the OpAMP server itself."""

    destination_endpoint: str = ""
    headers: Sequence[Header] = ()
    certificate: Certificate | None = None
    heartbeat_interval_seconds: int = 0
    tls: TLSSettings | None = None
    proxy: ProxySettings | None = None


@message("TelemetryConnectionSettings")
@dataclass(frozen=True, slots=True)
class TelemetrySettings(Message):
    """Offered settings for the agent's own telemetry."""

    destination_endpoint: str = ""
    headers: Sequence[Header] = ()
    certificate: Certificate | None = None
    tls: TLSSettings | None = None
    proxy: ProxySettings | None = None


@message("OtherConnectionSettings")
@dataclass(frozen=True, slots=True)
class OtherSettings(Message):
    """Offered settings of any other connection."""

    destination_endpoint: str = ""
    headers: Sequence[Header] = ()
    certificate: Certificate | None = None
    other_settings: Mapping[str, str] = wire(factory=dict, secret=True)
    tls: TLSSettings | None = None
    proxy: ProxySettings | None = None


@message("ConnectionSettingsOffers")
@dataclass(frozen=True, slots=True)
class ConnectionSettingsOffer(Message):
    """All offered connection settings (ConnectionSettingsOffers)."""

    hash: bytes = b""
    opamp: OpAMPSettings | None = None
    own_metrics: TelemetrySettings | None = None
    own_traces: TelemetrySettings | None = None
    own_logs: TelemetrySettings | None = None
    other_connections: Mapping[str, OtherSettings] = wire(factory=dict)


@message("DownloadableFile")
@dataclass(frozen=True, slots=True)
class DownloadableFile(Message):
    """Where the content of a package is."""

    download_url: str = ""
    content_hash: bytes = b""
    signature: bytes = b""
    headers: Sequence[Header] = ()


@message("PackageAvailable")
@dataclass(frozen=True, slots=True)
class Package(Message):
    """An offered package (PackageAvailable)."""

    type: PackageType | int = wire(PackageType.TOP_LEVEL, values=PackageType)
    version: str = ""
    file: DownloadableFile | None = None
    hash: bytes = b""


@message("PackagesAvailable")
@dataclass(frozen=True, slots=True)
class PackagesOffer(Message):
    """All offered packages (PackagesAvailable)."""

    packages: Mapping[str, Package] = wire(factory=dict)
    all_packages_hash: bytes = b""


@message("ServerErrorResponse")
@dataclass(frozen=True, slots=True)
class ErrorResponse(Message):
    """Why the server could not process a message (ServerErrorResponse)."""

    type: ServerErrorType | int = wire(ServerErrorType.UNKNOWN, values=ServerErrorType)
    error_message: str = ""
    retry_after_nanoseconds: int = wire(0, "retry_info")


# --- custom messages, and the two that hold all others


@message("CustomMessage")
@dataclass(frozen=True, slots=True)
class Custom(Message):
    """A message of a custom capability (CustomMessage)."""

    capability: str = ""
    type: str = ""
    data: bytes = b""


@message("ServerToAgent")
@dataclass(frozen=True, slots=True)
class ServerToAgent(Message):
    """Everything a server says in one message."""

    instance_uid: bytes = b""
    error_response: ErrorResponse | None = None
    remote_config: RemoteConfigOffer | None = None
    connection_settings: ConnectionSettingsOffer | None = None
    packages_available: PackagesOffer | None = None
    flags: int = 0
    capabilities: ServerCapability | int = wire(0, values=ServerCapability)
    new_instance_uid: bytes = wire(b"", "agent_identification")
    command: CommandType | int | None = wire(None, values=CommandType)
    custom_capabilities: Sequence[str] | None = None
    custom_message: Custom | None = None


@message("AgentToServer")
@dataclass(frozen=True, slots=True)
class AgentToServer(Message):
    """Everything an agent says in one message."""

    instance_uid: bytes = b""
    sequence_num: int = 0
    agent_description: Description | None = None
    capabilities: Capability | int = wire(0, values=Capability)
    health: Health | None = None
    effective_config: Mapping[str, ConfigFile] | None = None
    remote_config_status: RemoteConfigReport | None = None
    package_statuses: PackageStatuses | None = None
    disconnect: bool = wire(False, "agent_disconnect")
    flags: int = 0
    certificate_request: bytes = wire(b"", "connection_settings_request")
    custom_capabilities: Sequence[str] | None = None
    custom_message: Custom | None = None
    available_components: AvailableComponents | None = None
    connection_settings_status: ConnectionSettingsReport | None = None
