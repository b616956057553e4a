# SPDX-License-Identifier: Apache-2.0
"""What CMake builds and installs, by itself, in the repository, and on an
installed libopamp."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from building import install_libopamp, output
from luas import BINDING, PROGRAMS, SOURCES, abi, connects, lua_files, needed
from peer import Peer

VERSIONS = ("5.1", "5.2", "5.3", "5.4")  # of folders: LuaJIT has 5.1's


def configure(build: Path, *options: str, **env: str) -> None:
    cmake = ("cmake", "-S", BINDING, "-B", build, "-DCMAKE_BUILD_TYPE=Debug")
    output(*cmake, *options, env={**os.environ, **env})


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the binding was built by itself, for all Luas there are."""
    folder = tmp_path_factory.mktemp("build")
    configure(folder)
    output("cmake", "--build", folder, "--parallel", "2")
    return folder


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the repository was installed, with the binding for one Lua."""
    folder = tmp_path_factory.mktemp("repository")
    return install_libopamp(folder, "-DOPAMP_BUILD_LUA=ON", "-DOPAMP_LUA_VERSIONS=5.4")


def installed(build: Path, prefix: str, folder: Path) -> set[str]:
    """The files that an installation below a prefix has."""
    configure(build, f"-DCMAKE_INSTALL_PREFIX={prefix}")
    install = ("cmake", "--install", build)
    output(*install, env={**os.environ, "DESTDIR": str(folder)})
    files = (path for path in folder.rglob("*") if not path.is_dir())
    return {f"/{path.relative_to(folder)}" for path in files}


def searched(lua: str) -> str:
    """Where a Lua looks by itself."""
    ask = "print(package.path, package.cpath)"
    without = {k: v for k, v in os.environ.items() if not k.startswith("LUA_")}
    return output(PROGRAMS[lua], "-e", ask, env=without)


@pytest.mark.parametrize("prefix_", ["/usr", "/usr/local"])
def test_it_is_installed_where_lua_looks(
    build: Path, prefix_: str, tmp_path: Path
) -> None:
    lib = f"{prefix_}/lib"
    if prefix_ == "/usr":
        lib += "/" + output("gcc", "-print-multiarch").strip()
    expected = set()
    for version in VERSIONS:
        share = f"{prefix_}/share/lua/{version}"
        expected |= {f"{share}/{name}" for name in lua_files()}
        expected.add(f"{lib}/lua/{version}/opamp/core.so")
    assert installed(build, prefix_, tmp_path) == expected
    for lua in PROGRAMS:
        places = searched(lua)
        assert f"{lib}/lua/{abi(lua)}/?.so" in places
        assert f"{prefix_}/share/lua/{abi(lua)}/?.lua" in places


@pytest.mark.parametrize("lua", PROGRAMS)
def test_a_module(lua: str, build: Path, tmp_path: Path, peer: Peer) -> None:
    module = build / lua / "opamp" / "core.so"
    symbols = output("nm", "--dynamic", "--defined-only", "--format=posix", module)
    assert [line.split()[0] for line in symbols.splitlines()] == ["luaopen_opamp_core"]
    # liblua is in the program, libcurl is loaded for HTTP.
    allowed = "c crypto m protobuf-c ssl uv websockets z".split()
    assert needed(module) <= {f"lib{name}" for name in allowed}
    header = output("readelf", "--dynamic", "--wide", module)
    assert "NODELETE" in header
    assert "RPATH" not in header and "RUNPATH" not in header
    connects(lua, SOURCES, build / lua, peer, tmp_path)


def test_the_module_for_5_1_serves_luajit(
    build: Path, tmp_path: Path, peer: Peer
) -> None:
    connects("jit", SOURCES, build / "5.1", peer, tmp_path)


def test_the_repository_builds_it(prefix: Path, tmp_path: Path, peer: Peer) -> None:
    lib = prefix / "lib" / "lua" / "5.4"
    share = prefix / "share" / "lua" / "5.4"
    assert lua_files(share) == lua_files()
    assert "libopamp" not in needed(lib / "opamp" / "core.so")
    assert "libcurl" not in needed(lib / "opamp" / "core.so")
    connects("5.4", share, lib, peer, tmp_path)


@pytest.mark.parametrize("finder", ["CMake", "pkg-config"])
def test_it_builds_on_an_installed_libopamp(
    finder: str, prefix: Path, tmp_path: Path, peer: Peer
) -> None:
    build = tmp_path / "build"
    configure(
        build,
        "-DOPAMP_LUA_VERSIONS=5.4",
        f"-DCMAKE_DISABLE_FIND_PACKAGE_opamp={finder == 'pkg-config'}",
        LIBOPAMP_USE_SYSTEM="1",
        **where(prefix),
    )
    # Of libopamp's own libraries, none is looked for.
    assert "CURL" not in (build / "CMakeCache.txt").read_text()
    output("cmake", "--build", build, "--parallel", "2")
    assert needed(build / "5.4" / "opamp" / "core.so") == {"libopamp", "libc"}
    there = str(prefix / "lib")
    connects("5.4", SOURCES, build / "5.4", peer, tmp_path, LD_LIBRARY_PATH=there)


def where(prefix: Path) -> dict[str, str]:
    """The environment in which it is found."""
    packages = str(prefix / "lib" / "pkgconfig")
    return {"CMAKE_PREFIX_PATH": str(prefix), "PKG_CONFIG_PATH": packages}


def test_a_lua_that_is_asked_for_must_be_there(prefix: Path, tmp_path: Path) -> None:
    wanted = ("-DOPAMP_LUA_SYSTEM=ON", "-DOPAMP_LUA_VERSIONS=5.4")
    with pytest.raises(AssertionError, match=r"headers of Lua 5\.4 are missing"):
        configure(tmp_path, *wanted, PKG_CONFIG_LIBDIR="/", **where(prefix))
