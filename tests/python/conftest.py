# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
# Certificates are made as for the tests in C.
sys.path[:0] = [str(HERE), str(HERE.parent / "c" / "tools")]

from authority import Authority  # noqa: E402
from peer import Peer  # noqa: E402

# A shell has it ignored in what runs in the background, and in all its children.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A server without TLS, for ws and http."""
    with Peer() as server:
        yield server


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Certificates of a server, and of agents."""
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture
def tls_peer(authority: Authority) -> Iterator[Peer]:
    """A server with TLS, for wss and https."""
    with Peer(
        "--tls-cert",
        str(authority.file("server.pem")),
        "--tls-key",
        str(authority.file("server.key")),
    ) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No test leaves clients to the next."""
    yield
    gc.collect()
