# SPDX-License-Identifier: Apache-2.0
"""opamp-peer, a real server, as something a test can hold."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

# Long, because machines can be slow: nothing waits when all is well.
PATIENCE = 20.0

Event = dict[str, Any]


def program(tool: str = "peer") -> str:
    """The opamp-peer, or another tool, that was built with these sources."""
    build = Path(os.environ.get("OPAMP_BUILD", ROOT / "build" / "release"))
    return str(build / "libopamp" / "tools" / tool / f"opamp-{tool}")


class Peer:
    """A server under control: what it says is kept, and can be waited for."""

    def __init__(self, *arguments: str, listen: str = "127.0.0.1:0") -> None:
        self.process = subprocess.Popen(
            [program(), "--listen", listen, "--json", "--control", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.events: list[Event] = []
        self._came = threading.Condition()
        self._commands = 0
        assert self.process.stdout is not None
        first = json.loads(self.process.stdout.readline())
        self.address: str = first["address"]
        self.tls: bool = first["tls"]
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the server and its connections."""
        assert self.process.stdin is not None
        if not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._came:
                self.events.append(json.loads(line))
                self._came.notify_all()

    # --- what it is told

    def url(self, scheme: str = "ws") -> str:
        """Its address for a scheme, secure when it speaks TLS."""
        return f"{scheme}{'s' if self.tls else ''}://{self.address}/v1/opamp"

    def command(self, name: str, **fields: object) -> Event:
        """Has it do something; its result."""
        result = self._answer(name, **fields)
        assert result["ok"], result
        return result

    def _answer(self, name: str, **fields: object) -> Event:
        assert self.process.stdin is not None
        self._commands += 1
        wanted = self._commands
        line = json.dumps({"command": name, "id": wanted, **fields})
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.wait(lambda e: e["event"] == "result" and e["id"] == wanted)

    def offer(self, **files: str) -> None:
        """Offers a remote configuration."""
        self.command("offer_config", files={k: {"body": v} for k, v in files.items()})

    # --- what it saw

    def wait(
        self,
        wanted: Callable[[Event], bool],
        *,
        count: int = 1,
        timeout: float = PATIENCE,
    ) -> Event:
        """The `count`-th event that is wanted, as soon as it has come."""
        found: list[Event] = []
        seen = 0

        def enough() -> bool:
            nonlocal seen
            while seen < len(self.events):
                if wanted(self.events[seen]):
                    found.append(self.events[seen])
                seen += 1
            return len(found) >= count

        with self._came:
            came = self._came.wait_for(enough, timeout)
        if not came:
            kinds = [e["event"] for e in self.events]
            raise AssertionError(f"{len(found)} of {count} came; there were {kinds}")
        return found[count - 1]

    def wait_message(self, *fields: str, uid: object = None, count: int = 1) -> Event:
        """The first message of an agent that has all these fields."""
        found = self.wait(
            lambda e: (
                e["event"] == "message"
                and all(field in e["message"] for field in fields)
                and (uid is None or e["instance_uid"] == str(uid))
            ),
            count=count,
        )
        message: Event = found["message"]
        return message

    def wait_agents(self, count: int) -> set[str]:
        """The instance uids of the agents, once there are so many."""
        uids: set[str] = set()

        def enough(event: Event) -> bool:
            if event["event"] == "message":
                uids.add(event["instance_uid"])
            return len(uids) >= count

        self.wait(enough)
        return uids

    def of(self, kind: str) -> list[Event]:
        """All events of a kind so far."""
        self._catch_up()
        with self._came:
            return [e for e in self.events if e["event"] == kind]

    def _catch_up(self) -> None:
        """Everything the server has seen by now is then among the events.

        It says things in order, so an answer comes after what was before it;
        a command it does not know is answered, and changes nothing.
        """
        assert self.process.stdin is not None
        if not self.process.stdin.closed:
            assert not self._answer("catch_up")["ok"]

    @property
    def messages(self) -> list[Event]:
        """All AgentToServer so far."""
        return [e["message"] for e in self.of("message")]

    def sequences(self) -> dict[str, list[int]]:
        """The sequence numbers of each agent, in the order they came."""
        found: dict[str, list[int]] = {}
        for message in self.messages:
            numbers = found.setdefault(message["instance_uid"], [])
            numbers.append(message.get("sequence_num", 0))
        return found

    def disconnects(self) -> list[str]:
        """The instance uids of agents that said good-bye."""
        return [m["instance_uid"] for m in self.messages if "agent_disconnect" in m]


def is_consecutive(numbers: Sequence[int]) -> bool:
    """Whether numbers grow one by one."""
    return list(numbers) == list(range(numbers[0], numbers[0] + len(numbers)))


def body(message: Event, field: str, name: str) -> str:
    """The text of a file in an effective or remote configuration."""
    config = message[field]["config_map"]["config_map"][name]
    return base64.b64decode(config["body"]).decode()
