# SPDX-License-Identifier: Apache-2.0
"""A process that a test talks to."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from peer import PATIENCE

if TYPE_CHECKING:
    from typing_extensions import Self


class Process:
    """Its output and its errors are one text."""

    def __init__(self, *words: str | Path, cwd: Path | None = None, **env: str) -> None:
        self.process = subprocess.Popen(
            [str(word) for word in words],
            cwd=cwd,
            env={**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = ""
        self.ended = False
        # Ends what reads from it, too.
        self._watchdog = threading.Timer(3 * PATIENCE, self.process.kill)
        self._watchdog.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.cancel()
        if self.process.poll() is None:
            self.process.kill()
        if not self.ended:
            self.output += self.process.communicate()[0]
        print(self.output)  # shown when a test fails

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def line(self) -> str:
        """The next line that it writes."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.output += line
        return line.rstrip("\n")

    def until(self, text: str) -> str:
        """The next line that has `text` in it."""
        while text not in (line := self.line()):
            assert line or self.process.poll() is None, self.output
        return line

    def end(
        self, number: int | None = None, status: int = 0, timeout: float = PATIENCE
    ) -> str:
        """It ends: by a signal, or else by itself when its input has ended; all
        that it wrote."""
        if number is not None:
            self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=timeout)
        self.ended = True
        self.output += rest
        assert self.process.returncode == status, self.output
        return self.output
