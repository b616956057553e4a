# SPDX-License-Identifier: Apache-2.0
"""What an application is told."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opamp.compat.opentelemetry.agent import OpAMPAgent
    from opamp.compat.opentelemetry.client import OpAMPClient


@dataclass
class MessageData:
    """What a message of the server asks the application for. All else is the
    client's own business."""

    #: An opamp_pb2.AgentRemoteConfig; None: there is none in this message.
    remote_config: Any = None

    @classmethod
    def from_server_message(cls, message: Any) -> MessageData:
        """That of an opamp_pb2.ServerToAgent."""
        if not message.HasField("remote_config"):
            return cls()
        return cls(remote_config=message.remote_config)


class OpAMPCallbacks(ABC):  # noqa: B024
    """Methods for a subclass to replace, all of which do nothing by themselves.
    They run one at a time on the agent's thread; what they raise is logged."""

    def on_connect(  # noqa: B027
        self, agent: OpAMPAgent, client: OpAMPClient
    ) -> None:
        """A connection was made; over HTTP, a request was answered."""

    def on_connect_failed(  # noqa: B027
        self, agent: OpAMPAgent, client: OpAMPClient, error: Exception
    ) -> None:
        """No connection could be made; over HTTP, a request failed. There will
        be another attempt."""

    def on_error(  # noqa: B027
        self, agent: OpAMPAgent, client: OpAMPClient, error_response: Any
    ) -> None:
        """The server could not process a message, and says so in an
        opamp_pb2.ServerErrorResponse. Nothing needs to be done about it."""

    def on_message(  # noqa: B027
        self, agent: OpAMPAgent, client: OpAMPClient, message: MessageData
    ) -> None:
        """The server said something that is no error."""
