# SPDX-License-Identifier: Apache-2.0
"""The agent of a process, which begins when this is imported."""

from __future__ import annotations

import os

import opamp

applied: list[str] = []

client = opamp.Client(
    os.environ["OPAMP_URL"],
    identifying={"service.name": "host"},
    non_identifying=lambda: {"process.pid": os.getpid()},
    capabilities=opamp.Capability.DEFAULT
    | opamp.Capability.ACCEPTS_REMOTE_CONFIG
    | opamp.Capability.REPORTS_REMOTE_CONFIG,
    poll_interval=0.1,
)


@client.on(opamp.RemoteConfig)
def apply(offer: opamp.RemoteConfig) -> opamp.Status:
    applied.extend(file.body.decode() for file in offer.files.values())
    return opamp.Status.APPLIED


def uid() -> str:
    """Which agent this is, once it is connected; what is wrong, when it is
    none."""
    try:
        client.wait_connected(20)
        return str(client.instance_uid)
    except opamp.OpampError as error:
        return type(error).__name__


client.start()
if "OPAMP_SETTLE" in os.environ:
    # A fork that Python is not told of must not find its lock in other hands:
    # by then, the agent's thread waits in C.
    client.wait_connected(20)
    client.flush(20)
