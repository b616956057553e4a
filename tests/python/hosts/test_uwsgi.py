# SPDX-License-Identifier: Apache-2.0
"""uWSGI, which forks behind Python's back. (The one of Debian 12, and so for
its Python only.)"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from host import Host
from peer import Peer, is_consecutive

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11) or shutil.which("uwsgi") is None,
    reason="uWSGI is Debian's, for Python 3.11",
)

UWSGI = [
    *("uwsgi", "--plugin", "python3", "--http-socket", "fd://SOCKET", "--master"),
    *("--workers", "2", "--enable-threads", "--die-on-term", "--need-app"),
    *("--virtualenv", sys.prefix, "--module", "app:application"),
]


def all_over(peer: Peer) -> None:
    """Every connection ended, and nobody said good-bye for another. (A worker
    that uWSGI still counts as busy when it ends runs no exit functions, so
    that not all say it.)"""
    count = len(peer.of("connected"))
    peer.wait(lambda e: e["event"] == "closed", count=count)
    assert len(peer.disconnects()) == len(set(peer.disconnects()))


@pytest.mark.parametrize(
    ("how", "agents"), [("--lazy-apps", 2), ("--py-call-osafterfork", 3)]
)
def test_every_worker_is_an_agent(
    peer: Peer, tmp_path: Path, how: str, agents: int
) -> None:
    """Of applications that are loaded after the fork, or before: then the master
    is one, too."""
    with Host([*UWSGI, how], tmp_path, OPAMP_URL=peer.url()) as host:
        uids = {said["uid"] for said in host.workers(2).values()}
        assert len(uids) == 2
        for uid in uids:
            peer.wait_message("agent_description", uid=uid)
        host.stop()
    all_over(peer)
    sequences = peer.sequences()
    assert uids <= set(sequences) and len(sequences) <= agents
    assert all(is_consecutive(numbers) for numbers in sequences.values())


def test_prefork_without_hooks(peer: Peer, tmp_path: Path) -> None:
    """The agent of the master is of no use in a worker, and says so."""
    with Host(UWSGI, tmp_path, OPAMP_URL=peer.url(), OPAMP_SETTLE="1") as host:
        said = host.workers(2)
        assert {worker["uid"] for worker in said.values()} == {"ForkedError"}
        host.stop()


def test_prefork_with_a_call(peer: Peer, tmp_path: Path) -> None:
    (tmp_path / "forked.py").write_text(
        "import opamp, uwsgi\n"
        "from app import application\n"
        "uwsgi.post_fork_hook = opamp.after_fork_in_child\n"
    )
    command = [*UWSGI[:-1], "forked:application"]
    env = {"OPAMP_URL": peer.url(), "PYTHONPATH": str(tmp_path), "OPAMP_SETTLE": "1"}
    with Host(command, tmp_path, **env) as host:
        uids = {said["uid"] for said in host.workers(2).values()}
        assert len(uids) == 2 and "ForkedError" not in uids
        for uid in uids:
            peer.wait_message("agent_description", uid=uid)
        host.stop()
    all_over(peer)
    assert all(is_consecutive(numbers) for numbers in peer.sequences().values())
