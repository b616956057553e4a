# SPDX-License-Identifier: Apache-2.0
"""The wheel's own curl through real proxies."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import host
import pytest
from authority import Authority
from peer import Peer

sys.path.append(str(host.ROOT / "tests" / "c" / "tools"))

# That of the C library's own tests, which is without types.
proxy_driver: Any = importlib.import_module("proxy_driver")

SCHEMES = ("ws", "http")


@pytest.fixture(scope="module")
def squid(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    root = tmp_path_factory.mktemp("squid")
    base = tmp_path_factory.getbasetemp().parent
    for folder in (root, *root.parents):
        if folder.is_relative_to(base):
            folder.chmod(0o755)  # it changes its user
    proxy = proxy_driver.Squid(root / "squid", certs=authority.folder)
    yield proxy
    proxy.stop()


@pytest.fixture(scope="module")
def socks(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    proxy = proxy_driver.Microsocks(tmp_path_factory.mktemp("socks") / "microsocks")
    yield proxy
    proxy.stop()


def tunnels(squid: Any) -> int:
    """How many were asked for."""
    log: str = (squid.root / "access.log").read_text()
    return log.count(" CONNECT ")


@pytest.fixture
def arguments(plain_peer: Peer, tls_peer: Peer, authority: Authority) -> list[str]:
    """Those for connecting.py: all four kinds of server."""
    peers = (plain_peer, tls_peer)
    urls = [peer.url(scheme) for peer in peers for scheme in SCHEMES]
    return ["--ca", str(authority.file("ca.pem")), *urls]


@pytest.fixture
def prefix(bare: Path) -> list[str]:
    return host.without(host.system_libraries(bare), host.TRUST, bare)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_http_and_https_proxies(
    scheme: str, squid: Any, prefix: list[str], arguments: list[str]
) -> None:
    before = tunnels(squid)
    port = squid.tls_port if scheme == "https" else None
    proxy = squid.url(scheme, port=port)
    report = host.connecting(prefix, "--proxy", proxy, *arguments)
    assert report["connected"] == ["", "", "", ""]
    assert tunnels(squid) > before


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks_proxies(
    scheme: str, socks: Any, prefix: list[str], arguments: list[str]
) -> None:
    proxy = socks.url(scheme)
    report = host.connecting(prefix, "--proxy", proxy, *arguments)
    assert report["connected"] == ["", "", "", ""]
    port = arguments[-1].split(":")[-1].split("/")[0]
    socks.mentions(f":{port}")
