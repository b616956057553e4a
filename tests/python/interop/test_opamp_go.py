# SPDX-License-Identifier: Apache-2.0
"""opamp-go's server, the reference implementation, and an agent in Python: the
tests that opamp-agent has to pass (tests/c/interop), with agent.py in its
place."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
GO_TESTS = HERE.parents[1] / "c" / "interop"

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
    "untrusted certificate",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program with the tests."""
    folder = tmp_path_factory.mktemp("go")
    built = subprocess.run(
        [str(GO_TESTS / "run.sh"), "build", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode == 77:
        pytest.skip(built.stderr)
    assert built.returncode == 0, built.stderr
    return folder / "refserver.test"


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """agent.py as a command."""
    command = tmp_path_factory.mktemp("agent") / "agent"
    words = shlex.join([sys.executable, "-W", "error", str(HERE / "agent.py")])
    command.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    command.chmod(0o755)
    return command


@pytest.mark.skipif(
    shutil.which("go") is None and os.environ.get("OPAMP_INTEROP_REQUIRED") != "1",
    reason="there is no Go",
)
@pytest.mark.parametrize("scheme", ["ws", "wss", "http", "https"])
def test_against_opamp_go(server: Path, agent: Path, scheme: str) -> None:
    # Go writes blanks in names as underscores.
    names = "|".join(check.replace(" ", "_") for check in CHECKS)
    done = subprocess.run(
        [
            *(str(server), "-test.parallel", "4", "-test.timeout", "120s", "-test.v"),
            *("-test.run", f"^TestAgent$/^{scheme}$/^({names})$"),
        ],
        env={**os.environ, "OPAMP_AGENT": str(agent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    passed = done.stdout.count(f"--- PASS: TestAgent/{scheme}/")
    expected = len(CHECKS) - (scheme in ("ws", "http"))  # no certificate there
    assert passed == expected, done.stdout[-8000:]
