# SPDX-License-Identifier: Apache-2.0
"""A server of applications, and its workers, as something a test can hold."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from peer import PATIENCE

HERE = Path(__file__).parent


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


class Host:
    """Runs a command that serves hosts/app.py on a socket."""

    def __init__(self, command: list[str], folder: Path, **env: str) -> None:
        self.socket = folder / "http"
        self.log = (folder / "log").open("w+")
        words = [word.replace("SOCKET", str(self.socket)) for word in command]
        paths = [str(HERE), env.pop("PYTHONPATH", "")]
        paths.append(os.environ.get("PYTHONPATH", ""))
        self.process = subprocess.Popen(
            words,
            cwd=HERE,
            env={
                **os.environ,
                **env,
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            },
            stdout=self.log,
            stderr=self.log,
        )

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.log.close()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Asks it to end, and waits; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it did not end: {self.text()}") from None
        return status

    def text(self) -> str:
        """What it wrote."""
        return Path(self.log.name).read_text()

    def get(self) -> dict[str, Any]:
        """What the worker says that answers a request, once there is one."""
        deadline = time.monotonic() + PATIENCE
        while True:
            connection = _Connection(self.socket)
            try:
                connection.request("GET", "/")
                return json.loads(connection.getresponse().read())  # type: ignore[no-any-return]
            except (OSError, http.client.HTTPException) as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"{error}: {self.text()}") from None
                time.monotonic()
            finally:
                connection.close()
            _pause()

    def workers(self, count: int) -> dict[int, dict[str, Any]]:
        """What `count` workers say, by process."""
        found: dict[int, dict[str, Any]] = {}
        deadline = time.monotonic() + PATIENCE
        while len(found) < count:
            assert time.monotonic() < deadline, found
            said = self.get()
            found[said["pid"]] = said
        return found


def _pause() -> None:
    """A short while, until somebody may listen."""
    with socket.socket() as nobody:
        nobody.settimeout(0.02)
        nobody.bind(("127.0.0.1", 0))
        nobody.listen()
        try:
            nobody.accept()
        except TimeoutError:
            pass
