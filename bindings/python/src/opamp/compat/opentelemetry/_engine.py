# SPDX-License-Identifier: Apache-2.0
"""The client of this package that an OpAMPClient describes."""

from __future__ import annotations

import os

import opamp
from opamp._native import lib
from opamp.errors import check
from opamp.tls import TLS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Literal

    from opamp.compat.opentelemetry.client import OpAMPClient
    from opamp.events import Event
    from opamp.messages import RemoteConfigReport
    from opamp.types import Options

# Headers that belong to the protocol, and are not for the application to set.
_RESERVED = frozenset(
    "content-type content-length content-encoding transfer-encoding connection"
    " upgrade host opamp-instance-uid".split()
)


def carries_itself(client: OpAMPClient) -> bool:
    """Whether messages go through `OpAMPClient.send()`, because there is a
    transport, or because a subclass has its own."""
    from opamp.compat.opentelemetry.client import OpAMPClient

    return client._transport is not None or type(client).send is not OpAMPClient.send


def _within(name: str, value: float) -> float:
    """A value that the option `name` can have."""
    _, low, high = opamp.limits()[name]
    return min(max(value, low), high)


def _tls(client: OpAMPClient) -> TLS:
    authorities = client._tls_certificate
    if authorities is True:  # what requests asks, too
        authorities = (
            os.environ.get("REQUESTS_CA_BUNDLE")
            or os.environ.get("CURL_CA_BUNDLE")
            or True
        )
    cert = client._tls_client_certificate
    return TLS(
        ca=authorities if isinstance(authorities, str) else None,
        verify=authorities is not False,
        cert=cert,
        key=client._tls_client_key or cert,
    )


def _options(client: OpAMPClient, interval: float, backoff: float) -> Options:
    options: Options = {
        "instance_uid": client._instance_uid,
        "capabilities": client._capabilities,
        "heartbeat": _within("heartbeat", interval),
        "poll_interval": _within("poll_interval", interval),
        "backoff_min": _within("backoff_min", backoff),
        "trace_messages": True,
    }
    if carries_itself(client):
        options["own_transport"] = True
        return options
    timeout = client._timeout_millis / 1000
    options["connect_timeout"] = _within("connect_timeout", timeout)
    options["request_timeout"] = _within("request_timeout", timeout)
    options["headers"] = {
        name: value
        for name, value in client._headers.items()
        if name.lower() not in _RESERVED
    }
    if client._endpoint.lower().startswith(("https:", "wss:")):
        options["tls"] = _tls(client)
    return options


class Engine(opamp.Client):
    """One whose state, to begin with, is what `begin()` returns, a packed
    AgentToServer: when it is made, and anew in a forked child."""

    def __init__(
        self,
        client: OpAMPClient,
        *,
        interval: float,
        backoff: float,
        begin: Callable[[], bytes],
        handlers: Mapping[type[Event], Callable[[Any], object]],
        on_fork: Literal["restart", "close"],
    ) -> None:
        self._begin = begin
        url = client._endpoint
        if carries_itself(client) and not url.lower().startswith(("http:", "https:")):
            url = "http://localhost"  # which nobody connects to
        super().__init__(
            url,
            handlers=handlers,
            on_fork=on_fork,
            **_options(client, interval, backoff),
        )

    def _make(self) -> None:
        super()._make()
        self.queue_raw(self._begin())

    @property
    def is_alive(self) -> bool:
        """False in a forked child, when it was to be closed there."""
        return self._pointer is not None and not self._forked

    def report(self, status: RemoteConfigReport) -> None:
        """Tells what became of a remote configuration. UNSET is what a server
        takes for granted."""
        if status.status:
            self.set_remote_config_status(
                status.hash, opamp.Status(status.status), status.error_message
            )

    def ask_delivered(self) -> None:
        """Has a Delivered come, even if there is nothing to deliver."""
        check(lib.opamp_client_flush(self._handle))
