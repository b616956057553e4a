# SPDX-License-Identifier: Apache-2.0
"""What a test needs to drive opamp-agent: the program with its events and
commands, and a place for its files. Only the standard library."""
import fcntl
import hashlib
import json
import os
import pathlib
import queue
import subprocess
import tempfile
import threading
import unittest

import peer_driver
from peer_driver import LIMIT

AGENT = PEER = None  # the programs


# What an agent needs to be offered where to connect.
SETTINGS = ("--capabilities=+AcceptsOpAMPConnectionSettings,"
            "+ReportsConnectionSettingsStatus")


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def text(body):
    return {"body": body}


class Agent:
    """The program, its events as they come, and its commands."""

    def __init__(self, url, *args, control=True, inside=()):
        self.process = subprocess.Popen(
            [*inside, AGENT, "--json", *(["--control"] if control else []), *args, url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self.events, self.seen, self.said = queue.Queue(), [], ""
        self.threads = [threading.Thread(target=t)
                        for t in (self.read, self.read_errors)]
        for t in self.threads:
            t.start()

    def read(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))
        self.events.put(None)

    def read_errors(self):
        for line in self.process.stderr:
            self.said += line

    def wait(self, event, **match):
        while True:
            got = self.events.get(timeout=LIMIT)
            assert got is not None, f"ended before {event}: {self.said}"
            assert isinstance(got["t_ms"], int)
            self.seen.append(got)
            if got["event"] == event and match.items() <= got.items():
                return got

    def line(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.wait("result")

    def command(self, command, ok=True, **keys):
        got = self.line(json.dumps({"command": command, "id": [1], **keys}))
        assert (got["ok"], got["id"]) == (ok, [1]), got
        return got

    def end(self, code=0, sig=None):
        if sig is not None:
            self.process.send_signal(sig)
        else:
            self.process.stdin.close()
        assert self.process.wait(LIMIT) == code, (code, self.said)
        for t in self.threads:
            t.join()
        while (got := self.events.get(timeout=LIMIT)) is not None:
            self.seen.append(got)

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if self.process.poll() is None and kind is not None:
            self.process.kill()
        elif self.process.poll() is None:
            self.end()
        self.process.wait()
        for t in self.threads:
            t.join()
        for f in (self.process.stdin, self.process.stdout,
                  self.process.stderr):
            f.close()


def small_pipe():
    """A pipe that is full after two pages, and that nobody reads."""
    read, write = os.pipe()
    fcntl.fcntl(write, 1031, 8192)  # F_SETPIPE_SZ
    return read, write


def rest(peer, field, **match):
    """The next message at the peer that has the field."""
    while True:
        message = peer.wait("message", **match)["message"]
        if field in message:
            return message[field]


def offer_settings(peer, name, **parts):
    """Offers connection settings whose hash is that of `name`."""
    peer.command("offer_settings", hash=sha(name), **parts)


class Case(unittest.TestCase):
    scheme = "ws"

    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        self.root = pathlib.Path(self.tmp.name)
        self.dir = self.root / "conf"

    def peer(self, *args, **keys):
        return peer_driver.Peer(PEER, *args, **keys)

    def agent(self, peer, *args, **keys):
        return Agent(f"{self.scheme}://{peer.host}:{peer.port}",
                     "--poll-interval=100", *args, **keys)

    def offer(self, peer, name, **opamp):
        """Offers where to connect, and how."""
        offer_settings(peer, name, opamp=opamp)

    def settled(self, agent, name, status="APPLIED"):
        """Waits until the settings of that name have their final status, and
        returns its error."""
        while True:
            got = agent.wait("connection_settings_status", hash=sha(name))
            if got["status"] != "APPLYING":
                self.assertEqual(got["status"], status, got)
                return got["error"]

    def files(self):
        return {str(p.relative_to(self.dir)): p.read_text()
                for p in self.dir.rglob("*") if p.is_file()}

    def log(self, *names):
        """A command for --apply that writes these variables to a log."""
        words = " ".join(f"${n}" for n in names)
        return f"echo {words} >> {self.root}/log"

    def logged(self):
        return (self.root / "log").read_text().splitlines()
