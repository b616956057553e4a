# SPDX-License-Identifier: Apache-2.0
"""What the pages show is the text of an example, or runs here: the first agent,
Neovim, and the page about adapters."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest
from peer import Peer
from program import EXAMPLES, LUAS, PAGES, answered, script, wait_health
from test_examples import Neovim

ADDRESS = "ws://127.0.0.1:4320"


def blocks(page: str, language: str = "lua") -> list[str]:
    """The fenced blocks of a language."""
    text = (PAGES / page).read_text()
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert {name for name, _ in fences} <= {"lua", "console"}
    return [block for name, block in fences if name == language]


def commands(page: str) -> list[str]:
    """What is typed in the page's only console."""
    (console,) = blocks(page, "console")
    assert all(line.startswith("$ ") for line in console.splitlines())
    return [line.removeprefix("$ ") for line in console.splitlines()]


FIRST = blocks("first-agent.md")
ADAPTER = blocks("writing-an-adapter.md")
NEOVIM = blocks("neovim.md")


def code(name: str) -> str:
    """An example without the comment at its head."""
    lines = (EXAMPLES / name).read_text().splitlines(keepends=True)
    while lines[0].startswith("--") or not lines[0].strip():
        del lines[0]
    return "".join(lines)


def test_examples_are_shown_as_they_are() -> None:
    assert FIRST[0] == code("first_agent.lua")
    assert blocks("../README.md")[0] == FIRST[0]
    shown = [(EXAMPLES / f"posix_{x}.lua").read_text() for x in ("loop", "agent")]
    assert [text.split("\n", 1)[1] for text in shown] == ADAPTER
    assert NEOVIM[1] in (EXAMPLES / "neovim" / "opamp.lua").read_text()
    assert len(FIRST) == 4
    assert len(NEOVIM) == 2


def test_first_commands(tmp_path: Path) -> None:
    """As they are typed, but for the address."""
    prepare, serve, agent = commands("first-agent.md")
    subprocess.run(prepare, shell=True, cwd=tmp_path, check=True)
    assert serve == "opamp-peer --listen 127.0.0.1:4320 --config-dir conf"
    assert agent == f"lua5.4 first_agent.lua {ADDRESS}"
    with (
        Peer("--config-dir", str(tmp_path / "conf")) as peer,
        script("5.4", tmp_path, FIRST[0], peer.url()) as program,
    ):
        assert answered(peer, "APPLIED") == ""
        said = program.end(signal.SIGINT, status=1)
    assert "app.conf is now: interval = 5\n" in said


@pytest.mark.parametrize("lua", LUAS)
def test_first_good_bye(peer: Peer, tmp_path: Path, lua: str) -> None:
    text = FIRST[0].replace("client:run()\n", FIRST[1])
    with script(lua, tmp_path, text, peer.url()) as program:
        peer.wait_message()
        assert "interrupted!" in program.end(signal.SIGINT)
    peer.wait_message("agent_disconnect")


@pytest.mark.parametrize("lua", LUAS)
def test_first_something_else(peer: Peer, tmp_path: Path, lua: str) -> None:
    text = FIRST[0].replace("client:run()\n", FIRST[2])
    with script(lua, tmp_path, text, peer.url()) as program:
        peer.wait_message()
        for status, healthy in (("good", True), ("bad", False)):
            program.tell(status)
            assert wait_health(peer, status).get("healthy", False) is healthy
        program.end()
    peer.wait_message("agent_disconnect")


@pytest.mark.parametrize("lua", ["5.1", "5.3", "5.4", "jit"])
def test_first_with_a_loop(peer: Peer, tmp_path: Path, lua: str) -> None:
    text = FIRST[0].replace("client:run()\n", FIRST[3] + 'require("luv").run()\n')
    text = text.replace('return "applied"', 'client:stop() return "applied"')
    with script(lua, tmp_path, text, peer.url()) as program:
        peer.wait_message()
        peer.offer(a="b")
        assert answered(peer, "APPLIED") == ""
        assert program.end() == "a is now: b\n"
    peer.wait_message("agent_disconnect")


def test_neovim_commands(tmp_path: Path) -> None:
    """As they are typed, but for the address; the plugin is where they put it."""
    _, prepare, serve, editor = commands("neovim.md")
    subprocess.run(prepare, shell=True, cwd=tmp_path, check=True)
    assert serve == "opamp-peer --listen 127.0.0.1:4320 --config-dir conf"
    assert editor == f"OPAMP_URL={ADDRESS} nvim"
    with (
        Peer("--config-dir", str(tmp_path / "conf")) as peer,
        Neovim(tmp_path, peer.url()) as nvim,
    ):
        assert answered(peer, "APPLIED") == ""
        assert nvim.ask("&tabstop") == "3"
        nvim.quit()


def test_neovim_handler_that_waits(peer: Peer, tmp_path: Path) -> None:
    """It opens the file whose name is offered."""
    with Neovim(tmp_path, peer.url(), NEOVIM[0]) as nvim:
        peer.wait_message("agent_description")
        peer.offer(path="nowhere")
        assert "ENOENT" in answered(peer, "FAILED")
        (tmp_path / "there").write_text("text\n")
        peer.offer(path="there")
        assert answered(peer, "APPLIED") == ""
        assert nvim.ask("expand('%:t') . getline(1)") == "theretext"
        nvim.quit()
