# SPDX-License-Identifier: Apache-2.0
"""The wheel under test, environments with it, and servers.

OPAMP_WHEEL names the wheel; without it, that of ./dev wheel is tested."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import host  # noqa: E402
from authority import Authority  # noqa: E402
from building import output  # noqa: E402
from peer import Peer  # noqa: E402


@pytest.fixture(scope="session")
def wheel() -> Path:
    given = os.environ.get("OPAMP_WHEEL")
    found = [Path(given)] if given else sorted(host.ROOT.glob("build/wheel/*.whl"))
    assert found and found[-1].is_file(), "there is no wheel; make it: ./dev wheel"
    return found[-1].resolve()


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with what looks at wheels and makes source distributions."""
    folder = tmp_path_factory.mktemp("tools")
    wanted = "auditwheel abi3audit build setuptools>=68 wheel cffi".split()
    return host.environment(folder, sys.executable, *wanted)


@pytest.fixture(scope="session")
def installed(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> host.Environments:
    """The Python of a version, with the wheel and nothing else installed."""
    made: dict[str, Path] = {}

    def make(version: str) -> Path:
        if version not in made:
            python = host.interpreter(version)
            if python is None:
                pytest.skip(f"there is no Python {version} here")
            folder = tmp_path_factory.mktemp(f"python{version}")
            made[version] = host.environment(folder, python, wheel)
        return made[version]

    return make


@pytest.fixture(scope="session")
def bare(installed: host.Environments) -> Path:
    """The installed wheel on the Python that tests run with."""
    return installed(f"{sys.version_info[0]}.{sys.version_info[1]}")


@pytest.fixture(scope="session")
def package(bare: Path) -> Path:
    """The folder of the installed package."""
    ask = "import opamp, os; print(os.path.dirname(opamp.__file__))"
    return Path(output(bare, "-c", ask).strip())


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="session")
def plain_peer() -> Iterator[Peer]:
    """A server without TLS."""
    with Peer() as server:
        yield server


@pytest.fixture(scope="session")
def tls_peer(authority: Authority) -> Iterator[Peer]:
    with Peer(
        *("--tls-cert", str(authority.file("server.pem"))),
        *("--tls-key", str(authority.file("server.key"))),
    ) as server:
        yield server
