# SPDX-License-Identifier: Apache-2.0
"""What a client reports, and how it is told to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from opamp import _options
from opamp._glue import chars, new_message, octets
from opamp._native import ffi, lib
from opamp._values import put_attributes
from opamp._view import View
from opamp.errors import check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Any

    from opamp.enums import Capability, Status
    from opamp.events import Event
    from opamp.messages import (
        AvailableComponents,
        ConfigFile,
        Health,
        PackageStatuses,
    )
    from opamp.types import Attributes, Headers


class _Held:
    """Ends, when left, what `hold()` began."""

    def __init__(self, client: Reporter) -> None:
        self._client = client

    def __enter__(self) -> None:
        check(lib.opamp_client_hold(self._client._handle))

    def __exit__(self, *_: object) -> None:
        lib.opamp_client_release(self._client._handle)


class Reporter(View):
    """The agent's state. Each method replaces the value that the server has of
    one field of AgentToServer; an equal value sends nothing, and None clears."""

    #: What was set last, by what it is: a forked child says it again.
    _reported: dict[str, Callable[[Any], int]]
    _on_fork: str

    def _report(self, what: str, call: Callable[[Any], int], where: str = "") -> None:
        check(call(self._handle), where)
        if self._on_fork == "restart":
            self._reported[what] = call

    def set_description(
        self,
        identifying: Attributes | None = None,
        non_identifying: Attributes | None = None,
    ) -> None:
        """Who the agent is, both kinds of attributes anew."""
        made = new_message(lib.OPAMP_MSG_AGENT_DESCRIPTION)
        for field, given, where in (
            (
                lib.OPAMP_AGENT_DESCRIPTION_IDENTIFYING_ATTRIBUTES,
                identifying,
                "identifying",
            ),
            (
                lib.OPAMP_AGENT_DESCRIPTION_NON_IDENTIFYING_ATTRIBUTES,
                non_identifying,
                "non_identifying",
            ),
        ):
            if given is not None:
                put_attributes(made, field, given, where)
        self._report(
            "description",
            lambda c: int(lib.opamp_client_set_description(c, made)),
        )

    def set_health(self, health: Health | None) -> None:
        """How the agent and its parts are; None: nothing is known."""
        made = self._native(lib.OPAMP_MSG_COMPONENT_HEALTH, health, "health")
        self._report("health", lambda c: int(lib.opamp_client_set_health(c, made)))

    def set_effective_config(
        self, files: Mapping[str, ConfigFile | bytes | str] | None
    ) -> None:
        """Which configuration is in effect; None: there is none any more."""
        kind = lib.OPAMP_MSG_EFFECTIVE_CONFIG
        made = self._native(kind, files, "effective_config")
        self._report(
            "effective_config",
            lambda c: int(lib.opamp_client_set_effective_config(c, made)),
        )

    def set_available_components(self, components: AvailableComponents | None) -> None:
        """Of which components the agent could be made."""
        kind = lib.OPAMP_MSG_AVAILABLE_COMPONENTS
        made = self._native(kind, components, "available_components")
        self._report(
            "available_components",
            lambda c: int(lib.opamp_client_set_available_components(c, made)),
        )

    def set_package_statuses(self, statuses: PackageStatuses | None) -> None:
        """What became of offered packages."""
        kind = lib.OPAMP_MSG_PACKAGE_STATUSES
        made = self._native(kind, statuses, "package_statuses")
        self._report(
            "package_statuses",
            lambda c: int(lib.opamp_client_set_package_statuses(c, made)),
        )

    def set_custom_capabilities(self, names: Iterable[str] | None) -> None:
        """Of which capabilities custom messages are sent and delivered."""
        kind = lib.OPAMP_MSG_CUSTOM_CAPABILITIES
        listed = names if names is None or isinstance(names, str) else list(names)
        made = self._native(kind, listed, "custom_capabilities")
        self._report(
            "custom_capabilities",
            lambda c: int(lib.opamp_client_set_custom_capabilities(c, made)),
        )

    @staticmethod
    def _native(kind: int, value: object, where: str) -> Any:
        """A value as the C library's message of a type; NULL for None."""
        if value is None:
            return ffi.NULL
        from opamp import _codec, messages  # noqa: F401

        made = new_message(kind)
        _codec.write(made, kind, value, where)
        return made

    def set_capabilities(self, capabilities: Capability | int) -> None:
        """What the agent can do, all anew."""
        bits = _options.capability_bits(capabilities)
        self._report(
            "capabilities",
            lambda c: int(lib.opamp_client_set_capabilities(c, bits)),
        )

    def set_remote_config_status(
        self, hash: bytes, status: Status, error_message: str = ""
    ) -> None:
        """What became of a remote configuration, as the late answer to an offer
        that was deferred, or of the agent's own accord."""
        text = chars(error_message, "error_message")
        span = octets(hash, "hash")
        check(
            lib.opamp_client_set_remote_config_status(
                self._handle, span, _number(status, "status"), text
            ),
            "status",
        )

    def set_connection_settings_status(
        self, hash: bytes, status: Status, error_message: str = ""
    ) -> None:
        """What became of connection settings, as the late answer to an offer that
        was deferred, or of the agent's own accord."""
        text = chars(error_message, "error_message")
        span = octets(hash, "hash")
        check(
            lib.opamp_client_set_connection_settings_status(
                self._handle, span, _number(status, "status"), text
            ),
            "status",
        )

    def forget_offer(self, event_type: type[Event]) -> None:
        """Has the server's next offer delivered even if it is equal to the last:
        of RemoteConfig, ConnectionSettings or PackagesAvailable."""
        kind = getattr(event_type, "_kind", 0)
        check(lib.opamp_client_forget_offer(self._handle, kind), "event_type")

    def set_headers(self, headers: Headers) -> None:
        """Replaces all headers, from the next connection or request on."""
        pairs = _options.header_pairs(headers, "headers")
        names = [ffi.new("char[]", name) for name, _ in pairs]
        values = [ffi.new("char[]", value) for _, value in pairs]

        def call(handle: Any) -> int:
            count = len(pairs)
            return int(
                lib.opamp_client_set_headers(
                    handle,
                    ffi.new("const char *[]", names or [ffi.NULL]),
                    ffi.new("const char *[]", values or [ffi.NULL]),
                    count,
                )
            )

        self._report("headers", call, "headers")

    def set_heartbeat(self, interval: float) -> None:
        """The interval of heartbeats and of HTTP polls, in seconds."""
        wait = _options.milliseconds(interval, "interval")
        self._report(
            "heartbeat",
            lambda c: int(lib.opamp_client_set_heartbeat(c, wait)),
            "interval",
        )

    def request_certificate(self) -> None:
        """Asks the server for a client certificate: makes a key, keeps it, sends
        a request to sign it. Needs a store: option state_dir or store."""
        check(lib.opamp_client_request_certificate(self._handle))

    # --- messages

    def send_custom(self, capability: str, type: str, data: bytes | str = b"") -> None:
        """Queues a custom message of a capability that was declared. Raises
        QueueFullError when as many wait as option custom_queue allows."""
        check(
            lib.opamp_client_send_custom(
                self._handle,
                chars(capability, "capability"),
                chars(type, "type"),
                octets(data, "data"),
            )
        )

    def queue_raw(self, message: bytes) -> None:
        """Takes all of a packed AgentToServer that can be set, as the methods
        above would; its instance uid, sequence number and flags are ignored."""
        check(lib.opamp_client_queue_raw(self._handle, octets(message, "message")))

    def hold(self) -> AbstractContextManager[None]:
        """For `with`: nothing of what is set within is sent before its end, and
        then in one message. They nest."""
        return _Held(self)


def _number(status: object, name: str) -> int:
    if isinstance(status, bool) or not isinstance(status, int):
        raise TypeError(f"{name} must be opamp.Status, not {type(status).__name__}")
    return int(status)
