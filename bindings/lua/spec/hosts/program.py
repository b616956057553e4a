# SPDX-License-Identifier: Apache-2.0
"""Programs in Lua that a test talks to."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from host import module
from peer import PATIENCE, ROOT, Event, Peer, body

if TYPE_CHECKING:
    from typing_extensions import Self

BINDING = ROOT / "bindings" / "lua"
EXAMPLES = BINDING / "examples"
PAGES = BINDING / "doc"

LUAS = ("5.1", "5.2", "5.3", "5.4", "jit")

# Ends by it; a shell has it ignored in what runs in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)


def interpreter(lua: str) -> str:
    """The program for a version."""
    return "luajit" if lua == "jit" else f"lua{lua}"


class Program:
    """A process that finds the module for a Lua; its output and its errors are
    one text."""

    def __init__(
        self, lua: str, *words: str | Path, cwd: Path | None = None, **env: str
    ) -> None:
        self.process = subprocess.Popen(
            [str(word) for word in words],
            cwd=cwd,
            env={**os.environ, **module(lua), **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = ""
        self.ended = False
        # Ends what reads from it, too.
        self._watchdog = threading.Timer(3 * PATIENCE, self.process.kill)
        self._watchdog.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.cancel()
        if self.process.poll() is None:
            self.process.kill()
        if not self.ended:
            self.output += self.process.communicate()[0]
        print(self.output)  # shown when a test fails

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def line(self) -> str:
        """The next line that it writes."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.output += line
        return line.rstrip("\n")

    def until(self, text: str) -> str:
        """The next line that has `text` in it."""
        while text not in (line := self.line()):
            assert line or self.process.poll() is None, self.output
        return line

    def end(
        self, number: int | None = None, status: int = 0, timeout: float = PATIENCE
    ) -> str:
        """It ends: by a signal, or else by itself when its input has ended; all
        that it wrote."""
        if number is not None:
            self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=timeout)
        self.ended = True
        self.output += rest
        assert self.process.returncode == status, self.output
        return self.output


def script(lua: str, folder: Path, text: str, *arguments: str) -> Program:
    """Runs a text as a file."""
    path = folder / "script.lua"
    path.write_text(text)
    return Program(lua, interpreter(lua), path, *arguments, cwd=folder)


def wait_said(peer: Peer, wanted: Callable[[Event], bool], count: int = 1) -> Event:
    """The message of an agent that is wanted."""
    found = peer.wait(
        lambda e: e["event"] == "message" and wanted(e["message"]), count=count
    )
    message: Event = found["message"]
    return message


def answered(peer: Peer, status: str, text: str = "") -> str:
    """The text that an agent gave with a status of a remote configuration: the
    first with `text` in it."""

    def wanted(message: Event) -> bool:
        said = message.get("remote_config_status", {})
        return said.get("status") == status and text in said.get("error_message", "")

    said = wait_said(peer, wanted)["remote_config_status"]
    return str(said.get("error_message", ""))


def wait_health(peer: Peer, status: str) -> Event:
    """Until an agent's health has a status that begins so."""

    def wanted(message: Event) -> bool:
        return str(message.get("health", {}).get("status")).startswith(status)

    health: Event = wait_said(peer, wanted)["health"]
    return health


def wait_shown(peer: Peer, name: str, text: str) -> None:
    """Until a file of an agent's effective configuration is this text."""
    wait_said(
        peer,
        lambda m: (
            "effective_config" in m and body(m, "effective_config", name) == text
        ),
    )
