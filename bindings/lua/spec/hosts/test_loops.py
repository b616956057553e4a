# SPDX-License-Identifier: Apache-2.0
"""An agent in event loops of others: luv, Neovim's, cqueues, Tarantool's, and one
around poll()."""

from __future__ import annotations

from pathlib import Path

import pytest
from host import module
from peer import Peer, is_consecutive
from program import (
    EXAMPLES,
    Program,
    answered,
    interpreter,
    wait_health,
    wait_shown,
)

HERE = Path(__file__).resolve().parent

# Which loops there are, as Debian has them, and the Luas that they are for.
LOOPS = [
    *(f"luv-{lua}" for lua in ("5.1", "5.3", "5.4", "jit")),
    *(f"cqueues-{lua}" for lua in ("5.1", "5.3", "5.4")),
    *(f"posix-{lua}" for lua in ("5.1", "5.3")),
    "tarantool-jit",
    "nvim-jit",
]
# In which handlers may wait.
WAITING = [name for name in LOOPS if not name.startswith("posix")]

NEVER = 3600.0


class Loop(Program):
    """A loop with an agent in it, to which lines of input are commands."""

    def __init__(self, name: str, url: str, heartbeat: float, folder: Path) -> None:
        kind, lua = name.split("-")
        script = HERE / "loops" / f"on_{kind}.lua"
        command: list[str | Path] = [interpreter(lua), script, url, str(heartbeat)]
        env = module(lua)
        env["LUA_PATH"] = f"{HERE}/loops/?.lua;{EXAMPLES}/?.lua;{env['LUA_PATH']}"
        if kind == "tarantool":
            command[0] = "tarantool"
        elif kind == "nvim":
            init = HERE / "loops" / "on_luv.lua"
            command = ["nvim", "--headless", "-n", "-i", "NONE", "-u", init]
            env |= {"URL": url, "HEARTBEAT": str(heartbeat)}
        super().__init__(lua, *command, cwd=folder, **env)
        self.tell("start")

    def steps(self) -> int:
        """How many steps it has done."""
        self.tell("steps")
        return int(self.until("steps ").removeprefix("steps "))

    def check_idle(self, peer: Peer) -> None:
        """It does nothing between heartbeats: for each there is a step as its time
        has come, and one for the answer, and there may be some more."""
        messages, steps = len(peer.of("message")), self.steps()
        peer.wait_message(count=messages + 30)
        steps = self.steps() - steps
        messages = len(peer.of("message")) - messages
        assert steps <= 5 * messages

    def check_end(self) -> None:
        """It ends by itself when there is no more input and no client."""
        output = self.end()
        assert "fibers" not in output or "fibers 0" in output
        assert ("traceback" in output) is ("opamp: it failed" in output)


@pytest.mark.parametrize("scheme", ["ws", "http"])
@pytest.mark.parametrize("name", LOOPS)
def test_everything_through_the_descriptor(
    peer: Peer, tmp_path: Path, name: str, scheme: str
) -> None:
    """There is no heartbeat that would have it look."""
    with Loop(name, peer.url(scheme), NEVER, tmp_path) as loop:
        peer.wait_message("agent_description")
        peer.offer(app="one")
        assert answered(peer, "APPLIED") == ""
        wait_shown(peer, "app", "one")
        loop.tell("health from outside")
        wait_health(peer, "from outside")
        loop.tell("stop")
        loop.until("stopped")
        loop.check_end()
    assert peer.wait_message("agent_disconnect")
    assert all(is_consecutive(numbers) for numbers in peer.sequences().values())


@pytest.mark.parametrize("name", LOOPS)
def test_it_is_idle_between_heartbeats(peer: Peer, tmp_path: Path, name: str) -> None:
    with Loop(name, peer.url(), 0.02, tmp_path) as loop:
        peer.wait_message(count=5)
        loop.check_idle(peer)
        loop.tell("stop")
        loop.until("stopped")
        loop.check_end()


@pytest.mark.parametrize("name", WAITING)
def test_a_handler_that_waits(peer: Peer, tmp_path: Path, name: str) -> None:
    """The connection goes on, idle but for heartbeats, and the next offer has its
    turn after it."""
    with Loop(name, peer.url(), 0.02, tmp_path) as loop:
        peer.wait_message("agent_description")
        peer.offer(app="wait for it")
        loop.until("waiting")
        peer.offer(app="two")
        loop.check_idle(peer)
        assert not any("effective_config" in m for m in peer.messages)
        loop.tell("resume")
        loop.until("applied wait for it")
        loop.until("applied two")
        wait_shown(peer, "app", "two")
        loop.tell("stop")
        loop.until("stopped")
        loop.check_end()


@pytest.mark.parametrize("name", WAITING)
def test_a_handler_that_fails_later(peer: Peer, tmp_path: Path, name: str) -> None:
    # An error that others were told is found when there is something else to do.
    heartbeat = 0.02 if name == "luv-5.1" else NEVER
    with Loop(name, peer.url(), heartbeat, tmp_path) as loop:
        peer.wait_message("agent_description")
        peer.offer(app="wait and fail")
        loop.until("waiting")
        loop.tell("resume")
        text = answered(peer, "FAILED")
        if name == "luv-5.1":  # its coroutine is resumed by others, unprotected
            assert text == "an error that who resumed the handler was told"
        else:
            assert text == "it failed"
        loop.until(f"error {text}")
        if name == "tarantool-jit":
            loop.until("opamp: it failed")  # in its log
        peer.offer(app="two")
        assert answered(peer, "APPLIED") == ""
        loop.tell("stop")
        loop.until("stopped")
        loop.check_end()


@pytest.mark.parametrize("name", LOOPS)
def test_detached(peer: Peer, tmp_path: Path, name: str) -> None:
    """It is driven no more, and the loop has nothing left of it."""
    with Loop(name, peer.url(), 0.02, tmp_path) as loop:
        peer.wait_message(count=5)
        loop.tell("detach")
        loop.until("detached")
        steps = loop.steps()
        loop.tell("health nobody looks")
        assert loop.steps() == steps
        loop.check_end()
    assert not peer.disconnects()


@pytest.mark.parametrize("name", LOOPS)
def test_closed(peer: Peer, tmp_path: Path, name: str) -> None:
    with Loop(name, peer.url(), 0.02, tmp_path) as loop:
        peer.wait_message("agent_description")
        loop.tell("detach")
        loop.tell("close")
        loop.until("closed")
        loop.check_end()
    assert not peer.disconnects()


@pytest.mark.parametrize("name", LOOPS)
def test_closed_while_attached(peer: Peer, tmp_path: Path, name: str) -> None:
    """When there is something to do, too."""
    with Loop(name, peer.url(), NEVER, tmp_path) as loop:
        peer.wait_message("agent_description")
        loop.tell("health wakes it\nclose")
        loop.until("closed")
        loop.check_end()
    assert not peer.disconnects()


@pytest.mark.parametrize("name", LOOPS)
def test_closed_at_once(tmp_path: Path, name: str) -> None:
    """Before it was driven, or in between."""
    with Loop(name, "ws://127.0.0.1:1", 0.02, tmp_path) as loop:
        for _ in range(20):
            loop.tell("close\nnew\nstart")
        loop.tell("close")
        loop.check_end()
        assert loop.output.count("closed") == 21


@pytest.mark.parametrize("name", LOOPS)
def test_closed_by_a_handler(peer: Peer, tmp_path: Path, name: str) -> None:
    with Loop(name, peer.url(), NEVER, tmp_path) as loop:
        peer.wait_message("agent_description")
        peer.offer(app="close")
        peer.wait(lambda e: e["event"] == "closed")
        loop.check_end()
    assert not peer.disconnects()


@pytest.mark.parametrize("name", LOOPS)
def test_started_again(peer: Peer, tmp_path: Path, name: str) -> None:
    with Loop(name, peer.url(), NEVER, tmp_path) as loop:
        for count in (1, 2):
            peer.wait(lambda e: e["event"] == "connected", count=count)
            loop.tell(f"health {count}")
            wait_health(peer, str(count))
            loop.tell("stop")
            loop.until("stopped")
            if count == 1:
                loop.tell("start")
        loop.check_end()
    peer.wait_message("agent_disconnect", count=2)


@pytest.mark.parametrize("name", LOOPS)
def test_started_again_at_once(peer: Peer, tmp_path: Path, name: str) -> None:
    """In the handler that is told that it has stopped."""
    with Loop(name, peer.url(), 0.02, tmp_path) as loop:
        peer.wait_message("agent_description")
        loop.tell("again")
        loop.until("stopped")
        peer.wait_message("agent_description", count=2)
        peer.wait(lambda e: e["event"] == "message" and e["connection"] == 2, count=5)
        loop.check_idle(peer)
        loop.tell("detach")
        loop.until("detached")
        steps = loop.steps()
        loop.tell("health nobody looks")
        assert loop.steps() == steps
        loop.check_end()


def test_neovim_is_busy(peer: Peer, tmp_path: Path) -> None:
    """And does not burn processor time, as the agent has to wait for it."""
    with Loop("nvim-jit", peer.url(), NEVER, tmp_path) as loop:
        peer.wait_message("agent_description")
        loop.tell("block")
        loop.until("blocked")
        steps = loop.steps()
        peer.offer(app="one")
        for _ in range(300):
            assert loop.steps() == steps
        loop.tell("release")
        assert answered(peer, "APPLIED") == ""
        loop.tell("health free")
        wait_health(peer, "free")
        assert loop.steps() - steps <= 20
        loop.tell("stop")
        loop.until("stopped")
        loop.check_end()


SHARED = """
local opamp = require("opamp")
local loop = assert(opamp.loop())
local left = 3
local clients = {} -- or they would be collected
local at_end
local function stopped()
  left = left - 1
  if left == 0 then
    loop:close()
    io.stdout:write("closed\\n")
    if at_end then at_end() end
  end
end
for i = 1, left do
  local client = assert(opamp.new { url = arg[1], loop = loop })
  client:on("delivered", function() client:stop() end)
  client:on("stopped", stopped)
  client:set_health { healthy = true, status = "shared" }
  client:start()
  clients[i] = client
end
"""
RUN = {
    "luv-5.4": 'require("opamp.luv").attach(loop) require("luv").run()',
    "cqueues-5.4": """
local controller = require("cqueues").new()
require("opamp.cqueues").attach(loop, controller)
assert(controller:loop())
""",
    "tarantool-jit": """
local closed = require("fiber").cond()
function at_end() closed:signal() end
require("opamp.tarantool").attach(loop)
if not loop:is_closed() then closed:wait() end
os.exit(0)
""",
}


@pytest.mark.parametrize("name", RUN)
def test_a_loop_of_clients(peer: Peer, tmp_path: Path, name: str) -> None:
    kind, lua = name.split("-")
    path = tmp_path / "shared.lua"
    path.write_text(SHARED + RUN[name])
    program = kind if kind == "tarantool" else interpreter(lua)
    with Program(lua, program, path, peer.url()) as process:
        assert process.end() == "closed\n"
    peer.wait_message("agent_disconnect", count=3)
    assert len(peer.sequences()) == 3


def test_closed_by_the_end_of_a_block(peer: Peer, tmp_path: Path) -> None:
    path = tmp_path / "block.lua"
    path.write_text("""
do
  local client <close> = assert(require("opamp").new { url = arg[1] })
  require("opamp.luv").attach(client)
end
require("luv").run()
""")
    with Program("5.4", "lua5.4", path, peer.url()) as process:
        assert process.end() == ""


@pytest.mark.parametrize("name", LOOPS)
def test_no_server(tmp_path: Path, name: str) -> None:
    """It may be stopped before it was ever connected."""
    with Loop(name, "ws://127.0.0.1:1", NEVER, tmp_path) as loop:
        loop.tell("stop")
        loop.until("stopped")
        loop.check_end()
