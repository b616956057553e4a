# SPDX-License-Identifier: Apache-2.0
"""What all clients have: options, what they report, getters, handlers."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from opamp import _options, _process
from opamp._glue import text_of
from opamp._native import ffi, lib
from opamp._report import Reporter
from opamp.errors import (
    ClosedError,
    ConfigError,
    ForkedError,
    StateError,
    check,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal, TypeVar, overload

    from opamp._loop import Loop
    from opamp.events import Event
    from opamp.types import Options

    E = TypeVar("E", bound=Event)
    R = TypeVar("R")


logger = logging.getLogger("opamp")
logger.addHandler(logging.NullHandler())

#: The levels of the C library's log records, as those of `logging`.
LEVELS = {
    lib.OPAMP_LOG_ERROR: logging.ERROR,
    lib.OPAMP_LOG_WARN: logging.WARNING,
    lib.OPAMP_LOG_INFO: logging.INFO,
    lib.OPAMP_LOG_DEBUG: logging.DEBUG,
}

_COROUTINE = 0x80  # of a code object's co_flags

# After these the next connection may want other headers.
_ENDS = frozenset(
    (
        lib.OPAMP_EVENT_CONNECT_FAILED,
        lib.OPAMP_EVENT_DISCONNECTED,  # a refusal (401, 403), too, is one of these
    )
)


def _log_level() -> int:
    """The C library's level for what `logging` would show."""
    shown = logger.getEffectiveLevel()
    wanted = [ours for ours, level in LEVELS.items() if level >= shown]
    return max(wanted, default=int(lib.OPAMP_LOG_NONE))


class BaseClient(Reporter):
    """One agent, as the server sees it. What is set is never lost: it is sent
    now, or when there is a connection, and again until it was delivered.

    All methods may be called from any thread and from handlers, and return
    without waiting, but for those that have a timeout."""

    def __init__(
        self,
        url: str,
        *,
        loop: Loop,
        handlers: Mapping[type[Event], Callable[[Any], object]] | None,
        on_fork: Literal["restart", "close"],
        options: Options,
    ) -> None:
        if on_fork not in ("restart", "close"):
            raise ConfigError(f'on_fork: {on_fork!r} is not "restart" or "close"')
        self._pointer: Any = None
        self._forked = False
        self._deliveries = 0  # how often all was delivered
        self._handlers: dict[type[Event], list[Callable[[Any], object]]] = {}
        self._wanted: set[int] = set()
        self._wants_all = False
        #: How many exceptions handlers have raised.
        self.handler_errors = 0
        # What was set, by the function that sets it, to be said again by a child.
        self._reported: dict[str, Callable[[Any], int]] = {}
        self._url = url
        self._options = dict(options)
        self._on_fork = on_fork
        self._loop = loop
        for event_type, handler in (handlers or {}).items():
            self.on(event_type, handler)
        self._make()

    def _make(self) -> None:
        options: Any = self._options
        built = _options.build(self._url, options, _log_level())
        self._pointer = self._loop._add(self, built)
        if "identifying" in options or "non_identifying" in options:
            self.set_description(
                _options.called(options.get("identifying", {})),
                _options.called(options.get("non_identifying", {})),
            )
            self._reported.pop("description", None)

    @property
    def _handle(self) -> Any:
        """The client of the C library."""
        if self._forked or self._loop._pid != os.getpid():
            raise ForkedError("the client belongs to the parent process")
        if self._pointer is None:
            raise ClosedError("the client was closed")
        return self._pointer

    def __repr__(self) -> str:
        name = f"{type(self).__module__.split('._')[0]}.{type(self).__name__}"
        if self._forked or self._pointer is None:
            return f"<{name} closed>"
        return f"<{name} {self.endpoint} {self.state.name.lower()}>"

    def __del__(self) -> None:
        pointer = getattr(self, "_pointer", None)
        if pointer is None:
            return
        if self._loop._pid == os.getpid() and not self._forked:
            self._loop._adopt(pointer)

    # --- handlers

    if TYPE_CHECKING:

        @overload
        def on(self, event_type: type[E], handler: Callable[[E], object]) -> None: ...

        @overload
        def on(
            self, event_type: type[E]
        ) -> Callable[[Callable[[E], R]], Callable[[E], R]]: ...

    def on(
        self, event_type: type[E], handler: Callable[[E], object] | None = None
    ) -> Any:
        """Has `handler` called with each event of a type, those of `Event` being
        all that have no handler of their own. Without `handler`, a decorator.

        Handlers run one at a time on the thread that drives; several for one
        type run in order. What a handler raises is logged, counted in
        `handler_errors`, and, where it was to answer an offer, told the server
        as FAILED. For an offer, returning Status.APPLIED, FAILED or APPLYING
        answers it, too; the first answer counts. FAILED that is returned has no
        text: raise instead, or `reject()`."""
        if handler is None:
            return lambda function: self.on(event_type, function) or function
        from opamp.events import Event

        if not (isinstance(event_type, type) and issubclass(event_type, Event)):
            raise TypeError(f"{event_type!r} is not a type of events")
        if not callable(handler):
            raise TypeError(f"a handler must be callable, not {handler!r}")
        self._check_handler(handler)
        self._handlers.setdefault(event_type, []).append(handler)
        self._wanted.add(event_type._kind)
        self._wants_all = self._wants_all or event_type is Event
        return None

    def _check_handler(self, handler: Callable[[Any], object]) -> None:
        code = getattr(handler, "__code__", None)
        if code is not None and code.co_flags & _COROUTINE:
            raise TypeError("a handler can be a coroutine in opamp.aio.Client only")

    def _wants(self, kind: int) -> bool:
        return kind in self._wanted or self._wants_all

    def _handlers_of(self, event: Event) -> list[Callable[[Any], object]]:
        from opamp.events import Event

        found = self._handlers.get(type(event))
        return found if found is not None else self._handlers.get(Event, [])

    def _meet(
        self,
        kind: int,
        event: Any,
        sink: Callable[[BaseClient, Event], None],
        everything: bool,
    ) -> None:
        """An event of the C library's that is this client's."""
        if kind == lib.OPAMP_EVENT_LOG:
            self._log(event)
            everything = False
        elif kind == lib.OPAMP_EVENT_DELIVERED:
            self._deliveries += 1
        elif kind in _ENDS and callable(self._options.get("headers")):
            self._refresh_headers()
        if everything or self._wants(kind):
            from opamp._build import build

            sink(self, build(kind, event, self))
        else:
            lib.opamp_event_free(event)

    def _log(self, event: Any) -> None:
        level = LEVELS[lib.opamp_event_number(event, lib.OPAMP_NUM_LEVEL)]
        logger.log(level, "%s", text_of(lib.opamp_event_text(event)))

    def _refresh_headers(self) -> None:
        try:
            self.set_headers(_options.called(self._options["headers"]))
        except Exception:
            self.handler_errors += 1
            logger.exception("headers could not be had; the old ones are used")
        self._reported.pop("headers", None)

    def _deliver(self, event: Event) -> None:
        """Calls the handlers of an event."""
        for handler in self._handlers_of(event):
            self._run_handler(handler, event)

    def _run_handler(self, handler: Callable[[Any], object], event: Event) -> None:
        try:
            self._answer(event, handler(event))
        except Exception as error:
            self._handler_failed(event, error)

    def _handler_failed(self, event: Event, error: Exception) -> None:
        from opamp.events import Question

        self.handler_errors += 1
        logger.exception("a handler of %s failed", type(event).__name__)
        if isinstance(event, Question):
            text = f"{type(error).__name__}: {error}".replace("\0", "")
            try:
                event.reject(text.encode(errors="replace").decode())
            except StateError:
                pass  # it was answered before

    def _answer(self, event: Event, result: object) -> None:
        """What a handler returned is the answer to an offer, if it is one."""
        from opamp.enums import Status
        from opamp.events import Question

        if hasattr(result, "__await__"):
            getattr(result, "close", lambda: None)()
            raise TypeError("a handler can be a coroutine in opamp.aio.Client only")
        if not isinstance(event, Question) or not isinstance(result, Status):
            return
        try:
            if result is Status.APPLIED:
                event.accept()
            elif result is Status.FAILED:
                event.reject("")
            elif result is Status.APPLYING:
                event.defer()
        except StateError:
            pass  # the handler has answered, or the client is gone

    def _keep(self, event: Event) -> None:
        """An event that came while something else was waited for."""
        if self._handlers_of(event):
            self._deliver(event)
        else:
            self._loop._waiting.append(event)

    # --- starting, stopping

    def _start(self) -> None:
        if _process.exiting():
            return
        check(lib.opamp_client_start(self._handle))
        self._loop._start(self._pointer)

    def _ask_to_stop(self, silent: bool = False) -> None:
        stop = lib.opamp_client_stop_silent if silent else lib.opamp_client_stop
        check(stop(self._handle))

    def _is_connected(self) -> bool:
        state = lib.opamp_client_state(self._handle)
        return bool(state == lib.OPAMP_STATE_CONNECTED)

    def _is_delivered(self) -> bool:
        return bool(lib.opamp_client_undelivered(self._handle) == 0)

    def _ask_for_delivery(self) -> Callable[[], bool]:
        """What tells when there is no more to wait for, of what is set by now."""
        told = self._deliveries
        check(lib.opamp_client_flush(self._handle))

        def done() -> bool:
            left = lib.opamp_client_undelivered(self._handle)
            if left & ~lib.opamp_client_parked(self._handle):
                return not self._is_running()
            # What is parked the server does not take.
            return bool(left) or self._deliveries > told or not self._is_running()

        return done

    def _is_running(self) -> bool:
        return self._pointer in self._loop._running

    def _forget(self) -> None:
        """Frees the client of the C library."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None and self._loop._pid == os.getpid():
            self._loop._remove(pointer)
            ffi.release(pointer)

    # --- forks

    def _leave_parent(self) -> None:
        """In a child: what there is belongs to the parent."""
        if self._pointer is not None:
            ffi.gc(self._pointer, None)
        self._pointer = None
        self._forked = True

    def _begin_in_child(self, start: bool) -> None:
        """In a child: the same agent anew, with an instance uid of its own. What
        is kept, and would bring the old one back, stays with the parent."""
        for name in ("instance_uid", "state_dir", "store", "request_certificate"):
            self._options.pop(name, None)
        self._forked = False
        reported, self._reported = self._reported, {}
        self._make()
        for what, call in reported.items():
            self._report(what, call)
        if start:
            self._start()
