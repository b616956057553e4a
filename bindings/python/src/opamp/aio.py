# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio, uvloop and others with `add_reader()`.

    async with opamp.aio.Client("wss://opamp.example", ...) as client:
        async for event in client:
            ...

There is no thread: the event loop watches one descriptor, and nothing blocks
it. What only sets something is an ordinary method, as nothing is waited for.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import TYPE_CHECKING, Any

from opamp._base import BaseClient
from opamp._loop import Loop
from opamp.errors import ConfigError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self, Unpack

    from opamp.events import Event
    from opamp.types import Options

# Events that wait for `async for`; of those that nobody takes the oldest go.
_QUEUE = 1024


class _Driver:
    """Has the running event loop drive a loop of clients."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.event_loop = asyncio.get_running_loop()
        self.pid = os.getpid()
        self.timer: asyncio.TimerHandle | None = None
        self.descriptor = loop.fileno()
        self.event_loop.add_reader(self.descriptor, self.step)
        self.step()

    def step(self) -> None:
        """Does what is due, and sees to the next time."""
        loop = self.loop
        if loop._pid != os.getpid() or loop._pointer is None:
            self.detach()
            return
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        try:
            loop._turn(0.0, lambda client, event: client._deliver(event))
        finally:
            if loop._running:
                wait = loop.timeout()
                if wait is not None:
                    self.timer = self.event_loop.call_later(wait, self.step)
            else:
                self.detach()

    def detach(self) -> None:
        """The event loop has nothing to do with it any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if not self.event_loop.is_closed():
            self.event_loop.remove_reader(self.descriptor)
        if self.loop._attached is self:
            self.loop._attached = None


def _attach(loop: Loop) -> None:
    """Has the running event loop drive `loop`, if it does not yet."""
    driver = loop._attached
    if driver is not None:
        if driver.event_loop is asyncio.get_running_loop():
            return
        if not driver.event_loop.is_closed():
            raise StateError("another event loop drives the loop")
    loop._attached = _Driver(loop)


class Client(BaseClient):
    """An agent in an asyncio event loop.

    Events go to handlers, which may be coroutines and run one after the other
    in a task of the client's own; those that no handler wants, to `async for`.
    Cancelling what waits loses no event."""

    def __init__(
        self,
        url: str,
        *,
        handlers: Mapping[type[Event], Callable[[Any], object]] | None = None,
        loop: Loop | None = None,
        **options: Unpack[Options],
    ) -> None:
        """As `opamp.Client`. A `loop` to share is `opamp.Loop(thread=False)`. In
        a forked child, which has no event loop, there is none of it."""
        if loop is None:
            loop = Loop(thread=False)
        elif loop._threaded:
            raise ConfigError("loop: has a thread; make it with thread=False")
        self._events: deque[Event] = deque(maxlen=_QUEUE)
        self._handled: deque[Event] = deque()
        self._waiters: set[asyncio.Future[None]] = set()
        self._worker: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        super().__init__(
            url, loop=loop, handlers=handlers, on_fork="close", options=options
        )

    def _check_handler(self, handler: Callable[[Any], object]) -> None:
        pass  # coroutines are welcome

    # --- life

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Starts connecting, and keeps trying until told to stop. Never fails
        because of the network; does nothing when it runs."""
        asyncio.get_running_loop()  # without one, nothing is started
        self._failure = None
        self._start()
        _attach(self._loop)

    async def stop(self, timeout: float | None = None, *, silent: bool = False) -> bool:
        """Sends what was not delivered, says good-bye (unless `silent`), and
        waits until it has stopped, at most `timeout` seconds; whether it has. In
        a handler it only asks for it."""
        if self._pointer is None or self._forked:
            return True
        self._ask_to_stop(silent)
        if asyncio.current_task() is self._worker:
            return not self._is_running()
        stopped = await self._until(lambda: not self._is_running(), timeout)
        worker = self._worker
        if worker is not None:
            await asyncio.wait((worker,), timeout=timeout)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        return stopped

    def close(self) -> None:
        """Frees it at once, without telling the server; `stop()` first does."""
        self._forget()
        self._tell()

    async def wait_connected(self, timeout: float | None = None) -> bool:
        """Waits until it is connected; whether it is. Does not wait for a client
        that is not started."""
        await self._until(
            lambda: self._is_connected() or not self._is_running(), timeout
        )
        return self._is_connected()

    async def flush(self, timeout: float | None = None) -> bool:
        """Waits until all that was set is delivered; whether it is. Does not
        wait for a client that is not started, nor for what the server refuses
        (`parked`)."""
        await self._until(self._ask_for_delivery(), timeout)
        return self._is_delivered()

    async def _until(self, done: Callable[[], bool], timeout: float | None) -> bool:
        async def wait() -> None:
            while not done():
                await self._news()

        try:
            await asyncio.wait_for(wait(), timeout)
        except asyncio.TimeoutError:
            return done()
        return True

    async def _news(self) -> None:
        """Waits until something has happened."""
        future = asyncio.get_running_loop().create_future()
        self._waiters.add(future)
        try:
            await future
        finally:
            self._waiters.discard(future)

    def _tell(self) -> None:
        for future in self._waiters:
            if not future.done():
                future.set_result(None)

    # --- events

    def _meet(self, kind: int, event: Any, sink: Any, everything: bool) -> None:
        super()._meet(kind, event, sink, everything)
        self._tell()

    def _deliver(self, event: Event) -> None:
        if not self._handlers_of(event):
            self._events.append(event)
            return
        self._handled.append(event)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        """Runs handlers, as long as events wait for them."""
        while self._handled:
            event = self._handled.popleft()
            for handler in self._handlers_of(event):
                try:
                    result: Any = handler(event)
                    if hasattr(result, "__await__"):
                        result = await result
                    self._answer(event, result)
                except Exception as error:
                    self._handler_failed(event, error)
                except asyncio.CancelledError:
                    raise
                except BaseException as failure:
                    self._failure = failure
                    self._ask_to_stop()
                    self._tell()
                    return

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """The next event that no handler wants; ends after the client has
        stopped."""
        while not self._events:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if self._pointer is None or not self._is_running():
                raise StopAsyncIteration
            await self._news()
        return self._events.popleft()
