# SPDX-License-Identifier: Apache-2.0
"""The Python blocks of the pages, and programs that a test can hold."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from peer import PATIENCE, ROOT

BINDING = ROOT / "bindings" / "python"
EXAMPLES = BINDING / "examples"
PAGES = BINDING / "doc"

# The server of the texts; a test has one of its own in its place.
ADDRESS = "127.0.0.1:4320"
SCHEMES = ("wss", "ws", "https", "http")

_FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DIRECTIVE = re.compile(
    r"^\.\. code-block:: python\n((?:   :.*\n)*)\n((?:(?:   .*)?\n)+)", re.MULTILINE
)
_INI = re.compile(
    r"^\.\. code-block:: ini\n   :caption: (\S+)\n\n((?:(?:   .*)?\n)+)", re.MULTILINE
)
_NAME = re.compile(r"^   :name: (\S+)$", re.MULTILINE)


def blocks() -> dict[str, str]:
    """Every Python block of the README and the pages, by name."""
    found: dict[str, str] = {}
    text = (BINDING / "README.md").read_text()
    for number, match in enumerate(_FENCE.finditer(text), 1):
        found[f"readme-{number}"] = match[1]
    for page in sorted(PAGES.glob("*.rst")):
        for match in _DIRECTIVE.finditer(page.read_text()):
            name = _NAME.search(match[1])
            assert name is not None, f"{page.name}: a block has no name: {match[2]}"
            assert name[1] not in found, f"{page.name}: {name[1]} is there twice"
            found[name[1]] = textwrap.dedent(match[2])
    return found


def ini_files() -> dict[str, str]:
    """Every configuration file of the page about processes, by its name."""
    text = (PAGES / "processes.rst").read_text()
    return {match[1]: textwrap.dedent(match[2]) for match in _INI.finditer(text)}


class Program:
    """A process that a test talks to."""

    def __init__(self, *words: str | Path, cwd: Path | None = None, **env: str) -> None:
        self.process = subprocess.Popen(
            [str(word) for word in words],
            cwd=cwd,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = ""

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

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

    def end(self, number: int | None = signal.SIGINT, status: int = 0) -> str:
        """Has it end, by a signal or else by the end of its input; all that it
        wrote."""
        if number is not None:
            self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=PATIENCE)
        self.output += rest
        assert self.process.returncode == status, self.output
        return self.output


def example(name: str, *arguments: str | Path) -> Program:
    """Starts one of the examples."""
    return Program(sys.executable, "-W", "error", EXAMPLES / name, *arguments)


def script(text: str, url: str, cwd: Path | None = None) -> Program:
    """Starts a text as a program, with another server than in it."""
    for server in (
        f"http://{ADDRESS}/v1/opamp",
        *(f"{s}://{ADDRESS}" for s in SCHEMES),
    ):
        text = text.replace(server, url)
    return Program(sys.executable, "-c", text, cwd=cwd)
