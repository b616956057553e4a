# SPDX-License-Identifier: Apache-2.0
"""opamp.nginx when nginx reloads, loses a worker, and ends."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from host import STATUS, Load, status_of
from nginx import (
    HANDLER,
    OPEN,
    Nginx,
    agent,
    config,
    in_all_workers,
    one_agent,
)
from peer import Peer

RESTORED = """
on = {
  remote_config = function(event)
    ngx.log(ngx.NOTICE, "restored: ", event.restored)
    return "applied"
  end,
},
"""


def memory_kb(pid: int) -> int:
    """What a process has in memory of no file, also what it has from its
    master."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(text.partition("Anonymous:")[2].split()[0])


@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_reload_under_load(peer: Peer, tmp_path: Path, scheme: str) -> None:
    """Twenty times: nothing fails, nothing leaks, it is the same agent."""
    init = agent(peer.url(scheme), "poll_interval = 0.05,")
    memory = []
    with Nginx(config(init), tmp_path) as nginx:
        peer.wait_message("agent_description")
        peer.offer(a="one")
        in_all_workers(nginx, "a=one")

        def request() -> None:
            assert nginx.get("/config").splitlines()[1:] == ["a=one"]
            assert nginx.get("/static") == "x" * 1000

        with Load(request) as load:
            for number in range(2, 22):
                nginx.reload()
                peer.wait_message("agent_description", count=number)
                memory.append(sum(map(memory_kb, nginx.workers())))
        assert load.failures == []
        assert load.done > 20
        one_agent(peer, 21)
        nginx.end()
    assert not peer.disconnects()
    assert nginx.errors() == []
    assert memory[-1] < memory[4] + 1024, memory


def test_reload_does_not_ask_again(tmp_path: Path) -> None:
    """The new agent says what is in effect before it is offered."""
    offered = tmp_path / "offered"
    offered.mkdir()
    (offered / "a").write_text("one")
    with Peer("--config-dir", str(offered)) as peer:
        with Nginx(config(agent(peer.url())), tmp_path / "nginx") as nginx:
            in_all_workers(nginx, "a=one")
            before = status_of(peer, "APPLIED")["last_remote_config_hash"]
            nginx.reload()
            one_agent(peer, 2)
            first = peer.wait_message("agent_description", count=2)
            assert first[STATUS]["status"] == "APPLIED"
            assert first[STATUS]["last_remote_config_hash"] == before
            in_all_workers(nginx, "a=one")
            (offered / "a").write_text("two")
            in_all_workers(nginx, "a=two")
        offers = [e for e in peer.of("sent") if "remote_config" in e["message"]]
        assert len(offers) == 2


def test_reload_and_an_offer_of_the_same(peer: Peer, tmp_path: Path) -> None:
    with Nginx(config(agent(peer.url())), tmp_path) as nginx:
        peer.wait_message("agent_description")
        peer.offer(a="one")
        in_all_workers(nginx, "a=one")
        nginx.reload()
        one_agent(peer, 2)
        peer.wait_message("agent_description", count=2)
        peer.offer(a="one")
        peer.offer(a="two")
        in_all_workers(nginx, "a=two")
        peer.offer(a="one")
        in_all_workers(nginx, "a=one")


def test_reload_keeps_a_new_identity(peer: Peer, tmp_path: Path) -> None:
    with Nginx(config(agent(peer.url())), tmp_path) as nginx:
        peer.wait_message("agent_description")
        uid = "0193a4e6-7d43-7007-8000-000000000001"
        message = {"agent_identification": {"new_instance_uid": uid}}
        peer.command("send", message=message)
        peer.wait_message(uid=uid)
        nginx.reload()
        second = peer.wait(lambda e: e["event"] == "connected", count=2)["connection"]
        first = peer.wait(
            lambda e: e["event"] == "message" and e["connection"] == second
        )
        assert first["instance_uid"] == uid
        assert len(peer.sequences()) == 2


@pytest.mark.parametrize("handler", ["", RESTORED])
def test_reload_with_a_state_directory(
    peer: Peer, tmp_path: Path, handler: str
) -> None:
    init = agent(peer.url(), f'state_dir = "{tmp_path / "state"}", {handler}')
    with Nginx(config(init), tmp_path / "nginx") as nginx:
        peer.wait_message("agent_description")
        peer.offer(a="one")
        status_of(peer, "APPLIED")
        for number in range(2, 7):
            nginx.reload()
            peer.wait_message("agent_description", count=number)
            in_all_workers(nginx, "a=one")
            if handler:
                nginx.wait_text("restored: true", number - 1)
        one_agent(peer, 6)
        nginx.end()
    assert nginx.errors() == []
    # A dict does not outlive nginx, the directory does.
    with Nginx(config(init), tmp_path / "again") as nginx:
        in_all_workers(nginx, "a=one")
        peer.wait_message("agent_description", count=7)
        assert len(peer.sequences()) == 1


def test_reload_while_a_handler_sleeps(peer: Peer, tmp_path: Path) -> None:
    """The old worker ends when it is done, its agent at once."""
    todo = """
      ngx.log(ngx.NOTICE, "it sleeps")
      repeat ngx.sleep(0.01) until ngx.shared.opamp:get("open")
      ngx.log(ngx.NOTICE, "it wakes")
      return "applied"
    """
    text = config(agent(peer.url(), HANDLER), locations=OPEN)
    with Nginx(text, tmp_path) as nginx:
        peer.wait_message("agent_description")
        peer.offer(todo=todo)
        nginx.wait_text("it sleeps")
        nginx.send(signal.SIGHUP)
        peer.wait_message("agent_description", count=2)
        one_agent(peer, 2)
        nginx.get("/open")
        nginx.wait_text("it wakes")
        nginx.end()
    assert nginx.errors() == []
    assert not peer.disconnects()


def test_a_worker_that_dies(peer: Peer, tmp_path: Path) -> None:
    """The next one has the same agent."""
    with Nginx(config(agent(peer.url())), tmp_path) as nginx:
        peer.wait_message("agent_description")
        peer.offer(a="one")
        in_all_workers(nginx, "a=one")
        for pid in nginx.workers():
            os.kill(pid, signal.SIGKILL)
        peer.wait_message("agent_description", count=2)
        one_agent(peer, 2)
        in_all_workers(nginx, "a=one")
        peer.offer(a="two")
        in_all_workers(nginx, "a=two")


# --- the end


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGTERM])
def test_the_end(peer: Peer, tmp_path: Path, number: int) -> None:
    """It leaves no process, and the server sees nothing but the end of a
    connection."""
    with Nginx(config(agent(peer.url())), tmp_path) as nginx:
        peer.wait_message("agent_description")
        nginx.end(number)
    peer.wait(lambda e: e["event"] == "closed")
    assert not peer.disconnects()
    assert nginx.errors() == []


LEAVES = 'dict = "opamp", disconnect_on_exit = true'


def test_good_bye(peer: Peer, tmp_path: Path) -> None:
    """At the end, and not at a reload, where another agent has come."""
    with Nginx(config(agent(peer.url(), "", LEAVES)), tmp_path) as nginx:
        peer.wait_message("agent_description")
        nginx.reload()
        one_agent(peer, 2)
        assert not peer.disconnects()
        nginx.end()
    peer.wait_message("agent_disconnect")
    assert nginx.errors() == []


def test_good_bye_to_a_server_that_does_not_listen(peer: Peer, tmp_path: Path) -> None:
    """It waits for a second, and requests go on meanwhile."""
    location = """
    location = /slow {
      content_by_lua_block {
        ngx.log(ngx.NOTICE, "slow begins")
        local last, longest, rest = ngx.now(), 0, 20
        while rest > 0 do
          ngx.sleep(0.01)
          ngx.update_time()
          last, longest = ngx.now(), math.max(longest, ngx.now() - last)
          rest = ngx.worker.exiting() and rest - 1 or rest
        end
        ngx.say(longest)
      }
    }
    """
    init = agent(peer.url("http"), "poll_interval = 0.05,", LEAVES)
    text = config(init, workers=1, locations=location)
    with Nginx(text, tmp_path) as nginx, ThreadPoolExecutor(1) as pool:
        peer.wait_message("agent_description")
        slow = pool.submit(nginx.get, "/slow")
        nginx.wait_text("slow begins")
        peer.command("stall")
        nginx.end()
        assert float(slow.result()) < 0.9
    assert nginx.errors() == []


def test_good_bye_by_a_call(peer: Peer, tmp_path: Path) -> None:
    """SIGTERM gives timers no time."""
    more = """
    exit_worker_by_lua_block {
      require("opamp.nginx").stop()
    }
    """
    text = config(agent(peer.url(), "", LEAVES), more=more)
    with Nginx(text, tmp_path) as nginx:
        peer.wait_message("agent_description")
        nginx.end(signal.SIGTERM)
    peer.wait_message("agent_disconnect")
    assert nginx.errors() == []
