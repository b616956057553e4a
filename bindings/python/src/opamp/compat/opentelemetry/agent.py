# SPDX-License-Identifier: Apache-2.0
"""What keeps an OpAMPClient in touch with its server."""

from __future__ import annotations

import logging

from opamp.compat.opentelemetry import messages
from opamp.compat.opentelemetry._engine import Engine
from opamp.compat.opentelemetry.callbacks import MessageData
from opamp.compat.opentelemetry.transport.exceptions import OpAMPException
from opamp.enums import State
from opamp.errors import OpampError
from opamp.events import (
    Connected,
    ConnectFailed,
    Delivered,
    Disconnected,
    MessageReceived,
    Parked,
    Stopped,
    TransportSend,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal

    from opamp.compat.opentelemetry.callbacks import OpAMPCallbacks
    from opamp.compat.opentelemetry.client import OpAMPClient

logger = logging.getLogger("opentelemetry._opamp.agent")

# An agent works until it is stopped, even if nobody holds it.
_started: set[OpAMPAgent] = set()


def _safe_invoke(function: Callable[..., Any], *args: Any) -> None:
    """Calls a function of the application, and logs what it raises."""
    name = getattr(function, "__name__", repr(function))
    try:
        function(*args)
    except Exception:
        logger.exception("Error when invoking function '%s'", name)


class _Job:
    """What `send()` was given, until it is delivered or given up."""

    def __init__(
        self,
        payload: Any,
        max_retries: int = 1,
        callback: Callable[..., None] | None = None,
    ) -> None:
        self.payload = payload
        self.max_retries = max_retries
        self.callback = callback
        #: How many attempts have failed.
        self.attempt = 0

    def should_retry(self) -> bool:
        return self.attempt <= self.max_retries

    def packed(self) -> Any:
        return self.payload() if callable(self.payload) else self.payload

    def finish(self) -> None:
        if self.callback is not None:
            _safe_invoke(self.callback)


class OpAMPAgent:
    """Connects, reports, sends heartbeats, and hands what the server says to
    the callbacks, until `stop()` or the end of the interpreter."""

    def __init__(
        self,
        *,
        interval: float = 30,
        callbacks: OpAMPCallbacks,
        max_retries: int = 10,
        heartbeat_max_retries: int = 1,
        initial_backoff: float = 1.0,
        client: OpAMPClient,
        on_fork: Literal["restart", "close"] = "restart",
    ) -> None:
        """An agent that says something every `interval` seconds.

        After a failure it waits for `initial_backoff` seconds, then for longer
        and longer, but never gives up: `max_retries` only says after how many
        failures the callback of a `send()` is called nevertheless, and
        `heartbeat_max_retries` means nothing. `on_fork` is what becomes of it in
        a forked child: "restart" makes it another agent there, "close" none."""
        self._interval = interval
        self._callbacks = callbacks
        self._max_retries = max_retries
        self._heartbeat_max_retries = heartbeat_max_retries
        self._initial_backoff = initial_backoff
        self._client = client
        self._on_fork = on_fork
        self._engine: Engine | None = None
        self._jobs: list[_Job] = []
        # What `send()` was given before the start.
        self._early: list[_Job] = []
        # What the transport raised last.
        self._raised: Exception | None = None
        self._stopping = False

    # --- starting, stopping

    def start(self) -> None:
        """Starts connecting. It does not fail: a configuration that cannot be
        used is logged, and told to `on_connect_failed`."""
        try:
            if self._engine is None or not self._engine.is_alive:
                self._client._engine = self._engine = self._make_engine()
            while self._early:
                self._queue(self._early.pop(0))
            self._stopping = False
            _started.add(self)
            self._engine.start()
        except (OpampError, ValueError) as error:
            logger.error("The agent cannot be started: %s", error)
            self._tell_failed(error)

    def _make_engine(self) -> Engine:
        return Engine(
            self._client,
            interval=self._interval,
            backoff=self._initial_backoff,
            begin=self._begin,
            on_fork=self._on_fork,
            handlers={
                Connected: self._connected,
                ConnectFailed: self._failed,
                Disconnected: self._failed,
                MessageReceived: self._received,
                Delivered: self._settle,
                Parked: self._settle,
                Stopped: self._stopped,
                TransportSend: self._carry,
            },
        )

    def _begin(self) -> bytes:
        """The state to begin with, in a forked child, too. There, what waits to
        be delivered is the parent's."""
        self._jobs.clear()
        return self._client.build_full_state_message()

    def stop(self, timeout: float | None = None) -> None:
        """Says good-bye to the server and stops, within `timeout` seconds; by
        itself it takes no longer than 2. Before `start()`, or once more, it does
        nothing. Afterwards the agent may be started again."""
        self._stopping = True
        if self._engine is None:
            return
        if self._engine.stop(timeout):
            _started.discard(self)
        logger.debug("OpAMPAgent stopped")

    def _stopped(self, event: Stopped) -> None:
        self._jobs.clear()
        if self._stopping:
            _started.discard(self)

    # --- sending

    def send(
        self,
        payload: Any,
        max_retries: int | None = None,
        callback: Callable[..., None] | None = None,
    ) -> None:
        """Reports what `payload` has, a packed AgentToServer or a function that
        returns one, and then calls `callback`.

        Instance uid and sequence number are those of the message in which it is
        sent; what the server knows already is not sent again."""
        if max_retries is None:
            max_retries = self._max_retries
        job = _Job(payload, max_retries, callback)
        if self in _started:
            self._queue(job)
            return
        logger.warning(
            "Called send() but worker thread is not alive. Worker threads is"
            " started with start()"
        )
        self._early.append(job)

    def _queue(self, job: _Job) -> None:
        assert self._engine is not None
        try:
            self._engine.queue_raw(job.packed())
        except Exception as error:
            logger.error("A payload cannot be sent: %s", error)
            job.finish()
            return
        self._jobs.append(job)
        self._engine.ask_delivered()

    def _settle(self, event: Delivered | Parked | MessageReceived) -> None:
        """Ends what was delivered, or refused for good."""
        assert self._engine is not None
        sent = self._jobs.copy()  # before asking: what comes later is not meant
        if self._engine.undelivered <= self._engine.parked:
            for job in sent:
                self._jobs.remove(job)
                job.finish()

    # --- what happens

    def _connected(self, event: Connected) -> None:
        if event.url.startswith("ws"):  # over HTTP it is each answer
            self._tell(self._callbacks.on_connect)

    def _is_leaving(self) -> bool:
        """Then the callbacks are told nothing any more."""
        assert self._engine is not None
        return self._engine.state in (State.STOPPING, State.STOPPED)

    def _received(self, event: MessageReceived) -> None:
        assert self._engine is not None
        if self._is_leaving():
            return
        if self._engine.endpoint.startswith("http"):
            self._tell(self._callbacks.on_connect)
        self._tell_message(event)
        if self._engine.parked:  # then there is no Delivered
            self._settle(event)

    def _tell_message(self, event: MessageReceived) -> None:
        data = MessageData()
        if event.fields & {"error_response", "remote_config"}:
            message = messages.decode_message(event.raw or b"")
            if message.HasField("error_response"):
                self._tell(self._callbacks.on_error, message.error_response)
                return
            data = MessageData.from_server_message(message)
        self._tell(self._callbacks.on_message, data)

    def _failed(self, event: ConnectFailed | Disconnected) -> None:
        assert self._engine is not None
        if self._is_leaving():
            return
        streams = self._engine.endpoint.startswith("ws")
        if not (streams and isinstance(event, Disconnected)):
            error, self._raised = self._raised, None
            if error is None:
                error = OpAMPException(str(event.error))
                error.__cause__ = event.error
            self._tell_failed(error)
        for job in self._jobs.copy():
            job.attempt += 1
            if not job.should_retry():
                logger.error(
                    "A payload is still not sent after %d attempts", job.attempt
                )
                self._jobs.remove(job)
                job.finish()

    def _tell_failed(self, error: Exception) -> None:
        logger.warning("No answer from the server: %s", error)
        self._tell(self._callbacks.on_connect_failed, error)

    def _tell(self, callback: Callable[..., Any], *args: Any) -> None:
        _safe_invoke(callback, self, self._client, *args)

    def _carry(self, event: TransportSend) -> None:
        """Has a transport in Python make a request."""
        try:
            answer = self._client.send(event.message)
            packed = messages.encode_message(answer)
        except Exception as error:
            self._raised = error
            text = str(error).replace("\0", "").encode(errors="replace").decode()
            event.closed(text=text)
        else:
            event.received(packed)
