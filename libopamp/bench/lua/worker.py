# SPDX-License-Identifier: Apache-2.0
"""What an agent adds to a worker of nginx, which looks after it five times a
second: beside a worker whose timer does nothing, and one without any."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import compare as peers  # of the directory peers
from nginx import Nginx, config

INTERVAL_S = 0.2
HEARTBEAT_S = 30
TRACED_S = 4


class Workers:
    """One nginx of one worker for each kind, at the same time."""

    def __init__(self, peer, folder):
        inits = {
            "nothing": "",
            "empty timer": f"ngx.timer.every({INTERVAL_S}, function() end)",
            "agent": f"""
              require("opamp.nginx").start({{
                url = "{peer.url()}",
                heartbeat = {HEARTBEAT_S},
                identifying = {{ ["service.name"] = "bench" }},
              }}, {{ interval = {INTERVAL_S} }})"""}
        self.peer, self.running = peer, {}
        try:
            for name, init in inits.items():
                self.running[name] = Nginx(config(init, workers=1),
                                           Path(folder) / name.split()[-1])
            peer.wait_message("agent_description")
        except BaseException:
            self.__exit__()
            raise
        self.pids = {name: nginx.workers()[0]
                     for name, nginx in self.running.items()}

    def __enter__(self):
        return self

    def __exit__(self, *what):
        for nginx in self.running.values():
            nginx.__exit__(*what)

    def measure(self):
        """CPU in % of a core, system calls a second, heartbeats meanwhile."""
        heard, begun = len(self.peer.messages), time.monotonic()
        before = {n: peers.cpu_ns(pid) for n, pid in self.pids.items()}
        time.sleep(HEARTBEAT_S)  # one heartbeat, whenever it is due
        seconds = time.monotonic() - begun
        cpu = {n: (peers.cpu_ns(pid) - before[n]) / seconds / 1e7
               for n, pid in self.pids.items()}
        heard = len(self.peer.messages) - heard
        with ThreadPoolExecutor(len(self.pids)) as threads:
            found = threads.map(
                lambda pid: peers.system_calls(pid, TRACED_S) / TRACED_S,
                self.pids.values())
            calls = dict(zip(self.pids, found))
        return cpu, calls, heard


def tell(cpu, calls, heartbeats):
    print(f"\nnginx's worker for {HEARTBEAT_S} s, a timer every "
          f"{INTERVAL_S} s, {heartbeats} heartbeat(s)")
    print("".join([" " * 38, *(f"{name:>14}" for name in cpu)]))
    for title, row, digits in (("CPU, % of a core", cpu, 4),
                               ("system calls a second", calls, 1)):
        print(f"  {title:36}"
              + "".join(f"{value:14.{digits}f}" for value in row.values()))
    added = cpu["agent"] - cpu["nothing"]
    print(f"  the agent adds {added:.4f} %, of which the timer alone is "
          f"{cpu['empty timer'] - cpu['nothing']:.4f} %; target < 0.1 %")
