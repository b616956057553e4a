# SPDX-License-Identifier: Apache-2.0
"""An agent in an asyncio program: asyncio_agent.py URL

A configuration takes a while to apply. Meanwhile the event loop goes on, and
the server has been told APPLYING.
"""

import asyncio
import json
import signal
import sys

import opamp
from opamp import Capability, Status

settings: dict[str, object] = {"interval": 30}


async def apply(client: opamp.aio.Client, offer: opamp.RemoteConfig) -> None:
    """Takes app.json, and says what became of it."""
    try:
        wanted = json.loads(offer.files["app.json"].body)
        await asyncio.to_thread(check, wanted)
    except (KeyError, ValueError) as error:
        client.set_remote_config_status(offer.hash, Status.FAILED, repr(error))
        return
    settings.update(wanted)
    print(f"settings are now {settings}", flush=True)
    with client.hold():  # both in one message
        client.set_remote_config_status(offer.hash, Status.APPLIED)
        report(client)


def check(wanted: object) -> None:
    """Stands for something slow."""
    if not isinstance(wanted, dict):
        raise ValueError("app.json must be an object")


def report(client: opamp.aio.Client) -> None:
    """What is in effect, for the server to see."""
    text = json.dumps(settings)
    file = opamp.ConfigFile(text.encode(), "application/json")
    client.set_effective_config({"app.json": file})


async def main(url: str) -> None:
    client = opamp.aio.Client(
        url,
        identifying={"service.name": "asyncio-agent"},
        capabilities=Capability.DEFAULT
        | Capability.ACCEPTS_REMOTE_CONFIG
        | Capability.REPORTS_REMOTE_CONFIG
        | Capability.REPORTS_EFFECTIVE_CONFIG,
    )
    report(client)
    client.set_health(opamp.Health(True, "running"))
    # A newer offer takes the place of one that is still being applied.
    applying: asyncio.Task[None] | None = None

    async with client:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            # The events end when the client has stopped.
            loop.add_signal_handler(number, lambda: loop.create_task(client.stop()))
        async for event in client:
            if isinstance(event, opamp.RemoteConfig):
                event.defer()
                if applying is not None:
                    applying.cancel()
                applying = asyncio.create_task(apply(client, event))
            elif isinstance(event, (opamp.ConnectFailed, opamp.Disconnected)):
                print(event.text, file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
