# SPDX-License-Identifier: Apache-2.0
"""The Python blocks of the pages, and programs that a test can hold."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

from peer import ROOT
from process import Process

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


class Program(Process):
    """One in Python, which says at once what it says."""

    def __init__(self, *words: str | Path, cwd: Path | None = None, **env: str) -> None:
        super().__init__(*words, cwd=cwd, **{"PYTHONUNBUFFERED": "1", **env})


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
