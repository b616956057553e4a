# SPDX-License-Identifier: Apache-2.0
"""trio and gevent: event loops that the package knows nothing, or little, of."""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap
from typing import Any

import opamp
import pytest
from peer import PATIENCE, Peer

CONFIG = (
    opamp.Capability.DEFAULT
    | opamp.Capability.ACCEPTS_REMOTE_CONFIG
    | opamp.Capability.REPORTS_REMOTE_CONFIG
)


@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_trio(peer: Peer, scheme: str) -> None:
    import trio

    async def next_of(client: opamp.Client, kind: type[opamp.Event]) -> Any:
        """The next event of a kind, while other tasks go on."""
        while True:
            for event in client.poll():
                if isinstance(event, kind):
                    return event
            wait = client.timeout()
            with trio.move_on_after(math.inf if wait is None else wait):
                await trio.lowlevel.wait_readable(client.fileno())

    async def main() -> None:
        client = opamp.Client(
            peer.url(scheme), thread=False, capabilities=CONFIG, poll_interval=0.05
        )
        client.start()
        with trio.fail_after(PATIENCE):
            await next_of(client, opamp.Connected)
            peer.offer(a="b")
            offer = await next_of(client, opamp.RemoteConfig)
            offer.accept()
            await next_of(client, opamp.Delivered)
        client.stop()

    trio.run(main)
    said = peer.wait_message("remote_config_status")["remote_config_status"]
    assert said["status"] == "APPLIED"


@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_gevent(peer: Peer, scheme: str) -> None:
    """Its patched threads are greenlets, of which none may block the others."""
    program = """
    from gevent import monkey
    monkey.patch_all()
    import sys, threading
    import gevent.event, opamp
    client = opamp.Client(sys.argv[1], poll_interval=0.05)
    others = 0
    def other():
        global others
        while True:
            others += 1
            gevent.event.Event().wait(0.001)
    gevent.spawn(other)
    assert threading.active_count() == 1
    with client:
        assert client.wait_connected(20)
        before = others
        client.set_health(opamp.Health(True, "green"))
        assert client.flush(20)
        gevent.event.Event().wait(0.05)
        assert others - before > 5, others
    client.start()
    assert client.wait_connected(20)  # and the end of the process stops it
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), peer.url(scheme)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert peer.wait_message("health")["health"]["status"] == "green"
    peer.wait_message("agent_disconnect", count=2)
