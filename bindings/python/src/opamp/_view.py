# SPDX-License-Identifier: Apache-2.0
"""What a client can be asked."""

from __future__ import annotations

from opamp._glue import bit_names, sized, static_text
from opamp._native import ffi, lib
from opamp.errors import ErrorCode, check

TYPE_CHECKING = False
if TYPE_CHECKING:
    import uuid
    from typing import Any

    from opamp._loop import Loop
    from opamp.enums import Capability, ServerCapability, State


class View:
    """Looks into a client. Never waits, and needs nobody who drives."""

    _loop: Loop

    @property
    def _handle(self) -> Any:
        raise NotImplementedError

    @property
    def loop(self) -> Loop:
        """Who drives it."""
        return self._loop

    @property
    def state(self) -> State:
        """What it is doing. It changes while the client is driven."""
        from opamp.enums import State

        return State(lib.opamp_client_state(self._handle))

    @property
    def state_since(self) -> float:
        """For how many seconds it has been in its state."""
        return float(lib.opamp_client_state_since_ms(self._handle)) / 1000

    @property
    def next_retry(self) -> float | None:
        """In how many seconds it tries again; None when it does not wait."""
        wait = lib.opamp_client_next_retry_ms(self._handle)
        return None if wait < 0 else wait / 1000

    @property
    def instance_uid(self) -> uuid.UUID:
        """The instance uid in use; the server may change it."""
        import uuid

        uid = ffi.new("uint8_t[16]")
        lib.opamp_client_instance_uid(self._handle, uid)
        return uuid.UUID(bytes=bytes(ffi.buffer(uid)))

    @property
    def capabilities(self) -> Capability:
        """What the agent can do, as it was set last."""
        from opamp.enums import Capability

        return Capability(lib.opamp_client_capabilities(self._handle))

    @property
    def server_capabilities(self) -> ServerCapability:
        """What the server can do; nothing, before it has said so."""
        from opamp.enums import ServerCapability

        return ServerCapability(lib.opamp_client_server_capabilities(self._handle))

    @property
    def server_custom_capabilities(self) -> tuple[str, ...]:
        """The custom capabilities the server declared last."""
        from opamp import _codec

        out = ffi.new("opamp_msg **")
        status = lib.opamp_client_server_custom_capabilities(self._handle, out)
        if status == ErrorCode.NOTFOUND:
            return ()
        check(status)
        declared = ffi.gc(out[0], lib.opamp_msg_free)
        names = _codec.read(declared, lib.OPAMP_MSG_CUSTOM_CAPABILITIES)
        return tuple(names)

    @property
    def sequence_num(self) -> int | None:
        """The number of the last message; None before the first."""
        number = int(lib.opamp_client_sequence_num(self._handle))
        return None if number < 0 else number

    @property
    def custom_room(self) -> int:
        """How many custom messages `send_custom()` would take now."""
        return int(lib.opamp_client_custom_room(self._handle))

    @property
    def undelivered(self) -> frozenset[str]:
        """What was set and not delivered: names of fields of AgentToServer."""
        bits = lib.opamp_client_undelivered(self._handle)
        return bit_names(lib.OPAMP_MSG_AGENT_TO_SERVER, bits)

    @property
    def parked(self) -> frozenset[str]:
        """What the server refuses: names of fields of AgentToServer."""
        bits = lib.opamp_client_parked(self._handle)
        return bit_names(lib.OPAMP_MSG_AGENT_TO_SERVER, bits)

    @property
    def last_error(self) -> str:
        """The text of the last error; "" when there was none."""
        return sized(lib.opamp_client_last_error, self._handle).decode()

    @property
    def remote_config_hash(self) -> bytes:
        """The hash of the configuration in effect; b"" when there is none."""
        return sized(lib.opamp_client_remote_config_hash, self._handle)

    @property
    def endpoint(self) -> str:
        """The URL in use, which redirects and offers may have changed."""
        return sized(lib.opamp_client_endpoint, self._handle).decode()

    @property
    def counters(self) -> dict[str, int]:
        """Counters since the client was made, by name."""
        handle = self._handle
        return {
            static_text(lib.opamp_counter_name(i)): int(
                lib.opamp_client_counter(handle, i)
            )
            for i in range(lib.OPAMP_COUNT_END)
        }
