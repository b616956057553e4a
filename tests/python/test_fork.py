# SPDX-License-Identifier: Apache-2.0
"""Forks: a child is an agent of its own, and the parent does not notice."""

from __future__ import annotations

import concurrent.futures
import ctypes
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import opamp
import pytest
from authority import Authority
from opamp import TLS, Client, Health
from peer import PATIENCE, Peer, is_consecutive

pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)


def in_child(function: Callable[[], object], fork: Callable[[], int] = os.fork) -> int:
    """What a child exits with that calls a function: 0 when it is true."""
    child = fork()
    if child == 0:
        status = 99
        try:
            status = 0 if function() else 1
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# Covers: PROC-2
@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_a_child_is_an_agent_of_its_own(peer: Peer, scheme: str) -> None:
    client = Client(
        peer.url(scheme),
        identifying={"service.name": "x"},
        non_identifying=lambda: {"process.pid": os.getpid()},
        poll_interval=0.05,
    )
    client.set_health(Health(True, "inherited"))
    with client:
        assert client.wait_connected(PATIENCE) and client.flush(PATIENCE)
        parent = client.instance_uid

        def child() -> bool:
            assert client.instance_uid != parent
            assert client.wait_connected(PATIENCE)
            assert client.flush(PATIENCE)
            return client.stop()

        assert in_child(child) == 0
        assert client.instance_uid == parent
        client.set_health(Health(True, "parent"))
        assert client.flush(PATIENCE)
        peer.wait_message("agent_disconnect")
        assert str(parent) not in peer.disconnects()
    peer.wait_message("agent_disconnect", uid=parent)
    sequences = peer.sequences()
    assert len(sequences) == 2
    assert all(is_consecutive(numbers) for numbers in sequences.values())
    (other,) = set(sequences) - {str(parent)}
    first = peer.wait_message("agent_description", uid=other)["agent_description"]
    (pid,) = first["non_identifying_attributes"]
    assert pid["value"]["int_value"] not in (os.getpid(), 0)
    assert peer.wait_message("health", uid=other)["health"]["status"] == "inherited"


@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_the_parents_tls_connection_goes_on(
    tls_peer: Peer, authority: Authority, scheme: str
) -> None:
    tls = TLS(ca=authority.file("ca.pem"))
    with Client(
        tls_peer.url(scheme), tls=tls, on_fork="close", poll_interval=0.05
    ) as client:
        assert client.wait_connected(PATIENCE)
        for turn in range(5):
            assert in_child(lambda: True) == 0
            client.set_health(Health(True, str(turn)))
            assert client.flush(PATIENCE)
        assert len(tls_peer.of("connected")) == 1
    assert is_consecutive(tls_peer.sequences()[str(client.instance_uid)])


def test_a_client_that_is_to_stay_with_the_parent(peer: Peer) -> None:
    with Client(peer.url(), on_fork="close") as client:
        assert client.wait_connected(PATIENCE)

        def child() -> bool:
            with pytest.raises(opamp.ForkedError, match="parent"):
                client.set_health(Health(True))
            with pytest.raises(opamp.ForkedError):
                _ = client.state
            assert "closed" in repr(client)
            assert client.stop()
            client.close()
            return not [t for t in threading.enumerate() if t.name == "opamp"]

        assert in_child(child) == 0
    assert len(peer.of("connected")) == 1


@pytest.mark.parametrize("kept", ["store", "state_dir", "instance_uid"])
def test_what_is_kept_stays_with_the_parent(
    peer: Peer, tmp_path: Path, kept: str
) -> None:
    values: dict[str, bytes] = {}
    option = {"store": True, "state_dir": tmp_path / "s", "instance_uid": b"1" * 16}
    client = Client(peer.url(), **{kept: option[kept]})  # type: ignore[arg-type]
    client.on(opamp.StoreLoad, lambda e: e.loaded(values.get(e.key)))

    @client.on(opamp.StoreSave)
    def save(event: opamp.StoreSave) -> None:
        values[event.key] = event.value
        event.saved()

    with client:
        assert client.wait_connected(PATIENCE)
        parent = client.instance_uid

        def child() -> bool:
            assert client.wait_connected(PATIENCE)
            return client.instance_uid != parent and client.stop()

        assert in_child(child) == 0
        assert client.instance_uid == parent
    peer.wait_message("agent_disconnect", count=2)
    assert len(peer.sequences()) == 2


def test_a_client_that_was_not_started_is_not_started(peer: Peer) -> None:
    client = Client(peer.url())

    def child() -> bool:
        assert client.state is opamp.State.STOPPED
        with client:
            return client.wait_connected(PATIENCE)

    assert in_child(child) == 0
    assert client.state is opamp.State.STOPPED


def test_a_fork_that_python_does_not_see(peer: Peer) -> None:
    """As uWSGI forks, without py-call-osafterfork."""
    libc = ctypes.PyDLL(None)
    with Client(peer.url()) as client:
        assert client.wait_connected(PATIENCE)
        parent = client.instance_uid

        def child() -> bool:
            with pytest.raises(opamp.ForkedError):
                client.set_health(Health(True))
            opamp.after_fork_in_child()
            opamp.after_fork_in_child()  # once is enough, and more does no harm
            assert client.instance_uid != parent
            return client.wait_connected(PATIENCE) and client.stop()

        for _ in range(5):
            assert in_child(child, libc.fork) == 0
        client.set_health(Health(True, "parent"))
        assert client.flush(PATIENCE)
        assert str(parent) not in peer.disconnects()
    peer.wait_message("agent_disconnect", count=6)
    assert len(peer.sequences()) == 6


def test_a_handler_that_forks(peer: Peer) -> None:
    statuses: list[int] = []
    done = threading.Event()

    def fork(event: opamp.Connected) -> None:
        if statuses or event.client.instance_uid != parent:
            return  # in the child

        def child() -> bool:
            client = event.client
            assert isinstance(client, Client)
            # Its thread is another one than this, which goes on in the child.
            return client.wait_connected(PATIENCE) and client.stop()

        statuses.append(in_child(child))
        done.set()

    client = Client(peer.url(), handlers={opamp.Connected: fork})
    parent = client.instance_uid
    with client:
        assert done.wait(PATIENCE)
        client.set_health(Health(True))
        assert client.flush(PATIENCE)
    assert statuses == [0]
    assert all(is_consecutive(n) for n in peer.sequences().values())


def test_a_storm_of_forks_while_messages_flow(peer: Peer) -> None:
    client = Client(peer.url(), on_fork="close")
    client.set_custom_capabilities(["flow"])
    sent = 0
    over = threading.Event()

    def flow() -> None:
        nonlocal sent
        while not over.is_set():
            if client.custom_room:
                client.send_custom("flow", str(sent))
                sent += 1
            else:
                client.flush(PATIENCE)

    with client:
        assert client.wait_connected(PATIENCE)
        thread = threading.Thread(target=flow)
        thread.start()
        children = []
        for _ in range(300):
            child = os.fork()
            if child == 0:
                os._exit(0 if client._forked else 1)
            children.append(child)
        results = {os.waitpid(child, 0)[1] for child in children}
        over.set()
        thread.join(PATIENCE)
        assert results == {0}
        assert client.flush(PATIENCE)
    assert sent > 0 and len(peer.of("connected")) == 1
    peer.wait_message("agent_disconnect")
    arrived = [
        m["custom_message"]["type"] for m in peer.messages if "custom_message" in m
    ]
    assert arrived == [str(n) for n in range(sent)]


def test_forks_from_two_threads(peer: Peer) -> None:
    with Client(peer.url(), on_fork="close") as client:
        assert client.wait_connected(PATIENCE)
        statuses: list[int] = []

        def some() -> None:
            for _ in range(50):
                statuses.append(in_child(lambda: client._forked))

        threads = [threading.Thread(target=some) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert statuses == [0] * 100
        client.set_health(Health(True))
        assert client.flush(PATIENCE)


def _where(_: object = None) -> tuple[int, str | None]:
    """In a worker: its process, and the uid of its agent, once it is up."""
    import opamp._process

    for loop in list(opamp._process._loops):
        for ref in list(loop._members.values()):
            client = ref()
            if isinstance(client, Client) and client.wait_connected(PATIENCE):
                return os.getpid(), str(client.instance_uid)
    return os.getpid(), None


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(peer: Peer, method: str) -> None:
    context = multiprocessing.get_context(method)
    with Client(peer.url()) as client:
        assert client.wait_connected(PATIENCE)
        with context.Pool(2) as pool:
            found = dict(pool.map(_where, range(4)))
        pool.join()
        assert os.getpid() not in found
        if method == "fork":
            uids = set(found.values())
            assert None not in uids and str(client.instance_uid) not in uids
            assert len(uids) == len(found)
        else:
            assert set(found.values()) == {None}
        client.set_health(Health(True))
        assert client.flush(PATIENCE)
        assert str(client.instance_uid) not in peer.disconnects()


def test_a_process_pool(peer: Peer) -> None:
    context = multiprocessing.get_context("fork")
    with Client(peer.url()) as client:
        assert client.wait_connected(PATIENCE)
        with concurrent.futures.ProcessPoolExecutor(2, context) as pool:
            found = dict(pool.map(_where, range(4)))
        assert client.flush(PATIENCE)
    assert None not in found.values()
    assert str(client.instance_uid) not in found.values()


def test_a_subprocess_inherits_nothing(peer: Peer, authority: Authority) -> None:
    def descriptors() -> set[int]:
        return {int(name) for name in os.listdir("/proc/self/fd")}

    before = descriptors()
    with Client(peer.url()) as client, Client(peer.url("http")) as other:
        assert client.wait_connected(PATIENCE) and other.wait_connected(PATIENCE)
        ours = {fd for fd in descriptors() - before if _exists(fd)}
        assert len(ours) > 4
        assert not [fd for fd in ours if os.get_inheritable(fd)]
        subprocess.run([sys.executable, "-c", ""], check=True)
        client.set_health(Health(True))
        assert client.flush(PATIENCE)
    assert len(peer.of("connected")) == 2


def _exists(fd: int) -> bool:
    return os.path.exists(f"/proc/self/fd/{fd}")
