# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import opamp
import pytest
from opamp import Status, aio
from peer import PATIENCE, Peer

CONFIG = (
    opamp.Capability.DEFAULT
    | opamp.Capability.ACCEPTS_REMOTE_CONFIG
    | opamp.Capability.REPORTS_REMOTE_CONFIG
)

Run = Callable[[Coroutine[Any, Any, Any]], Any]


def _uvloop(main: Coroutine[Any, Any, Any]) -> Any:
    import uvloop

    loop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return asyncio.run if request.param == "asyncio" else _uvloop


async def next_of(client: aio.Client, kind: type[opamp.Event]) -> Any:
    """The next event of a kind."""
    async for event in client:
        if isinstance(event, kind):
            return event
    raise AssertionError("the events ended")


async def off_loop(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls what waits for the server, while the event loop goes on."""
    return await asyncio.to_thread(function, *args, **kwargs)


@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_a_configuration_is_applied(peer: Peer, run: Run, scheme: str) -> None:
    async def main() -> None:
        async with aio.Client(
            peer.url(scheme),
            capabilities=CONFIG,
            poll_interval=0.05,
            identifying={"service.name": "aio"},
        ) as client:
            assert await client.wait_connected(PATIENCE)
            assert not [t for t in threading.enumerate() if t.name == "opamp"]
            await off_loop(peer.offer, a="b")
            offer = await next_of(client, opamp.RemoteConfig)
            client.set_remote_config_status(offer.hash, Status.APPLIED)
            assert await client.flush(PATIENCE)
        assert client.state is opamp.State.STOPPED
        assert [type(e).__name__ async for e in client][-1] == "Stopped"

    run(main())
    said = peer.wait_message("remote_config_status")["remote_config_status"]
    assert said["status"] == "APPLIED"
    assert peer.wait_message("agent_disconnect")


def test_handlers_may_be_coroutines(peer: Peer, run: Run) -> None:
    async def main() -> None:
        client = aio.Client(peer.url(), capabilities=CONFIG)
        gate = asyncio.Event()
        begun = asyncio.Event()
        order: list[str] = []

        @client.on(opamp.RemoteConfig)
        async def slow(offer: opamp.RemoteConfig) -> Status:
            order.append("offer begins")
            begun.set()
            await gate.wait()
            order.append("offer ends")
            return Status.APPLIED

        @client.on(opamp.Command)
        def command(event: opamp.Command) -> None:
            order.append("command")

        client.set_capabilities(CONFIG | opamp.Capability.ACCEPTS_RESTART_COMMAND)
        async with client:
            assert await client.wait_connected(PATIENCE)
            await off_loop(peer.offer, a="b")
            await asyncio.wait_for(begun.wait(), PATIENCE)
            restart = {"command": {"type": "Restart"}}
            await off_loop(peer.command, "send", message=restart)
            # The loop goes on while the handler waits.
            client.set_health(opamp.Health(True, "busy"))
            assert await client.flush(PATIENCE)
            assert order == ["offer begins"]
            gate.set()
            wanted = "remote_config_status"
            await off_loop(
                peer.wait,
                lambda e: e["event"] == "message"
                and e["message"].get(wanted, {}).get("status") == "APPLIED",
            )
        assert order == ["offer begins", "offer ends", "command"]

    run(main())


def test_a_handler_that_raises(
    peer: Peer, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        client = aio.Client(peer.url(), capabilities=CONFIG)

        @client.on(opamp.RemoteConfig)
        async def fails(offer: opamp.RemoteConfig) -> None:
            raise LookupError("no such service")

        async with client:
            await client.wait_connected(PATIENCE)
            await off_loop(peer.offer, a="b")
            message = await off_loop(peer.wait_message, "remote_config_status")
        said = message["remote_config_status"]
        assert said["status"] == "FAILED"
        assert said["error_message"] == "LookupError: no such service"
        assert client.handler_errors == 1

    with caplog.at_level(logging.ERROR, "opamp"):
        run(main())
    assert "Traceback" in caplog.text


def test_what_a_handler_raises_to_end_the_program_is_raised(peer: Peer) -> None:
    class Leave(BaseException):
        pass

    async def main() -> None:
        client = aio.Client(peer.url())

        @client.on(opamp.Connected)
        async def leave(event: opamp.Connected) -> None:
            raise Leave

        await client.start()
        with pytest.raises(Leave):
            async for _ in client:
                pass
        assert await client.stop(PATIENCE)

    asyncio.run(main())


def test_cancelling_loses_no_event(peer: Peer, run: Run) -> None:
    async def main() -> None:
        async with aio.Client(peer.url()) as client:
            got: list[opamp.Event] = []
            while not any(isinstance(e, opamp.Connected) for e in got):
                task = asyncio.ensure_future(client.__anext__())
                done, _ = await asyncio.wait((task,), timeout=0.001)
                if done:
                    got.append(task.result())
                    continue
                task.cancel()
                try:
                    got.append(await task)
                except asyncio.CancelledError:
                    pass
            assert [type(e) for e in got[:2]] == [opamp.Connecting, opamp.Connected]
            waiting = asyncio.ensure_future(next_of(client, opamp.Stopped))
            await asyncio.wait((waiting,), timeout=0.001)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(next_of(client, opamp.Command), 0.01)
            assert client.state is opamp.State.CONNECTED

    run(main())
    assert peer.wait_message("agent_disconnect")


def test_one_event_loop_after_the_other(peer: Peer, run: Run) -> None:
    client = aio.Client(peer.url())

    async def main() -> None:
        async with client:
            assert await client.wait_connected(PATIENCE)

    run(main())
    run(main())
    peer.wait_message("agent_disconnect", count=2)

    async def leaves() -> None:
        await client.start()
        assert await client.wait_connected(PATIENCE)

    run(leaves())  # the event loop is closed, and the client still connected
    run(main())
    peer.wait_message("agent_disconnect", count=3)


def test_many_clients_share_a_loop(peer: Peer, run: Run) -> None:
    async def main() -> None:
        with opamp.Loop(thread=False) as loop:
            clients = [aio.Client(peer.url(), loop=loop) for _ in range(10)]
            await asyncio.gather(*(c.start() for c in clients))
            up = await asyncio.gather(*(c.wait_connected(PATIENCE) for c in clients))
            assert all(up)
            assert all(await asyncio.gather(*(c.stop() for c in clients)))
        with pytest.raises(opamp.ClosedError):
            await clients[0].start()

    run(main())
    peer.wait_message("agent_disconnect", count=10)


def test_what_does_not_go_together(peer: Peer) -> None:
    with pytest.raises(opamp.ConfigError, match="thread=False"):
        aio.Client(peer.url(), loop=opamp.Loop())
    with pytest.raises(RuntimeError, match="no running event loop"):
        _without_loop(aio.Client(peer.url()))


def _without_loop(client: aio.Client) -> None:
    """Starting needs an event loop that runs."""
    coroutine = client.start()
    try:
        coroutine.send(None)
    finally:
        coroutine.close()


def test_a_child_has_none_of_it(peer: Peer) -> None:
    async def main() -> None:
        async with aio.Client(peer.url()) as client:
            assert await client.wait_connected(PATIENCE)
            child = os.fork()
            if child == 0:
                try:
                    client.set_health(opamp.Health(True))
                except opamp.ForkedError:
                    os._exit(7)
                os._exit(1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            client.set_health(opamp.Health(True, "still here"))
            assert await client.flush(PATIENCE)

    asyncio.run(main())
    assert len(peer.of("connected")) == 1


def test_setters_from_other_threads_wake_the_event_loop(peer: Peer) -> None:
    async def main() -> None:
        async with aio.Client(peer.url()) as client:
            assert await client.wait_connected(PATIENCE)
            health = opamp.Health(True, "from a thread")
            await off_loop(client.set_health, health)
            await off_loop(
                peer.wait,
                lambda e: e["event"] == "message"
                and e["message"].get("health", {}).get("status") == health.status,
            )

    asyncio.run(main())
