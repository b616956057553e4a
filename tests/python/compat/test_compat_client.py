# SPDX-License-Identifier: Apache-2.0
"""What an OpAMPClient is by itself, and with a transport in Python."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any
from unittest import mock

import pytest
from opamp.compat.opentelemetry import OpAMPAgent, OpAMPCallbacks, OpAMPClient
from opamp.compat.opentelemetry.proto import opamp_pb2
from opamp.compat.opentelemetry.transport.base import HttpTransport
from opamp.compat.opentelemetry.transport.requests import RequestsTransport
from opamp.messages import AgentToServer
from opamp.types import Attributes
from peer import PATIENCE, Peer, is_consecutive
from recorder import Recorder, Start


def test_edot_makes_it_so() -> None:
    client = OpAMPClient(
        endpoint="https://localhost:4320/v1/opamp",
        agent_identifying_attributes={
            "service.name": "shop",
            "deployment.environment.name": None,
        },
        headers={"authorization": "ApiKey 123"},
        tls_certificate="ca.pem",
        tls_client_certificate="client.pem",
        tls_client_key="client.key",
    )
    agent = OpAMPAgent(interval=30, callbacks=OpAMPCallbacks(), client=client)
    agent.stop()
    assert client._headers["authorization"] == "ApiKey 123"


def test_splunk_makes_it_so() -> None:
    client = OpAMPClient(
        endpoint="http://localhost:4320/v1/opamp",
        headers={},
        agent_identifying_attributes={"service.name": "shop"},
        agent_non_identifying_attributes={"tags": '["a", "b"]'},
    )
    OpAMPAgent(interval=30.0, callbacks=OpAMPCallbacks(), client=client)
    message = opamp_pb2.AgentToServer.FromString(client.build_full_state_message())
    [tags] = message.agent_description.non_identifying_attributes
    assert tags.value.string_value == '["a", "b"]'


def test_attributes_can_be_lists_and_maps() -> None:
    attributes: Attributes = {"a": ["x", 1, [True]], "b": {"c": 1.5, "d": None}}
    client = OpAMPClient(endpoint="url", agent_identifying_attributes=attributes)
    read = AgentToServer.from_bytes(client.build_full_state_message())
    assert read.agent_description is not None
    assert read.agent_description.identifying == {
        "a": ("x", 1, (True,)),
        "b": {"c": 1.5, "d": None},
    }
    described = client._agent_description.identifying_attributes
    assert [pair.key for pair in described] == ["a", "b"]
    first = described[0].value.array_value.values[0]
    assert first.string_value == "x"


@pytest.mark.parametrize("value", [object(), {1: 2}, 2**63, {"a": {object()}}])
def test_an_attribute_that_cannot_be(value: Any) -> None:
    with pytest.raises(ValueError):
        OpAMPClient(endpoint="url", agent_identifying_attributes={"a": value})


def test_another_process_is_another_agent() -> None:
    client = OpAMPClient(endpoint="url", agent_identifying_attributes={})
    before = client._instance_uid
    assert client._instance_uid == before
    with mock.patch("os.getpid", return_value=os.getpid() + 1):
        assert client._instance_uid != before


def test_a_status_that_was_never_set(peer: Peer, start: Start) -> None:
    told = Recorder()
    agent = start(peer.url("ws"), told)
    told.wait("on_message")
    unset = opamp_pb2.RemoteConfigStatuses_UNSET
    assert agent._client.update_remote_config_status(b"h", unset) is not None
    assert agent._client.update_remote_config_status(b"h", unset) is None
    agent.stop()
    assert "remote_config_status" not in peer.wait_message("agent_disconnect")


# --- a transport in Python


class Carrier(HttpTransport):
    """Takes requests to `target`, wherever they are for; the first ones fail."""

    def __init__(self, target: str, fail: int) -> None:
        self.carried = 0
        self.urls: set[str] = set()
        self.headers: list[Mapping[str, str]] = []
        self.errors = [RuntimeError(f"failure {n}") for n in range(fail)]
        self._failures = list(self.errors)
        self._target = target
        self._requests = RequestsTransport()

    def send(self, *, url: str, headers: Mapping[str, str], **given: Any) -> Any:
        self.urls.add(url)
        self.headers.append(headers)
        if self._failures:
            raise self._failures.pop(0)
        self.carried += 1
        return self._requests.send(url=self._target, headers=headers, **given)


@pytest.mark.parametrize("endpoint", ["http://elsewhere/", "bus:opamp", "ws://x"])
def test_a_transport_carries_everything(
    peer: Peer, start: Start, endpoint: str
) -> None:
    carrier = Carrier(peer.url("http"), fail=2)
    told = Recorder()
    agent = start(
        endpoint,
        told,
        transport=carrier,
        headers={"x": "y"},
        agent={"initial_backoff": 0.01},
    )
    told.wait("on_message")
    agent._client.update_effective_config({"a": "b"}, "text/plain")
    told.wait("on_message", count=2)
    agent.stop()
    # What it raised is what is told.
    assert [error for name, error in told.calls if error in carrier.errors] == (
        carrier.errors
    )
    assert told.names == ["on_connect_failed"] * 2 + ["on_connect", "on_message"] * 2
    assert carrier.urls == {endpoint}
    assert all(headers["x"] == "y" for headers in carrier.headers)
    peer.wait_message("agent_disconnect")
    assert carrier.carried == len(peer.messages) == 3
    [numbers] = peer.sequences().values()
    assert is_consecutive(numbers)


def test_send_may_be_replaced(peer: Peer, start: Start) -> None:
    class Counting(OpAMPClient):
        sent = 0

        def send(self, data: bytes) -> Any:
            self.sent += 1
            return super().send(data)

    told = Recorder()
    agent = start(peer.url("http"), told, kind=Counting)
    told.wait("on_message")
    agent.stop()
    assert isinstance(agent._client, Counting) and agent._client.sent == 2


def test_a_transport_is_not_instrumented() -> None:
    context = pytest.importorskip("opentelemetry.context")
    seen = []

    class Looking(HttpTransport):
        def send(self, **given: Any) -> Any:
            seen.append(context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY))

    client = OpAMPClient(
        endpoint="url", agent_identifying_attributes={}, transport=Looking()
    )
    client.send(b"")
    assert seen == [True]
    assert context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY) is None


def test_a_transport_that_hangs(start: Start) -> None:
    called, released, ended = (threading.Event() for _ in range(3))

    class Hanging(HttpTransport):
        def send(self, **given: Any) -> Any:
            called.set()
            released.wait(PATIENCE)
            ended.set()
            raise TimeoutError

    agent = start("http://localhost", OpAMPCallbacks(), transport=Hanging())
    assert called.wait(PATIENCE)
    agent.stop(timeout=0.05)
    assert not ended.is_set()  # it was not waited for
    released.set()


# --- without protobuf


def test_protobuf_is_needed_for_objects_alone(peer: Peer) -> None:
    program = f"""
import sys
sys.modules["google"] = None
sys.modules["opentelemetry"] = None
import threading
from opamp.compat.opentelemetry import *
from opamp.compat.opentelemetry import exceptions, messages
from opamp.compat.opentelemetry.transport import base
connected = threading.Event()
class Callbacks(OpAMPCallbacks):
    def on_message(self, agent, client, message):
        assert message == MessageData()
        connected.set()
client = OpAMPClient(
    endpoint={peer.url("http")!r}, agent_identifying_attributes={{"a": "b"}}
)
agent = OpAMPAgent(callbacks=Callbacks(), client=client)
agent.start()
assert connected.wait({PATIENCE})
agent.stop()
try:
    from opamp.compat.opentelemetry.proto import opamp_pb2
except ImportError as error:
    assert "libopamp[compat]" in str(error), error
else:
    raise AssertionError("there is protobuf")
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=PATIENCE)
    assert "agent_description" in peer.wait_message()
