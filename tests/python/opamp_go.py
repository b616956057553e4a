# SPDX-License-Identifier: Apache-2.0
"""opamp-go's server, the reference implementation, and any agent: the tests that
opamp-agent has to pass (tests/c/interop), with another program in its place."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from peer import ROOT

SCHEMES = ("ws", "wss", "http", "https")

CHECKS = (
    "full state first",
    "sequence numbers grow by one",
    "unchanged fields are left out",
    "ReportFullState",
    "health tree",
    "description",
    "effective configuration",
    "remote configuration applied",
    "remote configuration failed",
    "the same hash again",
    "custom messages both ways",
    "undeclared custom capability",
    "identity",
    "restart command",
    "available components",
    "capabilities at run time",
    "batch",
    "heartbeats",
    "stop says goodbye",
    "end of input stops",
    "broken connection",
    "message for another agent",
)
TLS_CHECKS = ("untrusted certificate",)


def build(folder: Path) -> Path:
    """Compiles the program with the tests. Without Go what wants it is skipped,
    unless OPAMP_INTEROP_REQUIRED is 1."""
    built = subprocess.run(
        [str(ROOT / "tests" / "c" / "interop" / "run.sh"), "build", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode == 77:
        pytest.skip(built.stderr)
    assert built.returncode == 0, built.stderr
    return folder / "refserver.test"


def passes(
    server: Path,
    agent: list[str],
    scheme: str,
    folder: Path,
    more: tuple[str, ...] = (),
    more_tls: tuple[str, ...] = (),
) -> None:
    """An agent, the words of a command, passes the checks, and some more."""
    command = folder / "agent"
    command.write_text(f'#!/bin/sh\nexec {shlex.join(agent)} "$@"\n')
    command.chmod(0o755)
    checks = CHECKS + more
    if scheme in ("wss", "https"):
        checks += TLS_CHECKS + more_tls
    # Go writes blanks in names as underscores.
    names = "|".join(check.replace(" ", "_") for check in checks)
    done = subprocess.run(
        [
            *(str(server), "-test.parallel", "4", "-test.timeout", "120s", "-test.v"),
            *("-test.run", f"^TestAgent$/^{scheme}$/^({names})$"),
        ],
        env={**os.environ, "OPAMP_AGENT": str(command)},
        capture_output=True,
        text=True,
        errors="replace",  # it shows messages, in which bytes are
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    passed = done.stdout.count(f"--- PASS: TestAgent/{scheme}/")
    assert passed == len(checks), done.stdout[-8000:]
