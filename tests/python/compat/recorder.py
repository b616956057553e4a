# SPDX-License-Identifier: Apache-2.0
"""Callbacks that remember what they were told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from opamp.compat.opentelemetry import OpAMPAgent, OpAMPCallbacks, OpAMPClient
from peer import PATIENCE

Reaction = Callable[[OpAMPAgent, OpAMPClient, Any], object]

#: What the fixture `start` is.
Start = Callable[..., OpAMPAgent]


class Recorder(OpAMPCallbacks):
    """`reaction` is called with each message, too."""

    def __init__(self, reaction: Reaction | None = None) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.threads: set[str] = set()
        self._reaction = reaction
        self._came = threading.Condition()

    def _add(self, name: str, told: Any = None) -> None:
        with self._came:
            self.threads.add(threading.current_thread().name)
            self.calls.append((name, told))
            self._came.notify_all()

    def on_connect(self, agent: OpAMPAgent, client: OpAMPClient) -> None:
        self._add("on_connect")

    def on_connect_failed(
        self, agent: OpAMPAgent, client: OpAMPClient, error: Exception
    ) -> None:
        self._add("on_connect_failed", error)

    def on_error(
        self, agent: OpAMPAgent, client: OpAMPClient, error_response: Any
    ) -> None:
        self._add("on_error", error_response)

    def on_message(self, agent: OpAMPAgent, client: OpAMPClient, message: Any) -> None:
        if self._reaction is not None:
            self._reaction(agent, client, message)
        self._add("on_message", message)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def wait(self, name: str, count: int = 1) -> Any:
        """What the `count`-th call of a callback was told."""

        def found() -> list[Any]:
            return [told for called, told in self.calls if called == name]

        with self._came:
            came = self._came.wait_for(lambda: len(found()) >= count, PATIENCE)
        assert came, self.names
        return found()[count - 1]
