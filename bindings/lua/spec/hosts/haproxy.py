# SPDX-License-Identifier: Apache-2.0
"""An HAProxy in a folder of its own, as something a test can hold."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from host import Address, children, free_port, get, is_running, module, until
from peer import PATIENCE

PROGRAM = "/usr/sbin/haproxy"
EXAMPLE = Path(__file__).parents[2] / "examples" / "haproxy"

# For agents that are not the example's: there is a service in Lua, too.
CONFIG = """
global
    default-path config
    lua-load agent.lua

defaults
    mode http
    timeout client 30s
    timeout connect 5s
    timeout server 30s

frontend web
    bind "127.0.0.1:${PORT}"
    http-request use-service lua.test if { path /lua }
    http-request return status 200 content-type text/plain string "static"
"""
SERVICE = """
local opened = false
core.register_service("test", "http", function(applet)
  opened = true
  applet:set_status(200)
  applet:start_response()
  applet:send("lua")
end)
"""


def agent(url: str, more: str = "") -> str:
    """The text of an agent.lua that goes with CONFIG."""
    return f"""{SERVICE}
    require("opamp.haproxy").register({{
      url = "{url}",
      identifying = {{ ["service.name"] = "haproxy" }},
      capabilities = {{ "AcceptsRemoteConfig", "ReportsRemoteConfig" }},
      {more}
    }}, {{ interval = 0.02 }})
    """


class Files:
    """A folder with a configuration: that of the example, unless there is a
    text of an agent.lua."""

    def __init__(
        self, folder: Path, lua: str | None = None, *, settings: str = ""
    ) -> None:
        self.folder = folder
        shutil.copytree(EXAMPLE, folder)
        if lua is not None:
            (folder / "agent.lua").write_text(lua)
            (folder / "haproxy.cfg").write_text(CONFIG)
        (folder / "more.cfg").write_text(f"global\n{settings}\n")
        self.pid_file = folder / "haproxy.pid"

    def polls_often(self) -> None:
        """Has the example's agent ask a server that it polls all the time."""
        self.replace("  url = ", "  poll_interval = 0.05,\n  url = ", "agent.lua")

    def replace(self, old: str, new: str, name: str = "haproxy.cfg") -> None:
        """Changes the configuration."""
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def command(self, *more: str) -> list[str]:
        files = ("haproxy.cfg", "more.cfg")
        options = [word for name in files for word in ("-f", str(self.folder / name))]
        return [PROGRAM, "-p", str(self.pid_file), *options, *more]

    def check(self) -> subprocess.CompletedProcess[str]:
        """What HAProxy thinks of it."""
        return subprocess.run(
            self.command("-c"),
            env={**os.environ, **module("5.3"), "PORT": "1"},
            capture_output=True,
            text=True,
            check=False,
        )


class Haproxy:
    """Runs a configuration: -db in one process, -W a master and its worker, -D
    a daemon."""

    def __init__(self, files: Files, mode: str = "-db", **env: str) -> None:
        self.files = files
        self.mode = mode
        self.address: Address = ("127.0.0.1", free_port())
        self.env = {
            **os.environ,
            **module("5.3"),
            **env,
            "PORT": str(self.address[1]),
        }
        self._log = files.folder / "log"
        self.process = self._start()
        until(self._answers, self.text)
        self._settle(set())

    def _start(self, *more: str) -> subprocess.Popen[bytes]:
        with self._log.open("a") as output:
            process = subprocess.Popen(
                self.files.command(self.mode, *more),
                env=self.env,
                stdout=output,
                stderr=output,
            )
        if self.mode == "-D":
            assert process.wait(PATIENCE) == 0, self.text()
        return process

    def _answers(self) -> bool:
        assert self.mode == "-D" or self.process.poll() is None, self.text()
        try:
            return get(self.address)[0] > 0
        except OSError:
            return False

    def _settle(self, old: set[int]) -> None:
        """Waits until a master that has made a worker is ready for signals. It
        blocks them before that, and loses what comes then."""
        bit = 1 << (signal.SIGUSR1 - 1)

        def probe() -> bool:
            text = Path(f"/proc/{self.pid()}/status").read_text()
            masks = dict(re.findall(r"^Sig(Blk|Cgt):\s+(\w+)", text, re.M))
            ready = int(masks["Cgt"], 16) & ~int(masks["Blk"], 16) & bit
            return bool(ready and set(self.workers()) - old)

        if self.mode == "-W":
            until(probe, self.text)

    def __enter__(self) -> Haproxy:
        return self

    def __exit__(self, *_: object) -> None:
        pids = [self.pid(), *self.workers()]
        try:
            if is_running(self.pid()):
                self.end(signal.SIGTERM)
        finally:
            for pid in filter(is_running, pids):
                os.kill(pid, signal.SIGKILL)

    def text(self) -> str:
        """What it wrote."""
        return self._log.read_text()

    def wait_text(self, wanted: str, count: int = 1) -> None:
        """Waits until it has written something so many times."""
        until(lambda: self.text().count(wanted) >= count, self.text)

    def get(self, path: str = "/") -> str:
        status, body = get(self.address, path)
        assert status == 200, f"{status}: {self.text()}"
        return body

    def pid(self) -> int:
        """Of the process that gets the signals."""
        if self.mode == "-D":
            return int(self.files.pid_file.read_text())
        return self.process.pid

    def workers(self) -> list[int]:
        """The processes that serve."""
        return children(self.pid()) if self.mode == "-W" else [self.pid()]

    def reload(self) -> None:
        """Has a new worker made. The old one goes when it has nothing to do."""
        old = set(self.workers())
        if self.mode == "-D":
            self._start("-sf", str(self.pid()))
        else:
            os.kill(self.pid(), signal.SIGUSR2)
            self._settle(old)

    def end(self, number: int) -> None:
        """Ends it; nothing of it must stay."""
        pids = {self.pid(), *self.workers()}
        if self.mode != "-db":
            assert int(self.files.pid_file.read_text()) == self.pid()
        os.kill(self.pid(), number)
        if self.mode != "-D":
            status = self.process.wait(PATIENCE)
            assert status in (0, -signal.SIGTERM, 128 + signal.SIGTERM), (
                f"{status}: {self.text()}"
            )
        until(lambda: not any(map(is_running, pids)), self.text)
