# SPDX-License-Identifier: Apache-2.0
"""A client in its own thread, against a real server."""

from __future__ import annotations

import logging
import threading
import time
import uuid

import opamp
import pytest
from opamp import Capability, Client, ConfigFile, Health, Status
from peer import PATIENCE, Peer, body, is_consecutive

CONFIG = (
    Capability.DEFAULT
    | Capability.ACCEPTS_REMOTE_CONFIG
    | Capability.REPORTS_REMOTE_CONFIG
    | Capability.REPORTS_EFFECTIVE_CONFIG
)


@pytest.fixture(params=["ws", "http"])
def url(request: pytest.FixtureRequest, peer: Peer) -> str:
    return peer.url(request.param)


def quick(url: str, **options: object) -> Client:
    """A client that asks an HTTP server often."""
    return Client(url, poll_interval=0.05, **options)  # type: ignore[arg-type]


# Covers: CONN-1, CONN-9, STATE-1
def test_a_client_connects_reports_and_says_good_bye(peer: Peer, url: str) -> None:
    client = quick(
        url,
        identifying={"service.name": "checkout", "n": 3, "ok": True},
        non_identifying=lambda: {"tags": ["a", 1.5, None], "deep": {"x": b"1"}},
    )
    with client:
        assert client.wait_connected(PATIENCE)
        assert client.state.name == "CONNECTED"
        client.set_health(Health(healthy=True, status="fine"))
        assert client.flush(PATIENCE)
        assert not client.undelivered
        assert client.server_capabilities & opamp.ServerCapability.ACCEPTS_STATUS
    assert client.state.name == "STOPPED"
    uid = str(client.instance_uid)
    assert peer.wait_message("agent_disconnect")["instance_uid"] == uid
    assert is_consecutive(peer.sequences()[uid])
    first = peer.messages[0]["agent_description"]
    named = {a["key"]: a["value"] for a in first["identifying_attributes"]}
    assert named == {
        "service.name": {"string_value": "checkout"},
        "n": {"int_value": 3},
        "ok": {"bool_value": True},
    }
    other = {a["key"] for a in first["non_identifying_attributes"]}
    assert other == {"tags", "deep"}
    assert any(m.get("health", {}).get("status") == "fine" for m in peer.messages)


def test_a_configuration_is_applied(peer: Peer, url: str) -> None:
    client = quick(url, capabilities=CONFIG)
    offers = []

    @client.on(opamp.RemoteConfig)
    def apply(offer: opamp.RemoteConfig) -> Status:
        assert threading.current_thread().name == "opamp"
        offers.append(offer)
        client.set_effective_config(offer.files)
        return Status.APPLIED

    with client:
        assert client.wait_connected(PATIENCE)
        peer.offer(**{"a.yaml": "x: 1", "b.yaml": "ü"})
        message = peer.wait_message("effective_config", "remote_config_status")
        assert message["remote_config_status"]["status"] == "APPLIED"
        assert body(message, "effective_config", "b.yaml") == "ü"
    (offer,) = offers
    assert offer.files["a.yaml"] == ConfigFile(b"x: 1")
    assert offer.hash == client.remote_config_hash
    assert offer.client is client and not offer.restored
    parsed = opamp.ServerToAgent.from_bytes(offer.raw or b"")
    assert parsed.remote_config is not None
    assert parsed.remote_config.files == offer.files
    assert parsed.remote_config.hash == offer.hash


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        ("raise", "FAILED", "ValueError: bad yaml"),
        ("reject", "FAILED", "no such key"),
        ("failed", "FAILED", None),
        ("defer", "APPLYING", None),
        ("late", "APPLIED", None),
        ("none", "APPLYING", None),
        ("accept", "APPLIED", None),
        ("twice", "APPLIED", None),
    ],
)
def test_answers(
    peer: Peer,
    answer: str,
    status: str,
    text: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = Client(peer.url(), capabilities=CONFIG)

    @client.on(opamp.RemoteConfig)
    def apply(offer: opamp.RemoteConfig) -> Status | None:
        if answer == "raise":
            raise ValueError("bad yaml")
        if answer == "reject":
            offer.reject("no such key")
        elif answer == "failed":
            return Status.FAILED
        elif answer == "defer":
            return Status.APPLYING
        elif answer == "late":
            offer.defer()
            client.set_remote_config_status(offer.hash, Status.APPLIED)
        elif answer in ("accept", "twice"):
            offer.accept()
            return Status.APPLIED if answer == "twice" else None
        return None

    with client:
        peer.wait_message()
        peer.offer(a="1")
        wanted = peer.wait(
            lambda e: e.get("message", {}).get("remote_config_status", {}).get("status")
            == status
            if e["event"] == "message"
            else False
        )
    said = wanted["message"]["remote_config_status"].get("error_message")
    assert said == text
    assert client.handler_errors == (answer == "raise")
    if answer == "raise":
        assert "Traceback" in caplog.text and "bad yaml" in caplog.text


# Covers: PROC-3
def test_a_handler_may_call_everything(peer: Peer) -> None:
    done = threading.Event()
    failures: list[BaseException] = []

    def anything(event: opamp.Connected) -> None:
        try:
            client = event.client
            assert isinstance(client, Client)
            client.set_health(Health(True))
            client.set_heartbeat(5.0)
            client.set_headers({"X-A": "1"})
            client.start()
            with pytest.raises(opamp.StateError, match="handler"):
                client.flush(1.0)
            with pytest.raises(opamp.StateError, match="another thread"):
                client.poll()
            assert client.stop() is False  # it only asks for it
        except BaseException as error:
            failures.append(error)
        finally:
            done.set()

    client = Client(peer.url(), handlers={opamp.Connected: anything})
    stopped = threading.Event()
    client.on(opamp.Stopped, lambda event: stopped.set())
    client.start()
    assert done.wait(PATIENCE) and stopped.wait(PATIENCE)
    assert not failures
    assert client.stop()
    assert peer.wait_message("agent_disconnect")


def test_a_handler_that_closes(peer: Peer) -> None:
    closed = threading.Event()

    def close(event: opamp.Connected) -> None:
        event.client.close()
        closed.set()

    client = Client(peer.url(), handlers={opamp.Connected: close})
    client.start()
    assert closed.wait(PATIENCE)
    with pytest.raises(opamp.ClosedError):
        client.set_health(Health(True))
    assert client.stop()
    peer.wait(lambda e: e["event"] == "closed")


def test_while_a_handler_blocks(peer: Peer) -> None:
    """Nothing is sent or received meanwhile, and nobody else is held up."""
    blocked, go_on = threading.Event(), threading.Event()

    def block(event: opamp.Connected) -> None:
        blocked.set()
        go_on.wait(PATIENCE)

    client = Client(peer.url(), handlers={opamp.Connected: block})
    other = Client(peer.url())
    with client, other:
        assert blocked.wait(PATIENCE)
        client.set_health(Health(True, "meanwhile"))
        assert not client.flush(0.05) and client.undelivered == {"health"}
        assert other.wait_connected(PATIENCE)  # its loop is another one
        go_on.set()
        assert client.flush(PATIENCE)
    assert peer.wait_message("health")["health"]["status"] == "meanwhile"


def test_what_ends_a_thread_ends_its_client(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda a: seen.append(a.exc_type))
    client = Client(peer.url())

    @client.on(opamp.Connected)
    def leave(event: opamp.Connected) -> None:
        raise KeyboardInterrupt

    stopped = threading.Event()
    client.on(opamp.Stopped, lambda event: stopped.set())
    client.start()
    assert stopped.wait(PATIENCE)
    assert seen == [KeyboardInterrupt]


def test_start_and_stop_again_and_again(peer: Peer) -> None:
    client = Client(peer.url())
    assert client.stop()  # before it was started
    for turn in range(3):
        client.start()
        client.start()
        assert client.wait_connected(PATIENCE)
        assert client.stop() and client.stop()
        peer.wait_message("agent_disconnect", count=turn + 1)
    assert not [t for t in threading.enumerate() if t.name == "opamp"]


def test_nobody_waits_for_a_client_that_does_not_run(peer: Peer) -> None:
    client = Client(peer.url())
    client.set_health(Health(True))
    assert not client.wait_connected() and not client.flush()
    with client:
        assert client.flush(PATIENCE)
    client.set_health(Health(False))
    assert not client.wait_connected() and not client.flush()


def test_one_thread_for_many_clients(peer: Peer) -> None:
    with opamp.Loop() as loop:
        clients = [Client(peer.url(), loop=loop) for _ in range(20)]
        for client in clients:
            client.start()
        assert all(client.wait_connected(PATIENCE) for client in clients)
        threads = [t for t in threading.enumerate() if t.name == "opamp"]
        assert len(threads) == 1
        seen: list[object] = []
        for client in clients:
            client.on(opamp.Stopped, lambda event: seen.append(event.client))
        for client in clients:
            assert client.stop()
        assert sorted(map(id, seen)) == sorted(map(id, clients))
    peer.wait_message("agent_disconnect", count=20)
    with pytest.raises(opamp.ClosedError):
        clients[0].start()


# Covers: STATE-14
def test_custom_messages(peer: Peer) -> None:
    client = Client(peer.url())
    client.set_custom_capabilities(["com.example.echo"])
    got = threading.Event()
    messages: list[opamp.CustomMessage] = []

    @client.on(opamp.CustomMessage)
    def take(event: opamp.CustomMessage) -> None:
        messages.append(event)
        got.set()

    with pytest.raises(opamp.ConfigError, match="not declared"):
        client.send_custom("com.example.other", "x")
    with client:
        room = client.custom_room
        client.send_custom("com.example.echo", "ping", b"\0\1")
        assert client.custom_room == room - 1
        sent = peer.wait_message("custom_message")["custom_message"]
        assert sent == {
            "capability": "com.example.echo", "type": "ping", "data": "AAE="
        }  # fmt: skip
        peer.command(
            "send",
            message={
                "custom_message": {
                    "capability": "com.example.echo", "type": "pong", "data": "AgM="
                }
            },
        )  # fmt: skip
        assert got.wait(PATIENCE)
    assert (messages[0].type, messages[0].data) == ("pong", b"\2\3")
    full = Client(peer.url(), custom_queue=1)
    full.set_custom_capabilities(["a"])
    full.send_custom("a", "1")
    with pytest.raises(opamp.QueueFullError):
        full.send_custom("a", "2")


def test_commands_errors_and_identity(peer: Peer) -> None:
    client = Client(
        peer.url(),
        capabilities=Capability.DEFAULT | Capability.ACCEPTS_RESTART_COMMAND,
    )
    seen: dict[str, opamp.Event] = {}
    all_there = threading.Event()
    wanted = {"Command", "ServerError", "IdentityChanged"}

    @client.on(opamp.Event)
    def note(event: opamp.Event) -> None:
        seen[type(event).__name__] = event
        if wanted <= set(seen):
            all_there.set()

    before = client.instance_uid
    after = uuid.uuid4()
    with client:
        assert client.wait_connected(PATIENCE)
        peer.command("send", message={"command": {"type": "Restart"}})
        identification = {"new_instance_uid": str(after)}
        peer.command("send", message={"agent_identification": identification})
        peer.command("error", type="Unavailable", message="later", retry_after_ms=10)
        assert all_there.wait(PATIENCE)
        assert client.instance_uid == after
    command, error = seen["Command"], seen["ServerError"]
    identity = seen["IdentityChanged"]
    assert isinstance(command, opamp.Command)
    assert command.type is opamp.CommandType.RESTART
    assert isinstance(error, opamp.ServerError)
    assert error.type is opamp.ServerErrorType.UNAVAILABLE
    assert error.message == "later" and error.retry_in is not None
    assert 0.01 <= error.retry_in < 1
    assert isinstance(identity, opamp.IdentityChanged)
    assert (identity.previous, identity.instance_uid) == (before, after)


def test_a_server_that_is_not_there() -> None:
    failed: list[opamp.ConnectFailed] = []
    came = threading.Event()

    def note(event: opamp.ConnectFailed) -> None:
        failed.append(event)
        came.set()

    client = Client("ws://127.0.0.1:1/x", handlers={opamp.ConnectFailed: note})
    begun = time.monotonic()
    with client:
        assert came.wait(PATIENCE)
        assert not client.wait_connected(0.01)
        client.set_health(Health(True))
        assert not client.flush(0.01)
        assert client.state is opamp.State.WAITING
        assert client.next_retry is not None and client.next_retry <= 2.0
    assert time.monotonic() - begun < PATIENCE
    assert isinstance(failed[0].error, opamp.ConnectError)
    assert isinstance(failed[0].error, ConnectionError)
    assert failed[0].error.code is opamp.ErrorCode.TRANSPORT
    assert "127.0.0.1" in str(failed[0].error)
    assert failed[0].retry_in is not None and client.last_error


# Covers: STATE-12
def test_what_is_held_goes_out_together(peer: Peer) -> None:
    client = Client(peer.url(), capabilities=CONFIG, identifying={"a": 1})
    with client:
        peer.wait_message("agent_description")
        with client.hold():
            client.set_health(Health(True, "a"))
            with client.hold():
                client.set_effective_config({"a": "b"})
        assert client.flush(PATIENCE)
        peer.wait_message("health", "effective_config")
        assert len(peer.messages) == 2
        client.queue_raw(opamp.AgentToServer(health=Health(False, "raw")).to_bytes())
        assert client.flush(PATIENCE)
        peer.wait_message("health", count=2)
        assert peer.messages[-1]["health"]["status"] == "raw"


def test_headers_are_asked_for_before_each_connection(peer: Peer) -> None:
    tokens = iter(["one", "two", "three"])
    client = Client(
        peer.url(),
        headers=lambda: {"X-Token": next(tokens)},
        backoff_min=0.01,
        reconnect_delay=0,
    )
    with client:
        first = peer.wait(lambda e: e["event"] == "connected")
        assert client.wait_connected(PATIENCE)
        peer.command("reset")
        second = peer.wait(lambda e: e["event"] == "connected", count=2)
        assert first["headers"]["X-Token"] == "one"
        assert second["headers"]["X-Token"] == "two"


def test_a_refusal_asks_for_other_headers_once(peer: Peer) -> None:
    tokens = iter(["one", "two", "three"])
    peer.command("respond", http_status=401, times=1)
    with Client(peer.url(), headers=lambda: {"X-Token": next(tokens)}) as client:
        assert client.wait_connected(PATIENCE)
        shown = peer.wait(lambda e: e["event"] == "connected")["headers"]["X-Token"]
    assert (shown, next(tokens)) == ("two", "three")


def test_log_records_go_to_logging(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "opamp"):
        client = Client("ws://127.0.0.1:1/")
        came = threading.Event()
        client.on(opamp.ConnectFailed, lambda event: came.set())
        logs: list[opamp.Log] = []
        client.on(opamp.Log, logs.append)
        with client:
            assert came.wait(PATIENCE)
    assert logs and {r.getMessage() for r in caplog.records} >= {e.text for e in logs}
    assert {r.name for r in caplog.records} == {"opamp"}
    assert logs[0].level in (10, 20, 30, 40)


def test_setters_from_many_threads(peer: Peer) -> None:
    """Setters from eight threads at once: the last of each is delivered."""
    client = Client(peer.url(), capabilities=CONFIG)
    with client:

        def report(name: str) -> None:
            for i in range(50):
                client.set_health(Health(True, f"{name} {i}"))
                client.set_effective_config({name: str(i)})

        threads = [threading.Thread(target=report, args=(str(n),)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.set_health(Health(True, "last"))
        assert client.flush(PATIENCE)
    peer.wait_message("agent_disconnect")  # and so all those before it
    last = [m["health"]["status"] for m in peer.messages if "health" in m][-1]
    assert last == "last"
    assert all(is_consecutive(n) for n in peer.sequences().values())
