# SPDX-License-Identifier: Apache-2.0
"""An agent without a thread, in a program that has a loop of its own, here an
echo server: polling_agent.py URL
"""

import contextlib
import selectors
import socket
import sys

import opamp
from opamp import Capability

# What the server may configure.
greeting = b"hello\n"


def handle(client: opamp.Client, event: opamp.Event) -> None:
    """One event of the agent's."""
    global greeting
    if isinstance(event, opamp.RemoteConfig):
        file = event.files.get("greeting")
        if file is None:
            event.reject("there is no file greeting")
            return
        greeting = file.body
        event.accept()
    elif isinstance(event, opamp.ConnectFailed):
        print(event.text, file=sys.stderr)


def serve(client: opamp.Client, listener: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(client.fileno(), selectors.EVENT_READ)
        while True:
            # Wakes up for the descriptor, or when the agent's time has come.
            for key, _ in selector.select(client.timeout()):
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    with connection:
                        connection.sendall(greeting)
            for event in client.poll():
                handle(client, event)


def main(url: str) -> None:
    client = opamp.Client(
        url,
        thread=False,
        identifying={"service.name": "polling-agent"},
        capabilities=Capability.DEFAULT
        | Capability.ACCEPTS_REMOTE_CONFIG
        | Capability.REPORTS_REMOTE_CONFIG,
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print("{}:{}".format(*listener.getsockname()), flush=True)
        with client, contextlib.suppress(KeyboardInterrupt):
            serve(client, listener)


if __name__ == "__main__":
    main(sys.argv[1])
