# SPDX-License-Identifier: Apache-2.0
"""Whom the wheel's own OpenSSL trusts on a host, of which it knew nothing when
it was built: each test is a host with authorities in another place."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import host
import pytest
from authority import Authority
from building import output
from peer import Peer

# connecting.py on a host, with arguments and variables, which has a copy of the
# server's authority at `place`.
Connect = Callable[..., dict[str, Any]]

# Puts a file somewhere, in a folder that may have to be made, and goes on.
_PUT = 'mkdir -p "$(dirname "$2")"; cp "$1" "$2"; shift 2; exec "$@"'

# Nobody's certificate is signed by it.
UNTRUSTED = "unable to get local issuer certificate"


@pytest.fixture
def connect(bare: Path, tls_peer: Peer, authority: Authority) -> Connect:
    urls = [tls_peer.url("ws"), tls_peer.url("http")]
    ca = authority.file("ca.pem")

    def run(
        *arguments: str | Path,
        place: str | None = None,
        libraries: bool = False,
        empty: Sequence[str] = host.TRUST,
        **env: str,
    ) -> dict[str, Any]:
        command: list[str | Path] = [bare]
        if place is not None:
            command = ["sh", "-euc", _PUT, "sh", ca, place, bare]
            # Nothing is put into the real folders.
            assert any(os.path.isdir(f) and place.startswith(f"{f}/") for f in empty)
        hidden = [] if libraries else host.system_libraries(bare)
        prefix = host.without(hidden, empty, *command)
        return host.connecting(prefix, *arguments, *urls, env=env)

    return run


def is_trusted(report: dict[str, Any]) -> bool:
    """Whether both connections came about; no other failure is thinkable."""
    if report["connected"] == ["", ""]:
        return True
    assert all(UNTRUSTED in text for text in report["connected"]), report
    return False


def test_a_host_without_any_trusts_nobody(connect: Connect) -> None:
    assert not is_trusted(connect())


def test_ssl_cert_file(connect: Connect, authority: Authority) -> None:
    report = connect(SSL_CERT_FILE=str(authority.file("ca.pem")))
    assert is_trusted(report)
    assert report["used"] == []


def test_ssl_cert_dir(connect: Connect, authority: Authority, tmp_path: Path) -> None:
    ca = authority.file("ca.pem")
    name = output("openssl", "x509", "-noout", "-hash", "-in", ca).strip()
    (tmp_path / f"{name}.0").symlink_to(ca)
    assert is_trusted(connect(SSL_CERT_DIR=str(tmp_path)))


@pytest.mark.parametrize(
    "place",
    [
        "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch
        "/etc/ssl/ca-bundle.pem",  # SUSE
        "/etc/ssl/cert.pem",  # the BSDs, Alpine
    ],
)
def test_the_host_s_own(connect: Connect, place: str) -> None:
    report = connect(place=place)
    assert is_trusted(report)
    assert report["used"] == []  # it was found without Python's ssl


def test_red_hat_s(connect: Connect) -> None:
    """There may be no /etc/pki here."""
    report = connect(place="/etc/pki/tls/certs/ca-bundle.crt", empty=["/etc"])
    assert is_trusted(report)


def test_the_variable_comes_before_the_host_s_own(
    connect: Connect, authority: Authority
) -> None:
    nobody = str(authority.file("agent.pem"))
    place = "/etc/ssl/ca-bundle.pem"
    assert not is_trusted(connect(place=place, SSL_CERT_FILE=nobody))


def test_those_of_pythons_ssl(connect: Connect) -> None:
    place = "/usr/lib/ssl/cert.pem"  # where Debian's OpenSSL looks
    report = connect(place=place, libraries=True)
    assert is_trusted(report)
    assert "ssl" in report["used"]
    assert report["imported"] == []


def test_certifi(connect: Connect, authority: Authority, tmp_path: Path) -> None:
    ca = str(authority.file("ca.pem"))
    (tmp_path / "certifi.py").write_text(f"def where() -> str:\n    return {ca!r}\n")
    report = connect(PYTHONPATH=str(tmp_path))
    assert is_trusted(report)
    assert report["used"] == ["certifi"]  # Python's ssl has no library here


def test_given_ones_are_the_only_ones(connect: Connect, authority: Authority) -> None:
    other = authority.file("agent.pem")
    place = "/etc/ssl/ca-bundle.pem"
    assert not is_trusted(connect("--ca", other, place=place))
    assert is_trusted(connect("--ca", other, "--system-ca", place=place))
