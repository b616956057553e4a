# SPDX-License-Identifier: Apache-2.0
"""N agents with PyPI's opentelemetry-opamp-client: python_client.py URL N
INTERVAL_MS [flood], until it is told to end. With flood, each sends the next
message as soon as the last one was answered."""

import sys
import threading

from opentelemetry._opamp.agent import OpAMPAgent
from opentelemetry._opamp.callbacks import OpAMPCallbacks
from opentelemetry._opamp.client import OpAMPClient


class Flood(OpAMPCallbacks):
    """Answers an answer with the next message."""

    def on_connect(self, agent, client):
        agent.send(client.build_full_state_message())


class Nothing(OpAMPCallbacks):
    """Does nothing at all."""


def main(url, n, interval_ms, flood=None):
    for _ in range(int(n)):
        client = OpAMPClient(
            endpoint=url,
            agent_identifying_attributes={"service.name": "opamp-bare"})
        OpAMPAgent(interval=int(interval_ms) / 1000,
                   callbacks=Flood() if flood else Nothing(),
                   client=client).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
