# SPDX-License-Identifier: Apache-2.0
"""Between an agent and its server: passes bytes on, and does harm to them.

What happens to the n-th connection of an agent is drawn from the seed, the
agent's name and n alone, so that a seed replays it."""
import asyncio
import random
import socket
import struct

LINGER_0 = struct.pack("ii", 1, 0)
PATIENCE = 1.0  # s; for a side that does not notice that it is stalled
# Fatal: handshake_failure, certificate_expired, internal_error; and
# close_notify, as if all were well.
ALERTS = [bytes([21, 3, 3, 0, 2, level, what])
          for level, what in ((2, 40), (2, 45), (2, 80), (1, 0))]


def abort(writer):
    """Ends a connection with a TCP reset."""
    sock = writer.get_extra_info("socket")
    if sock is not None and not writer.transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
    writer.transport.abort()


class Plan:
    """What becomes of a connection: after so many bytes in one direction."""

    def __init__(self, seed, agent, nth):
        draw = random.Random(f"{seed} {agent} {nth}")
        self.kind = draw.choice(["reset", "reset", "half", "half", "stall",
                                 "garbage", "alert", "none", "none"])
        self.up = draw.random() < 0.4
        # Evenly over orders of magnitude: in the handshake, in the upgrade, in
        # the messages.
        self.after = int(2 ** draw.uniform(0, 13))
        self.garbage = draw.randbytes(int(2 ** draw.uniform(0, 9)))
        self.alert = draw.choice(ALERTS)


class Link:
    """One connection of an agent, and the one to the server for it."""

    def __init__(self, proxy, plan, agent, server):
        self.proxy, self.plan = proxy, plan
        self.agent, self.server = agent, server
        self.over = asyncio.Event()

    async def pump(self, source, sink, up):
        passed = 0
        try:
            while data := await source[0].read(65536):
                if (not self.proxy.calm and self.plan.kind != "none"
                        and self.plan.up == up
                        and passed + len(data) >= self.plan.after):
                    sink[1].write(data[:self.plan.after - passed])
                    await sink[1].drain()
                    await self.harm()
                    break
                sink[1].write(data)
                await sink[1].drain()
                passed += len(data)
        except OSError:
            pass
        self.over.set()

    async def harm(self):
        plan, agent = self.plan, self.agent[1]
        self.proxy.count(plan.kind)
        if plan.kind == "stall":
            # Nothing is read either, but for seeing who gives up.
            try:
                await asyncio.wait_for(self.over.wait(), PATIENCE)
            except asyncio.TimeoutError:
                pass
        if plan.kind in ("garbage", "alert"):
            agent.write(plan.garbage if plan.kind == "garbage"
                        else plan.alert)
            await agent.drain()
        if plan.kind in ("reset", "stall"):
            abort(agent)
            abort(self.server[1])

    async def run(self):
        pumps = [asyncio.ensure_future(pump) for pump in (
            self.pump(self.agent, self.server, True),
            self.pump(self.server, self.agent, False))]
        await self.over.wait()
        for writer in (self.agent[1], self.server[1]):
            writer.close()
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


class Proxy:
    """For one agent; `calm` stops all harm. `count(kind)` is told of it."""

    def __init__(self, seed, agent, server_port, count):
        self.seed, self.agent, self.server_port = seed, agent, server_port
        self.count, self.calm, self.nth = count, False, 0
        self.links = set()

    async def start(self):
        self.listener = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.port = self.listener.sockets[0].getsockname()[1]

    async def accept(self, *agent):
        plan = Plan(self.seed, self.agent, self.nth)
        self.nth += 1
        try:
            server = await asyncio.open_connection("127.0.0.1",
                                                   self.server_port)
        except OSError:
            abort(agent[1])
            return
        link = Link(self, plan, agent, server)
        self.links.add(link)
        try:
            await link.run()
        except asyncio.CancelledError:
            pass  # the end of the run, which asyncio would tell of
        finally:
            self.links.discard(link)

    async def stop(self):
        self.listener.close()
        for link in list(self.links):
            link.over.set()
        while self.links:
            await asyncio.sleep(0)
