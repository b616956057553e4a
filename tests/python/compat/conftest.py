# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opamp.compat.opentelemetry import OpAMPAgent, OpAMPCallbacks, OpAMPClient
from peer import Peer
from recorder import Start


@pytest.fixture(params=["http", "ws"])
def url(request: pytest.FixtureRequest, peer: Peer) -> str:
    """The endpoint of a server, of either kind."""
    return peer.url(request.param)


@pytest.fixture
def start() -> Iterator[Start]:
    """Makes agents and starts them; they are stopped after the test."""
    agents = []

    def make(
        endpoint: str,
        callbacks: OpAMPCallbacks,
        *,
        kind: type[OpAMPClient] = OpAMPClient,
        interval: float = 30,
        agent: dict[str, Any] | None = None,
        **options: Any,
    ) -> OpAMPAgent:
        options.setdefault("agent_identifying_attributes", {"service.name": "x"})
        options.setdefault("timeout_millis", 10_000)
        client = kind(endpoint=endpoint, **options)
        made = OpAMPAgent(
            client=client, callbacks=callbacks, interval=interval, **(agent or {})
        )
        agents.append(made)
        made.start()
        return made

    yield make
    for made in agents:
        made.stop()
