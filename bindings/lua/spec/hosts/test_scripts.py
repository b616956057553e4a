# SPDX-License-Identifier: Apache-2.0
"""An agent in a plain script: how it waits, how it ends, and what becomes of it
in a fork."""

from __future__ import annotations

import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from authority import Authority
from peer import Peer, body, is_consecutive
from program import LUAS, Program, script, wait_health
from reset import Resetting

# For which Debian has luaposix.
POSIX = ("5.1", "5.3")

# arg: URL, a file of authorities.
CLIENT = """
local opamp = require("opamp")
local client = assert(opamp.new {
  url = arg[1],
  tls = { ca = arg[2] },
  identifying = { ["service.name"] = "script" },
  capabilities = {
    "AcceptsRemoteConfig", "ReportsRemoteConfig", "ReportsEffectiveConfig",
  },
  backoff_min = 0.01,
  backoff_max = 0.02,
  poll_interval = 0.05,
})
local function is_told()
  return client:state() == "connected" and not next(client:undelivered())
end
client:set_health { healthy = true, status = "begins" }
"""
CONNECTED = (
    CLIENT
    + """
client:run { until_ = is_told }
"""
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture
def tls_peer(authority: Authority) -> Iterator[Peer]:
    certificate, key = authority.file("server.pem"), authority.file("server.key")
    with Peer("--tls-cert", str(certificate), "--tls-key", str(key)) as server:
        yield server


# --- run


@pytest.mark.parametrize("scheme", ["ws", "http"])
@pytest.mark.parametrize("lua", LUAS)
def test_run(peer: Peer, tmp_path: Path, lua: str, scheme: str) -> None:
    text = (
        CONNECTED
        + """
local before = client:counters().messages_sent
client:run { timeout = 0 }
assert(client:counters().messages_sent == before)
local seen
client:on("remote_config", function(event)
  seen = event.files.a.body
  client:set_effective_config { a = seen }
  return "applied"
end)
io.write("ready\\n")
io.flush()
client:run { until_ = function() return seen end }
client:stop { wait = 10 }
io.write(client:state(), " ", seen)
"""
    )
    with script(lua, tmp_path, text, peer.url(scheme)) as program:
        program.until("ready")
        peer.offer(a="b")
        assert program.end() == "ready\nstopped b"
    last = peer.wait_message("effective_config")
    assert body(last, "effective_config", "a") == "b"
    assert last["remote_config_status"]["status"] == "APPLIED"
    peer.wait_message("agent_disconnect")
    assert all(is_consecutive(numbers) for numbers in peer.sequences().values())


# --- signals


@pytest.mark.parametrize("lua", LUAS)
@pytest.mark.parametrize("where", ["connected", "nobody", "every instant"])
def test_interrupted(peer: Peer, tmp_path: Path, lua: str, where: str) -> None:
    """What the programs of Lua make of SIGINT is an error of what runs."""
    url = "ws://127.0.0.1:1" if where == "nobody" else peer.url()
    text = CLIENT + 'print("ready")\nio.flush()\nclient:run()\n'
    for _ in range(8 if where == "every instant" else 1):
        with script(lua, tmp_path, text, url) as program:
            program.until("ready")
            if where == "connected":
                peer.wait_message("health")
            said = program.end(signal.SIGINT, status=1, timeout=2)
            assert "interrupted!" in said
    assert not peer.disconnects()


@pytest.mark.parametrize("lua", LUAS)
def test_interrupted_and_stopped(peer: Peer, tmp_path: Path, lua: str) -> None:
    text = (
        CLIENT
        + """
print(pcall(client.run, client))
client:stop { wait = 5 }
"""
    )
    with script(lua, tmp_path, text, peer.url()) as program:
        peer.wait_message("health")
        assert "interrupted!" in program.end(signal.SIGINT)
    peer.wait_message("agent_disconnect")


def default_signals(program: Program) -> bool:
    """Whether SIGPIPE would end it."""
    path = Path(f"/proc/{program.process.pid}/status")
    words = dict(line.split(":\t") for line in path.read_text().splitlines())
    mask = int(words["SigIgn"], 16) | int(words["SigBlk"], 16)
    return not mask & 1 << (signal.SIGPIPE - 1)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("lua", LUAS)
def test_reset_while_it_writes(
    authority: Authority, tmp_path: Path, lua: str, scheme: str
) -> None:
    """Nothing here ignores SIGPIPE, which ends a process by default."""
    text = (
        CLIENT
        + """
local big = ("x"):rep(8000000)
local lost = 0
client:on("disconnected", function()
  lost = lost + 1
  if lost == 10 then
    print("lost")
    io.flush()
    io.read()
  end
end)
client:set_effective_config { big = big }
client:run { until_ = function() return lost >= 20 end }
"""
    )
    tls = None
    if scheme == "wss":
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(authority.file("server.pem"), authority.file("server.key"))
    ca = str(authority.file("ca.pem"))
    with (
        Resetting(tls) as server,
        script(lua, tmp_path, text, server.url(), ca) as program,
    ):
        program.until("lost")
        assert default_signals(program)
        program.tell("go on")
        program.end()
        assert server.resets >= 20


# --- fork

CHILD = {
    "close": "client:close()",
    "collected": "client = nil; collectgarbage(); collectgarbage()",
    "left": "",
}

FORKED = """
local unistd = require("posix.unistd")
local wait = require("posix.sys.wait").wait
local pid = assert(unistd.fork())
if pid == 0 then
  local calls = {
    start = {}, step = {}, poll = {}, fd = {}, timeout = {}, state = {},
    stop = {}, run = {}, flush = {}, instance_uid = {}, counters = {},
    set_health = { { healthy = false } },
    set_effective_config = { { a = "b" } },
    send_custom = { "com.example", "a", "b" },
  }
  for name, arguments in pairs(calls) do
    local value, message, code = client[name](client, unpack(arguments))
    if value ~= nil or code ~= "forked"
      or message ~= "the client was created before the fork" then
      print(name, value, message, code)
    end
  end
  local other = assert(opamp.new { url = arg[1], tls = { ca = arg[2] } })
  other:set_health { healthy = true, status = "of the child" }
  other:start()
  other:run { until_ = function()
    return other:state() == "connected" and not next(other:undelivered())
  end }
  other:stop { wait = 10 }
  CHILD
  print("child ends")
  os.exit(0, true)
end
print("child", select(2, wait(pid)))
client:set_health { healthy = true, status = "after the child" }
client:run { until_ = is_told }
client:stop { wait = 10 }
"""


@pytest.mark.parametrize("scheme", ["ws", "http", "wss"])
@pytest.mark.parametrize("end", CHILD)
@pytest.mark.parametrize("lua", POSIX)
def test_fork(
    tls_peer: Peer,
    peer: Peer,
    authority: Authority,
    tmp_path: Path,
    lua: str,
    end: str,
    scheme: str,
) -> None:
    server = tls_peer if scheme == "wss" else peer
    text = CONNECTED + "local unpack = table.unpack or unpack\n" + FORKED
    text = text.replace("CHILD", CHILD[end])
    ca = str(authority.file("ca.pem"))
    url = server.url(scheme.replace("wss", "ws"))
    with script(lua, tmp_path, text, url, ca) as program:
        assert program.end() == "child ends\nchild\texited\t0\n"
    wait_health(server, "after the child")
    server.wait_message("agent_disconnect", count=2)
    assert len(server.sequences()) == 2
    assert all(is_consecutive(numbers) for numbers in server.sequences().values())
    if scheme != "http":
        assert len(server.of("connected")) == 2


# --- the end

ENDS = {
    "nothing": "",
    "exit": "os.exit()",
    "exit that closes": "os.exit(0, true)",
    "closed": "client:close()",
    "collected": "client = nil; collectgarbage(); collectgarbage()",
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("scheme", ["ws", "wss", "http"])
@pytest.mark.parametrize("lua", LUAS)
def test_end(
    tls_peer: Peer,
    peer: Peer,
    authority: Authority,
    tmp_path: Path,
    lua: str,
    scheme: str,
    end: str,
) -> None:
    """Without stop(), in any way: quietly, and the server is told nothing."""
    server = tls_peer if scheme == "wss" else peer
    ca = str(authority.file("ca.pem"))
    url = server.url(scheme.replace("wss", "ws"))
    with script(lua, tmp_path, CONNECTED + ENDS[end], url, ca) as program:
        assert program.end() == ""
    server.wait(lambda e: e["event"] == "closed")
    assert not server.disconnects()


@pytest.mark.parametrize("lua", LUAS)
def test_end_of_one_that_waits_in_a_handler(
    peer: Peer, tmp_path: Path, lua: str
) -> None:
    text = (
        CONNECTED
        + """
client:on("remote_config", function()
  print("waiting")
  io.flush()
  coroutine.yield()
end)
client:set_health { healthy = true, status = "ready" }
local waiting = coroutine.create(function()
  client:run { until_ = function() return false end }
end)
assert(coroutine.resume(waiting))
"""
    )
    with script(lua, tmp_path, text, peer.url()) as program:
        wait_health(peer, "ready")
        peer.offer(a="b")
        assert program.end() == "waiting\n"


def test_end_of_a_block(peer: Peer, tmp_path: Path) -> None:
    """What is declared <close> is closed there."""
    text = CONNECTED.replace("local client", "local client <close>")
    text = f"do\n{text}\nend\nprint('closed')\nio.flush()\nio.read()\n"
    with script("5.4", tmp_path, text, peer.url()) as program:
        program.until("closed")
        peer.wait(lambda e: e["event"] == "closed")
        program.end()
    assert not peer.disconnects()
