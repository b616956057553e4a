# SPDX-License-Identifier: Apache-2.0
"""The wheel: what is in it, and that it needs nothing that is not."""

from __future__ import annotations

import email
import json
import re
import sys
import zipfile
from pathlib import Path

import host
import pytest
from authority import Authority
from building import output
from peer import Peer

MIB = 1024 * 1024

# The third-party sources inside.
CONTENTS = "curl libuv1 libwebsockets openssl protobuf-c zlib".split()


# --- the file


def member(wheel: Path, ending: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [n for n in archive.namelist() if n.endswith(ending)]
        return archive.read(name).decode()


def test_it_is_for_every_python_since_3_10_and_all_but_old_systems(wheel: Path) -> None:
    tags = r"libopamp-[\d.]+-cp310-abi3-manylinux_2_(\d+)_(x86_64|aarch64)\.whl"
    name = re.fullmatch(tags, wheel.name)
    assert name is not None, wheel.name
    assert int(name[1]) <= 36  # Debian 12's


def test_it_depends_on_cffi_alone(wheel: Path) -> None:
    metadata = email.message_from_string(member(wheel, ".dist-info/METADATA"))
    needed = [n for n in metadata.get_all("Requires-Dist", []) if "extra ==" not in n]
    assert needed == ["cffi>=1.15"]


def test_the_licences_of_what_is_inside_are_inside(wheel: Path) -> None:
    assert "Apache License" in member(wheel, "/licenses/LICENSE")
    for source in CONTENTS:
        assert "Copyright" in member(wheel, f"/licenses/{source}.txt"), source


def test_it_lists_what_is_inside(wheel: Path) -> None:
    listed = json.loads(member(wheel, "/sboms/libopamp.cdx.json"))["components"]
    assert sorted(c["name"] for c in listed) == CONTENTS
    assert all(c["purl"].startswith("pkg:deb/debian/") for c in listed)


def test_the_auditors_are_content(wheel: Path, tools: Path, tmp_path: Path) -> None:
    tag = re.findall(r"manylinux_2_\d+_\w+", wheel.name)[0]
    shown = output(tools, "-m", "auditwheel", "show", wheel)
    told = " ".join(shown.split())  # it breaks lines
    assert f'is consistent with the following platform tag: "{tag}"' in told
    assert "system-provided shared libraries: libc.so.6 with versions" in told
    report = tmp_path / "abi3audit.json"
    audit = tools.with_name("abi3audit")
    output(audit, "--strict", "--report", "--output", report, wheel)
    [looked_at] = json.loads(report.read_text())["specs"].values()
    [extension] = looked_at["wheel"]
    assert extension["name"] == "_native.abi3.so"
    assert extension["result"]["is_abi3"]
    assert extension["result"]["baseline"] == "3.10"
    assert extension["result"]["non_abi3_symbols"] == []


# --- what is installed


@pytest.fixture(scope="session")
def extension(package: Path) -> Path:
    return package / "_native.abi3.so"


def test_one_symbol_is_exported(extension: Path) -> None:
    exported = output("nm", "-D", "--defined-only", extension).split()
    assert exported[2::3] == ["PyInit__native"]


def test_it_needs_the_c_library_only(extension: Path) -> None:
    dynamic = output("readelf", "-d", "-W", extension)
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
    assert "libc.so.6" in needed
    of_glibc = r"(lib(c|m|dl|rt|pthread)|ld-linux-[\w-]+)\.so\.\d+"
    assert [n for n in needed if not re.fullmatch(of_glibc, n)] == []
    assert "RPATH" not in dynamic
    assert "RUNPATH" not in dynamic


def test_nothing_tells_of_the_machine_that_built_it(extension: Path) -> None:
    data = extension.read_bytes()
    assert b"libwebsockets" in data
    assert str(host.ROOT).encode() not in data
    assert str(Path.home()).encode() not in data


def test_it_is_small(package: Path) -> None:
    files = [f for f in package.rglob("*") if f.is_file() and f.suffix != ".pyc"]
    assert sum(f.stat().st_size for f in files) < 6 * MIB


# --- what it does, with none of the libraries that were linked into it around


def bare_of_libraries(python: Path, folders: tuple[str, ...] = ()) -> list[str]:
    libraries = host.system_libraries(python)
    assert libraries, "there would be nothing to hide"
    return host.without(libraries, folders, python)


@pytest.mark.parametrize("version", host.VERSIONS)
def test_it_speaks_all_four(
    version: str,
    installed: host.Environments,
    plain_peer: Peer,
    tls_peer: Peer,
    authority: Authority,
) -> None:
    python = installed(version)
    plain = [plain_peer.url("ws"), plain_peer.url("http")]
    secure = [tls_peer.url("ws"), tls_peer.url("http")]
    ca = authority.file("ca.pem")
    prefix = bare_of_libraries(python, host.TRUST)
    report = host.connecting(prefix, "--ca", ca, *plain, *secure)
    assert report["connected"] == ["", "", "", ""]
    assert {"http", "websocket"} <= set(report["features"])
    assert report["used"] == []  # nor was it at import


def test_what_is_hidden_is_hidden() -> None:
    """Else the test above would show nothing."""
    libraries = host.system_libraries(sys.executable)
    assert any("libcrypto.so" in path for path in libraries)
    openssl = host.without(libraries, (), "openssl", "version")
    with pytest.raises(AssertionError, match=r"lib(crypto|ssl)\.so"):
        output(*openssl)


# --- beside the host's OpenSSL

# Leaves OpenSSL without any algorithm.
BREAKING = """
openssl_conf = everything
[everything]
providers = providers
[providers]
null = null
[null]
activate = 1
"""


def test_openssl_conf_has_no_effect(
    bare: Path, tls_peer: Peer, authority: Authority, tmp_path: Path
) -> None:
    config = tmp_path / "openssl.cnf"
    config.write_text(BREAKING)
    breaks = {"OPENSSL_CONF": str(config)}
    with pytest.raises(AssertionError, match=r"unsupported|fetch"):
        output("openssl", "rand", "-hex", "1", env=breaks)
    urls = [tls_peer.url("ws"), tls_peer.url("http")]
    ca = authority.file("ca.pem")
    report = host.connecting([str(bare)], "--ca", ca, *urls, env=breaks)
    assert report["connected"] == ["", ""]


def test_it_goes_with_pythons_own_ssl(
    bare: Path, tls_peer: Peer, authority: Authority
) -> None:
    """Two OpenSSLs in one process, the other one first."""
    program = (
        "import hashlib, runpy, ssl, sys; ssl.create_default_context();"
        "sys.argv[:] = sys.argv[1:];"
        "runpy.run_path(sys.argv[0], run_name='__main__');"
        "ssl.create_default_context(); hashlib.sha256(b'x').digest()"
    )
    prefix = [str(bare), "-c", program]
    urls = [tls_peer.url("ws"), tls_peer.url("http")]
    report = host.connecting(prefix, "--ca", authority.file("ca.pem"), *urls)
    assert report["connected"] == ["", ""]
    assert "ssl" in report["imported"]
