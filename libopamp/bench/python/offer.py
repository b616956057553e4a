# SPDX-License-Identifier: Apache-2.0
"""How long a configuration of 100 files takes from the wire to the handler, in
µs: offer.py ours|upstream. Prints the median."""

import statistics
import sys
import time

FILES = 100
TIMES = 200


def wire(opamp, uid, n):
    files = {f"conf.d/{i}.yaml": f"receivers: [{i}]\n" * 20
             for i in range(FILES)}
    offer = opamp.RemoteConfigOffer(files, f"{n}".encode())
    return opamp.ServerToAgent(instance_uid=uid, remote_config=offer).to_bytes()


def ours(opamp):
    """Through a transport of our own, so that no network is measured."""
    found = []

    def apply(event):
        found.append(time.perf_counter() - begun)
        assert len(event.files) == FILES
        event.accept()

    client = opamp.Client(
        "ws://nowhere", thread=False, own_transport=True,
        capabilities=opamp.Capability.DEFAULT
        | opamp.Capability.ACCEPTS_REMOTE_CONFIG
        | opamp.Capability.REPORTS_REMOTE_CONFIG,
        handlers={opamp.RemoteConfig: apply,
                  opamp.TransportOpen: lambda event: event.opened()})
    sends = []
    client.on(opamp.TransportSend, lambda event: (sends.append(event),
                                                  event.written()))
    client.start()
    while not sends:
        client.step(1.0)
    for n in range(TIMES):
        data = b"\0" + wire(opamp, client.instance_uid.bytes, n)
        begun = time.perf_counter()
        sends[-1].received(data)
        while len(found) <= n:
            client.step(1.0)
    client.close()
    return found


def upstream(opamp):
    """What the peer does with the body of an answer, until its callback."""
    from opentelemetry._opamp.callbacks import MessageData
    from opentelemetry._opamp.proto import opamp_pb2

    found = []
    for n in range(TIMES):
        data = wire(opamp, bytes(16), n)
        begun = time.perf_counter()
        message = opamp_pb2.ServerToAgent()
        message.ParseFromString(data)
        known = MessageData.from_server_message(message)
        config = known.remote_config.config.config_map
        files = {name: file.body for name, file in config.items()}
        found.append(time.perf_counter() - begun)
        assert len(files) == FILES
    return found


if __name__ == "__main__":
    import opamp as package

    run = {"ours": ours, "upstream": upstream}[sys.argv[1]]
    print(statistics.median(run(package)) * 1e6)
