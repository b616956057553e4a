# SPDX-License-Identifier: Apache-2.0
"""Each example does what it says."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

import pytest
from peer import PATIENCE, Peer, body, is_consecutive
from program import EXAMPLES, Program, example
from unix_http import get

# Each has a test below.
ALL = {
    "first_agent.py",
    "asyncio_agent.py",
    "polling_agent.py",
    "gunicorn_agent.py",
    "gunicorn.conf.py",
    "own_store.py",
}


def status_of(peer: Peer, status: str) -> str:
    """The text that came with a status of a remote configuration."""
    event = peer.wait(
        lambda e: (
            e["event"] == "message"
            and e["message"].get("remote_config_status", {}).get("status") == status
        )
    )
    said = event["message"]["remote_config_status"]
    return str(said.get("error_message", ""))


def test_all_are_tested() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == ALL


def test_the_first_agent(peer: Peer) -> None:
    with example("first_agent.py", peer.url()) as agent:
        peer.wait_message("agent_description")
        peer.offer(**{"app.conf": "interval = 5"})
        assert agent.line() == "app.conf is now: interval = 5"
        assert status_of(peer, "APPLIED") == ""
        agent.end(signal.SIGINT)
    peer.wait_message("agent_disconnect")


def test_the_first_agent_is_as_short_as_it_is_said() -> None:
    lines = (EXAMPLES / "first_agent.py").read_text().splitlines()
    code = [line for line in lines if line and not line.startswith(("#", '"""'))]
    assert len(code) <= 15


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asyncio(peer: Peer, number: int) -> None:
    with example("asyncio_agent.py", peer.url()) as agent:
        first = peer.wait_message("effective_config", "health")
        assert body(first, "effective_config", "app.json") == '{"interval": 30}'
        peer.offer(**{"app.json": "[]"})
        assert "must be an object" in status_of(peer, "FAILED")
        peer.offer(**{"app.json": '{"interval": 5}'})
        status_of(peer, "APPLIED")
        assert agent.line() == "settings are now {'interval': 5}"
        last = peer.wait_message("effective_config", "remote_config_status")
        assert body(last, "effective_config", "app.json") == '{"interval": 5}'
        agent.end(number)
    peer.wait_message("agent_disconnect")


def test_polling(peer: Peer) -> None:
    with example("polling_agent.py", peer.url()) as agent:
        host, port = agent.line().split(":")

        def greeting() -> bytes:
            with socket.create_connection((host, int(port)), PATIENCE) as connection:
                return connection.makefile("rb").read()

        assert greeting() == b"hello\n"
        peer.wait_message()
        peer.offer(other="x")
        assert status_of(peer, "FAILED") == "there is no file greeting"
        peer.offer(greeting="good day\n")
        status_of(peer, "APPLIED")
        assert greeting() == b"good day\n"
        agent.end(signal.SIGINT)
    peer.wait_message("agent_disconnect")


def test_gunicorn(peer: Peer, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py"]
    command += ["--bind", f"unix:{tmp_path / 'http'}", "gunicorn_agent:application"]
    with Program(*command, cwd=EXAMPLES, OPAMP_URL=peer.url()) as server:
        # The master and its two workers.
        uids = peer.wait_agents(3)
        workers = {get(tmp_path / "http") for _ in range(200)}
        assert len(workers) == 2
        assert all(text.startswith("welcome from ") for text in workers)
        peer.offer(banner="hello")
        for uid in uids:
            said = peer.wait_message("remote_config_status", uid=uid)
            assert said["remote_config_status"]["status"] == "APPLIED"
        uid = get(tmp_path / "http").removeprefix("hello from ").strip()
        assert uid in uids
        server.end(signal.SIGTERM)
    peer.wait_message("agent_disconnect", count=3)
    assert all(is_consecutive(numbers) for numbers in peer.sequences().values())


def test_own_store(peer: Peer, tmp_path: Path) -> None:
    database = tmp_path / "state.db"
    with example("own_store.py", peer.url(), database) as agent:
        peer.wait_message()
        peer.offer(a="1")
        assert agent.line() == "new: ['a']"
        status_of(peer, "APPLIED")
        agent.end(signal.SIGINT)
    with example("own_store.py", peer.url(), database) as agent:
        assert agent.line() == "kept: ['a']"
        peer.wait(lambda e: e["event"] == "message" and e["connection"] == 2)
        agent.end(signal.SIGINT)
    peer.wait_message("agent_disconnect", count=2)
    assert len(peer.sequences()) == 1
