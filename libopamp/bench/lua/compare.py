# SPDX-License-Identifier: Apache-2.0
"""compare.py --build DIR --modules DIR: the Lua binding beside bare Lua, the C
library and a bare nginx, in one run.

DIR/5.1/opamp/core.so and so on are the modules. Times of one run can be
compared with each other only, so that every figure stands beside the others; a
target is printed, and judges nothing.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(HERE.parent / "peers"), str(ROOT / "tests" / "python"),
                str(ROOT / "tests" / "c" / "tools"),
                str(ROOT / "bindings" / "lua" / "spec" / "hosts")]

import worker  # noqa: E402
from authority import Authority  # noqa: E402
from peer import Peer  # noqa: E402

LUAS = {"LuaJIT": "jit", "5.4": "5.4", "5.3": "5.3", "5.1": "5.1"}
LIMIT_S = 60


class Lua:
    """One interpreter, with the module that was built for it."""

    def __init__(self, name, modules):
        self.name, version = name, LUAS[name]
        self.program = "luajit" if version == "jit" else f"lua{version}"
        self.env = {
            **os.environ,
            "LUA_PATH": f"{ROOT}/bindings/lua/lua/?.lua;;",
            "LUA_CPATH": f"{modules}/{version}/?.so;;"}

    def command(self, script, *arguments):
        return [self.program, str(HERE / script), *arguments]

    def run(self, script, *arguments):
        """The figures that a script prints, by their names."""
        done = subprocess.run(
            self.command(script, *arguments), env=self.env, check=True,
            stdout=subprocess.PIPE, text=True, timeout=LIMIT_S)
        rows = (line.split() for line in done.stdout.splitlines())
        return {name: float(value) for name, value in rows}

    def resident(self, *arguments):
        """KB: private, what of it was written, and all."""
        with subprocess.Popen(
                self.command("resident.lua", *arguments), env=self.env,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                text=True) as process:
            assert process.stdout.readline() == "ready\n"
            found = {}
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
            for line in rollup.splitlines()[1:]:
                key, value, *_ = line.split()
                found[key[:-1]] = int(value)
            process.communicate("\n", LIMIT_S)
        assert process.returncode == 0
        written = found["Private_Dirty"]
        return {"private": found["Private_Clean"] + written,
                "written": written, "all": found["Rss"]}


def table(title, columns, rows):
    """Rows are a title and a number for each column, or a text."""
    print(f"\n{title:38}" + "".join(f"{name:>14}" for name in columns))
    for name, values, digits in rows:
        print(f"  {name:36}"
              + "".join(f"{value:14.{digits}f}" for value in values))


STEP_ROWS = [("c_us", "opamp_loop_poll(0) in C, µs", 3),
             ("empty_us", "an empty function, µs", 4),
             ("method_us", "client:is_closed(), µs", 3),
             ("poll_us", "opamp.core's poll, µs", 3),
             ("step_us", "client:step(), µs", 3),
             ("garbage", "garbage of a step, bytes", 0)]


def steps(luas, library, url):
    """A connected agent with nothing to do. C is measured anew for each Lua,
    so that both meet the same machine."""
    jit = luas[0]
    found = [{**jit.run("floor.lua", library, url), **lua.run("step.lua", url)}
             for lua in luas]
    rows = [(title, [f[key] for f in found], digits)
            for key, title, digits in STEP_ROWS]
    ratio = [f["step_us"] / f["c_us"] for f in found]
    table("nothing to do, connected", [lua.name for lua in luas],
          [*rows, ("step beside C, x", ratio, 2)])
    print("  targets for a step: 2 µs on LuaJIT, 4 µs on 5.4, 0 bytes")


MESSAGE_ROWS = [
    ("offer_us", "100 files of 1 KiB, wire to handler", 0),
    ("offer_floor_us", "  the same strings and tables by Lua", 0),
    ("encode_us", "a health of 4 components: encode", 2),
    ("decode_us", "  decode", 2),
    ("health_floor_us", "  copied by Lua", 2)]


def messages(luas):
    found = [lua.run("messages.lua") for lua in luas]
    rows = [(title, [f[key] for f in found], digits)
            for key, title, digits in MESSAGE_ROWS]
    ratio = [f["offer_us"] / f["offer_floor_us"] for f in found]
    table("messages, µs", [lua.name for lua in luas],
          [*rows, ("files beside Lua alone, x", ratio, 2)])


def memory(luas, peer, tls_peer, ca):
    """What a process of its own has more than bare Lua."""
    kinds = {"module": [], "ws": [peer.url("ws")],
             "http": [peer.url("http")], "wss": [tls_peer.url("ws"), ca]}
    for lua in luas:
        bare = lua.resident()
        more = [lua.resident("opamp", *arguments)
                for arguments in kinds.values()]
        rows = [(title, [bare[key], *(m[key] - bare[key] for m in more)], 0)
                for key, title in (("private", "private"),
                                   ("written", "  of it written to"),
                                   ("all", "with what is shared"))]
        table(f"memory with {lua.name}, KB",
              ["bare", *(f"+ {kind}" for kind in kinds)], rows)
    print("  target for a WebSocket client: + 2048 private; wss has the "
          "system's authorities")


def memory_beside_servers(luas, folder):
    authority = Authority(Path(folder) / "authority")
    certificate = authority.file("server.pem"), authority.file("server.key")
    with Peer() as peer, Peer("--tls-cert", str(certificate[0]),
                              "--tls-key", str(certificate[1])) as tls_peer:
        memory(luas, peer, tls_peer, str(authority.file("ca.pem")))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--build", required=True)
    arguments.add_argument("--modules", required=True)
    options = arguments.parse_args()
    build, modules = Path(options.build), Path(options.modules).resolve()
    os.environ["OPAMP_BUILD"] = str(build.resolve())
    os.environ["OPAMP_LUA_PATH"] = f"{ROOT}/bindings/lua/lua/?.lua"
    os.environ["OPAMP_LUA_CPATH_JIT"] = f"{modules}/jit/?.so"
    luas = [Lua(name, modules) for name in LUAS]
    library = str(build.resolve() / "libopamp" / "libopamp.so")
    with tempfile.TemporaryDirectory() as folder:
        # First, as nginx would share the module with LuaJIT.
        memory_beside_servers(luas[:2], folder)
        # Its heartbeat is due in the middle of its time.
        with Peer() as peer, worker.Workers(peer, folder) as workers:
            with Peer() as other:
                steps(luas, library, other.url())
            messages(luas)
            worker.tell(*workers.measure())


if __name__ == "__main__":
    main()
