# SPDX-License-Identifier: Apache-2.0
"""Clients that are polled, and loops that many share."""

from __future__ import annotations

import gc
import os
import select
import selectors
import signal
import threading
import time
import weakref

import opamp
import pytest
from opamp import Client, Health, Loop
from peer import PATIENCE, Peer


def until(client: Client, kind: type[opamp.Event]) -> list[opamp.Event]:
    """Polls until an event of a kind has come; all events so far."""
    events: list[opamp.Event] = []
    deadline = time.monotonic() + PATIENCE
    while not any(isinstance(e, kind) for e in events):
        assert time.monotonic() < deadline, events
        events += client.poll(0.1)
    return events


def test_polling_returns_events_and_calls_nobody(peer: Peer) -> None:
    def never(event: opamp.Event) -> None:
        raise AssertionError("a handler was called")

    client = Client(peer.url(), thread=False, handlers={opamp.Event: never})
    client.start()
    kinds = [type(e) for e in until(client, opamp.Connected)]
    assert kinds[:2] == [opamp.Connecting, opamp.Connected]
    assert not [t for t in threading.enumerate() if t.name == "opamp"]
    client.close()


def test_a_stop_without_handlers_keeps_its_events(peer: Peer) -> None:
    client = Client(peer.url(), thread=False)
    client.start()
    assert client.wait_connected(PATIENCE)
    assert client.stop()
    kinds = [type(e) for e in client.poll()]
    assert kinds[0] is opamp.Connecting and kinds[-1] is opamp.Stopped
    assert client.poll() == []


def test_stepping_calls_handlers(peer: Peer) -> None:
    seen: list[str] = []
    client = Client(peer.url(), thread=False)
    client.on(opamp.Event, lambda e: seen.append(type(e).__name__))
    client.start()
    deadline = time.monotonic() + PATIENCE
    count = 0
    while "Connected" not in seen and time.monotonic() < deadline:
        count += client.step(0.1)
    assert count == len(seen) and seen[:2] == ["Connecting", "Connected"]
    client.stop()
    assert seen[-1] == "Stopped"


def test_what_a_handler_raises_to_end_the_program_is_raised(peer: Peer) -> None:
    client = Client(peer.url(), thread=False)

    @client.on(opamp.Connected)
    def leave(event: opamp.Connected) -> None:
        raise SystemExit(3)

    client.start()
    with pytest.raises(SystemExit):
        while True:
            client.step(PATIENCE)
    client.close()


def test_in_a_loop_of_its_own(peer: Peer) -> None:
    """As an application with select() would: descriptor and timeout."""
    client = Client(peer.url(), thread=False)
    client.start()
    with selectors.DefaultSelector() as selector:
        selector.register(client.fileno(), selectors.EVENT_READ)
        events: list[opamp.Event] = []
        while not any(isinstance(e, opamp.Connected) for e in events):
            wait = client.timeout()
            selector.select(PATIENCE if wait is None else wait)
            events += client.poll()
    assert client.timeout() is None or client.timeout() > 0  # type: ignore[operator]
    client.close()


def test_one_thread_at_a_time_may_poll(peer: Peer) -> None:
    client = Client(peer.url(), thread=False)
    begun = threading.Event()
    raised: list[BaseException] = []

    def drive() -> None:
        begun.set()
        try:
            client.poll(PATIENCE)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=drive)
    thread.start()
    assert begun.wait(PATIENCE)
    poller = select.poll()
    while client.loop._driver is None:  # it is about to
        poller.poll(1)
    with pytest.raises(opamp.StateError, match="another thread drives"):
        client.poll()
    client.start()  # wakes it
    thread.join(PATIENCE)
    assert not thread.is_alive() and not raised
    client.close()


def test_signals_are_handled_while_polling() -> None:
    client = Client("ws://127.0.0.1:1/", thread=False)
    seen: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        begun = time.monotonic()
        assert client.poll(0.3) == []
        assert seen == [signal.SIGALRM]
        assert time.monotonic() - begun >= 0.3
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(KeyboardInterrupt):
            client.poll(PATIENCE)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_offers_are_answered_on_a_polled_loop(peer: Peer) -> None:
    with Loop(thread=False) as loop:
        capabilities = (
            opamp.Capability.DEFAULT
            | opamp.Capability.ACCEPTS_REMOTE_CONFIG
            | opamp.Capability.REPORTS_REMOTE_CONFIG
        )
        clients = [
            Client(peer.url(), loop=loop, capabilities=capabilities) for _ in range(3)
        ]
        for client in clients:
            client.start()
            assert client.wait_connected(PATIENCE)
        peer.offer(a="b")
        offers: dict[object, opamp.RemoteConfig] = {}
        while len(offers) < 3:
            for event in loop.poll(PATIENCE):
                if isinstance(event, opamp.RemoteConfig):
                    offers[event.client] = event
                    event.accept()
                    with pytest.raises(opamp.StateError):
                        event.reject("too late")
        assert set(offers) == set(clients)
        uids = [client.instance_uid for client in clients]
        for client in clients:
            assert client.flush(PATIENCE)
    for client_uid in uids:
        said = peer.wait_message("remote_config_status", uid=client_uid)
        assert said["remote_config_status"]["status"] == "APPLIED"


def test_a_dropped_client_says_good_bye(peer: Peer) -> None:
    client = Client(peer.url())
    client.start()
    assert client.wait_connected(PATIENCE)
    uid = str(client.instance_uid)
    loop = weakref.ref(client.loop)
    del client
    gc.collect()
    assert peer.wait_message("agent_disconnect")["instance_uid"] == uid
    peer.wait(lambda e: e["event"] == "closed")
    deadline = time.monotonic() + PATIENCE
    poller = select.poll()
    while loop() is not None and time.monotonic() < deadline:
        poller.poll(1)  # the thread is about to end
        gc.collect()
    assert loop() is None


def test_many_clients_come_and_go() -> None:
    """Descriptors and memory stay as they are."""

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    def memory() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    def some(count: int, loop: Loop | None) -> None:
        for _ in range(count):
            client = Client("ws://127.0.0.1:1/", loop=loop)
            client.set_health(Health(True))
            client.on(opamp.Connected, lambda event: None)

    gc.disable()  # nothing of it needs the collector
    try:
        with Loop() as loop:
            some(500, loop)
            some(50, None)
            before = descriptors(), memory()
            some(9000, loop)
            some(1000, None)
            after = descriptors(), memory()
    finally:
        gc.enable()
    assert after[0] == before[0]
    assert after[1] - before[1] < 1 << 20


def test_a_loop_that_is_closed() -> None:
    loop = Loop()
    client = Client("ws://127.0.0.1:1/", loop=loop)
    client.start()
    loop.close()
    loop.close()
    for use in (
        client.start,
        loop.fileno,
        loop.poll,
        lambda: client.state,
        lambda: Client("ws://127.0.0.1:1/", loop=loop),
    ):
        with pytest.raises(opamp.ClosedError):
            use()
    assert client.stop() and "closed" in repr(client)


def test_more_connections_than_the_loop_has(peer: Peer) -> None:
    with pytest.raises(TypeError):
        Loop(max_connections=-1)
    with pytest.raises(TypeError):
        Loop(max_connections="many")  # type: ignore[arg-type]
