# SPDX-License-Identifier: Apache-2.0
"""The examples that are agents by themselves do what they say."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from peer import Peer, body
from program import (
    EXAMPLES,
    LUAS,
    Program,
    answered,
    interpreter,
    wait_health,
    wait_shown,
)


def example(name: str, lua: str, *arguments: str) -> Program:
    """Starts one, on a Lua."""
    program = "tarantool" if name.startswith("tarantool") else interpreter(lua)
    return Program(lua, program, EXAMPLES / name, *arguments)


@pytest.mark.parametrize("lua", LUAS)
def test_first(tmp_path: Path, lua: str) -> None:
    (tmp_path / "app.conf").write_text("interval = 5\n")
    with (
        Peer("--config-dir", str(tmp_path)) as peer,
        example("first_agent.lua", lua, peer.url()) as agent,
    ):
        assert answered(peer, "APPLIED") == ""
        (tmp_path / "app.conf").write_text("interval = 6\n")
        peer.wait_message("remote_config_status", count=2)
        said = agent.end(signal.SIGINT, status=1)
    assert "app.conf is now: interval = 5\n" in said
    assert "app.conf is now: interval = 6\n" in said


def test_first_is_as_short_as_it_is_said() -> None:
    lines = (EXAMPLES / "first_agent.lua").read_text().splitlines()
    assert len([x for x in lines if x and not x.startswith("--")]) == 12


@pytest.mark.parametrize("lua", LUAS)
def test_plain(peer: Peer, lua: str) -> None:
    with example("plain_agent.lua", lua, peer.url()) as agent:
        wait_shown(peer, "plain.conf", "interval = 1\nlimit = 1000000\n")
        wait_health(peer, "run 1")
        for line in ("interval 5", "colour = 5"):
            peer.offer(**{"plain.conf": line})
            why = f"not understood: {line}"
            assert answered(peer, "FAILED", why) == why
        peer.offer(**{"plain.conf": "interval = 0.01\n"})
        assert answered(peer, "APPLIED") == ""
        wait_shown(peer, "plain.conf", "interval = 0.01\nlimit = 1000000\n")
        wait_health(peer, "run 1")
        assert agent.end(signal.SIGINT) == ""
    peer.wait_message("agent_disconnect")


LOOPS = [
    *(("luv_agent.lua", lua) for lua in ("5.1", "5.3", "5.4", "jit")),
    *(("cqueues_agent.lua", lua) for lua in ("5.1", "5.3", "5.4")),
]


@pytest.mark.parametrize(("name", "lua"), LOOPS)
def test_loops(peer: Peer, name: str, lua: str) -> None:
    fast = "20" if "luv" in name else "0.02"
    with example(name, lua, peer.url()) as agent:
        wait_shown(peer, "interval", "1000" if "luv" in name else "1")
        peer.offer(interval="often")
        assert answered(peer, "FAILED").startswith("interval: a number of ")
        peer.offer(interval=fast)
        assert answered(peer, "APPLIED") == ""
        wait_shown(peer, "interval", fast)
        wait_health(peer, "tick 20")
        assert agent.end(signal.SIGINT) == ""
    peer.wait_message("agent_disconnect")


def test_tarantool(peer: Peer) -> None:
    with example("tarantool_agent.lua", "jit", peer.url()) as agent:
        wait_shown(peer, "log_level", "5")
        peer.offer(log_level="loud")
        assert answered(peer, "FAILED") == "log_level: a number from 1 to 7"
        peer.offer(log_level="6\n")
        assert answered(peer, "APPLIED") == ""
        wait_shown(peer, "log_level", "6")
        agent.end(signal.SIGINT)
    peer.wait_message("agent_disconnect")


@pytest.mark.parametrize("lua", ["5.1", "5.3"])
def test_posix(peer: Peer, lua: str) -> None:
    with example("posix_agent.lua", lua, peer.url()) as agent:
        peer.wait_message("agent_description")
        agent.tell("fine")
        wait_health(peer, "fine")
        assert agent.end() == ""
    peer.wait_message("agent_disconnect")


class Neovim(Program):
    """One with the plugin, in a home of its own; it is talked to by a socket."""

    def __init__(self, folder: Path, url: str, handler: str | None = None) -> None:
        plugins = folder / ".config" / "nvim" / "plugin"
        plugins.mkdir(parents=True)
        text = (EXAMPLES / "neovim" / "opamp.lua").read_text()
        if handler is not None:
            before, rest = text.split('client:on("remote_config"')
            text = before + handler + rest.split("\nend)\n", 1)[1]
        (plugins / "opamp.lua").write_text(text)
        self.folder = folder
        self.socket = str(folder / "socket")
        self.env = {
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / ".config"),
            "XDG_DATA_HOME": str(folder),
            "XDG_STATE_HOME": str(folder),
        }
        command = ["nvim", "--headless", "-n", "--listen", self.socket]
        super().__init__("jit", *command, cwd=folder, **self.env, OPAMP_URL=url)

    def ask(self, expression: str) -> str:
        """The value of an expression there."""
        with self._remote("--remote-expr", expression) as client:
            return client.end().strip()

    def quit(self) -> None:
        """Has it end, which may be before who asked for it has an answer."""
        with self._remote("--remote-send", ":qall!<CR>"):
            self.end()

    def _remote(self, *words: str) -> Program:
        command = ["nvim", "--server", self.socket, *words]
        return Program("jit", *command, cwd=self.folder, **self.env)


def test_neovim(peer: Peer, tmp_path: Path) -> None:
    with Neovim(tmp_path, peer.url()) as editor:
        first = peer.wait_message("effective_config")
        assert '"tabstop":8' in body(first, "effective_config", "options.json")
        peer.offer(**{"options.json": '{"tabstop": 3, "expandtab": true}'})
        assert answered(peer, "APPLIED") == ""
        shown = peer.wait_message("effective_config", count=2)
        assert '"tabstop":3' in body(shown, "effective_config", "options.json")
        assert editor.ask("&tabstop . &expandtab") == "31"
        peer.offer(**{"options.json": '{"shell": "/bin/evil"}'})
        assert answered(peer, "FAILED") == "shell is not to be set from afar"
        assert "evil" not in editor.ask("&shell")
        editor.quit()
    peer.wait_message("agent_disconnect")
