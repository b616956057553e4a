# SPDX-License-Identifier: Apache-2.0
"""chaos.py --build DIR [--seed S] [--faults N] [--sanitized]

Agents over ws, wss, http and https, to which everything happens that happens
to agents: connections reset, stalled, cut short, full of garbage; a server
that answers 503, redirects, refuses, closes, goes silent; names that do not
resolve; clocks that jump; processes stopped and continued. All the while their
state changes, and offers come. Then it is calm, and the server must know all
that was set last; descriptors and memory must not have grown.

The seed decides what is drawn, though not when the machine gets to it: the same
seed plays the same faults on the same connections again.
"""
import argparse
import asyncio
import collections
import glob
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

from programs import Agent, Peer
from proxy import Proxy

CALM_S = 30  # for all to be known when nothing is wrong any more
RSS_GROWTH_KB = 2048
FILES_GROWTH = 4
WARM = 0.25  # the share of the run after which growth counts
AGENTS = [f"{scheme}-{i}" for i in range(3)
          for scheme in ("ws", "http", "wss", "https")]


def certificates(directory, faketime):
    """An authority and a server that were good ten days ago, too."""
    env = dict(os.environ)
    if faketime:
        env |= {"LD_PRELOAD": faketime, "FAKETIME": "-10d"}
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
           "-nodes"]
    for command in (
            ["req", "-x509", *key, "-days", "30", "-subj", "/CN=chaos",
             "-keyout", "ca.key", "-out", "ca.pem"],
            ["req", "-x509", *key, "-days", "30", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost", "-CA", "ca.pem",
             "-CAkey", "ca.key", "-keyout", "server.key",
             "-out", "server.pem"]):
        subprocess.run(["openssl", *command], cwd=directory, env=env,
                       check=True, stderr=subprocess.DEVNULL)


class Chaos:
    def __init__(self, options, scratch):
        self.options, self.scratch = options, pathlib.Path(scratch)
        self.faults = collections.Counter()
        self.agents, self.proxies, self.peers = [], [], {}
        self.clock = self.scratch / "clock"
        self.names = self.scratch / "names"
        self.offers = self.scratch / "offers"
        self.offered = 0
        self.calm = False

    def draw(self, what):
        return random.Random(f"{self.options.seed} {what}")

    def total(self):
        return sum(self.faults.values())

    def count(self, kind):
        self.faults[kind] += 1

    # --- begin and end --------------------------------------------------------

    async def begin(self):
        self.offers.mkdir()
        self.offer_next()
        certificates(self.scratch, self.options.faketime)
        self.set_clock(0)
        for tls in (False, True):
            self.peers[tls] = Peer()
            await self.peers[tls].begin(
                self.options.peer, self.offers, *([
                    f"--tls-cert={self.scratch}/server.pem",
                    f"--tls-key={self.scratch}/server.key"] if tls else []))
        for name in AGENTS:
            await self.begin_agent(name)
        self.names.touch()

    async def begin_agent(self, name):
        scheme = name.split("-")[0]
        peer = self.peers[scheme in ("wss", "https")]
        proxy = Proxy(self.options.seed, name, peer.port, self.count)
        await proxy.start()
        self.proxies.append(proxy)
        env = {"LD_PRELOAD": self.options.names, "CHAOS_NAMES": str(self.names)}
        if self.options.faketime and not name.endswith("0"):
            env = {"LD_PRELOAD": f"{self.options.names} "
                                 f"{self.options.faketime}",
                   "CHAOS_NAMES": str(self.names),
                   "FAKETIME_TIMESTAMP_FILE": str(self.clock),
                   "FAKETIME_CACHE_DURATION": "1",
                   "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        agent = Agent(name, scheme, peer)
        self.agents.append(agent)
        await agent.begin(self.options.agent, proxy.port,
                          self.scratch / "ca.pem", env)

    def kill(self):
        for program in (*self.agents, *self.peers.values()):
            program.kill()

    async def stop(self):
        """Which programs ended badly."""
        codes = [(a.name, await a.stop()) for a in self.agents]
        for proxy in self.proxies:
            await proxy.stop()
        codes += [("opamp-peer", await p.stop()) for p in self.peers.values()]
        return [f"{name} ended with {code}" for name, code in codes if code]

    # --- what happens ---------------------------------------------------------

    async def change(self, agent):
        """What the application does."""
        draw = self.draw(f"changes {agent.name}")
        while not self.calm:
            await agent.set_next(draw.choice(list(agent.numbers)))
            await asyncio.sleep(draw.uniform(0, 0.1))

    def offer_next(self):
        self.offered += 1
        new = self.offers / ".new"
        new.write_text(str(self.offered), encoding="ascii")
        new.rename(self.offers / "f")

    async def offer(self):
        draw = self.draw("offers")
        while not self.calm:
            await asyncio.sleep(draw.uniform(0.2, 1))
            self.offer_next()

    async def misbehave(self, peer, tls):
        """What a server does."""
        draw = self.draw(f"server {tls}")
        while not self.calm:
            await asyncio.sleep(draw.uniform(0, 0.05))
            if not peer.connections:
                continue
            keys = {"connection": draw.choice(peer.connections)}
            command = draw.choice(list(DEEDS))
            more = DEEDS[command](draw)
            if command in ("respond", "redirect", "accept"):
                del keys["connection"]
            if command == "redirect":
                command = "respond"
            result = await peer.command(command, **keys, **more)
            if result["ok"]:
                self.count("server: " + (f"http {more['http_status']}"
                                         if command == "respond" else command))
            if command == "accept":
                await asyncio.sleep(0.1)
                await peer.command("accept", on=True)

    async def suspend(self):
        draw = self.draw("suspended")
        while not self.calm:
            agent = draw.choice(self.agents)
            os.kill(agent.pid, signal.SIGSTOP)
            await asyncio.sleep(draw.uniform(0.01, 0.5))
            os.kill(agent.pid, signal.SIGCONT)
            self.count("process stopped")
            await asyncio.sleep(draw.uniform(0, 0.1))

    def set_clock(self, seconds):
        new = self.scratch / "clock.new"
        new.write_text(f"{seconds:+d}\n", encoding="ascii")
        new.rename(self.clock)

    async def step_clock(self):
        draw = self.draw("clock")
        while self.options.faketime and not self.calm:
            self.set_clock(draw.choice([0, draw.randint(-8 * 86400, -60),
                                        draw.randint(60, 15 * 86400)]))
            self.count("clock step")
            await asyncio.sleep(draw.uniform(0.5, 2))

    async def watch(self):
        """Until there were enough; what had been used before."""
        begun, told, usage = time.monotonic(), 0, None
        while self.total() < self.options.faults:
            await asyncio.sleep(0.1)
            self.faults["name not resolved"] = self.names.stat().st_size
            if usage is None and self.total() >= WARM * self.options.faults:
                usage = self.usage()
            if time.monotonic() - told > 10 and sys.stderr.isatty():
                told = time.monotonic()
                print(f"{self.total()} faults in {told - begun:.0f} s",
                      file=sys.stderr)
        return usage or self.usage()

    def usage(self):
        return {a.name: (a.files(), a.rss_kb()) for a in self.agents}

    # --- the run --------------------------------------------------------------

    async def run(self):
        """What went wrong: a list of texts."""
        doing = [asyncio.ensure_future(task) for task in (
            *map(self.change, self.agents), self.offer(), self.suspend(),
            self.step_clock(),
            *(self.misbehave(p, tls) for tls, p in self.peers.items()))]
        watch = asyncio.ensure_future(self.watch())
        reading = [p.reading for p in (*self.agents, *self.peers.values())]
        done, _ = await asyncio.wait([watch, *doing, *reading],
                                     return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # what should go on ended by an exception
        before = await watch
        self.calm = True
        for proxy in self.proxies:
            proxy.calm = True
        self.names.unlink()
        await asyncio.gather(*doing)
        self.set_clock(0)
        for peer in self.peers.values():
            await peer.command("respond", http_status=200, times=0)
            await peer.command("stall", ms=0)
        lost = await self.lost()
        return lost + self.grown(before)

    async def lost(self):
        end = time.monotonic() + CALM_S
        while True:
            lost = []
            for agent in self.agents:
                lost += [f"{agent.name}: {what}"
                         for what in agent.lost(str(self.offered))]
                if left := await agent.undelivered():
                    lost.append(f"{agent.name}: undelivered: {left}")
            if not lost or time.monotonic() > end:
                return lost
            await asyncio.sleep(0.1)

    def grown(self, before):
        out, after = [], self.usage()
        for name, (files, rss) in after.items():
            if files > before[name][0] + FILES_GROWTH:
                out.append(f"{name}: {before[name][0]} descriptors became "
                           f"{files}")
            if (rss > before[name][1] + RSS_GROWTH_KB
                    and not self.options.sanitized):
                out.append(f"{name}: {before[name][1]} KB became {rss} KB")
        self.growth = {
            "descriptors": max(after[n][0] - before[n][0] for n in after),
            "KB": max(after[n][1] - before[n][1] for n in after)}
        return out


# What a server does: command of opamp-peer → its keys.
DEEDS = {
    "error": lambda draw: {"type": draw.choice(["Unknown", "Unavailable"]),
                           "message": "chaos", "retry_after_ms": 20},
    "close": lambda draw: {"code": draw.choice([1000, 1001, 1011, 1012])},
    "reset": lambda draw: {},
    "stall": lambda draw: {"ms": draw.randint(10, 600)},
    "garbage": lambda draw: {"base64": "AAEC/w==",
                             "raw": draw.random() < 0.5},
    "text": lambda draw: {"text": "chaos"},
    "respond": lambda draw: {
        "http_status": draw.choice([400, 401, 404, 429, 500, 502, 503]),
        "headers": {"Retry-After": "0"}},
    "redirect": lambda draw: {"http_status": draw.choice([301, 307, 308]),
                              "headers": {"Location": "/elsewhere"}},
    "accept": lambda draw: {"on": False},
}


def tell(chaos, seconds, wrong):
    for kind, n in sorted(chaos.faults.items()):
        print(f"{n:7,} {kind}")
    changes = sum(sum(a.numbers.values()) for a in chaos.agents)
    messages = sum(p.messages for p in chaos.peers.values())
    print(f"{chaos.total():7,} faults in {seconds:.0f} s; {changes:,} changes "
          f"of state and {chaos.offered} offers, {messages:,} messages; "
          f"{len(wrong)} lost or wrong")
    if hasattr(chaos, "growth"):
        print(f"Most an agent grew after a quarter of them: "
              f"{chaos.growth['descriptors']} descriptors, "
              f"{chaos.growth['KB']} KB.")
    for line in wrong:
        print(line)


async def play(options, scratch):
    chaos = Chaos(options, scratch)
    begun = time.monotonic()
    try:
        await chaos.begin()
        wrong = await chaos.run()
        wrong += await chaos.stop()
    finally:
        chaos.kill()
    tell(chaos, time.monotonic() - begun, wrong)
    return not wrong


def faketime():
    found = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    if not found:
        sys.exit("libfaketime is not installed: clocks could not jump")
    return found[0]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--build", required=True)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--faults", type=int, default=1000)
    arguments.add_argument("--sanitized", action="store_true",
                           help="no clock jumps, and memory is not judged")
    options = arguments.parse_args()
    build = os.path.abspath(options.build)
    options.agent = f"{build}/libopamp/tools/agent/opamp-agent"
    options.peer = f"{build}/libopamp/tools/peer/opamp-peer"
    options.names = f"{build}/tests/c/chaos/libchaos_names.so"
    for file in (options.agent, options.peer, options.names):
        if not os.path.exists(file):
            sys.exit(f"{file} was not built")
    # A sanitizer asks for the time before libfaketime can tell it.
    options.faketime = None if options.sanitized else faketime()
    with tempfile.TemporaryDirectory() as scratch:
        if not asyncio.run(play(options, scratch)):
            sys.exit(f"seed {options.seed}: not all is well")


if __name__ == "__main__":
    main()
