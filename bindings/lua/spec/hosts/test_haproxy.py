# SPDX-License-Identifier: Apache-2.0
"""opamp.haproxy on a real HAProxy: one agent however it runs, reload, chroot,
exit, and requests that do not notice."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from authority import Authority
from haproxy import EXAMPLE, Files, Haproxy, agent
from host import (
    STATUS,
    BlackHole,
    Load,
    free_port,
    get,
    is_running,
    percentiles,
    side_by_side,
    status_of,
    until,
)
from names import first_of
from peer import Peer, body, program

MODES = ("-db", "-W", "-D")
THREADS = "    nbthread 4"
LOG = "    log stderr format raw daemon"


def follows_offers(peer: Peer, haproxy: Haproxy) -> None:
    """The example does what is offered."""
    assert get(haproxy.address) == (200, "hello")
    peer.offer(settings="greeting Good day\nmaintenance off\n")
    message = peer.wait_message("effective_config")
    assert body(message, "effective_config", "settings").startswith("greeting")
    status_of(peer, "APPLIED")
    assert get(haproxy.address) == (200, "Good day")
    peer.offer(settings="maintenance on\n")
    status_of(peer, "APPLIED", 2)
    assert get(haproxy.address) == (503, "closed")
    peer.offer(settings="maintenance\n")
    assert "no value" in status_of(peer, "FAILED")["error_message"]
    assert get(haproxy.address) == (503, "closed")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Of the server's certificate."""
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


# --- how it runs


@pytest.mark.parametrize("scheme", ["ws", "http"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("load", ["lua-load", "lua-load-per-thread"])
def test_the_example(
    peer: Peer, tmp_path: Path, load: str, mode: str, scheme: str
) -> None:
    """With four threads there is one agent, and all of them obey."""
    files = Files(tmp_path / "haproxy", settings=THREADS)
    files.polls_often()
    if load != "lua-load":
        # With a relative name HAProxy looks where it was started.
        files.replace("lua-load ", f"{load} {files.folder}/")
    with Haproxy(files, mode, OPAMP_URL=peer.url(scheme)) as haproxy:
        peer.wait_message("agent_description")
        peer.wait_message("health")
        follows_offers(peer, haproxy)
        haproxy.end(signal.SIGTERM)
    assert len(peer.sequences()) == 1
    assert len(peer.of("connected")) == 1
    assert not peer.disconnects()


def test_the_page_shows_the_example() -> None:
    page = (EXAMPLE.parents[1] / "doc" / "haproxy.md").read_text()
    blocks = re.findall(r"^```(lua|haproxy)\n(.*?)^```", page, re.M | re.S)
    assert {kind for kind, _ in blocks} == {"lua", "haproxy"}
    texts = {
        "lua": (EXAMPLE / "agent.lua").read_text(),
        "haproxy": (EXAMPLE / "haproxy.cfg").read_text(),
    }
    for kind, block in blocks:
        assert block in texts[kind]


# --- reload


class Visitor:
    """A connection that does not end by itself, and so keeps its worker."""

    def __init__(self, haproxy: Haproxy) -> None:
        assert isinstance(haproxy.address, tuple)
        self._socket = socket.create_connection(haproxy.address)
        self._socket.sendall(b"GET / HTTP/1.1\r\n")
        (self.worker,) = haproxy.workers()

    def leave(self) -> None:
        self._socket.close()


@pytest.mark.parametrize("mode", ["-W", "-D"])
@pytest.mark.parametrize("keeps_state", [True, False])
def test_reload(peer: Peer, tmp_path: Path, mode: str, keeps_state: bool) -> None:
    """The old worker, which still has a visitor, gives its agent up; that of the
    new one is the same with a state directory, and another without."""
    files = Files(tmp_path / "haproxy", settings=THREADS)
    state = {"OPAMP_STATE_DIR": str(tmp_path / "state")} if keeps_state else {}
    with Haproxy(files, mode, OPAMP_URL=peer.url(), **state) as haproxy:
        peer.wait_message("agent_description")
        peer.offer(settings="greeting Good day\n")
        status_of(peer, "APPLIED")
        visitor = Visitor(haproxy)
        haproxy.reload()
        peer.wait(lambda e: e["event"] == "closed")
        peer.wait_message("agent_description", count=2)
        assert is_running(visitor.worker)
        assert len(peer.of("closed")) == 1
        assert len(peer.sequences()) == (1 if keeps_state else 2)
        if not keeps_state:
            peer.offer(settings="greeting Good day\n")
        until(lambda: get(haproxy.address) == (200, "Good day"), haproxy.text)
        visitor.leave()
        until(lambda: not is_running(visitor.worker), haproxy.text)
        haproxy.end(signal.SIGTERM)
    assert len(peer.of("connected")) == 2
    assert not peer.disconnects()


def test_reload_under_load(peer: Peer, tmp_path: Path) -> None:
    """No request fails, and no process, descriptor or agent stays."""
    files = Files(tmp_path / "haproxy", settings=THREADS)
    with Haproxy(files, "-W", OPAMP_URL=peer.url()) as haproxy:
        peer.wait_message("agent_description")

        def descriptors() -> int:
            return len(list(Path(f"/proc/{haproxy.pid()}/fd").iterdir()))

        def request() -> None:
            assert haproxy.get() == "hello"

        counts = []
        with Load(request) as load:
            for number in range(2, 8):
                (old,) = haproxy.workers()
                haproxy.reload()
                peer.wait_message("agent_description", count=number)
                until(lambda old=old: not is_running(old), haproxy.text)  # type: ignore[misc]
                counts.append(descriptors())
        assert load.failures == []
        assert load.done > 20
        peer.wait(lambda e: e["event"] == "closed", count=6)
        assert len(peer.of("closed")) == 6
        haproxy.end(signal.SIGTERM)
    # The master may be seen while it is still opening some.
    assert max(counts[3:]) <= max(counts[:3]), counts
    assert not peer.disconnects()


ATTEMPTS = """
local opamp = require("opamp")
local prepare = opamp.prepare
function opamp.prepare(options)
  local make = assert(prepare(options))
  return function()
    core.log(core.notice, "attempt")
    return make()
  end
end
"""


def test_a_state_directory_that_is_busy(peer: Peer, tmp_path: Path) -> None:
    """The agent begins when it is free; until then there is one line."""
    state = tmp_path / "state"
    other = subprocess.Popen(
        [program("agent"), "--json", "--state-dir", state, peer.url()],
        stdout=subprocess.DEVNULL,
    )
    try:
        peer.wait_message("agent_description")
        lua = ATTEMPTS + agent(peer.url(), f'state_dir = "{state}",')
        with Haproxy(Files(tmp_path / "haproxy", lua)) as haproxy:
            haproxy.wait_text("attempt", 3)
            assert len(peer.of("connected")) == 1
            other.terminate()
            peer.wait_message("agent_description", count=2)
            assert haproxy.text().count("opamp: ") == 1
            assert len(peer.sequences()) == 1
            haproxy.end(signal.SIGTERM)
    finally:
        other.kill()
        other.wait()


# --- chroot


NOBODY = 65534
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root may call chroot")


def in_chroot(folder: Path, more: str = "") -> tuple[Files, Path]:
    """The example in a root of its own, where it may do nothing but keep its
    state."""
    root = folder / "root"
    state = root / "state"
    state.mkdir(parents=True, mode=0o700)
    os.chown(state, NOBODY, NOBODY)
    settings = f"    chroot {root}\n    uid {NOBODY}\n    gid {NOBODY}\n{THREADS}\n"
    files = Files(folder / "haproxy", settings=settings + more)
    files.polls_often()
    return files, root


def tls_peer(authority: Authority, host: str = "127.0.0.1") -> Peer:
    certificate, key = map(authority.file, ("server.pem", "server.key"))
    tls = ("--tls-cert", str(certificate), "--tls-key", str(key))
    return Peer(*tls, listen=first_of(host))


@needs_root
@pytest.mark.parametrize("scheme", ["ws", "http", "wss", "https"])
@pytest.mark.parametrize("mode", MODES)
def test_chroot(authority: Authority, tmp_path: Path, mode: str, scheme: str) -> None:
    """The authority is read before; the state directory is inside."""
    files, root = in_chroot(tmp_path)
    is_secure = scheme in ("wss", "https")
    with tls_peer(authority) if is_secure else Peer() as peer:
        env = {"OPAMP_URL": f"{scheme}://{peer.address}", "OPAMP_STATE_DIR": "/state"}
        if is_secure:
            env["OPAMP_CA"] = str(authority.file("ca.pem"))
        with Haproxy(files, mode, **env) as haproxy:
            peer.wait_message("agent_description")
            (worker,) = haproxy.workers()
            assert os.readlink(f"/proc/{worker}/root") == str(root)
            assert os.stat(f"/proc/{worker}").st_uid == NOBODY
            follows_offers(peer, haproxy)
            haproxy.end(signal.SIGTERM)
        assert len(peer.sequences()) == 1
    assert [path.name for path in root.iterdir()] == ["state"]
    assert list((root / "state").iterdir())


@needs_root
def test_chroot_and_the_authorities_of_the_system(
    authority: Authority, tmp_path: Path
) -> None:
    """They are read before, too, when no others are given."""
    files, _ = in_chroot(tmp_path)
    with tls_peer(authority) as peer:
        env = {"SSL_CERT_FILE": str(authority.file("ca.pem"))}
        with Haproxy(files, "-W", OPAMP_URL=peer.url(), **env) as haproxy:
            peer.wait_message("agent_description")
            haproxy.end(signal.SIGTERM)


@needs_root
def test_chroot_and_a_directory_of_authorities(
    authority: Authority, tmp_path: Path
) -> None:
    folder = tmp_path / "authorities"
    folder.mkdir()
    (folder / "ca.pem").write_text(authority.file("ca.pem").read_text())
    files, _ = in_chroot(tmp_path)
    with tls_peer(authority) as peer:
        env = {"OPAMP_URL": peer.url(), "OPAMP_CA": str(folder)}
        with Haproxy(files, "-W", **env) as haproxy:
            peer.wait_message("agent_description")
            haproxy.end(signal.SIGTERM)


@needs_root
def test_chroot_and_a_name(peer: Peer, tmp_path: Path) -> None:
    """What a name means is in files of the chroot, and asking takes a thread."""
    files, root = in_chroot(tmp_path, "    insecure-fork-wanted\n")
    (root / "etc").mkdir()
    (root / "etc" / "hosts").write_text("127.0.0.1 opamp.test\n")
    url = peer.url().replace("127.0.0.1", "opamp.test")
    with Haproxy(files, "-W", OPAMP_URL=url) as haproxy:
        peer.wait_message("agent_description")
        haproxy.end(signal.SIGTERM)


@needs_root
def test_a_name_without_rights(tmp_path: Path) -> None:
    """Whoever is not root gets no thread from HAProxy."""
    on = "on = { connect_failed = function(e) core.log(core.notice, e.error) end },"
    lua = agent("ws://localhost:1", on)
    files = Files(tmp_path / "haproxy", lua, settings=f"    uid {NOBODY}\n")
    with Haproxy(files) as haproxy:
        haproxy.wait_text("no thread to look up localhost")
        haproxy.end(signal.SIGTERM)


@needs_root
def test_a_name_through_haproxy(authority: Authority, tmp_path: Path) -> None:
    """As on the page: it is looked up before, and TLS is HAProxy's. A reload
    does not wait for the connection of the agent to itself."""
    page = (EXAMPLE.parents[1] / "doc" / "haproxy.md").read_text()
    (text,) = re.findall(r"^```\n(listen .*?)^```", page, re.M | re.S)
    files, _ = in_chroot(tmp_path)
    address = f"127.0.0.1:{free_port()}"
    with tls_peer(authority, "localhost") as peer:
        for old, new in (
            ("127.0.0.1:4320", address),
            ("opamp.example:443", f"localhost:{peer.address.rpartition(':')[2]}"),
            ("opamp.example", "localhost"),
            ("ca-certificates.crt", str(authority.file("ca.pem"))),
        ):
            assert old in text
            text = text.replace(old, new)
        config = files.folder / "haproxy.cfg"
        config.write_text(config.read_text() + text)
        with Haproxy(files, "-W", OPAMP_URL=f"ws://{address}") as haproxy:
            peer.wait_message("agent_description")
            assert peer.of("connected")[0]["headers"]["host"] == "localhost"
            (old_worker,) = haproxy.workers()
            haproxy.reload()
            peer.wait_message("agent_description", count=2)
            until(lambda: not is_running(old_worker), haproxy.text)
            haproxy.end(signal.SIGTERM)


# --- handlers

HANDLER = """
on = {
  remote_config = function(event)
    local todo = assert(load(event.files.todo.body, "todo", "t", {
      core = core, error = error, is_open = function() return opened end,
    }))
    return todo()
  end,
},
"""


def test_a_handler_that_sleeps(peer: Peer, tmp_path: Path) -> None:
    """The connection goes on while it does, and all requests."""
    todo = """
      core.log(core.notice, "it sleeps")
      repeat core.msleep(10) until is_open()
      return "applied"
    """
    files = Files(tmp_path / "haproxy", agent(peer.url(), HANDLER))
    with Haproxy(files) as haproxy:
        peer.wait_message("agent_description")
        peer.offer(todo=todo)
        haproxy.wait_text("it sleeps")
        for count in (2, 3):
            peer.command("send", message={"flags": 1})  # ReportFullState
            peer.wait_message("agent_description", count=count)
            assert haproxy.get() == "static"
        assert not [m for m in peer.messages if "APPLIED" in str(m.get(STATUS))]
        assert haproxy.get("/lua") == "lua"
        status_of(peer, "APPLIED")
        haproxy.end(signal.SIGTERM)


def test_a_handler_that_raises(peer: Peer, tmp_path: Path) -> None:
    files = Files(tmp_path / "haproxy", agent(peer.url(), HANDLER))
    with Haproxy(files) as haproxy:
        peer.wait_message("agent_description")
        peer.offer(todo='error("handler is broken")')
        assert "handler is broken" in status_of(peer, "FAILED")["error_message"]
        haproxy.wait_text("handler is broken")
        peer.offer(todo='return "applied"')
        status_of(peer, "APPLIED")
        (line,) = [t for t in haproxy.text().splitlines() if "is broken" in t]
        assert "opamp: " in line
        assert "stack traceback" in line
        haproxy.end(signal.SIGTERM)


def test_handlers_of_all_kinds(peer: Peer, tmp_path: Path) -> None:
    """One for "other" gets what we use ourselves, too; one for the log gets it
    all."""
    on = """
    log_level = "info",
    on = {
      other = function(event) core.log(core.notice, "other: " .. event.kind) end,
      log = function(event) core.log(core.notice, "mine: " .. event.message) end,
      remote_config = function() error("broken") end,
    },
    """
    files = Files(tmp_path / "haproxy", agent(peer.url(), on))
    with Haproxy(files) as haproxy:
        peer.wait_message("agent_description")
        peer.command("offer_settings", opamp={"destination_endpoint": "ws://a"})
        haproxy.wait_text("mine: offer ignored")
        peer.offer(a="one")
        haproxy.wait_text("other: error")
        haproxy.wait_text("other: connected")
        assert "opamp: offer ignored" not in haproxy.text().replace("mine: opamp", "")
        haproxy.end(signal.SIGTERM)


def test_the_log(peer: Peer, tmp_path: Path) -> None:
    lua = agent(peer.url(), 'log_level = "info",')
    files = Files(tmp_path / "haproxy", lua)
    with Haproxy(files) as haproxy:
        peer.wait_message("agent_description")
        peer.command("offer_settings", opamp={"destination_endpoint": "ws://a"})
        until(
            lambda: re.search(r"\[info\].*opamp: offer ignored", haproxy.text()),
            haproxy.text,
        )
        haproxy.end(signal.SIGTERM)


def test_the_client_is_there_for_services(peer: Peer, tmp_path: Path) -> None:
    """They run between its steps, or in their middle, and may set what they
    like."""
    settings = f"{THREADS}\n    tune.lua.forced-yield 1"
    lua = agent(peer.url()).replace(
        "opened = true",
        'require("opamp.haproxy").client():set_health({ status = "visited" })',
    )
    with Haproxy(Files(tmp_path / "haproxy", lua, settings=settings)) as haproxy:
        peer.wait_message("agent_description")
        assert haproxy.get("/lua") == "lua"
        assert peer.wait_message("health")["health"]["status"] == "visited"
        haproxy.end(signal.SIGTERM)


# --- the end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("mode", MODES)
def test_the_end(peer: Peer, tmp_path: Path, mode: str, number: int) -> None:
    """It leaves no process, and the server sees nothing but the end of a
    connection."""
    files = Files(tmp_path / "haproxy", settings=THREADS)
    with Haproxy(files, mode, OPAMP_URL=peer.url()) as haproxy:
        peer.wait_message("agent_description")
        haproxy.end(number)
    peer.wait(lambda e: e["event"] == "closed")
    assert not peer.disconnects()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_the_end_of_an_attempt(tmp_path: Path, number: int) -> None:
    """Whoever cannot reach a server ends as well."""
    lua = 'on = { connecting = function() core.log(core.notice, "tries") end },'
    with BlackHole() as hole:
        text = agent(hole.url(), lua)
        files = Files(tmp_path / "haproxy", text, settings=LOG)
        with Haproxy(files, "-W") as haproxy:
            haproxy.wait_text("tries")
            haproxy.end(number)


# --- what is wrong


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ('{ url = "ws://a", tls = { ca = "/none/ca.pem" } }', "/none/ca.pem: No such"),
        (
            '{ url = "wss://a", tls = { cert = "/tmp", key = "/tmp" } }',
            "/tmp: not a regular file",
        ),
        ('{ url = "wss://a", tls = { ca_pem = "nonsense" } }', "CA"),
        ('{ url = "ftp://a" }', "ftp"),
        ("{ url = 1 }", "url"),
        ('{ url = "ws://a", tls = 1 }', "tls"),
        ('{ url = "ws://a", nonsense = 1 }', "nonsense"),
        ('"ws://a"', "'conf': no table"),
        ('{ url = "ws://a" }, { interval = 0 }', "'interval'"),
        ('{ url = "ws://a" }) haproxy.register({ url = "ws://a" }', "called twice"),
    ],
)
def test_misuse(tmp_path: Path, arguments: str, says: str) -> None:
    """HAProxy does not take the configuration, and a reload keeps the old one."""
    lua = f'local haproxy = require("opamp.haproxy") haproxy.register({arguments})'
    files = Files(tmp_path / "haproxy", lua)
    files.replace("    http-request use-service lua.test if { path /lua }\n", "")
    checked = files.check()
    assert checked.returncode == 1
    assert says in checked.stderr


# --- speed


@pytest.mark.parametrize("kind", ["black hole", "no such name"])
def test_requests_do_not_notice(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that does not answer, a name that is none: side by side with an
    HAProxy that has no agent, also for requests that need Lua. A call that
    blocked would cost the ten seconds of the connect timeout, or those of the
    resolver."""
    on = """
      backoff_min = 0.1, backoff_max = 0.1,
      on = { connecting = function() core.log(core.notice, "connecting") end },
    """
    with BlackHole() as hole:
        url = hole.url() if kind == "black hole" else "ws://nobody.invalid"
        lua = agent(url, on)
        bare_lua = lua.partition("require")[0]
        one = "    nbthread 1\n" + LOG
        with (
            Haproxy(Files(tmp_path / "agent", lua, settings=one)) as ours,
            Haproxy(Files(tmp_path / "bare", bare_lua, settings=one)) as bare,
        ):
            ours.wait_text("connecting")

            def request(haproxy: Haproxy, path: str) -> Callable[[], object]:
                return lambda: haproxy.get(path)

            took = side_by_side(
                {
                    f"{name}, {path}": request(haproxy, path)
                    for path in ("/static", "/lua")
                    for name, haproxy in (("agent", ours), ("bare", bare))
                },
                1000,
            )
    with capsys.disabled():
        for name, seconds in took.items():
            print(f"\n{kind}, {name}: {percentiles(seconds)}", end="")
    assert max(seconds[-1] for seconds in took.values()) < 5
