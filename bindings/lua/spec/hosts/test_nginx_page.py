# SPDX-License-Identifier: Apache-2.0
"""What the page about nginx shows, on nginx."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path

from host import until
from nginx import EXAMPLE, Nginx, config
from peer import PATIENCE, Peer

PAGE = Path(__file__).parents[2] / "doc" / "nginx.md"
BLOCKS = re.findall(r"^```\w+\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
WHOLE, HANDLERS, EXIT, ENV, LOG = BLOCKS
SERVER = "ws://127.0.0.1:4320/v1/opamp"


def at(peer: Peer, text: str) -> str:
    """The text, with the server of a test."""
    assert SERVER in text
    return text.replace(SERVER, peer.url())


def test_the_example_is_on_the_page() -> None:
    assert EXAMPLE.read_text() == WHOLE


def test_the_example(peer: Peer, tmp_path: Path) -> None:
    with Nginx(at(peer, WHOLE), tmp_path) as nginx:
        peer.wait_message("agent_description")
        assert len(nginx.workers()) == 2
        assert nginx.get() == "not configured yet\n"
        peer.offer(greeting="hello\n")
        until(lambda: nginx.get() == "hello\n", nginx.tail)
        nginx.reload()
        assert {nginx.get() for _ in range(20)} == {"hello\n"}
        nginx.end()
    assert len(peer.sequences()) == 1
    assert nginx.errors() == []


def test_handlers(peer: Peer, tmp_path: Path) -> None:
    with Nginx(config(at(peer, HANDLERS)), tmp_path) as nginx:
        health = peer.wait_message("health")["health"]
        assert health["healthy"] and health["status"] == "serving"
        peer.offer(limit="many")
        failed = peer.wait_message("remote_config_status")["remote_config_status"]
        assert failed["error_message"] == "limit: a number is missing"
        peer.offer(limit="5")
        until(lambda: "limit=5\n" in nginx.get("/config"), nginx.tail)


def test_a_good_bye_on_sigterm(peer: Peer, tmp_path: Path) -> None:
    options = 'dict = "opamp", disconnect_on_exit = true'
    init = at(peer, HANDLERS).replace('dict = "opamp"', options)
    assert options in init
    with Nginx(config(init, more=EXIT), tmp_path) as nginx:
        peer.wait_message("health")
        nginx.end(signal.SIGTERM)
    peer.wait_message("agent_disconnect")
    assert nginx.errors() == []


def test_a_proxy_from_the_environment(peer: Peer, tmp_path: Path) -> None:
    """Without the directives it is not there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        proxy = "http://{}:{}".format(*listener.getsockname())
        init = at(peer, HANDLERS).replace("ws://", "wss://")
        env = {"https_proxy": proxy, "no_proxy": "example.com"}
        with Nginx(ENV + config(init), tmp_path / "with", **env):
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(PATIENCE)
                wanted = f"CONNECT {peer.address} ".encode()
                assert connection.recv(len(wanted)) == wanted
    with Nginx(config(at(peer, HANDLERS)), tmp_path / "without", http_proxy=proxy):
        peer.wait_message("health")


def test_the_log(peer: Peer, tmp_path: Path) -> None:
    with Nginx(config(at(peer, LOG)), tmp_path) as nginx:
        nginx.wait_text("opamp: connected ")
        peer.close()
        nginx.wait_text("opamp: disconnected ")
        nginx.wait_text("opamp: connect_failed ")
