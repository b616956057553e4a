# SPDX-License-Identifier: Apache-2.0
"""Programs in Lua that a test talks to."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from host import module
from peer import ROOT, Event, Peer, body
from process import Process

BINDING = ROOT / "bindings" / "lua"
EXAMPLES = BINDING / "examples"
PAGES = BINDING / "doc"

LUAS = ("5.1", "5.2", "5.3", "5.4", "jit")

# Ends by it; a shell has it ignored in what runs in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)


def interpreter(lua: str) -> str:
    """The program for a version."""
    return "luajit" if lua == "jit" else f"lua{lua}"


class Program(Process):
    """One that finds the module for a Lua."""

    def __init__(
        self, lua: str, *words: str | Path, cwd: Path | None = None, **env: str
    ) -> None:
        super().__init__(*words, cwd=cwd, **{**module(lua), **env})


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
