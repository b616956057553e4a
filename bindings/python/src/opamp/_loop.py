# SPDX-License-Identifier: Apache-2.0
"""Loops: who drives clients, and takes their events."""

from __future__ import annotations

import math
import os
import select
import sys
import threading
import time
import weakref

from opamp import _process
from opamp._native import ffi, lib
from opamp.errors import (
    ClosedError,
    ErrorCode,
    ForkedError,
    StateError,
    check,
    fail,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from opamp._base import BaseClient
    from opamp.events import Event


# Of the time for a stop at the end of the process, how much is kept for one
# without a word to the server.
_SILENT_SECONDS = 0.3

# What somebody may be waiting for.
_TOLD = frozenset(
    (
        lib.OPAMP_EVENT_CONNECTED,
        lib.OPAMP_EVENT_CONNECT_FAILED,
        lib.OPAMP_EVENT_DISCONNECTED,
        lib.OPAMP_EVENT_DELIVERED,
        lib.OPAMP_EVENT_STOPPED,
    )
)


def _threads_are_green() -> bool:
    """Whether gevent or eventlet took the place of threads, so that waiting in C
    would stop them all."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched("threading"):
        return True
    eventlet = sys.modules.get("eventlet.patcher")
    return eventlet is not None and bool(eventlet.is_monkey_patched("thread"))


def _at_once() -> float:
    """How many seconds may be waited for at once: Python does not see a signal
    that comes in the instant before a wait until that is over."""
    main = threading.current_thread() is threading.main_thread()
    return 1.0 if main else math.inf


def _free_client(loop: Any, pointer: Any) -> None:
    """Frees a client; `loop` is here so that it is not freed before."""
    lib.opamp_client_free(pointer)


class Loop:
    """Does the work of any number of clients.

    A client made without a loop has one of its own. Many clients on one loop
    share its thread, named "opamp", which runs while one of them is started.
    With `thread=False` there is none, and `poll()` or `step()` drives.

    All methods may be called from any thread, but only one may drive at a time.
    """

    def __init__(self, *, max_connections: int = 0, thread: bool = True) -> None:
        """A loop for up to `max_connections` connections at once, 0: 64."""
        self._max_connections = max_connections
        self._threaded = thread
        self._members: dict[Any, weakref.ref[BaseClient]] = {}
        # Clients that were dropped while they ran, until they have stopped.
        self._orphans: dict[Any, Any] = {}
        self._running: set[Any] = set()
        self._waiting: list[Event] = []
        self._begin()
        _process.register(self)

    def _begin(self) -> None:
        """All that is not inherited by a child."""
        self._pid = os.getpid()
        self._generation = object()
        self._pointer: Any = None
        self._thread: threading.Thread | None = None
        self._ending: threading.Thread | None = None  # it was the thread
        self._driver: int | None = None
        self._dispatcher: int | None = None
        # What drives it for an event loop of the application's.
        self._attached: Any = None
        self._changed = threading.Condition(threading.RLock())
        self._polling = threading.RLock()
        self._forks = 0
        self._gate = threading.Event()
        self._gate.set()
        out = ffi.new("opamp_loop **")
        try:
            check(
                lib.opamp_loop_new(out, self._max_connections),
                "max_connections",
            )
        except (TypeError, OverflowError):
            raise TypeError("max_connections must be a small number") from None
        self._pointer = ffi.gc(out[0], lib.opamp_loop_free)

    def __enter__(self) -> Loop:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _handle(self) -> Any:
        if self._pid != os.getpid():
            raise ForkedError("the loop belongs to the parent process")
        if self._pointer is None:
            raise ClosedError("the loop was closed")
        return self._pointer

    def close(self, timeout: float = 2.0) -> None:
        """Stops all its clients, waits for them up to `timeout` seconds, and
        closes. Clients of a closed loop are closed, too."""
        if self._pointer is None or self._pid != os.getpid():
            return
        self._ask_to_stop()
        self._finish(time.monotonic() + timeout)
        for ref in list(self._members.values()):
            client = ref()
            if client is not None:
                client._forget()
        pointer, self._pointer = self._pointer, None
        for orphan in list(self._orphans.values()):
            ffi.release(orphan)
        self._orphans.clear()
        self._running.clear()
        ffi.release(pointer)  # last: a client needs its loop
        with self._changed:
            self._changed.notify_all()

    # --- clients

    def _add(self, client: BaseClient, options: Any) -> Any:
        """A new client of the C library, freed with the last reference."""
        out = ffi.new("opamp_client **")
        loop = self._handle
        check(lib.opamp_client_new(out, loop, options))
        self._members[out[0]] = weakref.ref(client)
        return ffi.gc(out[0], lambda pointer: _free_client(loop, pointer))

    def _remove(self, pointer: Any) -> None:
        """It is about to be freed, and is told nothing any more."""
        self._members.pop(pointer, None)
        self._running.discard(pointer)
        if self._pointer is not None and self._pid == os.getpid():
            lib.opamp_loop_wake(self._pointer)

    def _adopt(self, pointer: Any) -> None:
        """Nobody has it any more, but it is to say good-bye."""
        self._members.pop(pointer, None)
        if pointer in self._running and self._thread is not None:
            self._orphans[pointer] = pointer
            lib.opamp_client_stop(pointer)
        else:
            self._running.discard(pointer)

    def _start(self, pointer: Any) -> None:
        """It is started, and so needs somebody who drives."""
        _process.register_exit()
        with self._changed:
            self._running.add(pointer)
            if self._threaded and self._thread is None:
                self._thread = threading.Thread(
                    target=_drive, args=(self,), name="opamp", daemon=True
                )
                self._thread.start()

    # --- driving

    def fileno(self) -> int:
        """A descriptor that is readable while `poll()` has work. To watch, and
        nothing else."""
        return int(lib.opamp_loop_fd(self._handle))

    def timeout(self) -> float | None:
        """In how many seconds `poll()` must be called at the latest; None: only
        when the descriptor is readable."""
        wait = lib.opamp_loop_timeout_ms(self._handle)
        return None if wait < 0 else wait / 1000

    def poll(self, timeout: float | None = 0.0) -> list[Event]:
        """Does what is due, waits up to `timeout` seconds (None: without end)
        for events, and returns them. No handler is called.

        Raises StateError while another thread drives."""
        events: list[Event] = []
        if not self._waiting:
            self._turn(timeout, lambda client, event: events.append(event))
        waiting, self._waiting = self._waiting, []
        return waiting + events

    def step(self, timeout: float | None = 0.0) -> int:
        """As `poll()`, but hands the events to the handlers of their clients.
        Returns how many there were."""
        count = 0

        def deliver(client: BaseClient, event: Event) -> None:
            nonlocal count
            count += 1
            client._deliver(event)

        self._turn(timeout, deliver)
        return count

    def _turn(
        self, timeout: float | None, sink: Callable[[BaseClient, Event], None]
    ) -> None:
        me = threading.get_ident()
        with self._changed:
            if self._thread is not None or self._driver is not None:
                raise StateError("another thread drives the loop", ErrorCode.BUSY)
            self._driver = me
        try:
            self._wait(timeout)
            self._take(sink, everything=True)
        finally:
            self._driver = None

    def _wait(self, timeout: float | None) -> None:
        """Until events wait, or the time is over. It is Python that waits, so
        that signals are handled, and what is green can do something else."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        poller = select.poll()
        poller.register(self.fileno(), select.POLLIN)
        while True:
            if self._native_poll(0) > 0:
                return
            due = self.timeout()
            rest = deadline - time.monotonic()
            if rest <= 0:
                return
            left = min(rest, _at_once(), math.inf if due is None else due)
            poller.poll(None if left == math.inf else left * 1000 + 1)

    def _native_poll(self, timeout_ms: int) -> int:
        self._gate.wait()
        with self._polling:
            waiting = int(lib.opamp_loop_poll(self._handle, timeout_ms))
        if waiting < 0:
            fail(waiting)
        return waiting

    def _take(
        self, sink: Callable[[BaseClient, Event], None], everything: bool
    ) -> None:
        """Takes the events that wait. Without `everything`, those that no
        handler wants are passed over."""
        generation = self._generation
        before, self._dispatcher = self._dispatcher, threading.get_ident()
        try:
            # A handler may fork: then this is the child, and the loop another.
            while generation is self._generation and self._pointer is not None:
                event = lib.opamp_loop_next_event(self._pointer)
                if not event:
                    return
                self._hand_over(event, sink, everything)
        finally:
            if generation is self._generation:
                self._dispatcher = before

    def _hand_over(
        self,
        event: Any,
        sink: Callable[[BaseClient, Event], None],
        everything: bool,
    ) -> None:
        kind = lib.opamp_event_kind(event)
        pointer = lib.opamp_event_client(event)
        ref = self._members.get(pointer)
        client = None if ref is None else ref()
        if kind == lib.OPAMP_EVENT_STOPPED:
            self._running.discard(pointer)
            self._orphans.pop(pointer, None)
        try:
            if client is None:
                lib.opamp_event_free(event)
            else:
                client._meet(kind, event, sink, everything)
        finally:
            if kind in _TOLD:
                with self._changed:
                    self._changed.notify_all()

    def _in_handler(self) -> bool:
        return threading.get_ident() == self._dispatcher

    def _wait_for(self, done: Callable[[], bool], timeout: float | None) -> bool:
        """Waits, or drives if nobody else does, until something is true."""
        if done():
            return True
        if self._in_handler():
            raise StateError("a handler cannot wait for what comes after it")
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while not done():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if self._thread is None:
                waited = None if left == math.inf else left
                self._turn(waited, lambda owner, event: owner._keep(event))
                continue
            left = min(left, _at_once())
            with self._changed:
                if not done() and self._pointer is not None:
                    self._changed.wait(None if left == math.inf else left)
            if self._pointer is None:
                return done()
        return True

    # --- the end

    def _join(self) -> None:
        """When no client is started any more, waits until the thread is gone."""
        if self._in_handler():
            return
        with self._changed:
            self._changed.wait_for(lambda: self._running or self._thread is None, 1.0)
        thread = self._ending
        if thread is not None:
            thread.join(1.0)  # it has nothing left to do
            self._ending = None

    def _ask_to_stop(self) -> None:
        for pointer in list(self._running):
            lib.opamp_client_stop(pointer)

    def _finish(self, deadline: float) -> None:
        """Waits until all have stopped, and for the thread."""
        thread = self._thread
        left = max(0.0, deadline - time.monotonic())
        if self._in_handler():
            return
        if thread is None:
            while self._running and left > 0 and self._driver is None:
                self._turn(left, lambda owner, event: owner._keep(event))
                left = deadline - time.monotonic()
            return
        with self._changed:
            self._changed.wait_for(
                lambda: not self._running, max(0.0, left - _SILENT_SECONDS)
            )
            for pointer in list(self._running):
                lib.opamp_client_stop_silent(pointer)
            self._changed.wait_for(
                lambda: not self._running, max(0.0, deadline - time.monotonic())
            )
        thread.join(max(0.1, deadline - time.monotonic()))
        self._ending = None

    # --- forks

    def _before_fork(self) -> bool:
        """Sees to it that nobody is in the middle of anything when the child is
        made; whether there is something to do about it afterwards."""
        if self._pointer is None or self._pid != os.getpid():
            return False
        with self._changed:
            self._forks += 1
            self._gate.clear()
        lib.opamp_loop_wake(self._pointer)
        self._polling.acquire()
        return True

    def _after_fork_in_parent(self) -> None:
        self._polling.release()
        with self._changed:
            self._forks -= 1
            if self._forks == 0:
                self._gate.set()

    def _after_fork_in_child(self) -> None:
        """Leaves what is the parent's, and begins anew with the clients that are
        to go on here."""
        if self._pointer is None:
            return
        abandoned = self._pointer
        members = [client for ref in self._members.values() if (client := ref())]
        running = {client for client in members if client._pointer in self._running}
        for pointer in [abandoned, *self._orphans.values()]:
            ffi.gc(pointer, None)
        for client in members:
            client._leave_parent()
        lib.opamp_loop_abandon(abandoned)
        self._members.clear()
        self._orphans.clear()
        self._running.clear()
        self._waiting.clear()
        self._begin()
        for client in members:
            if client._on_fork == "restart":
                client._begin_in_child(start=client in running)


def _deliver(client: BaseClient, event: Event) -> None:
    """What ends a program, or a thread, ends a client: nobody is there to whom
    its thread could hand it on."""
    try:
        client._deliver(event)
    except BaseException:
        kind, value, trace = sys.exc_info()
        assert kind is not None
        thread = threading.current_thread()
        threading.excepthook(threading.ExceptHookArgs((kind, value, trace, thread)))
        client._ask_to_stop()


def _drive(loop: Loop) -> None:
    """What the thread of a loop does, as long as clients are started."""
    generation = loop._generation
    green = _threads_are_green()
    # In a child that a handler forks, another thread goes on with the loop.
    while loop._generation is generation:
        with loop._changed:
            last = not loop._running
            if last:
                loop._ending, loop._thread = loop._thread, None
                loop._changed.notify_all()
        try:
            if last:
                loop._native_poll(0)  # closes what was freed
                return
            if green:
                loop._wait(None)
            else:
                loop._native_poll(-1)
            loop._take(_deliver, everything=False)
        except ClosedError:
            return
