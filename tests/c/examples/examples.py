# SPDX-License-Identifier: Apache-2.0
"""examples.py PEER NAME PROGRAM: runs the example NAME against opamp-peer."""
import base64
import os
import pathlib
import queue
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tools"))
import peer_driver  # noqa: E402
from authority import Authority  # noqa: E402
from peer_driver import LIMIT  # noqa: E402

PEER = NAME = PROGRAM = None
# ms. A timer that waits for the server is late by seconds, and always; one that
# waits for a busy machine is late now and then.
LATE, LATE_ONCE = 100, 2000


class Program:
    """The example, and the lines it prints as they come."""

    def __init__(self, *args):
        self.process = subprocess.Popen(
            [PROGRAM, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, bufsize=1)
        self.lines, self.last = queue.Queue(), ""
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def wait(self, start):
        while True:
            line = self.lines.get(timeout=LIMIT)
            assert line is not None, f"ended before {start!r}: {self.last!r}"
            self.last = line
            if line.startswith(start):
                return line

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def end(self):
        """The lines up to its end, which must be a good one."""
        assert self.process.wait(LIMIT) == 0, self.process.returncode
        rest = []
        while (line := self.lines.get(timeout=LIMIT)) is not None:
            rest.append(line)
        return rest

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdin.close()
        self.process.stdout.close()


def url_of(peer, scheme="ws"):
    return f"{scheme}://{peer.host}:{peer.port}"


def wait_field(peer, field, wanted=lambda value: True):
    """The next message's field that is as wanted."""
    while True:
        message = peer.wait("message")["message"]
        if field in message and wanted(message[field]):
            return message[field]


def service_of(description):
    return {a["key"]: a["value"]["string_value"]
            for a in description["identifying_attributes"]}["service.name"]


class Example(unittest.TestCase):
    def connected(self, peer, name=None):
        self.assertEqual(service_of(wait_field(peer, "agent_description")),
                         name or NAME)

    def interrupted(self, peer, program):
        program.interrupt()
        wait_field(peer, "agent_disconnect")
        self.assertTrue(program.end()[-1].startswith("stopped "))

    def says_what_is_wrong(self, *args):
        done = subprocess.run([PROGRAM, "nonsense", *args], timeout=LIMIT,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{NAME}: ", done.stderr)
        self.assertIn("url", done.stderr)


class OwnTimer(Example):
    """A foreign loop: its own timer must not wait for the server."""

    def on_time(self, program, ticks=11):
        late = [int(program.wait("tick ").split()[3]) for _ in range(ticks)]
        self.assertLess(statistics.median(late), LATE, late)
        self.assertLess(max(late), LATE_ONCE, late)
        return int(program.last.split()[1])

    def stalled(self, scheme):
        with peer_driver.Peer(PEER) as peer, \
                Program(url_of(peer, scheme)) as program:
            self.connected(peer)
            program.wait("connected ")
            peer.command("stall")
            ticks = self.on_time(program)
            peer.command("stall", ms=0)
            wait_field(peer, "health",
                       lambda h: int(h["status"].split()[1]) >= ticks)
            self.interrupted(peer, program)

    def test_stalled_websocket(self):
        self.stalled("ws")

    def test_stalled_http(self):
        self.stalled("http")

    def test_silent_server(self):
        """It never gets as far as an upgrade."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with Program(f"ws://127.0.0.1:{port}") as program:
                program.wait("connecting ")
                self.on_time(program)
                program.interrupt()
                self.assertTrue(program.end()[-1].startswith("stopped "))

    def test_wrong_url(self):
        self.says_what_is_wrong()


class Minimal(Example):
    def test_runs(self):
        with peer_driver.Peer(PEER) as peer, Program(url_of(peer)) as program:
            self.connected(peer)
            program.wait("connected ")
            self.interrupted(peer, program)

    def test_wrong_url(self):
        self.says_what_is_wrong()


class Thread(Example):
    def test_work_is_reported(self):
        with peer_driver.Peer(PEER) as peer, Program(url_of(peer)) as program:
            self.connected(peer)
            program.wait("connected ")
            for lines in (1, 2):
                print("work", file=program.process.stdin, flush=True)
                wait_field(peer, "health",
                           lambda h: h["status"] == f"{lines} lines")
            program.process.stdin.close()
            wait_field(peer, "agent_disconnect")
            self.assertTrue(program.end()[-1].startswith("stopped "))

    def test_wrong_url(self):
        self.says_what_is_wrong()


class TwoServers(Example):
    def test_one_server_goes(self):
        with peer_driver.Peer(PEER) as vendor, \
                peer_driver.Peer(PEER) as customer, \
                Program(url_of(vendor), url_of(customer)) as program:
            self.connected(vendor, "vendor")
            self.connected(customer, "customer")
            vendor.end()
            program.wait("vendor: disconnected ")
            program.wait("vendor: connect_failed ")
            # 1: ReportFullState
            customer.command("send", message={"flags": 1})
            self.assertEqual(wait_field(customer, "health")["status"],
                             "running")
            program.interrupt()
            wait_field(customer, "agent_disconnect")
            stopped = [line.split()[:2] for line in program.end()]
            self.assertIn(["vendor:", "stopped"], stopped)
            self.assertIn(["customer:", "stopped"], stopped)

    def test_wrong_url(self):
        self.says_what_is_wrong("ws://127.0.0.1:1")


class Offers(Example):
    def offer(self, peer, files):
        """The status that the offer ends with."""
        peer.command("offer_config",
                     files={name: {"body": body}
                            for name, body in files.items()})
        return wait_field(peer, "remote_config_status",
                          lambda s: s["status"] in ("APPLIED", "FAILED"))


class Cxx(Offers):
    def test_accepts_and_rejects(self):
        with peer_driver.Peer(PEER) as peer, Program(url_of(peer)) as program:
            self.connected(peer)
            status = self.offer(peer, {"main.conf": "colour = blue"})
            self.assertEqual(status["status"], "APPLIED")
            self.assertEqual(program.wait("main.conf "),
                             "main.conf is now: colour = blue")
            status = self.offer(peer, {"other.conf": "x"})
            self.assertEqual((status["status"], status["error_message"]),
                             ("FAILED", "there is no main.conf"))
            self.interrupted(peer, program)

    def test_wrong_url(self):
        self.says_what_is_wrong()


class Reload(Offers):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.dir = pathlib.Path(tmp.name) / "conf"
        self.dir.mkdir()
        self.file = self.dir / "app.conf"
        self.file.write_text("interval = 5\n")

    def effective(self, peer):
        files = wait_field(peer, "effective_config")["config_map"]["config_map"]
        self.assertEqual(list(files), ["app.conf"])
        return base64.b64decode(files["app.conf"]["body"]).decode()

    def test_reloads_and_goes_back(self):
        with peer_driver.Peer(PEER) as peer, \
                Program(url_of(peer), str(self.dir)) as program:
            self.assertEqual(self.effective(peer), "interval = 5\n")
            status = self.offer(peer, {"app.conf": "interval = 7\n"})
            self.assertEqual(status["status"], "APPLIED")
            self.assertEqual(self.effective(peer), "interval = 7\n")
            self.assertEqual(program.wait("interval "), "interval is 7")
            for bad, why in (({"app.conf": "interval = 0\n"},
                              "app.conf: interval must be above 0"),
                             ({"app.conf": "often\n"},
                              "app.conf: interval must be above 0"),
                             ({}, "there is no app.conf"),
                             ({"app.conf": "interval = 9\n", "other": ""},
                              "other")):
                with self.subTest(bad=bad):
                    status = self.offer(peer, bad)
                    self.assertEqual(status["status"], "FAILED")
                    self.assertIn(why, status["error_message"])
                    self.assertEqual(program.wait("interval "),
                                     "interval is 7")
                    self.assertEqual([self.file], list(self.dir.iterdir()))
                    self.assertEqual(self.file.read_text(), "interval = 7\n")
            self.interrupted(peer, program)

    def test_what_was_accepted_outlives_a_kill(self):
        with peer_driver.Peer(PEER) as peer, \
                Program(url_of(peer), str(self.dir)) as program:
            self.effective(peer)
            status = self.offer(peer, {"app.conf": "interval = 7\n"})
            self.assertEqual(status["status"], "APPLIED")
            program.process.kill()
        with peer_driver.Peer(PEER) as peer, \
                Program(url_of(peer), str(self.dir)) as program:
            self.assertEqual(self.effective(peer), "interval = 7\n")
            self.interrupted(peer, program)

    def test_wrong_url(self):
        self.says_what_is_wrong(str(self.dir))


class Bootstrap(Example):
    """From the first connection to a certificate of its own, at a house that
    lets in nobody else."""

    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.root = pathlib.Path(tmp.name)
        self.ca = Authority(self.root / "ca")
        self.state = str(self.root / "state")

    def peer(self, ca, *args):
        return peer_driver.Peer(PEER, f"--tls-cert={ca.file('server.pem')}",
                                f"--tls-key={ca.file('server.key')}", *args)

    def house(self, ca):
        return self.peer(ca, f"--client-ca={ca.file('ca.pem')}")

    def comes_in(self, house):
        """The subject of the certificate that it shows."""
        return house.wait("connected")["tls"]["client_certificate"]["subject"]

    def offer(self, door, house, **opamp):
        """What the agent asks for, and where to go with it."""
        asked = wait_field(door, "connection_settings_request")
        self.ca.file("asked.csr").write_bytes(base64.b64decode(
            asked["opamp"]["certificate_request"]["csr"]))
        door.command("offer_settings", opamp={
            "destination_endpoint": url_of(house, "wss"), "headers": {},
            "certificate": {"cert": self.ca.sign("asked")}, **opamp})
        subject = self.comes_in(house)
        while wait_field(house, "connection_settings_status")["status"] != \
                "APPLIED":
            pass
        return subject

    def comes_back(self, door, house, subject, *args):
        """Started as before it goes to the house at once."""
        with Program(*args) as program:
            self.assertEqual(self.comes_in(house), subject)
            wait_field(house, "agent_description")  # then it knows, too
            self.interrupted(house, program)
        self.assertEqual(sum(e["event"] == "connected" for e in door.seen), 1)

    def test_token(self):
        os.environ["OPAMP_TOKEN"] = "t0ken"
        self.addCleanup(os.environ.pop, "OPAMP_TOKEN")
        with self.peer(self.ca) as door, self.house(self.ca) as house:
            args = ("token", url_of(door, "wss"), self.state,
                    str(self.ca.file("ca.pem")))
            with Program(*args) as program:
                self.assertEqual(door.wait("connected")["headers"]
                                 ["Authorization"], "Bearer t0ken")
                subject = self.offer(door, house)
                self.interrupted(house, program)
            self.comes_back(door, house, subject, *args)
            self.assertNotIn("t0ken", repr(house.seen))

    def test_first_use(self):
        with self.peer(self.ca) as door:
            args = ("first-use", url_of(door, "wss"), self.state)
            with self.house(self.ca) as house:
                with Program(*args) as program:
                    subject = self.offer(door, house, tls={
                        "ca_pem_contents": self.ca.read("ca.pem")})
                    self.interrupted(house, program)
                self.comes_back(door, house, subject, *args)
                address = f"{house.host}:{house.port}"
            # From now on not everybody is believed.
            other = Authority(self.root / "other")
            with self.peer(other, f"--listen={address}"), \
                    Program(*args) as program:
                self.assertIn("certificate verify failed",
                              program.wait("connect_failed "))
                program.interrupt()
                self.assertTrue(program.end()[-1].startswith("stopped "))

    def test_wrong_use(self):
        for args in ((), ("token", "wss://x", self.state),
                     ("first-use", "wss://x", self.state, "ca.pem")):
            self.assertEqual(subprocess.run([PROGRAM, *args], timeout=LIMIT)
                             .returncode, 2)
        done = subprocess.run([PROGRAM, "first-use", "nonsense", self.state],
                              timeout=LIMIT, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{NAME}: ", done.stderr)
        env = {k: v for k, v in os.environ.items() if k != "OPAMP_TOKEN"}
        for more, why in (({}, "not set"),
                          ({"OPAMP_TOKEN": 5000 * "x"}, "too long")):
            done = subprocess.run(
                [PROGRAM, "token", "wss://x", self.state, "ca.pem"],
                env={**env, **more}, timeout=LIMIT, capture_output=True,
                text=True)
            self.assertEqual((done.returncode, done.stderr),
                             (1, f"{NAME}: OPAMP_TOKEN: {why}\n"))


CASES = {"agent_min": Minimal, "agent_epoll": OwnTimer, "agent_libuv": OwnTimer,
         "agent_glib": OwnTimer, "agent_thread": Thread,
         "agent_two_servers": TwoServers, "agent_cxx": Cxx,
         "agent_reload": Reload, "agent_bootstrap": Bootstrap}


if __name__ == "__main__":
    PEER, NAME, PROGRAM = sys.argv[1:]
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(CASES[NAME])
    sys.exit(not unittest.TextTestRunner().run(suite).wasSuccessful())
