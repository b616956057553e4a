# SPDX-License-Identifier: Apache-2.0
"""The client that waits in a thread of its own, or where it is polled."""

from __future__ import annotations

from opamp._base import BaseClient
from opamp._loop import Loop
from opamp.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Literal

    from typing_extensions import Self, Unpack

    from opamp.events import Event
    from opamp.types import Options


class Client(BaseClient):
    """An agent. By itself it works on a thread named "opamp"; with
    `thread=False`, or on a loop that has none, `poll()` or `step()` drives it.

    `with client:` starts it, and stops it at the end."""

    def __init__(
        self,
        url: str,
        *,
        handlers: Mapping[type[Event], Callable[[Any], object]] | None = None,
        loop: Loop | None = None,
        thread: bool = True,
        on_fork: Literal["restart", "close"] = "restart",
        **options: Unpack[Options],
    ) -> None:
        """An agent of the server at `url` (ws, wss, http or https; without a
        path, /v1/opamp), which is started with `start()`.

        `handlers` are functions by type of event, as `on()` takes them. `loop`
        is shared with other clients. `on_fork` says what becomes of it in a
        forked child: "restart" makes a new agent there that goes on as this one
        does, "close" none. The other options are those of `opamp.Options`.

        Raises ConfigError for a value that cannot be, TypeError for one of
        another type, both with the option's name, FileError and TlsError for
        files and certificates that cannot be used."""
        if loop is not None and not thread:
            raise ConfigError("thread: is said of the loop when there is one")
        self._owns_loop = loop is None
        if loop is None:
            loop = Loop(thread=thread)
        super().__init__(
            url, loop=loop, handlers=handlers, on_fork=on_fork, options=options
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts connecting, and keeps trying until told to stop. Never fails
        because of the network; does nothing when it runs."""
        self._start()

    def stop(self, timeout: float | None = None, *, silent: bool = False) -> bool:
        """Sends what was not delivered, says good-bye (unless `silent`), and
        waits until it has stopped, at most `timeout` seconds: by itself it takes
        no longer than option stop_timeout (2 s). Whether it has stopped.

        In a handler it only asks for the stop. It may be started again."""
        if self._pointer is None or self._forked:
            return True
        self._ask_to_stop(silent)
        if self._loop._in_handler():
            return not self._is_running()
        stopped = self._loop._wait_for(lambda: not self._is_running(), timeout)
        if stopped:
            self._loop._join()
        return stopped

    def close(self) -> None:
        """Frees it at once, without telling the server; `stop()` first does. No
        event comes after."""
        self._forget()
        if self._owns_loop:
            self._loop.close(0.0)

    def wait_connected(self, timeout: float | None = None) -> bool:
        """Waits until it is connected; whether it is. Does not wait for a client
        that is not started."""
        self._loop._wait_for(
            lambda: self._is_connected() or not self._is_running(), timeout
        )
        return self._is_connected()

    def flush(self, timeout: float | None = None) -> bool:
        """Waits until all that was set is delivered; whether it is. Does not
        wait for a client that is not started, nor for what the server refuses
        (`parked`)."""
        self._loop._wait_for(self._ask_for_delivery(), timeout)
        return self._is_delivered()

    # --- a client with a loop of its own

    def fileno(self) -> int:
        """A descriptor that is readable while there is work: `Loop.fileno()` of its
        loop."""
        return self._loop.fileno()

    def timeout(self) -> float | None:
        """In how many seconds it wants to be polled at the latest:
        `Loop.timeout()` of its loop."""
        return self._loop.timeout()

    def poll(self, timeout: float | None = 0.0) -> list[Event]:
        """Does what is due, and returns the events: `Loop.poll()` of its loop."""
        return self._loop.poll(timeout)

    def step(self, timeout: float | None = 0.0) -> int:
        """Does what is due, and hands events to handlers: `Loop.step()` of its
        loop."""
        return self._loop.step(timeout)
