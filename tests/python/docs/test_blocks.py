# SPDX-License-Identifier: Apache-2.0
"""Each Python block of the README and of the pages runs, and does what the text
around it says. What a block leaves to the reader is put before and after it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
from pathlib import Path

import pytest
from authority import Authority
from peer import PATIENCE, Peer, body
from program import EXAMPLES, PAGES, blocks, script

BLOCKS = blocks()

CLIENT = """
import sys
import opamp
from opamp import Capability
client = opamp.Client(
    "ws://127.0.0.1:4320",
    capabilities=Capability.DEFAULT
    | Capability.ACCEPTS_REMOTE_CONFIG
    | Capability.REPORTS_REMOTE_CONFIG
    | Capability.REPORTS_EFFECTIVE_CONFIG,
    identifying={"service.name": "block"},
)
"""
RUN = """
import sys
with client:
    sys.stdin.readline()
"""


def status_of(peer: Peer, status: str, field: str = "remote_config_status") -> str:
    """The text that came with a status."""
    event = peer.wait(
        lambda e: (
            e["event"] == "message"
            and e["message"].get(field, {}).get("status") == status
        )
    )
    return str(event["message"][field].get("error_message", ""))


def wait_for_text(peer: Peer, text: str) -> None:
    """Until an agent says why a configuration cannot be used."""
    peer.wait(
        lambda e: (
            e["event"] == "message"
            and text in str(e["message"].get("remote_config_status"))
        )
    )


# --- the README


def test_readme_first(peer: Peer) -> None:
    """It is the example."""
    example = (EXAMPLES / "first_agent.py").read_text()
    assert BLOCKS["readme-1"] == example.split('"""\n\n', 1)[1]


@pytest.mark.parametrize("name", ["readme-2", "readme-3", "loop-step"])
def test_short_programs(peer: Peer, name: str) -> None:
    with script(BLOCKS[name], peer.url()) as program:
        assert "Connected" in program.end()
    peer.wait_message("agent_disconnect")
    if name == "readme-2":
        assert peer.wait_message("health")["health"]["status"] == "running"


# --- a first agent


def test_first_be_seen(peer: Peer) -> None:
    with script(BLOCKS["first-be-seen"], peer.url()) as program:
        said = program.end()
    last = peer.wait_message("agent_disconnect")
    assert said == f"{last['instance_uid']} is known to the server\n"
    assert peer.wait_message("health")["health"]["status"] == "running"


def test_first_be_seen_by_nobody() -> None:
    text = BLOCKS["first-be-seen"].replace("(5)", "(0.1)")
    with script(text, "ws://127.0.0.1:1") as program:
        assert program.end().startswith("not yet: ")


def test_first_settings(peer: Peer) -> None:
    with script(BLOCKS["first-settings"], peer.url()) as program:
        first = peer.wait_message("effective_config")
        assert body(first, "effective_config", "app.json") == '{"interval": 30}'
        for file, text in (
            ({"app.json": "interval = 5"}, "JSONDecodeError: Expecting value: "),
            ({"app.conf": ""}, "KeyError: 'app.json'"),
            ({"app.json": '{"interval": 0}'}, "ValueError: interval: at least 1 sec"),
        ):
            peer.offer(**file)
            wait_for_text(peer, text)
        peer.offer(**{"app.json": '{"interval": 5}'})
        status_of(peer, "APPLIED")
        last = peer.wait_message("effective_config", "remote_config_status")
        assert body(last, "effective_config", "app.json") == '{"interval": 5}'
        assert "Traceback" in program.end(signal.SIGINT, -signal.SIGINT)
    peer.wait_message("agent_disconnect")


# --- handlers and offers


def test_handlers_ways(peer: Peer) -> None:
    with script(BLOCKS["handlers-ways"] + RUN, peer.url()) as program:
        assert program.line() == f"Connecting {peer.url()}"
        assert program.line() == f"connected to {peer.url()}"
        peer.command("reset")
        assert "; again in " in program.until("again")
        program.end()


def test_offers_answers(peer: Peer) -> None:
    with script(CLIENT + BLOCKS["offers-answers"] + RUN, peer.url()) as program:
        peer.wait_message()
        peer.offer(other="")
        assert status_of(peer, "FAILED") == "there is no app.conf"
        peer.offer(**{"app.conf": "interval = 5"})
        assert status_of(peer, "APPLIED") == ""
        peer.offer(**{"app.conf": "?"})
        wait_for_text(peer, "ValueError: interval is missing")
        program.end()


RELOAD = """
def reload_everything(files):
    open("gate").read()  # until the test has seen APPLYING
    if "bad" in files:
        raise LookupError("bad is bad")
    print(sorted(files))
"""


def test_offers_later(peer: Peer, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    text = CLIENT + RELOAD + BLOCKS["offers-later"] + RUN
    with script(text, peer.url(), cwd=tmp_path) as program:
        peer.wait_message()
        peer.offer(good="")
        status_of(peer, "APPLYING")
        gate.write_text("")
        status_of(peer, "APPLIED")
        peer.offer(bad="")
        gate.write_text("")
        assert status_of(peer, "FAILED") == "bad is bad"
        assert program.end() == "['good']\n"


def test_offers_files(peer: Peer, tmp_path: Path) -> None:
    check = 'CHECK = ["grep", "-q", "interval", "conf.d/a.conf"]\n'
    text = CLIENT + check + BLOCKS["offers-files"] + RUN
    with script(text, peer.url(), cwd=tmp_path) as program:
        peer.wait_message()
        peer.offer(**{"a.conf": "interval = 5"})
        status_of(peer, "APPLIED")
        shown = peer.wait_message("effective_config")
        assert body(shown, "effective_config", "a.conf") == "interval = 5"
        peer.offer(**{"a.conf": "?"})
        assert "CalledProcessError" in status_of(peer, "FAILED")
        assert (tmp_path / "conf.d" / "a.conf").read_text() == "interval = 5"
        peer.offer(**{"a.txt": ""})
        wait_for_text(peer, "ConfigError")
        program.end()


def test_handlers_custom(peer: Peer) -> None:
    with script(CLIENT + BLOCKS["handlers-custom"] + RUN, peer.url()) as program:
        peer.wait_message("custom_capabilities")
        message = {"capability": "com.example.ping", "type": "ping", "data": "AAE="}
        peer.command("send", message={"custom_message": message})
        pong = peer.wait_message("custom_message")["custom_message"]
        assert (pong["type"], pong["data"]) == ("pong", "AAE=")
        program.end()


@pytest.mark.parametrize("handler", ["", "client.on(opamp.RemoteConfig, say)\n"])
def test_an_offer_that_nobody_answers(peer: Peer, handler: str) -> None:
    """FAILED, by itself and after defer(); then a late answer counts."""
    text = CLIENT.replace("identifying", "offer_deadline=0.2, identifying")
    text += """
def say(offer):
    offer.defer()
    print(offer.hash.hex(), flush=True)
"""
    after = """
import sys
with client:
    for line in sys.stdin:
        client.set_remote_config_status(bytes.fromhex(line), opamp.Status.APPLIED)
"""
    with script(text + handler + after, peer.url()) as program:
        peer.wait_message()
        peer.offer(a="")
        status_of(peer, "APPLYING")
        assert status_of(peer, "FAILED") == "not answered"
        if handler:
            assert program.process.stdin is not None
            program.process.stdin.write(program.line() + "\n")
            program.process.stdin.flush()
            status_of(peer, "APPLIED")
        program.end()


# --- asyncio


def test_asyncio_short(peer: Peer) -> None:
    with script(BLOCKS["asyncio-short"], peer.url()) as program:
        program.end()
    assert peer.wait_message("health")["health"]["status"] == "running"
    peer.wait_message("agent_disconnect")


def test_asyncio_handlers(peer: Peer) -> None:
    before = CLIENT.replace("opamp.Client", "opamp.aio.Client")
    before += "import asyncio\nasync def reload_everything(files):\n"
    before += "    print(await asyncio.to_thread(sorted, files))\n"
    after = """
async def main():
    async with client:
        await watch()
asyncio.run(main())
"""
    text = before + BLOCKS["asyncio-handlers"] + after
    with script(text, peer.url()) as program:
        program.until("Connected")
        peer.offer(a="")
        assert program.until("[") == "['a']"
        status_of(peer, "APPLIED")
        program.end(signal.SIGINT, -signal.SIGINT)
    peer.wait_message("agent_disconnect")


def test_asyncio_many(peer: Peer) -> None:
    before = "import asyncio\nimport opamp\n"
    text = before + BLOCKS["asyncio-many"] + "\nasyncio.run(main())\n"
    with script(text, peer.url()) as program:
        program.end()
    peer.wait_message("agent_disconnect", count=10)
    assert len(peer.sequences()) == 10


# --- loops


def test_loop_trio(peer: Peer) -> None:
    before = """
import sys, trio
async def what_the_program_does():
    await trio.to_thread.run_sync(sys.stdin.readline)
"""
    with script(before + BLOCKS["loop-trio"], peer.url()) as program:
        assert peer.wait_message("health")["health"]["status"] == "running"
        program.end()
    peer.wait_message("agent_disconnect")


def test_loop_gevent(peer: Peer) -> None:
    with script(BLOCKS["loop-gevent"], peer.url()) as program:
        assert program.end() == ""
    peer.wait_message("agent_disconnect")


def test_loop_many(peer: Peer) -> None:
    before = f"import opamp\nurls = [{peer.url()!r}] * 3\n"
    with script(before + BLOCKS["loop-many"], peer.url()) as program:
        program.end()
    peer.wait_message("agent_disconnect", count=3)


# --- the end


def test_exit_sigterm(peer: Peer) -> None:
    with script(BLOCKS["exit-sigterm"], peer.url()) as program:
        peer.wait_message()
        program.end(signal.SIGTERM)
    peer.wait_message("agent_disconnect")


# --- connections


def with_client_certificates(authority: Authority, *more: str) -> Peer:
    return Peer(
        *("--tls-cert", str(authority.file("server.pem"))),
        *("--tls-key", str(authority.file("server.key"))),
        *("--client-ca", str(authority.file("ca.pem")), *more),
    )


def test_connections_tls(authority: Authority) -> None:
    text = BLOCKS["connections-tls"] + RUN
    with (
        with_client_certificates(authority) as server,
        script(text, server.url(), cwd=authority.folder) as program,
    ):
        shown = server.wait(lambda e: e["event"] == "connected")["tls"]
        assert "agent" in shown["client_certificate"]["subject"]
        assert shown["version"] == "TLSv1.3"
        program.end()


def test_connections_headers(peer: Peer) -> None:
    peer.command("respond", http_status=401)
    before = "tokens = iter('abcdef')\nnew_token = lambda: next(tokens)\n"
    text = before + BLOCKS["connections-headers"] + RUN
    with script(text, peer.url()) as program:
        assert program.line() == "the server said 401"
        shown = peer.wait(lambda e: e["event"] == "connected")
        assert shown["headers"]["Authorization"] in ("Bearer b", "Bearer c")
        program.end()


def test_connections_proxy(peer: Peer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        there = "{}:{}".format(*listener.getsockname())
        text = BLOCKS["connections-proxy"].replace("proxy.example.com:3128", there)
        text += "client = through\nprint(through)\n" + RUN
        with script(text, peer.url()) as program:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(PATIENCE)
                asked = b""
                while b"\r\n\r\n" not in asked:
                    asked += connection.recv(4096)
            assert asked.startswith(b"CONNECT opamp.example.com:443 ")
            assert b"X-Team: fleet" in asked and b"Authorization: Basic " in asked
            assert "secret" not in program.end()


def test_connections_state(peer: Peer, tmp_path: Path) -> None:
    text = BLOCKS["connections-state"] + RUN
    with script(text, peer.url(), cwd=tmp_path) as program:
        peer.wait_message()
        peer.offer(a="")
        assert program.line() == "new ['a']"
        status_of(peer, "APPLIED")
        program.end()
    with script(text, peer.url(), cwd=tmp_path) as program:
        assert program.line() == "kept ['a']"
        program.end()
    assert len(peer.sequences()) == 1


def test_connections_settings(peer: Peer, tmp_path: Path) -> None:
    text = "export_metrics_to = print\n" + BLOCKS["connections-settings"] + RUN
    with script(text, peer.url(), cwd=tmp_path) as program, Peer() as other:
        peer.wait_message()
        metrics = {"destination_endpoint": "https://metrics"}
        peer.command("offer_settings", own_metrics=metrics)
        status_of(peer, "APPLIED", "connection_settings_status")
        assert program.line() == "https://metrics"
        peer.command("offer_settings", opamp={"destination_endpoint": other.url()})
        status_of(other, "APPLIED", "connection_settings_status")
        program.end()


def test_connections_certificate(authority: Authority, tmp_path: Path) -> None:
    shutil.copy(authority.file("ca.pem"), tmp_path)
    issue = f"{authority.file('ca.pem')},{authority.file('ca.key')}"
    text = BLOCKS["connections-certificate"] + RUN
    more = ("--client-ca-optional", "--issue-certificates", issue)
    with (
        with_client_certificates(authority, *more) as server,
        script(text, server.url(), cwd=tmp_path) as program,
    ):
        server.wait(
            lambda e: e["event"] == "connected" and "client_certificate" in e["tls"]
        )
        program.end()


def test_transport_http(peer: Peer) -> None:
    with script(BLOCKS["transport-http"] + RUN, peer.url("http")) as program:
        peer.wait_message()
        program.end()
    assert peer.wait_message("agent_disconnect")


# --- moving, errors


def test_moving_agent(peer: Peer) -> None:
    pytest.importorskip("google.protobuf")
    text = BLOCKS["moving-agent"].replace("interval=30", "interval=0.05")
    text += "\nimport sys\nsys.stdin.readline()\n"
    with script(text, peer.url("http")) as program:
        peer.wait_message("agent_description")
        file = {"body": '{"a": 1}', "content_type": "application/json"}
        peer.command("offer_config", files={"app": file})
        assert program.line() == "app: {'a': 1}"
        status_of(peer, "APPLIED")
        program.end()
    peer.wait_message("agent_disconnect")


def test_errors_raised(peer: Peer) -> None:
    with script(BLOCKS["errors-raised"], peer.url()) as program:
        said = program.end()
    shown = re.search(
        r"code-block:: text\n\n   (.*\n)", (PAGES / "errors.rst").read_text()
    )
    assert shown is not None and said == shown[1]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ws://127.0.0.1:1", "127.0.0.1:1"),
        ("wss://PEER", "nobody trusts the server: "),
        ("ws://nobody.invalid", "there is no such host"),
    ],
)
def test_errors_events(tls_peer: Peer, url: str, says: str) -> None:
    text = CLIENT + BLOCKS["errors-events"] + RUN
    with script(text, url.replace("PEER", tls_peer.address)) as program:
        assert says in program.line()
        program.end()


# --- all of them


def test_every_block_has_a_test() -> None:
    """By its name, in the text of the tests."""
    here = Path(__file__).parent
    tests = "".join(path.read_text() for path in here.glob("test_*.py"))
    assert len(BLOCKS) > 30
    assert [name for name in BLOCKS if f'"{name}"' not in tests] == []
