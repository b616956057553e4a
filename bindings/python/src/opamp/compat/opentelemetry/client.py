# SPDX-License-Identifier: Apache-2.0
"""What an agent is, and what it reports."""

from __future__ import annotations

import contextlib
import logging
import os
import time

from opamp.compat.opentelemetry import messages
from opamp.compat.opentelemetry.version import __version__
from opamp.enums import Capability
from opamp.messages import AgentToServer, RemoteConfigReport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Final

    from opamp.compat.opentelemetry._engine import Engine
    from opamp.compat.opentelemetry.transport.base import HttpTransport
    from opamp.messages import ConfigFile
    from opamp.types import Attributes

_logger = logging.getLogger("opentelemetry._opamp.client")

_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "User-Agent": f"OTel-OpAMP-Python/{__version__}",
}

_DEFAULT_CAPABILITIES: Final = int(
    Capability.REPORTS_STATUS
    | Capability.REPORTS_HEARTBEAT
    | Capability.ACCEPTS_REMOTE_CONFIG
    | Capability.REPORTS_REMOTE_CONFIG
    | Capability.REPORTS_EFFECTIVE_CONFIG
)


def _uuid7() -> bytes:
    """A new UUIDv7 (RFC 9562, section 5.7)."""
    value = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(3 << 62) | 2 << 62
    return value.to_bytes(16, "big")


@contextlib.contextmanager
def _uninstrumented() -> Iterator[None]:
    """What a transport does is not to become telemetry."""
    try:
        from opentelemetry import context
    except ImportError:
        yield
        return
    key = context._SUPPRESS_INSTRUMENTATION_KEY
    token = context.attach(context.set_value(key, True))
    try:
        yield
    finally:
        context.detach(token)


class OpAMPClient:
    """An agent as it is configured, with the state it reports. An OpAMPAgent
    makes it live: then what `update_…()` is given is sent by itself."""

    def __init__(
        self,
        *,
        endpoint: str,
        headers: Mapping[str, str] | None = None,
        timeout_millis: int = 1_000,
        agent_identifying_attributes: Attributes,
        agent_non_identifying_attributes: Attributes | None = None,
        capabilities: int = _DEFAULT_CAPABILITIES,
        transport: HttpTransport | None = None,
        tls_certificate: str | bool = True,
        tls_client_certificate: str | None = None,
        tls_client_key: str | None = None,
    ) -> None:
        """An agent of the server at `endpoint` (http, https, ws or wss).

        `timeout_millis` is for one request, and to connect. `tls_certificate`
        names the authorities, a file or a directory; True: those of the system,
        False: any certificate is taken. With a `transport` that carries the
        messages, and the endpoint may be whatever it understands."""
        if not capabilities & Capability.REPORTS_STATUS:
            raise ValueError("capabilities: ReportsStatus is missing")
        self._endpoint = endpoint
        self._headers = {**_HEADERS, **(headers or {})}
        self._timeout_millis = timeout_millis
        self._capabilities = capabilities
        self._transport = transport
        self._tls_certificate = tls_certificate
        self._tls_client_certificate = tls_client_certificate
        self._tls_client_key = tls_client_key
        self._description = messages.describe(
            agent_identifying_attributes, agent_non_identifying_attributes
        )
        self._files: dict[str, ConfigFile] | None = None
        self._report: RemoteConfigReport | None = None
        self._uid, self._uid_pid = _uuid7(), os.getpid()
        self._sent = 0
        #: What an agent made of this.
        self._engine: Engine | None = None

    def _live(self) -> Engine | None:
        """What an agent made of this, unless it is another process's."""
        engine = self._engine
        return engine if engine is not None and engine.is_alive else None

    # --- what there is, to look at

    @property
    def _instance_uid(self) -> bytes:
        if (engine := self._live()) is not None:
            return engine.instance_uid.bytes
        if self._uid_pid != os.getpid():  # another process, another agent
            self._uid, self._uid_pid = _uuid7(), os.getpid()
        return self._uid

    @property
    def _sequence_num(self) -> int:
        """That of the next message."""
        if (engine := self._live()) is None:
            return self._sent
        last = engine.sequence_num
        return 0 if last is None else last + 1

    @property
    def _agent_description(self) -> Any:
        packed = self._description.to_bytes()
        return messages._pb().AgentDescription.FromString(packed)

    @property
    def _effective_config(self) -> Any:
        return None if self._files is None else messages.effective_config(self._files)

    @property
    def _remote_config_status(self) -> Any:
        if self._report is None:
            return None
        return messages.build_remote_config_status_message(
            self._report.hash, self._report.status, self._report.error_message
        )

    # --- what is reported

    def update_effective_config(
        self, effective_config: Mapping[str, Any], content_type: str
    ) -> Any:
        """Which configuration is in effect: names and contents, str or bytes, or
        anything when `content_type` is application/json. Returns it as an
        opamp_pb2.EffectiveConfig."""
        self._files = messages.config_files(effective_config, content_type)
        if (engine := self._live()) is not None:
            engine.set_effective_config(self._files)
        return self._effective_config

    def update_remote_config_status(
        self, remote_config_hash: bytes, status: int, error_message: str = ""
    ) -> Any:
        """What became of a remote configuration. Returns it as an
        opamp_pb2.RemoteConfigStatus, None when that is nothing new."""
        report = RemoteConfigReport(remote_config_hash, int(status), error_message)
        if report == self._report:
            return None
        _logger.debug("Remote config status of %s changed", remote_config_hash.hex())
        self._report = report
        if (engine := self._live()) is not None:
            engine.report(report)
        return self._remote_config_status

    # --- messages

    def _build(self, **fields: Any) -> bytes:
        return AgentToServer(
            instance_uid=self._instance_uid,
            sequence_num=self._sequence_num,
            capabilities=self._capabilities,
            **fields,
        ).to_bytes()

    def build_heartbeat_message(self) -> bytes:
        """A message that says no more than that the agent lives."""
        return self._build()

    def build_agent_disconnect_message(self) -> bytes:
        """The last message; `OpAMPAgent.stop()` sends it by itself."""
        return self._build(disconnect=True)

    def build_remote_config_status_response_message(
        self, remote_config_status: Any
    ) -> bytes:
        """A message with an opamp_pb2.RemoteConfigStatus."""
        return self._build(
            remote_config_status=RemoteConfigReport(
                remote_config_status.last_remote_config_hash,
                remote_config_status.status,
                remote_config_status.error_message,
            )
        )

    def build_full_state_message(self) -> bytes:
        """A message with all there is to say."""
        return self._build(
            agent_description=self._description,
            effective_config=self._files,
            remote_config_status=self._report,
        )

    def send(self, data: bytes) -> Any:
        """Has the transport, RequestsTransport if there is none, send a packed
        message, and returns the answer, an opamp_pb2.ServerToAgent. An agent
        uses this only for a transport of one's own, or where it is replaced."""
        transport = self._transport
        if transport is None:
            from opamp.compat.opentelemetry.transport.requests import (
                RequestsTransport,
            )

            transport = RequestsTransport()
        try:
            with _uninstrumented():
                return transport.send(
                    url=self._endpoint,
                    headers=self._headers,
                    data=data,
                    timeout_millis=self._timeout_millis,
                    tls_certificate=self._tls_certificate,
                    tls_client_certificate=self._tls_client_certificate,
                    tls_client_key=self._tls_client_key,
                )
        finally:
            self._sent += 1

    @staticmethod
    def decode_remote_config(remote_config: Any) -> Iterator[tuple[str, Any]]:
        """`messages.decode_remote_config()`."""
        yield from messages.decode_remote_config(remote_config)
