# SPDX-License-Identifier: Apache-2.0
"""opamp-go's server and an agent in Python, agent.py."""

from __future__ import annotations

import sys
from pathlib import Path

import opamp_go
import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return opamp_go.build(tmp_path_factory.mktemp("go"))


@pytest.mark.parametrize("scheme", opamp_go.SCHEMES)
def test_against_opamp_go(server: Path, tmp_path: Path, scheme: str) -> None:
    agent = [sys.executable, "-W", "error", str(HERE / "agent.py")]
    opamp_go.passes(server, agent, scheme, tmp_path)
