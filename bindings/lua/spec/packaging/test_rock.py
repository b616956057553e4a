# SPDX-License-Identifier: Apache-2.0
"""The rock: LuaRocks builds it from a checkout and from a repository."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from building import ROOT, output
from luas import BINDING, abi, connects, lua_files
from peer import Peer

VERSION = "0.1.0"
SCM = BINDING / "libopamp-scm-1.rockspec"
RELEASE = BINDING / f"libopamp-{VERSION}-1.rockspec"

BUILT = shutil.ignore_patterns("build.luarocks", "__pycache__", ".*_cache")

# What LuaRocks has to be told about LuaJIT, for it asks for 5.1 only.
JIT = """
lua_interpreter = "luajit"
variables = { LUA_INCDIR = "%s" }
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources: LuaRocks builds among them. What is built for one
    Lua is there for the next."""
    folder = tmp_path_factory.mktemp("checkout") / "libopamp"
    folder.mkdir()
    shutil.copy2(ROOT / "CMakeLists.txt", folder)
    for name in ("proto", "libopamp", "bindings/lua"):
        shutil.copytree(ROOT / name, folder / name, ignore=BUILT)
    return folder


def luarocks(lua: str, folder: Path, *words: str | Path, cwd: Path, **env: str) -> str:
    """The tree in `folder` is new, and so is all else that LuaRocks knows."""
    config = folder / "config.lua"
    config.write_text("")
    if lua == "jit":
        ask = ("pkg-config", "--variable=includedir", "luajit")
        config.write_text(JIT % output(*ask).strip())
    return output(
        *("luarocks", f"--lua-version={abi(lua)}", f"--tree={folder / 'tree'}"),
        *words,
        cwd=cwd,
        env={
            **os.environ,
            "HOME": str(folder),
            "LUAROCKS_CONFIG": str(config),
            "CMAKE_BUILD_PARALLEL_LEVEL": "2",
            **env,
        },
    )


def check(lua: str, folder: Path, peer: Peer) -> None:
    """What is in the tree is all that it takes."""
    share, lib = (folder / "tree" / name / "lua" for name in ("share", "lib"))
    assert lua_files(share / abi(lua)) == lua_files()
    assert [path.name for path in lib.rglob("*.so")] == ["core.so"]
    connects(lua, share / abi(lua), lib / abi(lua), peer, folder)


@pytest.mark.parametrize("lua", ["5.1", "5.3", "5.4", "jit"])
def test_a_checkout_makes_it(
    lua: str, checkout: Path, tmp_path: Path, peer: Peer
) -> None:
    binding = checkout / "bindings" / "lua"
    luarocks(lua, tmp_path, "make", SCM.name, cwd=binding)
    cache = (binding / "build.luarocks" / "CMakeCache.txt").read_text()
    headers = re.findall(r"^LUA_INCDIR:\w+=(.*)$", cache, re.M)
    name = "luajit-2.1" if lua == "jit" else f"lua{lua}"
    assert headers == [f"/usr/include/{name}"]
    check(lua, tmp_path, peer)


def from_elsewhere(rockspec: Path, url: str, folder: Path) -> Path:
    """A rockspec whose sources are somewhere else."""
    text, count = re.subn(r'url = "[^"]*"', f'url = "{url}"', rockspec.read_text())
    assert count == 1
    copy = folder / rockspec.name
    copy.write_text(text)
    return copy


def test_a_repository_makes_it(checkout: Path, tmp_path: Path, peer: Peer) -> None:
    """As `luarocks install` would from GitHub."""
    repository = tmp_path / "libopamp.git"
    shutil.copytree(checkout, repository, ignore=BUILT)
    git = ("git", "-C", repository, "-c", "user.name=-", "-c", "user.email=-")
    for command in ("init -q", "add -A", "commit -qm -"):
        output(*git, *command.split())
    rockspec = from_elsewhere(SCM, f"git+file://{repository}", tmp_path)
    luarocks("5.4", tmp_path, "install", rockspec, cwd=tmp_path)
    check("5.4", tmp_path, peer)


def test_a_release_makes_it(checkout: Path, tmp_path: Path, peer: Peer) -> None:
    """From an archive as `./dev dist` makes it, where there is no protoc-c."""
    sources = tmp_path / f"libopamp-{VERSION}"
    shutil.copytree(checkout, sources, ignore=BUILT)
    proto = sources / "proto"
    output("protoc-c", "-I", proto, f"--c_out={proto}", *proto.glob("opamp/v1/*.proto"))
    archive = tmp_path / f"{sources.name}.tar.gz"
    output("tar", "-czf", archive, "-C", tmp_path, sources.name)
    shutil.rmtree(sources)
    missing = tmp_path / "missing"
    missing.mkdir()
    (missing / "protoc-c").write_text("#!/bin/sh\nexit 1\n")
    (missing / "protoc-c").chmod(0o755)
    rockspec = from_elsewhere(RELEASE, f"file://{archive}", tmp_path)
    path = f"{missing}:{os.environ['PATH']}"
    luarocks("5.4", tmp_path, "install", rockspec, cwd=tmp_path, PATH=path)
    check("5.4", tmp_path, peer)


def test_both_rockspecs_say_the_same() -> None:
    release = RELEASE.read_text()
    assert f'version = "{VERSION}-1"\n' in release
    assert f'dir = "libopamp-{VERSION}/bindings/lua"' in release
    assert f"/v{VERSION}/libopamp-{VERSION}.tar.gz" in release
    parts = [
        re.sub(r"(?m)^(-- The archive.*\n)?source = \{\n(?:  .*\n)*\}\n", "", text)
        for text in (release.replace(f'"{VERSION}-1"', '"scm-1"'), SCM.read_text())
    ]
    assert parts[0] == parts[1]


def test_it_is_the_version_of_the_library() -> None:
    project = (ROOT / "CMakeLists.txt").read_text()
    assert f"project(opamp VERSION {VERSION} " in project
