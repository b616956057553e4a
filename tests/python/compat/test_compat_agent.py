# SPDX-License-Identifier: Apache-2.0
"""What an OpAMPAgent does, against a real server: the peer's tests that have a
Mock for a client, and what its consumers do with it."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
import threading
import uuid
from typing import Any
from unittest import mock

import pytest
from authority import Authority
from opamp.compat.opentelemetry import OpAMPAgent, OpAMPCallbacks, OpAMPClient
from opamp.compat.opentelemetry.messages import decode_remote_config
from opamp.compat.opentelemetry.proto import opamp_pb2
from opamp.compat.opentelemetry.transport.exceptions import OpAMPException
from peer import PATIENCE, Peer, body, is_consecutive
from recorder import Recorder, Start

QUICK = {"initial_backoff": 0.01}


def test_connects_and_says_good_bye(peer: Peer, url: str, start: Start) -> None:
    told = Recorder()
    agent = start(url, told)
    assert told.wait("on_message").remote_config is None
    agent.stop()
    assert told.names == ["on_connect", "on_message"]
    assert told.threads == {"opamp"}
    last = peer.wait_message("agent_disconnect")
    first, _ = peer.messages
    assert "agent_description" in first and "agent_disconnect" in last
    assert is_consecutive([m.get("sequence_num", 0) for m in peer.messages])


def test_stop_whenever(peer: Peer, url: str, start: Start) -> None:
    client = OpAMPClient(endpoint=url, agent_identifying_attributes={})
    agent = OpAMPAgent(client=client, callbacks=OpAMPCallbacks())
    agent.stop()
    agent.start()
    peer.wait_message("agent_description")
    agent.stop()
    agent.stop(timeout=1)
    peer.wait_message("agent_disconnect")
    agent.start()  # once more, and still the same agent
    peer.wait_message("agent_description", count=2)
    agent.stop()
    peer.wait_message("agent_disconnect", count=2)
    assert peer.disconnects() == [peer.messages[0]["instance_uid"]] * 2


def test_stop_in_a_callback(peer: Peer, url: str, start: Start) -> None:
    told = Recorder(lambda agent, client, message: agent.stop())
    start(url, told)
    peer.wait_message("agent_disconnect")
    assert told.names == ["on_connect", "on_message"]


def test_a_failure_is_told_and_tried_again(peer: Peer, start: Start) -> None:
    peer.command("respond", http_status=500, times=3)
    told = Recorder()
    start(peer.url("http"), told, agent=QUICK)
    told.wait("on_message")
    assert told.names == ["on_connect_failed"] * 3 + ["on_connect", "on_message"]
    error = told.wait("on_connect_failed")
    assert isinstance(error, OpAMPException) and "500" in str(error)


def test_nobody_listens(url: str, peer: Peer, start: Start) -> None:
    peer.close()
    told = Recorder()
    agent = start(url, told, agent=QUICK)
    assert "refused" in str(told.wait("on_connect_failed", count=3))
    agent.stop()
    assert set(told.names) == {"on_connect_failed"}


def test_a_lost_websocket_is_connected_again(peer: Peer, start: Start) -> None:
    told = Recorder()
    start(peer.url("ws"), told, agent=QUICK)
    told.wait("on_message")
    peer.command("reset")
    told.wait("on_message", count=2)
    assert told.names == ["on_connect", "on_message"] * 2


def test_a_callback_does_not_wait_for_ever(peer: Peer, start: Start) -> None:
    told = Recorder()
    agent = start(peer.url("http"), told, agent=QUICK)
    told.wait("on_message")
    peer.command("respond", http_status=500, times=5)
    given_up = threading.Event()
    failures: list[int] = []

    def callback() -> None:
        failures.append(told.names.count("on_connect_failed"))
        given_up.set()

    report = opamp_pb2.AgentToServer()
    report.custom_capabilities.capabilities.append("com.example.x")
    agent.send(report.SerializeToString(), max_retries=1, callback=callback)
    assert given_up.wait(PATIENCE)
    assert failures == [2]
    peer.wait_message("custom_capabilities")  # what was to be said is not given up


@pytest.mark.parametrize("late", [True, False])
def test_a_payload_is_answered(peer: Peer, url: str, start: Start, late: bool) -> None:
    told = Recorder()
    agent = start(url, told)
    told.wait("on_message")
    report = opamp_pb2.AgentToServer(instance_uid=b"?" * 16, sequence_num=77)
    report.health.healthy = True
    report.capabilities = agent._client._capabilities | 0x800
    packed = report.SerializeToString()
    order: list[str] = []
    done = threading.Event()

    def callback() -> None:
        order.extend(told.names)
        done.set()

    agent.send(payload=(lambda: packed) if late else packed, callback=callback)
    assert done.wait(PATIENCE)
    message = peer.wait_message("health")
    assert message["health"] == {"healthy": True}
    # Who it is from, and its number, are the client's business.
    assert message["instance_uid"] == peer.messages[0]["instance_uid"]
    assert message["sequence_num"] == 1
    assert order[-1] == "on_message" and order.count("on_message") == 2


def test_what_the_server_knows_is_not_sent_again(
    peer: Peer, url: str, start: Start
) -> None:
    told = Recorder()
    agent = start(url, told)
    told.wait("on_message")
    done = threading.Event()
    agent.send(agent._client.build_full_state_message(), callback=done.set)
    assert done.wait(PATIENCE)
    agent.stop()
    peer.wait_message("agent_disconnect")
    assert len(peer.messages) == 2


def test_send_before_start(
    peer: Peer, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = OpAMPClient(endpoint=url, agent_identifying_attributes={})
    agent = OpAMPAgent(client=client, callbacks=OpAMPCallbacks())
    report = opamp_pb2.AgentToServer()
    report.custom_capabilities.capabilities.append("com.example.x")
    done = threading.Event()
    agent.send(report.SerializeToString(), callback=done.set)
    assert [r.name for r in caplog.records] == ["opentelemetry._opamp.agent"]
    assert not done.is_set()
    agent.start()
    assert done.wait(PATIENCE)
    agent.stop()
    peer.wait_message("agent_disconnect")
    assert "custom_capabilities" in peer.messages[0]
    assert len(peer.messages) == 2


@pytest.mark.parametrize("payload", [b"\xff", "text", 5, lambda: 1 / 0])
def test_a_payload_that_is_none(
    peer: Peer, start: Start, caplog: pytest.LogCaptureFixture, payload: Any
) -> None:
    told = Recorder()
    agent = start(peer.url("ws"), told)
    told.wait("on_message")
    done = threading.Event()
    agent.send(payload, callback=done.set)
    assert done.wait(PATIENCE)
    assert "A payload cannot be sent" in caplog.text
    agent.stop()
    peer.wait_message("agent_disconnect")
    assert len(peer.messages) == 2


def test_an_error_is_told_as_such_alone(peer: Peer, url: str, start: Start) -> None:
    told = Recorder()
    agent = start(url, told, interval=0.05)
    told.wait("on_message")
    peer.command("error", type="BadRequest", message="no such thing")
    error = told.wait("on_error")
    assert error.error_message == "no such thing"
    assert error.type == opamp_pb2.ServerErrorResponseType_BadRequest
    agent.stop()
    answers = told.names.count("on_message") + told.names.count("on_error")
    assert told.names.count("on_error") == 1
    if url.startswith("http"):
        assert told.names[told.names.index("on_error") - 1] == "on_connect"
        assert told.names.count("on_connect") == answers


def test_what_is_refused_is_settled(peer: Peer, url: str, start: Start) -> None:
    told = Recorder()
    agent = start(url, told)
    told.wait("on_message")
    peer.command("auto_reply", off=True)
    report = opamp_pb2.AgentToServer()
    report.custom_capabilities.capabilities.append("com.example.x")
    done = threading.Event()
    agent.send(report.SerializeToString(), callback=done.set)
    peer.wait_message("custom_capabilities")
    assert not done.is_set()
    peer.command("error", type="BadRequest", message="no")
    assert done.wait(PATIENCE)
    assert told.names[-1] == "on_error"
    peer.command("auto_reply", on=True)


def test_what_comes_while_it_is_asked_is_not_settled() -> None:
    agent = OpAMPAgent(client=mock.Mock(), callbacks=OpAMPCallbacks())
    before, later = mock.Mock(), mock.Mock()
    agent._jobs = [before]

    class Engine:
        parked: frozenset[str] = frozenset()

        @property
        def undelivered(self) -> frozenset[str]:
            agent._jobs.append(later)  # as another thread may
            return frozenset()

    agent._engine = Engine()  # type: ignore[assignment]
    agent._settle(mock.Mock())
    before.finish.assert_called_once_with()
    assert agent._jobs == [later]


def test_full_state_on_request(peer: Peer, url: str, start: Start) -> None:
    class WithHealth(OpAMPClient):
        def build_full_state_message(self) -> bytes:
            data = super().build_full_state_message()
            message = opamp_pb2.AgentToServer.FromString(data)
            message.capabilities |= opamp_pb2.AgentCapabilities_ReportsHealth
            message.health.healthy = True
            packed: bytes = message.SerializeToString()
            return packed

    told = Recorder()
    start(url, told, interval=0.05, kind=WithHealth)
    told.wait("on_message")
    peer.command("send", message={"flags": 1})
    again = peer.wait_message("agent_description", "health", count=2)
    assert again["health"] == {"healthy": True}


def test_what_a_callback_raises_is_logged(
    peer: Peer, url: str, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a mistake")

    told = Recorder(fail)
    agent = start(url, told, interval=0.05)
    peer.wait(lambda e: e["event"] == "message", count=2)
    agent.stop()
    [record, *_] = [r for r in caplog.records if "on_message" in r.getMessage()]
    assert record.name == "opentelemetry._opamp.agent"
    assert record.exc_info is not None and "a mistake" in str(record.exc_info[1])


# --- as the consumers use it


def central_configuration(agent: OpAMPAgent, client: OpAMPClient, message: Any) -> None:
    """What EDOT does with a message."""
    if not message.remote_config or not message.remote_config.config_hash:
        return
    errors = []
    for name, config in decode_remote_config(message.remote_config):
        if name == "elastic" and config.get("logging_level") not in ("debug", "info"):
            errors.append(f"Logging level not handled: {config['logging_level']}")
    failed = opamp_pb2.RemoteConfigStatuses_FAILED
    changed = client.update_remote_config_status(
        remote_config_hash=message.remote_config.config_hash,
        status=failed if errors else opamp_pb2.RemoteConfigStatuses_APPLIED,
        error_message="\n".join(errors),
    )
    client.update_effective_config(
        {"elastic": {"logging_level": "debug"}}, content_type="application/json"
    )
    if changed is not None:
        payload = client.build_remote_config_status_response_message(changed)
        agent.send(payload=payload)


def offer(peer: Peer, text: str) -> None:
    file = {"body": text, "content_type": "application/json"}
    peer.command("offer_config", files={"elastic": file})


def test_a_configuration_round_trip(peer: Peer, url: str, start: Start) -> None:
    told = Recorder(central_configuration)
    agent = start(url, told, interval=0.05)
    told.wait("on_message")
    offer(peer, '{"logging_level": "debug"}')
    first = peer.wait_message("remote_config_status")
    offer(peer, '{"logging_level": "loud"}')
    second = peer.wait_message("remote_config_status", count=2)
    agent.stop()
    assert first["remote_config_status"]["status"] == "APPLIED"
    assert body(first, "effective_config", "elastic") == '{"logging_level": "debug"}'
    assert second["remote_config_status"]["status"] == "FAILED"
    text = second["remote_config_status"]["error_message"]
    assert text == "Logging level not handled: loud"
    # Each is answered once, and with nothing but that.
    reports = [m for m in peer.messages if "remote_config_status" in m]
    assert len(reports) == 2
    assert is_consecutive([m.get("sequence_num", 0) for m in peer.messages])


def test_an_offer_may_be_answered_later(peer: Peer, url: str, start: Start) -> None:
    told = Recorder()
    agent = start(url, told, interval=0.05)
    told.wait("on_message")
    peer.command("offer_config", files={"": {"body": "raw"}})
    status = peer.wait_message("remote_config_status")["remote_config_status"]
    assert status["status"] == "APPLYING"
    [offered] = [
        message.remote_config
        for name, message in told.calls
        if name == "on_message" and message.remote_config
    ]
    assert offered.config.config_map[""].body == b"raw"
    client = agent._client
    client.update_remote_config_status(
        offered.config_hash, opamp_pb2.RemoteConfigStatuses_APPLIED
    )
    agent.send(payload=client.build_full_state_message())
    answer = peer.wait_message("remote_config_status", count=2)
    assert answer["remote_config_status"]["status"] == "APPLIED"


def test_a_report_and_no_more(peer: Peer, url: str, start: Start) -> None:
    """What Splunk's distribution does."""
    kind = "text/plain; format=properties; charset=utf-8"
    client = OpAMPClient(
        endpoint=url,
        headers={},
        agent_identifying_attributes={"service.name": "shop"},
        agent_non_identifying_attributes={"os.type": "linux", "host.arch": None},
    )
    client.update_effective_config({"environment": "A=1\nB=2\n"}, content_type=kind)
    told = Recorder()
    agent = OpAMPAgent(interval=30000 / 1000, callbacks=told, client=client)
    agent.start()
    told.wait("on_message")
    agent.stop(timeout=PATIENCE)
    peer.wait_message("agent_disconnect")
    first, _ = peer.messages
    assert body(first, "effective_config", "environment") == "A=1\nB=2\n"
    files = first["effective_config"]["config_map"]["config_map"]
    assert files["environment"]["content_type"] == kind
    assert client._sequence_num == 2


def test_headers_are_sent(peer: Peer, start: Start) -> None:
    headers = {"Authorization": "ApiKey 123", "Content-Type": "text/html"}
    start(peer.url("http"), OpAMPCallbacks(), headers=headers)
    event = peer.wait(lambda e: e["event"] == "message")
    sent = {name.lower(): value for name, value in event["headers"].items()}
    assert "ApiKey 123" in str(sent["authorization"])
    assert "OTel-OpAMP-Python/" in str(sent["user-agent"])
    assert "application/x-protobuf" in str(sent["content-type"])


def test_nobody_holds_the_agent(peer: Peer, url: str) -> None:
    def begin() -> None:
        client = OpAMPClient(endpoint=url, agent_identifying_attributes={})
        OpAMPAgent(client=client, callbacks=OpAMPCallbacks(), interval=0.05).start()

    begin()
    peer.wait(lambda e: e["event"] == "message")
    seen = len(peer.messages)
    gc.collect()
    peer.wait(lambda e: e["event"] == "message", count=seen + 2)
    [agent] = [a for a in gc.get_objects() if isinstance(a, OpAMPAgent)]
    agent.stop()
    peer.wait_message("agent_disconnect")


def test_the_end_of_the_interpreter(peer: Peer, url: str) -> None:
    program = f"""
import threading
from opamp.compat.opentelemetry import *
connected = threading.Event()
class Callbacks(OpAMPCallbacks):
    def on_message(self, agent, client, message):
        connected.set()
client = OpAMPClient(endpoint={url!r}, agent_identifying_attributes={{}})
OpAMPAgent(callbacks=Callbacks(), client=client).start()
assert connected.wait({PATIENCE})
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=PATIENCE)
    peer.wait_message("agent_disconnect")


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_is_another_agent(peer: Peer, url: str, start: Start) -> None:
    agent = start(url, OpAMPCallbacks(), interval=0.05)
    agent._client.update_effective_config({"a": "b"}, "text/plain")
    peer.wait_message("effective_config")
    parent = uuid.UUID(bytes=agent._client._instance_uid)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            assert agent._engine is not None
            status = 0 if agent._engine.wait_connected(PATIENCE) else 2
            agent.stop()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    agent.stop()
    peer.wait_message("agent_disconnect", count=2)
    [other] = set(peer.disconnects()) - {str(parent)}
    first = peer.wait(lambda e: e["event"] == "message" and e["instance_uid"] == other)[
        "message"
    ]
    assert "agent_description" in first
    assert body(first, "effective_config", "a") == "b"
    sequences = peer.sequences()
    assert set(sequences) == {str(parent), other}
    assert all(map(is_consecutive, sequences.values()))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_may_go_without(peer: Peer, url: str, start: Start) -> None:
    agent = start(url, OpAMPCallbacks(), agent={"on_fork": "close"})
    client = agent._client
    peer.wait_message("agent_description")
    parent = client._instance_uid
    child = os.fork()
    if child == 0:
        status = 1
        try:
            assert client._instance_uid != parent and client._sequence_num == 0
            client.update_effective_config({"a": "b"}, "text/plain")
            agent.send(client.build_full_state_message())
            agent.stop()
            done = threading.Event()
            agent.send(client.build_full_state_message(), callback=done.set)
            agent.start()  # after all
            status = 0 if done.wait(PATIENCE) else 2
            agent.stop()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    peer.wait_message("agent_disconnect")
    assert len(peer.sequences()) == 2
    assert client._instance_uid == parent


def test_a_message_of_protobuf_is_taken_for_one() -> None:
    """As EDOT's own tests call its handler."""
    message = opamp_pb2.ServerToAgent()
    message.remote_config.config_hash = b"h"
    file = message.remote_config.config.config_map["elastic"]
    file.body, file.content_type = b'{"logging_level": "debug"}', "application/json"
    client = OpAMPClient(endpoint="url", agent_identifying_attributes={})
    agent = mock.create_autospec(OpAMPAgent, instance=True)
    central_configuration(agent, client, message)
    payload = agent.send.call_args.kwargs["payload"]
    sent = opamp_pb2.AgentToServer.FromString(payload)
    assert sent.remote_config_status.last_remote_config_hash == b"h"
    assert client._effective_config.config_map.config_map["elastic"].body


# --- TLS


@pytest.fixture(params=["file", "directory", "environment", "nothing"])
def trust(
    request: pytest.FixtureRequest,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> str | bool:
    """The ways to say that the server can be trusted."""
    if request.param == "nothing":
        return False
    if request.param == "environment":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file("ca.pem")))
        return True
    if request.param == "file":
        return str(authority.file("ca.pem"))
    directory = authority.folder / "trusted"
    directory.mkdir(exist_ok=True)
    (directory / "ca.pem").write_bytes(authority.file("ca.pem").read_bytes())
    return str(directory)


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_tls(
    tls_peer: Peer, start: Start, authority: Authority, scheme: str, trust: str | bool
) -> None:
    told = Recorder()
    start(
        tls_peer.url(scheme),
        told,
        tls_certificate=trust,
        tls_client_certificate=str(authority.file("agent.pem")),
        tls_client_key=str(authority.file("agent.key")),
    )
    told.wait("on_message")
    assert told.names == ["on_connect", "on_message"]


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_a_certificate_of_the_client(
    authority: Authority, start: Start, scheme: str
) -> None:
    """With its key in the same file, as requests has it."""
    both = authority.folder / "both.pem"
    parts = [authority.file(f"agent.{end}").read_text() for end in ("pem", "key")]
    both.write_text("".join(parts))
    with Peer(
        *("--tls-cert", str(authority.file("server.pem"))),
        *("--tls-key", str(authority.file("server.key"))),
        *("--client-ca", str(authority.file("ca.pem"))),
    ) as peer:
        told = Recorder()
        trust = str(authority.file("ca.pem"))
        agent = start(
            peer.url(scheme),
            told,
            tls_certificate=trust,
            tls_client_certificate=str(both),
        )
        told.wait("on_message")
        agent.stop()


def test_an_authority_that_is_unknown(tls_peer: Peer, start: Start) -> None:
    told = Recorder()
    start(tls_peer.url("http"), told)
    assert "certificate" in str(told.wait("on_connect_failed"))


@pytest.mark.parametrize(
    ("endpoint", "options"),
    [
        ("url", {}),
        ("https://localhost", {"tls_certificate": "/no/such/file"}),
        ("http://localhost", {"headers": {"a b": "c"}}),
    ],
)
def test_a_configuration_that_cannot_be(
    start: Start, endpoint: str, options: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    told = Recorder()
    agent = start(endpoint, told, **options)
    assert told.names == ["on_connect_failed"]
    assert "cannot be started" in caplog.text
    agent.stop()
