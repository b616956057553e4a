# SPDX-License-Identifier: Apache-2.0
"""An agent for any Python that the wheel was installed for: imports opamp,
connects to each URL, and prints a report as one line of JSON."""

from __future__ import annotations

import argparse
import json
import queue
import sys

import opamp

WATCHED = ("google.protobuf", "requests", "ssl", "certifi")
PATIENCE = 20.0


def watched() -> list[str]:
    return [name for name in WATCHED if name in sys.modules]


def attempt(url: str, tls: opamp.TLS | None, proxy: str) -> str:
    """ "" when it connected, else why it did not."""
    outcome: queue.SimpleQueue[str] = queue.SimpleQueue()
    client = opamp.Client(url, tls=tls, proxy=proxy)
    client.on(opamp.Connected, lambda event: outcome.put(""))
    client.on(opamp.ConnectFailed, lambda event: outcome.put(str(event.error)))
    with client:
        return outcome.get(timeout=PATIENCE)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs="*")
    parser.add_argument("--ca")
    parser.add_argument("--system-ca", action="store_true")
    parser.add_argument("--proxy", default="")
    options = parser.parse_args()
    imported = watched()
    tls = None
    if options.ca or options.system_ca:
        tls = opamp.TLS(ca=options.ca, system_ca=options.system_ca)
    report = {
        "imported": imported,
        "features": sorted(opamp.features()),
        "connected": [attempt(url, tls, options.proxy) for url in options.urls],
        "used": watched(),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
