# SPDX-License-Identifier: Apache-2.0
"""The programs of a chaos run: opamp-agent with what was set in it, opamp-peer
with what it has learned."""
import asyncio
import base64
import json
import os

LINE = 1 << 20  # the longest line of events
# Short, so that a fault costs milliseconds.
TIMES = """--connect-timeout=400 --request-timeout=400 --response-timeout=400
    --ping-interval=150 --pong-timeout=150 --backoff-min=5 --backoff-max=40
    --reconnect-delay=20 --useful-after=50 --throttle-wait=20
    --poll-interval=50 --heartbeat=200""".split()


def config_of(message):
    """The number in the file f of a config map, as text; "" none."""
    files = message.get("config_map", {}).get("config_map", {})
    return base64.b64decode(files.get("f", {}).get("body", "")).decode()


class Program:
    """With commands in and events out, both JSON lines."""

    async def start(self, *command, env=None):
        self.results, self.ids = {}, 0
        self.process = await asyncio.create_subprocess_exec(
            *command, "--json", "--control", stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, limit=LINE,
            env={**os.environ, **(env or {})})
        self.pid = self.process.pid
        self.reading = asyncio.ensure_future(self.read())

    async def read(self):
        async for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "result":
                self.results.pop(event["id"]).set_result(event)
            else:
                self.on_event(event)
        for waiting in self.results.values():
            waiting.cancel()

    def on_event(self, event):
        pass

    async def command(self, command, **keys):
        """Its result."""
        self.ids += 1
        line = json.dumps({"command": command, "id": self.ids, **keys})
        result = asyncio.get_running_loop().create_future()
        self.results[self.ids] = result
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()
        return await result

    async def stop(self):
        """How it ended."""
        self.process.stdin.close()
        code = await self.process.wait()
        await self.reading
        return code

    def kill(self):
        if self.process.returncode is None:
            self.process.kill()

    # --- what the kernel says ---

    def files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def rss_kb(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


class Agent(Program):
    """Each thing set has a number, one more each time."""

    def __init__(self, name, scheme, server):
        self.name, self.scheme, self.server = name, scheme, server
        self.numbers = dict.fromkeys(("health", "description", "declared"), 0)

    async def begin(self, program, port, ca, env):
        await self.start(
            program, *TIMES, f"--ca={ca}", f"--service-name={self.name}",
            "--answer=applied", "--capabilities=+ReportsEffectiveConfig",
            f"{self.scheme}://localhost:{port}/", env=env)

    async def set_next(self, what):
        self.numbers[what] += 1
        n = str(self.numbers[what])
        if what == "health":
            result = await self.command("set_health", health={
                "healthy": True, "status": n})
        elif what == "description":
            result = await self.command(
                "set_description", identifying={"service.name": self.name},
                non_identifying={"n": n})
        else:
            result = await self.command("set_custom_capabilities",
                                        capabilities=[f"n.{n}"])
        assert result["ok"], result

    async def undelivered(self):
        return (await self.command("state"))["state"]["undelivered"]

    def lost(self, offered):
        """What the server does not know: a list of texts."""
        view = self.server.view(self.name)
        n = {what: str(number) for what, number in self.numbers.items()}
        attributes = view.get("agent_description", {}).get(
            "non_identifying_attributes", [])
        known = {
            "health": view.get("health", {}).get("status"),
            "description": next((a["value"].get("string_value")
                                 for a in attributes if a["key"] == "n"), None),
            "declared": "".join(view.get("custom_capabilities", {}).get(
                "capabilities", []))[2:]}
        lost = [f"{what} {n[what]}: the server knows {known[what]}"
                for what in n if n[what] != "0" and n[what] != known[what]]
        status = view.get("remote_config_status", {})
        if (status.get("status") != "APPLIED"
                or status.get("last_remote_config_hash")
                not in self.server.hashes.get(offered, ())):
            lost.append(f"the answer to offer {offered}: the server knows "
                        f"{status}")
        # What it runs with is what it was offered.
        if config_of(view.get("effective_config", {})) != offered:
            lost.append(f"effective config {offered}: the server knows "
                        f"{view.get('effective_config')}")
        return lost


class Peer(Program):
    def __init__(self):
        self.views, self.names, self.numbers = {}, {}, {}
        self.messages, self.connections = 0, []
        self.hashes = {}  # of the offers, by the number in them
        self.listening = asyncio.Event()

    async def begin(self, program, config_dir, *more):
        await self.start(program, "--listen=127.0.0.1:0",
                         f"--config-dir={config_dir}", *more)
        await self.listening.wait()

    def on_event(self, event):
        kind = event["event"]
        if kind == "listening":
            self.port = int(event["address"].rsplit(":", 1)[1])
            self.listening.set()
        elif kind == "connected":
            self.connections.append(event["connection"])
        elif kind == "closed" and event["connection"] in self.connections:
            self.connections.remove(event["connection"])
        elif kind == "message":
            self.learn(event["instance_uid"], event["sequence_num"],
                       event["message"])
        elif kind == "sent":
            self.note_offer(event.get("message", {}))

    def learn(self, uid, number, message):
        self.messages += 1
        # A request that was given up while a server did not read, and read
        # after those that followed: its number says that it is old.
        if number < self.numbers.get(uid, 0):
            return
        self.numbers[uid] = number
        self.views.setdefault(uid, {}).update(message)
        for attribute in message.get("agent_description", {}).get(
                "identifying_attributes", []):
            if attribute["key"] == "service.name":
                self.names[attribute["value"]["string_value"]] = uid

    def note_offer(self, message):
        offer = message.get("remote_config")
        if offer:
            number = config_of({"config_map": offer["config"]})
            self.hashes.setdefault(number, set()).add(offer["config_hash"])

    def view(self, name):
        return self.views.get(self.names.get(name), {})
