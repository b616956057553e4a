# SPDX-License-Identifier: Apache-2.0
"""restart.py --build DIR [--agents N] [--down S]: a server with N agents goes,
and comes back after S seconds.

How often all agents together try to connect in a tenth of a second, by the
kernel's count of connections begun; and when they are all back. On a machine on
which nobody else opens connections.
"""

import argparse
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "peers"))
from compare import Server  # noqa: E402

HEARTBEAT_MS, SAMPLE_S, LIMIT_S = 30000, 0.1, 120


def connections_begun():
    with open("/proc/net/snmp", encoding="ascii") as f:
        names, values = [line.split() for line in f
                         if line.startswith("Tcp:")]
    return int(values[names.index("ActiveOpens")])


def sample(until):
    """Connections begun in each tenth of a second, until that is true."""
    counts, before = [], connections_begun()
    end = time.monotonic() + LIMIT_S
    while not until() and time.monotonic() < end:
        time.sleep(SAMPLE_S)
        now = connections_begun()
        counts.append(now - before)
        before = now
    return counts


def told(what, counts):
    print(f"{what}: {sum(counts):,} connections begun in "
          f"{len(counts) * SAMPLE_S:.1f} s, at most {max(counts):,} in a tenth "
          "of a second")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--build", required=True)
    arguments.add_argument("--agents", type=int, default=10000)
    arguments.add_argument("--down", type=float, default=5)
    options = arguments.parse_args()
    program = f"{options.build}/libopamp/bench/floor_server"
    fleet = f"{options.build}/libopamp/tools/fleet/opamp-fleet"
    n = options.agents
    with Server([program]) as server:
        port = str(server.port)
        agents = subprocess.Popen(
            [fleet, "-n", str(n), "--heartbeat", str(HEARTBEAT_MS),
             f"ws://127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            told("connect storm", sample(lambda: server.seen()[0] >= n))
        except BaseException:
            agents.kill()
            raise
    try:
        end = time.monotonic() + options.down
        told("server gone", sample(lambda: time.monotonic() >= end))
        with Server([program, port]) as server:
            told("server back", sample(lambda: server.seen()[0] >= n))
            back = server.seen()[0]
            print(f"{min(back, n):,} of {n:,} agents reported to it")
    finally:
        agents.kill()
        agents.wait()


if __name__ == "__main__":
    main()
