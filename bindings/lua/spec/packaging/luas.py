# SPDX-License-Identifier: Apache-2.0
"""The Luas of this machine, and what they find where."""

from __future__ import annotations

import os
import re
from pathlib import Path

from building import ROOT, output
from peer import Peer

BINDING = ROOT / "bindings" / "lua"
SOURCES = BINDING / "lua"

PROGRAMS = {
    "5.1": "lua5.1",
    "5.2": "lua5.2",
    "5.3": "lua5.3",
    "5.4": "lua5.4",
    "jit": "luajit",
}

# Prints where the module came from, after it has connected to each URL.
AGENT = """
local opamp = require "opamp"
for _, url in ipairs(arg) do
  local client = assert(opamp.new { url = url, state_dir = nil })
  local connected, why = false, "nothing happened"
  client:on("connected", function() connected = true end)
  client:on("connect_failed", function(event) why = event.error end)
  client:start()
  client:run { until_ = function() return connected end, timeout = 20 }
  assert(connected, url .. ": " .. why)
  client:close()
end
print(opamp.features().version)
"""


def abi(lua: str) -> str:
    """The version in the names of its folders."""
    return "5.1" if lua == "jit" else lua


def connects(
    lua: str, lua_dir: Path, lib_dir: Path, peer: Peer, folder: Path, **env: str
) -> None:
    """A Lua that finds modules there, and nowhere else, has a working one."""
    script = folder / "agent.lua"
    script.write_text(AGENT)
    paths = {"LUA_PATH": f"{lua_dir}/?.lua", "LUA_CPATH": f"{lib_dir}/?.so"}
    urls = [peer.url("ws"), peer.url("http")]
    everything = {**os.environ, **paths, **env}
    said = output(PROGRAMS[lua], script, *urls, env=everything, cwd=folder)
    assert said == "0.1.0\n"


def lua_files(folder: Path = SOURCES) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.lua")}


def needed(module: Path) -> set[str]:
    """The libraries that are loaded with a module."""
    dynamic = output("readelf", "--dynamic", "--wide", module)
    return set(re.findall(r"\(NEEDED\).*\[(lib[^]]*?)\.so", dynamic))
