# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
sys.path[:0] = [str(HERE), str(ROOT / "tests" / "python")]

from peer import Peer  # noqa: E402


@pytest.fixture(scope="session")
def peer() -> Iterator[Peer]:
    """A server without TLS, for ws and http."""
    with Peer() as server:
        yield server
