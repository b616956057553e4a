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
    ignored = shutil.ignore_patterns("build.luarocks", "__pycache__", ".*_cache")
    folder.mkdir()
    shutil.copy2(ROOT / "CMakeLists.txt", folder)
    for name in ("proto", "libopamp", "bindings/lua"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


def luarocks(lua: str, folder: Path, *words: str | Path, cwd: Path) -> str:
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


def test_a_repository_makes_it(checkout: Path, tmp_path: Path, peer: Peer) -> None:
    """As `luarocks install` would from the URL of the release, at its tag."""
    repository = tmp_path / "libopamp.git"
    ignored = shutil.ignore_patterns("build.luarocks")
    shutil.copytree(checkout, repository, ignore=ignored)
    git = ("git", "-C", repository, "-c", "user.name=-", "-c", "user.email=-")
    for command in ("init -q", "add -A", "commit -qm -", f"tag v{VERSION}"):
        output(*git, *command.split())
    text, count = re.subn(
        r"git\+https://[^\"]*/libopamp\.git",
        f"git+file://{repository}",
        RELEASE.read_text(),
    )
    assert count == 1
    rockspec = tmp_path / RELEASE.name
    rockspec.write_text(text)
    luarocks("5.4", tmp_path, "install", rockspec, cwd=tmp_path)
    check("5.4", tmp_path, peer)


def test_both_rockspecs_say_the_same() -> None:
    release = RELEASE.read_text()
    assert f'version = "{VERSION}-1"\n' in release
    assert f'  tag = "v{VERSION}",\n' in release
    same = release.replace(f'"{VERSION}-1"', '"scm-1"')
    assert same.replace(f'  tag = "v{VERSION}",\n', "") == SCM.read_text()


def test_it_is_the_version_of_the_library() -> None:
    project = (ROOT / "CMakeLists.txt").read_text()
    assert f"project(opamp VERSION {VERSION} " in project
