# SPDX-License-Identifier: Apache-2.0
"""HTTP over a socket in the file system."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

from peer import PATIENCE


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


def get(path: Path) -> str:
    """What an application answers that listens there."""
    connection = _Connection(path)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()
