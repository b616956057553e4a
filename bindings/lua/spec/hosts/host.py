# SPDX-License-Identifier: Apache-2.0
"""What the tests of all hosts have in common."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from peer import PATIENCE, ROOT, Event, Peer

Address = str | tuple[str, int]  # a socket in the file system, or host and port
T = TypeVar("T")


def module(version: str) -> dict[str, str]:
    """The environment in which a host finds the module: its Lua files, and what
    was built for a version, "jit" or "5.3"."""
    name = "OPAMP_LUA_CPATH_" + version.replace(".", "").upper()
    sources = ROOT / "bindings" / "lua" / "lua"
    path = os.environ.get("OPAMP_LUA_PATH", f"{sources}/?.lua")
    cpath = os.environ.get(name, f"{ROOT}/build/lua/{version}/?.so")
    # The last two: Lua's own places.
    return {"LUA_PATH": f"{path};;", "LUA_CPATH": f"{cpath};;"}


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def until(probe: Callable[[], T], what: Callable[[], object] = str) -> T:
    """The first result of `probe` that is true; `what` tells why there is
    none."""
    deadline = time.monotonic() + PATIENCE
    while not (result := probe()):
        assert time.monotonic() < deadline, what()
        select.select([], [], [], 0.01)
    return result


def children(pid: int) -> list[int]:
    """The processes that a process has forked and that run."""
    try:
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [int(word) for word in words if is_running(int(word))]


def is_running(pid: int) -> bool:
    """Whether it is there, and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


class BlackHole:
    """A server that answers no SYN: the queue of its listener is full."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.address: tuple[str, int] = self._listener.getsockname()
        self._queued: list[socket.socket] = []
        while not self._queued or self._connects(self._queued[-1]):
            self._queued.append(socket.socket())
            self._queued[-1].setblocking(False)
            self._queued[-1].connect_ex(self.address)

    @staticmethod
    def _connects(connection: socket.socket) -> bool:
        return bool(select.select([], [connection], [], 0.3)[1])

    def __enter__(self) -> BlackHole:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in (self._listener, *self._queued):
            connection.close()

    def url(self, scheme: str = "ws") -> str:
        return "{}://{}:{}".format(scheme, *self.address)


# --- requests


def get(address: Address, path: str = "/") -> tuple[int, str]:
    """Status and body of an answer over a connection of its own."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(address)
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, end, body = answer.partition(b"\r\n\r\n")
    assert end, f"{path}: no answer but {answer!r}"
    return int(head.split()[1]), body.decode()


class Load:
    """Requests all the time, from some threads; what went wrong is kept."""

    def __init__(self, request: Callable[[], object], threads: int = 2) -> None:
        self.done = 0
        self.failures: list[str] = []
        self._request = request
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._request()
                self.done += 1
            except (OSError, AssertionError) as error:
                self.failures.append(repr(error))

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def side_by_side(
    requests: Mapping[str, Callable[[], object]], count: int
) -> dict[str, list[float]]:
    """How long requests took, in seconds and sorted. They take turns, so that
    whatever else the machine does meets all of them."""
    took: dict[str, list[float]] = {name: [] for name in requests}
    for _ in range(count):
        for name, request in requests.items():
            begin = time.perf_counter()
            request()
            took[name].append(time.perf_counter() - begin)
    return {name: sorted(seconds) for name, seconds in took.items()}


def percentiles(seconds: list[float]) -> str:
    """As text, in milliseconds; of sorted seconds."""
    at = {f"p{p}": seconds[int(len(seconds) * p / 100)] for p in (50, 99)}
    at["max"] = seconds[-1]
    return ", ".join(f"{name} {1000 * value:.2f} ms" for name, value in at.items())


# --- what an agent does

STATUS = "remote_config_status"


def status_of(peer: Peer, wanted: str, count: int = 1) -> Event:
    """The count-th message that reports a state of the remote configuration."""
    found = peer.wait(
        lambda e: (
            e["event"] == "message"
            and e["message"].get(STATUS, {}).get("status") == wanted
        ),
        count=count,
    )
    status: Event = found["message"][STATUS]
    return status
