# SPDX-License-Identifier: Apache-2.0
"""opamp-go's server and an agent in Lua, agent.lua."""

from __future__ import annotations

import os
from pathlib import Path

import opamp_go
import pytest
from host import module
from program import interpreter

HERE = Path(__file__).resolve().parent

# With those of every agent they are all that there are.
MORE = (
    "throttled",
    "unauthorised",
    "server unavailable",
    "bad request",
    "compression",
    "settings: another server",
    "settings: headers",
    "settings: heartbeat interval",
    "settings: proxy",
    "settings: mute server",
    "settings: over a restart",
)
MORE_TLS = (
    "settings: authority",
    "settings: weaker TLS",
    "settings: client certificate",
    "settings: certificate request",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return opamp_go.build(tmp_path_factory.mktemp("go"))


@pytest.mark.parametrize("scheme", opamp_go.SCHEMES)
@pytest.mark.parametrize("lua", ["5.4", "jit"])
def test_interop(
    server: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lua: str,
    scheme: str,
) -> None:
    for name, value in module(lua).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LUA_PATH", f"{HERE}/?.lua;{os.environ['LUA_PATH']}")
    agent = [interpreter(lua), str(HERE / "agent.lua")]
    opamp_go.passes(server, agent, scheme, tmp_path, MORE, MORE_TLS)
