# SPDX-License-Identifier: Apache-2.0
"""The smallest agent that takes a configuration: first_agent.py URL"""

import contextlib
import signal
import sys

from opamp import Capability, Client, RemoteConfig, Status

NAME = {"service.name": "first"}
CONFIG = Capability.ACCEPTS_REMOTE_CONFIG | Capability.REPORTS_REMOTE_CONFIG
client = Client(sys.argv[1], identifying=NAME, capabilities=Capability.DEFAULT | CONFIG)


@client.on(RemoteConfig)
def apply(offer: RemoteConfig) -> Status:
    for name, file in offer.files.items():
        print(f"{name} is now: {file.body.decode()}", flush=True)
    return Status.APPLIED


with client, contextlib.suppress(KeyboardInterrupt):
    signal.pause()
