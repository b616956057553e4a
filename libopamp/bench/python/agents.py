# SPDX-License-Identifier: Apache-2.0
"""N agents with the package opamp: agents.py URL N INTERVAL_MS [flood], until it
is told to end. With flood, each reports its health anew as soon as the last one
was delivered."""

import sys
import threading

import opamp


def main(url, n, interval_ms, flood=None):
    loop = opamp.Loop(max_connections=int(n))
    interval = int(interval_ms) / 1000
    clients = []
    for _ in range(int(n)):
        client = opamp.Client(url, loop=loop, heartbeat=interval,
                              poll_interval=interval,
                              identifying={"service.name": "opamp-bare"})
        if flood:
            client.on(opamp.Delivered, report)
        client.start()
        clients.append(client)
    threading.Event().wait()


def report(event):
    event.client.set_health(opamp.Health(True, f"{event.sequence_num}"))


if __name__ == "__main__":
    main(*sys.argv[1:])
