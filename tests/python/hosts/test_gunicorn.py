# SPDX-License-Identifier: Apache-2.0
"""gunicorn: an application that is loaded before the fork, workers that come
and go."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from host import Host
from peer import Peer, is_consecutive

GUNICORN = [
    *(sys.executable, "-m", "gunicorn", "--bind", "fd://SOCKET"),
    *("--graceful-timeout", "5", "app:application"),
]


@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_preloaded(peer: Peer, tmp_path: Path, scheme: str) -> None:
    command = [*GUNICORN, "--preload", "--workers", "3"]
    with Host(command, tmp_path, OPAMP_URL=peer.url(scheme)) as host:
        workers = host.workers(3)
        uids = {said["uid"] for said in workers.values()}
        assert len(uids) == 3
        for uid in uids:
            peer.wait_message("agent_description", uid=uid)
        (master,) = peer.wait_agents(4) - uids
        peer.offer(a="pushed")
        for uid in uids:
            said = peer.wait_message("remote_config_status", uid=uid)
            assert said["remote_config_status"]["status"] == "APPLIED"
        assert all(s["applied"] == ["pushed"] for s in host.workers(3).values())
        assert not peer.disconnects()
        assert len(peer.of("connected")) == 4
        assert host.stop() == 0, host.text()
    for uid in {*uids, master}:
        peer.wait_message("agent_disconnect", uid=uid)
    assert all(is_consecutive(numbers) for numbers in peer.sequences().values())
    assert sorted(peer.disconnects()) == sorted({*uids, master})


def test_started_by_sitecustomize(peer: Peer, tmp_path: Path) -> None:
    """As opentelemetry-instrument does; workers are recycled."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import agent\n")
    command = [*GUNICORN, "--workers", "2", "--max-requests", "5"]
    env = {"OPAMP_URL": peer.url(), "PYTHONPATH": str(site)}
    with Host(command, tmp_path, **env) as host:
        seen = {said["uid"] for said in host.workers(2).values()}
        first = set(peer.sequences())
        seen |= {host.get()["uid"] for _ in range(40)}
        assert len(seen) > 4
        for uid in seen:
            peer.wait_message("agent_description", uid=uid)
        peer.wait_message("agent_disconnect", count=len(seen) - 2)
        masters = first - seen
        assert len(masters) == 1
        assert not masters & set(peer.disconnects())
        assert host.stop() == 0, host.text()
    for uid in masters:
        peer.wait_message("agent_disconnect", uid=uid)
    assert len(peer.disconnects()) == len(set(peer.disconnects()))
    assert all(is_consecutive(numbers) for numbers in peer.sequences().values())


def test_reload(peer: Peer, tmp_path: Path) -> None:
    command = [*GUNICORN, "--workers", "2"]
    with Host(command, tmp_path, OPAMP_URL=peer.url()) as host:
        before = {said["uid"] for said in host.workers(2).values()}
        host.process.send_signal(signal.SIGHUP)
        for uid in before:
            peer.wait_message("agent_disconnect", uid=uid)
        after = {said["uid"] for said in host.workers(2).values()}
        assert not before & after
        assert host.stop() == 0, host.text()
    assert all(is_consecutive(n) for n in peer.sequences().values())
