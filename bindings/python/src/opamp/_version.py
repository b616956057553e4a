# SPDX-License-Identifier: Apache-2.0
"""What the library is, and what it can do."""

from __future__ import annotations

from opamp._glue import static_text
from opamp._native import lib


def version() -> str:
    """The version of libopamp."""
    return static_text(lib.opamp_version_text())


def features() -> frozenset[str]:
    """What this build can do, "http", "websocket", and the libraries it stands
    on, "openssl-3.0.15"."""
    details = static_text(lib.opamp_version_details())
    libraries = [entry.split(" ") for entry in details.split(", ")]
    found = {f"{entry[0].lower()}-{entry[-1]}" for entry in libraries}
    names = {entry[0].lower() for entry in libraries}
    for name, feature in (("libcurl", "http"), ("libwebsockets", "websocket")):
        if name in names:
            found.add(feature)
    return frozenset(found)
