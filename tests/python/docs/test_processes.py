# SPDX-License-Identifier: Apache-2.0
"""The recipes of the page about processes, on the servers that they are for."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from peer import Peer, is_consecutive
from program import EXAMPLES, Program, blocks, ini_files, script
from unix_http import get

BLOCKS = blocks()
GUNICORN = (sys.executable, "-m", "gunicorn", "--bind")
UWSGI = (
    *("uwsgi", "--plugin", "python3", "--virtualenv", sys.prefix),
    *("--need-app", "--disable-logging"),
)

needs_uwsgi = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11) or shutil.which("uwsgi") is None,
    reason="uWSGI is Debian's, for Python 3.11",
)


def agents(peer: Peer, count: int) -> None:
    """As many agents have come, and no more do."""
    peer.wait_agents(count)
    assert len(peer.sequences()) == count


def all_over(peer: Peer, count: int) -> None:
    """All connections have ended, none of them for another's agent."""
    peer.wait(lambda e: e["event"] == "closed", count=count)
    assert len(peer.of("connected")) == count == len(peer.sequences())
    assert len(peer.disconnects()) == len(set(peer.disconnects()))
    assert all(is_consecutive(numbers) for numbers in peer.sequences().values())


def test_gunicorn_workers_only(peer: Peer, tmp_path: Path) -> None:
    module = (EXAMPLES / "gunicorn_agent.py").read_text()
    assert module.endswith("\nclient.start()\n")
    (tmp_path / "gunicorn_agent.py").write_text(module.removesuffix("client.start()\n"))
    settings = "preload_app = True\nworkers = 2\n" + BLOCKS["processes-gunicorn"]
    (tmp_path / "gunicorn.conf.py").write_text(settings)
    command = (*GUNICORN, f"unix:{tmp_path / 'http'}", "gunicorn_agent:application")
    with Program(*command, cwd=tmp_path, OPAMP_URL=peer.url()) as server:
        agents(peer, 2)
        server.end(signal.SIGTERM)
    all_over(peer, 2)
    assert len(peer.disconnects()) == 2


@needs_uwsgi
@pytest.mark.parametrize(("file", "count"), [("lazy.ini", 2), ("prefork.ini", 3)])
def test_uwsgi(peer: Peer, tmp_path: Path, file: str, count: int) -> None:
    (tmp_path / file).write_text(ini_files()[file])
    (tmp_path / "app.py").write_text("from gunicorn_agent import application\n")
    serve(peer, tmp_path, count, "--ini", file)


def test_every_ini_file_has_a_test() -> None:
    assert set(ini_files()) == {"lazy.ini", "prefork.ini"}


@needs_uwsgi
def test_uwsgi_by_a_call(peer: Peer, tmp_path: Path) -> None:
    """Debian has uwsgidecorators in a package of its own; this much is needed."""
    (tmp_path / "uwsgidecorators.py").write_text(
        "import uwsgi\n\ndef postfork(function):\n    uwsgi.post_fork_hook = function\n"
    )
    (tmp_path / "app.py").write_text(
        "from gunicorn_agent import application\n" + BLOCKS["processes-uwsgi"]
    )
    options = ("--master", "--workers", "2", "--enable-threads", "--die-on-term")
    serve(peer, tmp_path, 3, *options, "--module", "app:application")


def serve(peer: Peer, folder: Path, count: int, *options: str) -> None:
    """Runs uWSGI in a folder; the master, if it is an agent, and two workers."""
    command = (*UWSGI, "--http-socket", str(folder / "http"), *options)
    path = f"{folder}:{EXAMPLES}"
    with Program(
        *command, cwd=folder, OPAMP_URL=peer.url(), PYTHONPATH=python_path(path)
    ) as server:
        agents(peer, count)
        # Before it works, a worker does not listen to signals.
        workers = {get(folder / "http") for _ in range(1000)}
        assert len(workers) == 2
        server.end(signal.SIGTERM)
    all_over(peer, count)


def python_path(first: str) -> str:
    """Where a program finds its modules, and those that the tests find."""
    return os.pathsep.join(filter(None, [first, os.environ.get("PYTHONPATH", "")]))


def test_celery(peer: Peer, tmp_path: Path) -> None:
    pytest.importorskip("celery")
    text = BLOCKS["processes-celery"].replace("ws://127.0.0.1:4320", peer.url())
    (tmp_path / "tasks.py").write_text(text)
    options = ["--pool", "prefork", "--concurrency", "2", "--without-gossip"]
    options += ["--without-mingle", "--without-heartbeat"]
    command = (sys.executable, "-m", "celery", "-A", "tasks", "worker", *options)
    with Program(*command, cwd=tmp_path, BROKER="memory://") as worker:
        agents(peer, 2)
        worker.end(signal.SIGTERM)
    all_over(peer, 2)
    assert len(peer.disconnects()) == 2


def test_a_pool(peer: Peer) -> None:
    with script(BLOCKS["processes-pool"], peer.url()) as program:
        assert "[0, 1, 4, 9, 16]\n" in program.end()
    peer.wait_message("agent_disconnect")
    all_over(peer, 1)


def test_children(peer: Peer) -> None:
    with script(BLOCKS["processes-children"], peer.url()) as program:
        program.end()
    peer.wait_message("agent_disconnect")
    all_over(peer, 1)
