# SPDX-License-Identifier: Apache-2.0
"""opamp.nginx on nginx: one agent, a configuration for all workers, handlers
that wait, and requests that do not notice."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from authority import Authority
from host import STATUS, BlackHole, percentiles, side_by_side, status_of, until
from nginx import (
    HANDLER,
    OPEN,
    Nginx,
    agent,
    config,
    in_all_workers,
    one_agent,
)
from peer import PATIENCE, Peer, program

# --- one agent, one configuration


@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_a_configuration_for_all_workers(
    peer: Peer, tmp_path: Path, scheme: str
) -> None:
    init = agent(peer.url(scheme), "poll_interval = 0.05,")
    with Nginx(config(init), tmp_path) as nginx:
        peer.wait_message("agent_description")
        assert len(nginx.workers()) == 2
        for number, text in enumerate(("one", "two"), 1):
            peer.offer(a=text)
            status_of(peer, "APPLIED", number)
            in_all_workers(nginx, f"a={text}")
        one_agent(peer, 1)
        nginx.end()
    assert not peer.disconnects()
    assert nginx.errors() == []


def test_the_server_sees_what_is_in_effect(peer: Peer, tmp_path: Path) -> None:
    init = agent(peer.url()).replace('{ "Acc', '{ "ReportsEffectiveConfig", "Acc')
    with Nginx(config(init), tmp_path) as nginx:
        peer.wait_message("agent_description")
        peer.offer(a="one")
        peer.wait_message("effective_config")
        nginx.reload()
        one_agent(peer, 2)
        peer.wait_message("agent_description", "effective_config", STATUS)


def test_a_configuration_that_does_not_fit(peer: Peer, tmp_path: Path) -> None:
    init = agent(peer.url(), options='dict = "tiny"')
    with Nginx(config(init), tmp_path) as nginx:
        peer.wait_message("agent_description")
        peer.offer(a="one")
        in_all_workers(nginx, "a=one")
        peer.offer(a="x" * 60000)
        assert "no memory" in status_of(peer, "FAILED")["error_message"]
        in_all_workers(nginx, "a=one")
        nginx.reload()
        one_agent(peer, 2)
        # Older ones make room.
        peer.wait_message("agent_description", count=2)
        for number in range(20):
            peer.offer(a=f"{number:0>4000}")
            in_all_workers(nginx, f"a={number:0>4000}")


def test_what_is_applied_and_does_not_fit(peer: Peer, tmp_path: Path) -> None:
    """A handler has applied it, and the others cannot have it."""
    on = 'on = { remote_config = function() return "applied" end },'
    init = agent(peer.url(), on, options='dict = "tiny"')
    with Nginx(config(init), tmp_path) as nginx:
        peer.wait_message("agent_description")
        peer.offer(a="one")
        in_all_workers(nginx, "a=one")
        peer.offer(a="x" * 60000)
        assert "no memory" in status_of(peer, "FAILED")["error_message"]
        in_all_workers(nginx, "a=one")


def test_a_privileged_agent_where_there_is_one(peer: Peer, tmp_path: Path) -> None:
    """Debian's nginx has none, and then it is a worker."""
    more = """
    init_by_lua_block {
      local ok, why = require("opamp.nginx").enable_privileged_agent()
      ngx.log(ngx.NOTICE, "privileged: ", ok, " ", why)
    }
    """
    with Nginx(config(agent(peer.url()), more=more), tmp_path) as nginx:
        peer.wait_message("agent_description")
        peer.offer(a="one")
        in_all_workers(nginx, "a=one")
        one_agent(peer, 1)
        if "privileged: false" in nginx.text():
            assert len(nginx.workers()) == 2
        else:
            nginx.wait_text("privileged: true")
            assert len(nginx.workers()) == 3


@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_tls(tmp_path: Path, scheme: str) -> None:
    """Beside nginx's own, across a reload."""
    authority = Authority(tmp_path / "authority")
    files = [str(authority.file(f"server.{kind}")) for kind in ("pem", "key")]
    tls = f'tls = {{ ca = "{authority.file("ca.pem")}" }}, poll_interval = 0.05,'
    with Peer("--tls-cert", files[0], "--tls-key", files[1]) as peer:
        init = agent(peer.url(scheme), tls)
        with Nginx(config(init), tmp_path / "nginx") as nginx:
            peer.wait_message("agent_description")
            peer.offer(a="one")
            in_all_workers(nginx, "a=one")
            nginx.reload()
            one_agent(peer, 2)
            in_all_workers(nginx, "a=one")
            nginx.end()
        assert nginx.errors() == []


def test_without_a_dict(peer: Peer, tmp_path: Path) -> None:
    """There is an agent; offers are the user's to answer."""
    on = 'on = { remote_config = function() return "applied" end },'
    init = agent(peer.url(), on, options="")
    with Nginx(config(init), tmp_path) as nginx:
        peer.wait_message("agent_description")
        peer.offer(a="one")
        status_of(peer, "APPLIED")
        assert len(nginx.get("/config").splitlines()) == 1
        nginx.end()
    assert nginx.errors() == []


# --- handlers


def test_handlers(peer: Peer, tmp_path: Path) -> None:
    """What a handler applied is for all; what it refused, for nobody."""
    with Nginx(config(agent(peer.url(), HANDLER)), tmp_path) as nginx:
        peer.wait_message("agent_description")
        peer.offer(todo='return "applied"')
        in_all_workers(nginx, 'todo=return "applied"')
        peer.offer(todo='return "failed", "not that"')
        assert status_of(peer, "FAILED")["error_message"] == "not that"
        peer.offer(todo='error("handler is broken")')
        assert "handler is broken" in status_of(peer, "FAILED", 2)["error_message"]
        nginx.wait_text("handler is broken")
        in_all_workers(nginx, 'todo=return "applied"')
        # It lives, and knows the last one after a reload, too.
        nginx.reload()
        in_all_workers(nginx, 'todo=return "applied"')
        assert len(nginx.errors()) == 1
        one_agent(peer, 2)


def test_a_handler_that_sleeps(peer: Peer, tmp_path: Path) -> None:
    """The connection goes on while it does, and all requests."""
    todo = """
      ngx.log(ngx.NOTICE, "it sleeps")
      repeat ngx.sleep(0.01) until ngx.shared.opamp:get("open")
      return "applied"
    """
    text = config(agent(peer.url(), HANDLER), locations=OPEN)
    with Nginx(text, tmp_path) as nginx:
        peer.wait_message("agent_description")
        peer.offer(todo=todo)
        nginx.wait_text("it sleeps")
        peer.command("send", message={"flags": 1})  # ReportFullState
        peer.wait_message("agent_description", count=2)
        peer.command("send", message={"flags": 1})
        peer.wait_message("agent_description", count=3)
        assert not [m for m in peer.messages if "APPLIED" in str(m.get(STATUS))]
        nginx.get("/open")
        status_of(peer, "APPLIED")
        until(lambda: "todo=" in nginx.get("/config"), nginx.tail)
        nginx.end()
    assert nginx.errors() == []


def test_a_handler_with_a_cosocket(peer: Peer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        todo = """
          local connection = ngx.socket.tcp()
          assert(connection:connect("127.0.0.1", PORT))
          assert(connection:send("what do you think?\\n"))
          local answer = assert(connection:receive())
          connection:close()
          return "failed", answer
        """.replace("PORT", str(listener.getsockname()[1]))
        with Nginx(config(agent(peer.url(), HANDLER)), tmp_path) as nginx:
            peer.wait_message("agent_description")
            peer.offer(todo=todo)
            connection, _ = listener.accept()
            with connection, connection.makefile("rw") as stream:
                assert stream.readline() == "what do you think?\n"
                stream.write("nothing good\n")
            assert status_of(peer, "FAILED")["error_message"] == "nothing good"
            nginx.end()
        assert nginx.errors() == []


def test_handlers_of_all_kinds(peer: Peer, tmp_path: Path) -> None:
    """One for "other" gets what we use ourselves, too; one for the log gets it
    all."""
    on = """
    log_level = "info",
    on = {
      other = function(event) ngx.log(ngx.NOTICE, "other: ", event.kind) end,
      log = function(event) ngx.log(ngx.NOTICE, "mine: ", event.message) end,
    },
    """
    with Nginx(config(agent(peer.url(), on)), tmp_path) as nginx:
        peer.wait_message("agent_description")
        peer.command("offer_settings", opamp={"destination_endpoint": "ws://a"})
        nginx.wait_text("mine: offer ignored")
        peer.offer(a="one")
        in_all_workers(nginx, "a=one")
        for kind in ("connected", "remote_config"):
            nginx.wait_text(f"other: {kind},")


def test_the_log(peer: Peer, tmp_path: Path) -> None:
    text = config(agent(peer.url(), 'log_level = "info",'))
    with Nginx(text.replace("error.log notice", "error.log info"), tmp_path) as nginx:
        peer.wait_message("agent_description")
        peer.command("offer_settings", opamp={"destination_endpoint": "ws://a"})
        nginx.wait_text("opamp: offer ignored")
        lines = nginx.text().splitlines()
        (line,) = [line for line in lines if "offer ignored" in line]
        assert "[info]" in line


# --- what is wrong

TICKS = """
ngx.timer.every(0.02, function() ngx.log(ngx.NOTICE, "a tick") end)
"""


def ticks(nginx: Nginx) -> None:
    """Waits for some time that an agent beside TICKS has, too."""
    nginx.wait_text("a tick", nginx.text().count("a tick") + 20)


def test_a_state_directory_that_is_busy(peer: Peer, tmp_path: Path) -> None:
    """The agent begins when it is free; until then there is one line."""
    state = str(tmp_path / "state")
    other = subprocess.Popen(
        [program("agent"), "--json", "--state-dir", state, peer.url()],
        stdout=subprocess.DEVNULL,
    )
    try:
        peer.wait_message("agent_description")
        init = agent(peer.url(), f'state_dir = "{state}",')
        with Nginx(config(init + TICKS), tmp_path / "nginx") as nginx:
            nginx.wait_text("opamp: ")
            ticks(nginx)
            assert nginx.text().count("opamp: ") == 1
            assert len(peer.of("connected")) == 1
            other.terminate()
            peer.wait_message("agent_description", count=2)
            nginx.end()
        assert nginx.errors() == []
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize(
    ("init", "says"),
    [
        (
            'require("opamp.nginx").start({}, { dict = "none" })',
            'opamp.nginx.start: options.dict: there is no lua_shared_dict "none"',
        ),
        (
            'require("opamp.nginx").start("ws://127.0.0.1")',
            "opamp.nginx.start: conf must be a table, not string",
        ),
        (
            'require("opamp.nginx").start({ url = 1 }, { interval = 0.02 })',
            "opamp.new: option 'url' must be a string, not number",
        ),
        (
            'require("opamp.nginx").start({ url = "ftp://a" }, { interval = 0.02 })',
            "ftp",
        ),
    ],
)
def test_misuse(tmp_path: Path, init: str, says: str) -> None:
    with Nginx(config(TICKS + init, workers=1), tmp_path) as nginx:
        nginx.wait_text(says)
        ticks(nginx)
        assert nginx.text().count(says) == 1
        nginx.end()


def test_a_file_that_comes_late(tmp_path: Path) -> None:
    """What the agent needs and is not there is said once, and tried again."""
    ca = tmp_path / "ca.pem"
    with Peer() as peer:
        init = agent(peer.url(), f'tls = {{ ca = "{ca}" }},')
        with Nginx(config(init + TICKS), tmp_path / "nginx") as nginx:
            nginx.wait_text(str(ca))
            ticks(nginx)
            system = Path("/etc/ssl/certs/ca-certificates.crt").read_text()
            ca.write_text(system)
            peer.wait_message("agent_description")
            nginx.end()
        assert len(nginx.errors()) == 1


# --- speed


@pytest.mark.parametrize("kind", ["black hole", "no such name"])
def test_requests_do_not_notice(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that does not answer, a name that is none: side by side with an
    nginx that has no agent. A call that blocked would cost the ten seconds of
    the connect timeout, or those of the resolver."""
    on = """
      backoff_min = 0.1, backoff_max = 0.1,
      on = {
        connecting = function() ngx.log(ngx.NOTICE, "connecting") end,
      },
    """
    with BlackHole() as hole:
        url = hole.url() if kind == "black hole" else "ws://nobody.invalid"
        with (
            Nginx(config(agent(url, on), workers=1), tmp_path / "agent") as ours,
            Nginx(config("", workers=1), tmp_path / "bare") as bare,
        ):
            ours.wait_text("connecting")

            def static(nginx: Nginx) -> Callable[[], object]:
                return lambda: nginx.get("/static")

            took = side_by_side({"agent": static(ours), "bare": static(bare)}, 10000)
            ours.end()
            assert ours.errors() == []
    with capsys.disabled():
        for name, seconds in took.items():
            print(f"\n{kind}, {name}: {percentiles(seconds)}", end="")
    assert took["agent"][-1] < 5
