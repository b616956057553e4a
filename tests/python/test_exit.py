# SPDX-License-Identifier: Apache-2.0
"""The end of a process: soon, whatever the server and the handlers do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest
from peer import PATIENCE, Peer

RUNS = int(os.environ.get("OPAMP_EXIT_RUNS", "1"))

BEGIN = """
import os, signal, sys, threading
import opamp
url = sys.argv[1]
client = opamp.Client(url)
up = threading.Event()
client.on(opamp.Connected, lambda event: up.set())
def ready():
    print("ready", flush=True)
"""

# How it ends: what it does, and its exit status; None where any will do.
ENDINGS: dict[str, tuple[str, int]] = {
    "the end": ("client.start(); up.wait(20); ready()", 0),
    "at once": ("client.start(); ready()", 0),
    "within with": ("with client: up.wait(20); ready()", 0),
    "exit in main": ("client.start(); up.wait(20); ready(); sys.exit(5)", 5),
    "exception": ("client.start(); up.wait(20); ready(); raise SystemError", 1),
    "_exit": ("client.start(); up.wait(20); ready(); os._exit(6)", 6),
    "SIGTERM": (
        "client.start(); up.wait(20); ready(); signal.pause()",
        -signal.SIGTERM,
    ),
    "SIGTERM, handled": (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7));"
        "client.start(); up.wait(20); ready(); signal.pause()",
        7,
    ),
    "SIGINT in poll": (
        "client = opamp.Client(url, thread=False); client.start(); ready()\n"
        "while True: client.poll(None)",
        -signal.SIGINT,
    ),
    "SIGINT in wait": (
        "client.start(); ready(); client._loop._wait_for(lambda: False, None)",
        -signal.SIGINT,
    ),
    "exit in a handler": (
        "client.on(opamp.Connected, lambda event: sys.exit(8)); client.start();"
        "up.wait(20); ready()",
        0,
    ),
    "a handler that blocks": (
        "client.on(opamp.Connected, lambda event: threading.Event().wait());"
        "client.start(); up.wait(20); ready()",
        0,
    ),
    "many clients": (
        "loop = opamp.Loop()\n"
        "many = [opamp.Client(url, loop=loop) for _ in range(30)]\n"
        "others = [opamp.Client(url) for _ in range(10)]\n"
        "for each in many + others: each.start()\n"
        "ready()",
        0,
    ),
    "dropped": ("client.start(); up.wait(20); del client; ready()", 0),
    "started at the end": (
        "import atexit\natexit.register(client.start)\n"
        "other = opamp.Client(url); other.start(); ready()",
        0,
    ),
    "asyncio": (
        "import asyncio\n"
        "async def main():\n"
        "    other = opamp.aio.Client(url)\n"
        "    await other.start()\n"
        "    await other.wait_connected(0.2)\n"
        "asyncio.run(main()); ready()",
        0,
    ),
}


def run(ending: str, url: str) -> tuple[int, str]:
    """The exit status and complaints of a process that ends like this."""
    program = BEGIN + textwrap.dedent(ENDINGS[ending][0])
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if line and ending.startswith("SIG"):
            number = signal.SIGTERM if "TERM" in ending else signal.SIGINT
            process.send_signal(number)
        # From here on it has 2.5 s, and more on a machine that is busy.
        _, complaints = process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"it did not end: {process.communicate()[1]}") from None
    assert line == "ready\n", complaints
    return process.returncode, complaints


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_ends(peer: Peer, ending: str) -> None:
    for _ in range(RUNS):
        status, complaints = run(ending, peer.url())
        assert status == ENDINGS[ending][1], complaints
        if status == 0:
            assert not complaints


@pytest.mark.parametrize(
    "ending", ["the end", "within with", "exit in main", "dropped"]
)
def test_it_says_good_bye(peer: Peer, ending: str) -> None:
    run(ending, peer.url())
    peer.wait_message("agent_disconnect")


@pytest.fixture
def mute() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield "{}:{}".format(*listener.getsockname())


# Covers: CONN-9
@pytest.mark.parametrize("ending", ["at once", "many clients", "SIGINT in wait"])
@pytest.mark.parametrize("scheme", ["ws", "wss", "http", "https"])
def test_a_server_that_never_answers(mute: str, scheme: str, ending: str) -> None:
    for _ in range(RUNS):
        status, complaints = run(ending, f"{scheme}://{mute}/")
        assert status == ENDINGS[ending][1], complaints


@pytest.mark.parametrize("ending", ["at once", "many clients"])
def test_a_server_that_is_not_there(ending: str) -> None:
    for _ in range(RUNS):
        assert run(ending, "ws://127.0.0.1:1/")[0] == 0


def test_a_server_that_stops_answering(peer: Peer) -> None:
    """The good-bye cannot be sent, and is not waited for for ever."""
    program = BEGIN + textwrap.dedent("""
        client.start(); up.wait(20)
        client.flush(20)
        print("ready", flush=True)
        sys.stdin.readline()
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", program, peer.url()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    peer.command("stall")
    process.communicate("\n", timeout=PATIENCE)
    assert process.returncode == 0
