# SPDX-License-Identifier: Apache-2.0
"""An nginx in a folder of its own, as something a test can hold."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

from host import Address, children, get, is_running, module, until
from peer import PATIENCE, Peer

PROGRAM = "/usr/sbin/nginx"
EXAMPLE = Path(__file__).parents[2] / "examples" / "nginx" / "nginx.conf"

CONFIG = """
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
worker_processes WORKERS;
pid nginx.pid;
error_log error.log notice;
events {
}
http {
  access_log off;
  lua_shared_dict opamp 1m;
  lua_shared_dict tiny 32k;
  init_worker_by_lua_block {
    INIT
  }
  MORE
  server {
    listen 127.0.0.1:8080;
    location = /static {
      root html;
    }
    location = /config {
      content_by_lua_block {
        local files, hash = require("opamp.nginx").config()
        ngx.say(ngx.worker.pid())
        for name, file in pairs(files or {}) do
          ngx.say(name, "=", file.body)
        end
      }
    }
    LOCATIONS
  }
}
"""


def config(init: str, *, workers: int = 2, more: str = "", locations: str = "") -> str:
    """A configuration with something to do when each worker begins."""
    text = CONFIG.replace("INIT", init).replace("WORKERS", str(workers))
    return text.replace("MORE", more).replace("LOCATIONS", locations)


def agent(url: str, more: str = "", options: str = 'dict = "opamp"') -> str:
    """The start of an agent, for config()."""
    return f"""
    require("opamp.nginx").start({{
      url = "{url}",
      identifying = {{ ["service.name"] = "edge" }},
      capabilities = {{ "AcceptsRemoteConfig", "ReportsRemoteConfig" }},
      {more}
    }}, {{ interval = 0.02, {options} }})
    """


class Nginx:
    """Runs a configuration. It listens on a socket in its folder, wherever the
    text says port 8080, and has its files there, too."""

    def __init__(self, text: str, folder: Path, **env: str) -> None:
        self.folder = folder
        self.address: Address = str(folder / "http")
        (folder / "html").mkdir(parents=True)
        (folder / "html" / "static").write_text("x" * 1000)
        self.write(text)
        command = [PROGRAM, "-p", str(folder), "-c", "nginx.conf", "-g", "daemon off;"]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **module("jit"), **env},
            stderr=(folder / "stderr").open("w"),
        )
        until(self._answers, self.tail)

    def write(self, text: str) -> None:
        """Writes its configuration, for it to begin or to reload."""
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        http = "".join(f"  {kind}_temp_path tmp/{kind};\n" for kind in kinds)
        (self.folder / "tmp").mkdir(exist_ok=True)
        text = re.sub(r"listen [^;]*8080;", f"listen unix:{self.address};", text)
        text = text.replace("http {\n", "http {\n" + http, 1)
        user = "user root;\n" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(user + text)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.tail()
        try:
            return get(self.address, "/static")[0] > 0
        except OSError:
            return False

    def __enter__(self) -> Nginx:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGTERM)

    def text(self) -> str:
        """What it wrote."""
        names = [self.folder / name for name in ("stderr", "error.log")]
        return "".join(path.read_text() for path in names if path.exists())

    def tail(self) -> str:
        """The end of it, to say what went wrong."""
        return self.text()[-5000:]

    def wait_text(self, wanted: str, count: int = 1) -> None:
        """Waits until it has written something so many times."""
        until(lambda: self.text().count(wanted) >= count, self.tail)

    def get(self, path: str = "/") -> str:
        status, body = get(self.address, path)
        assert status == 200, f"{status}: {self.text()}"
        return body

    def send(self, number: int) -> None:
        """Signals the master, which its pid file names."""
        os.kill(int((self.folder / "nginx.pid").read_text()), number)

    def workers(self) -> list[int]:
        return children(self.process.pid)

    def reload(self) -> None:
        """Waits until new workers have taken over, and the old ones are gone."""
        old = self.workers()
        self.send(signal.SIGHUP)
        until(lambda: not any(map(is_running, old)), self.tail)
        until(lambda: len(self.workers()) >= len(old), self.tail)

    def end(self, number: int = signal.SIGQUIT) -> None:
        """Ends it; nothing of it must stay."""
        workers = self.workers()
        self.send(number)
        assert self.process.wait(PATIENCE) == 0, self.tail()
        until(lambda: not any(map(is_running, workers)), self.tail)

    def errors(self) -> list[str]:
        """Lines of its log that say something is wrong."""
        bad = re.compile(r"\[(warn|error|crit|alert|emerg)\]")
        return [line for line in self.text().splitlines() if bad.search(line)]


# --- what an agent does


def in_all_workers(nginx: Nginx, wanted: str, count: int = 2) -> None:
    """Waits until each worker has answered with a configuration."""
    seen: set[str] = set()

    def probe() -> bool:
        pid, *files = nginx.get("/config").splitlines()
        if files == [wanted]:
            seen.add(pid)
        return len(seen) == count

    until(probe, nginx.tail)


def one_agent(peer: Peer, connections: int) -> None:
    """After so many connections, one is open, and all were one agent's."""
    peer.wait(lambda e: e["event"] == "connected", count=connections)
    if connections > 1:
        peer.wait(lambda e: e["event"] == "closed", count=connections - 1)
    assert len(peer.of("connected")) == connections
    assert len(peer.of("closed")) == connections - 1
    assert len(peer.sequences()) == 1


# It does what its text says.
HANDLER = """
on = {
  remote_config = function(event)
    local todo = assert(loadstring(event.files.todo.body))
    return todo()
  end,
},
"""


OPEN = """
location = /open {
  content_by_lua_block { ngx.shared.opamp:set("open", true) }
}
"""
