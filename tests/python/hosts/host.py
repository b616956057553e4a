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

import unix_http
from peer import PATIENCE

HERE = Path(__file__).parent


class Host:
    """Runs a command that serves hosts/app.py on a socket: SOCKET in the command
    is the number of one that listens already, so that nobody comes too early."""

    def __init__(self, command: list[str], folder: Path, **env: str) -> None:
        self.path = folder / "http"
        self.log = (folder / "log").open("w+")
        paths = [str(HERE), env.pop("PYTHONPATH", ""), os.environ.get("PYTHONPATH", "")]
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.path))
            listener.listen(64)
            number = str(listener.fileno())
            self.process = subprocess.Popen(
                [word.replace("SOCKET", number) for word in command],
                cwd=HERE,
                env={
                    **os.environ,
                    **env,
                    "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                },
                pass_fds=[listener.fileno()],
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
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it did not end: {self.text()}") from None

    def text(self) -> str:
        """What it wrote."""
        return Path(self.log.name).read_text()

    def get(self) -> dict[str, Any]:
        """What the worker says that answers a request."""
        try:
            said: dict[str, Any] = json.loads(unix_http.get(self.path))
        except (OSError, http.client.HTTPException) as error:
            raise AssertionError(f"{error}: {self.text()}") from None
        return said

    def workers(self, count: int) -> dict[int, dict[str, Any]]:
        """What `count` workers say, by process."""
        found: dict[int, dict[str, Any]] = {}
        deadline = time.monotonic() + PATIENCE
        while len(found) < count:
            assert time.monotonic() < deadline, found
            said = self.get()
            found[said["pid"]] = said
        return found
