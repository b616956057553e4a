# SPDX-License-Identifier: Apache-2.0
"""N agents with PyPI's opentelemetry-opamp-client: python_client.py URL N
INTERVAL_MS, until it is told to end."""

import sys
import threading

from opentelemetry._opamp.agent import OpAMPAgent
from opentelemetry._opamp.callbacks import OpAMPCallbacks
from opentelemetry._opamp.client import OpAMPClient


class Nothing(OpAMPCallbacks):
    """Does nothing at all."""


def main(url, n, interval_ms):
    for _ in range(int(n)):
        client = OpAMPClient(
            endpoint=url,
            agent_identifying_attributes={"service.name": "opamp-bare"})
        OpAMPAgent(interval=int(interval_ms) / 1000, callbacks=Nothing(),
                   client=client).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
