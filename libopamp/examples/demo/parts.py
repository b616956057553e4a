# SPDX-License-Identifier: Apache-2.0
"""The actors of the demo: processes whose events can be waited for."""

import http.client
import json
import os
import socket
import subprocess
import threading
import time


class Failure(Exception):
    """What was to be told did not happen."""


class Story:
    """The time line, and the processes that are part of it."""

    def __init__(self, limit_s):
        self.began = time.monotonic()
        self.limit_s = limit_s
        self.changed = threading.Condition()
        self.processes = []

    def tell(self, who, what):
        print(f"{time.monotonic() - self.began:6.2f} s  {who:<10} {what}",
              flush=True)

    def check(self, true, otherwise):
        if not true:
            raise Failure(otherwise)

    def left(self):
        return self.began + self.limit_s - time.monotonic()

    def end_processes(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Tool:
    """One of our tools: JSON lines out, commands in."""

    def __init__(self, story, *command):
        self.story, self.events, self.next_id = story, [], 0
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        story.processes.append(self.process)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with self.story.changed:
                self.events.append(json.loads(line))
                self.story.changed.notify_all()

    def wait(self, name, match, what=None):
        """Takes the oldest event of that name that matches out of the list."""
        with self.story.changed:
            while True:
                for i, event in enumerate(self.events):
                    if event.get("event") == name and match(event):
                        return self.events.pop(i)
                if not self.story.changed.wait(max(self.story.left(), 0)):
                    raise Failure(what or f"{self.process.args[0]} never said "
                                          f"“{name}”")

    def command(self, command, **members):
        self.next_id += 1
        mine = self.next_id
        line = json.dumps({"command": command, "id": mine, **members})
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        result = self.wait("result", lambda e: e.get("id") == mine)
        self.story.check(result.get("ok"), f"{command}: {result}")

    def exit_code(self):
        try:
            return self.process.wait(timeout=max(self.story.left(), 0))
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.process.args[0]} does not end") from None


class Peer(Tool):
    """opamp-peer, the server."""

    def __init__(self, story, path, *options):
        super().__init__(story, path, "--listen", "127.0.0.1:0", "--json",
                         "--control", *options)
        self.address = self.wait("listening", lambda e: True)["address"]

    def message_of(self, agent, match, what):
        return self.wait("message", lambda e: e.get("instance_uid") == agent.uid
                         and match(e["message"]), what)["message"]

    def first_message(self, agent):
        self.message_of(agent, lambda m: "agent_description" in m,
                        f"{agent.name} did not connect")

    def goodbye(self, agent):
        self.message_of(agent, lambda m: "agent_disconnect" in m,
                        f"{agent.name} ended without a goodbye")

    def verdict(self, agent):
        """(APPLIED or FAILED, error) of the next configuration."""
        def is_verdict(message):
            status = message.get("remote_config_status", {})
            return (status.get("status") in ("APPLIED", "FAILED")
                    and status["last_remote_config_hash"] != agent.last_hash)
        message = self.message_of(agent, is_verdict,
                                  f"{agent.name} gave no verdict")
        status = message["remote_config_status"]
        agent.last_hash = status["last_remote_config_hash"]
        return status["status"], status.get("error_message", "")


class Agent(Tool):
    """opamp-agent, beside an nginx."""

    def __init__(self, story, path, nginx, url, name):
        super().__init__(
            story, path, "--json", "--control", "--service-name", "nginx",
            "--describe", f"site={name}", "--config-dir", nginx.managed,
            "--apply", nginx.apply_command(), "--poll-interval", "1000",
            "--backoff-min", "200", "--reconnect-delay", "0",
            "--trial-interval", "0", "--state-dir", nginx.state,
            "--capabilities", "+AcceptsOpAMPConnectionSettings,"
            "+ReportsConnectionSettingsStatus", url)
        self.name, self.last_hash = name, None
        self.uid = self.wait("starting", lambda e: True)["instance_uid"]


CONF = """daemon off;
pid nginx.pid;
error_log stderr notice;
events {{ }}
http {{
  access_log off;
  client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp;
  uwsgi_temp_path tmp; scgi_temp_path tmp;
  server {{
    listen 127.0.0.1:{port};
    include {managed}/*.conf;
  }}
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Nginx:
    """A real nginx with a folder, a port and a process of its own. What is in
    its folder `managed` is the business of an agent."""

    def __init__(self, story, path, folder):
        self.story, self.path, self.folder = story, path, folder
        self.managed = os.path.join(folder, "managed")
        self.state = os.path.join(folder, "state")  # of its agent
        os.makedirs(self.managed)
        os.makedirs(os.path.join(folder, "tmp"))
        self._write("managed/site.conf",
                    'location / { return 200 "as installed"; }\n')
        # A free port may be taken by somebody else in between; then again.
        for _ in range(5):
            self.port = free_port()
            self._write("nginx.conf",
                        CONF.format(port=self.port, managed=self.managed))
            if self._start():
                return
        raise Failure(f"{path} does not start, see {folder}/log")

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as f:
            f.write(text)

    def _start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            process = subprocess.Popen(self._command(), stderr=log)
        while process.poll() is None:
            if self.answer() is not None:
                self.story.processes.append(process)
                return True
            if self.story.left() < 0:
                process.terminate()
                break
            time.sleep(0.02)
        process.wait()
        return False

    def _command(self, *more):
        return [self.path, "-p", self.folder + "/", "-e", "stderr", "-c",
                os.path.join(self.folder, "nginx.conf"), *more]

    def apply_command(self):
        """Shell text that checks the configuration and has it loaded."""
        return (f"{' '.join(self._command('-t', '-q'))} 2>&1 && "
                f"{' '.join(self._command('-s', 'reload'))} 2>&1")

    def answer(self):
        """What it serves; None when it does not."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                timeout=2)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def wait_for(self, text):
        """nginx changes over some time after it was told to reload."""
        while self.answer() != text:
            if self.story.left() < 0:
                raise Failure(f"nginx answers “{self.answer()}”, not “{text}”")
            time.sleep(0.02)
