# SPDX-License-Identifier: Apache-2.0
"""The source distribution: it builds alone, without the repository and without
protoc-c, and on an installed libopamp."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import host
import pytest
from building import install_libopamp, output
from peer import Peer

# Faster to build; what is built is the same.
QUICKLY = {
    "CFLAGS": "-O0",
    "LIBOPAMP_CMAKE_ARGS": "-DCMAKE_BUILD_TYPE=Debug",
}


def make_sdist(tools: Path, project: Path, target: Path) -> Path:
    build = (tools, "-m", "build", "--sdist", "--no-isolation")
    output(*build, project, "--outdir", target)
    [made] = target.glob("libopamp-*.tar.gz")
    return made


@pytest.fixture(scope="module")
def sdist(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sdist(tools, host.PROJECT, tmp_path_factory.mktemp("sdist"))


def names(archive: Path) -> set[str]:
    """Its files, but for what setuptools keeps for itself."""
    with tarfile.open(archive) as opened:
        files = {member.name for member in opened if member.isfile()}
    return {name for name in files if ".egg-info/" not in name}


def test_it_has_all_and_no_more(sdist: Path) -> None:
    root = sdist.name.removesuffix(".tar.gz")
    found = {name.removeprefix(f"{root}/") for name in names(sdist)}
    assert {
        "opamp_build.py",
        "wheel/bundle.c",
        "src/opamp/py.typed",
        "libopamp-src/LICENSE",
        "libopamp-src/libopamp/include/opamp/opamp.h",
        "libopamp-src/proto/opamp/v1/opamp.pb-c.c",
    } <= found
    made = [n for n in found if n.endswith((".so", ".o", ".pyc", ".a", "_native.c"))]
    assert made == []


def test_one_can_be_made_of_it(sdist: Path, tools: Path, tmp_path: Path) -> None:
    project = opened(sdist, tmp_path)
    again = make_sdist(tools, project, tmp_path / "again")
    assert names(again) == names(sdist)


def opened(sdist: Path, folder: Path) -> Path:
    with tarfile.open(sdist) as archive:
        archive.extractall(folder)
    return folder / sdist.name.removesuffix(".tar.gz")


def build_alone(python: Path, sdist: Path, **env: str) -> None:
    """As pip would on another machine, which has no repository and no
    protoc-c."""
    generators = [path for path in [shutil.which("protoc-c")] if path]
    folder = sdist.parent / "alone"
    folder.mkdir(exist_ok=True)
    pip = (python, "-m", "pip", "install", "--no-binary", "libopamp", "-q", sdist)
    output(
        *host.without(generators, [str(host.ROOT)], *pip),
        cwd=folder,
        env={**os.environ, **QUICKLY, **env},
    )


def linked(python: Path) -> str:
    """The libraries of the extension that is installed there."""
    where = "import opamp._native as n; print(n.__file__)"
    return output("ldd", output(python, "-c", where, cwd="/").strip())


@pytest.fixture
def python(tmp_path: Path) -> Path:
    found = host.interpreter("3.11")
    if found is None:
        pytest.skip("there is no Python 3.11 here")
    return host.environment(tmp_path / "environment", found)


def test_it_builds_alone(sdist: Path, python: Path, plain_peer: Peer) -> None:
    build_alone(python, sdist)
    urls = [plain_peer.url("ws"), plain_peer.url("http")]
    assert host.connecting([str(python)], *urls)["connected"] == ["", ""]
    libraries = linked(python)
    assert "libwebsockets.so" in libraries
    assert "libopamp.so" not in libraries


def test_it_builds_on_an_installed_libopamp(
    sdist: Path, python: Path, plain_peer: Peer, tmp_path: Path
) -> None:
    prefix = install_libopamp(tmp_path)
    build_alone(
        python,
        sdist,
        LIBOPAMP_USE_SYSTEM="1",
        PKG_CONFIG_PATH=str(prefix / "lib" / "pkgconfig"),
    )
    there = {"LD_LIBRARY_PATH": str(prefix / "lib")}
    urls = [plain_peer.url("ws"), plain_peer.url("http")]
    report = host.connecting([str(python)], *urls, env=there)
    assert report["connected"] == ["", ""]
    needed = output("readelf", "-d", extension_of(python))
    assert "libopamp.so.0" in needed
    assert "libwebsockets" not in needed


def extension_of(python: Path) -> Path:
    [found] = python.parents[1].glob("lib/python*/site-packages/opamp/_native*.so")
    return found
