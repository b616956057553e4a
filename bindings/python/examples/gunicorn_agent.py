# SPDX-License-Identifier: Apache-2.0
"""A WSGI application whose workers are agents:

OPAMP_URL=ws://127.0.0.1:4320 gunicorn -c gunicorn.conf.py gunicorn_agent:application

The client is made and started when this module is imported. With preload_app
that is in the master, and each worker goes on with an agent of its own; without,
it is in each worker.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

import opamp
from opamp import Capability

client = opamp.Client(
    os.environ["OPAMP_URL"],
    identifying={"service.name": "shop"},
    # A function, so that a worker tells its own.
    non_identifying=lambda: {"process.pid": os.getpid()},
    capabilities=Capability.DEFAULT
    | Capability.ACCEPTS_REMOTE_CONFIG
    | Capability.REPORTS_REMOTE_CONFIG,
)
banner = "welcome"


@client.on(opamp.RemoteConfig)
def apply(offer: opamp.RemoteConfig) -> opamp.Status:
    """Runs in every worker, and in the master."""
    global banner
    banner = offer.files["banner"].body.decode()
    return opamp.Status.APPLIED


def application(
    environ: dict[str, Any], start_response: Callable[..., object]
) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{banner} from {client.instance_uid}\n".encode()]


client.start()
