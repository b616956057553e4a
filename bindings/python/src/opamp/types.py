# SPDX-License-Identifier: Apache-2.0
"""Types for annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict, Union

if TYPE_CHECKING:
    import os
    import uuid

    from opamp.enums import Capability
    from opamp.tls import TLS

#: What an attribute can be; mappings and sequences of these, too.
AttributeValue = Union[
    str,
    bool,
    int,
    float,
    bytes,
    None,
    Sequence["AttributeValue"],
    Mapping[str, "AttributeValue"],
]

#: Attributes of an agent, a health or a component.
Attributes = Mapping[str, AttributeValue]

#: Headers by name, or as pairs where a name comes more than once.
Headers = Union[Mapping[str, str], Iterable[tuple[str, str]]]


class Options(TypedDict, total=False):
    """What a client is told before it runs; all are optional. Durations are in
    seconds, sizes in bytes. What a number can be, and is when it is not given,
    `opamp.limits()` tells."""

    #: Attributes that identify the agent, or what returns them: that is called
    #: at the start, and again in a forked child.
    identifying: Attributes | Callable[[], Attributes]
    #: Attributes that describe it otherwise.
    non_identifying: Attributes | Callable[[], Attributes]
    #: 16 bytes, a UUID or its text. Default: a new UUIDv7.
    instance_uid: bytes | uuid.UUID | str | None
    #: Default: Capability.DEFAULT. REPORTS_STATUS is always added.
    capabilities: Capability | int
    #: Headers of each request and upgrade, or what returns them: that is called
    #: at the start, and again whenever a connection failed or ended. Values are
    #: secrets, and never printed.
    headers: Headers | Callable[[], Headers]
    #: How TLS is set up.
    tls: TLS | None
    #: http, https, socks5 or socks5h URL. None: what the environment says
    #: (https_proxy, http_proxy, all_proxy, no_proxy). "": none.
    proxy: str | None
    #: Headers for the proxy itself.
    proxy_headers: Headers
    #: Keys whose values the effective configuration does not show,
    #: "*password*,api?key".
    redact: str
    #: A directory for what should survive a restart, made when it is missing.
    state_dir: str | os.PathLike[str]
    #: The application keeps what should survive a restart, and answers
    #: StoreLoad, StoreSave and StoreErase.
    store: bool
    #: The application carries the messages, and answers TransportOpen,
    #: TransportSend, TransportPing, TransportClose.
    own_transport: bool
    #: Ask the server for a client certificate, and for the next one in time.
    request_certificate: bool
    #: Whether an instance uid of the library's own making survives a restart.
    uid_persist: bool
    #: Ask the server for an instance uid.
    request_instance_uid: bool

    #: Silence before a heartbeat.
    heartbeat: float
    #: Between HTTP requests, when that is to be another.
    poll_interval: float
    connect_timeout: float
    request_timeout: float
    response_timeout: float
    ping_interval: float
    pong_timeout: float
    stop_timeout: float
    backoff_min: float
    backoff_max: float
    reconnect_delay: float
    useful_after: float
    throttle_wait: float
    retry_after_max: float
    offer_deadline: float
    parked_retry: float
    trial_timeout: float
    trial_interval: float
    heartbeat_min: float
    heartbeat_max: float
    store_timeout: float

    backoff_percent: int
    max_receive: int
    max_send: int
    max_redirects: int
    custom_queue: int
    event_queue: int
    certificate_renew_percent: int

    compression: bool
    heartbeat_zero_disables: bool
    allow_unknown_capabilities: bool
    numeric_hosts: bool
    allow_weaker_tls: bool
    drop_absent_certificate: bool
    #: Whether MessageSent and MessageReceived come.
    trace_messages: bool
