#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""opamp-peer from outside: its command line, its files, its end.

Usage: peer_options.py PATH_OF_OPAMP_PEER [unittest arguments]
Needs nothing but the standard library and the openssl program.
"""
import base64
import fcntl
import http.client
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest
import uuid

import peer_driver
from peer_driver import LIMIT, WebSocket, agent_message, field, fields, post

PEER = None
ACCEPTS_REMOTE_CONFIG = 0x2


def Peer(*args, **keys):
    return peer_driver.Peer(PEER, *args, **keys)


class Options(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = folder.name

    def path(self, name, text=None):
        path = os.path.join(self.dir, name)
        if text is not None:  # in one step, for those who watch
            new = os.path.join(self.dir, ".new")
            with open(new, "w", encoding="utf-8") as f:
                f.write(text)
            os.replace(new, path)
        return path

    def run_peer(self, *args):
        return subprocess.run([PEER, *args], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=LIMIT)

    def test_help_names_what_exists(self):
        out = self.run_peer("--help")
        self.assertEqual((out.returncode, out.stderr), (0, ""))
        names = set(re.findall(r"^  --([a-z-]+)", out.stdout, re.M))
        self.assertEqual(names, {
            "listen", "tls-cert", "tls-key", "client-ca", "client-ca-optional",
            "issue-certificates", "issue-seconds", "config-dir", "script",
            "json", "control", "help", "version"})
        self.assertIn("127.0.0.1:4320", out.stdout)
        for command in ("send", "offer_config", "offer_settings", "error",
                        "respond", "close", "reset", "stall", "garbage", "text",
                        "fragment", "accept", "auto_reply", "stop"):
            self.assertRegex(out.stdout, rf"(?m)^{command}\b")
        self.assertIn("libuv", self.run_peer("--version").stdout)
        self.assertIn(".TH", self.run_peer("--help-man").stdout)

    def test_exit_codes(self):
        never = self.path("never", '{"command": "stop", "when": "noon"}')
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        bad_script = self.path("script", '\n{"command": "fly"}\n')
        for args, code, what in (
                (["--nope"], 2, "--nope"), (["x"], 2, "x"),
                (["--json=1"], 2, "--json"), (["--listen"], 2, "--listen"),
                (["--tls-key", "x"], 2, "--tls-cert"),
                (["--client-ca-optional"], 2, "--client-ca"),
                (["--issue-seconds=0"], 2, "--issue-seconds"),
                (["--issue-seconds=315360001"], 2, "--issue-seconds"),
                (["--script", bad_script], 2, f"{bad_script}:2"),
                (["--script", never], 2, "when"),
                (["--script", self.path("none")], 3, "none"),
                (["--listen", "nonsense"], 2, "nonsense"),
                (["--listen", "127.0.0.1:65536"], 2, "65536"),
                (["--listen", "127.0.0.1:%d" % taken.getsockname()[1]], 3,
                 "in use"),
                (["--tls-cert", self.path("none")], 3, "none"),
                (["--listen=127.0.0.1:0", "--config-dir", self.path("none")],
                 3, "none")):
            out = self.run_peer(*args)
            self.assertEqual(out.returncode, code, (args, out.stderr))
            self.assertIn(what, out.stderr)
            self.assertEqual(out.stdout, "")

    def test_text_lines(self):
        peer = Peer(json_lines=False)
        address = peer.lines.get(timeout=LIMIT)
        self.assertRegex(address, r"^127\.0\.0\.1:\d+\n$")
        peer.host, peer.port = "127.0.0.1", int(address.split(":")[1])
        post(peer, agent_message(uuid.uuid4(), 0))
        self.assertIn("connected: http", peer.lines.get(timeout=LIMIT))
        self.assertIn('<- {"instance_uid"', peer.lines.get(timeout=LIMIT))
        self.assertIn('-> {"instance_uid"', peer.lines.get(timeout=LIMIT))
        peer.end()

    def test_signals_end_it_well(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with Peer() as peer:
                peer.process.send_signal(number)
                self.assertEqual(peer.process.wait(LIMIT), 0)

    def test_nobody_reads_the_output(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        self.addCleanup(os.close, write)
        fcntl.fcntl(write, 1031, 8192)  # F_SETPIPE_SZ
        peer = subprocess.Popen(
            [PEER, "--listen=127.0.0.1:0", "--json", "--control"],
            stdin=subprocess.PIPE, stdout=write, stderr=subprocess.DEVNULL)
        self.addCleanup(peer.wait)
        self.addCleanup(peer.kill)
        self.addCleanup(peer.stdin.close)
        os.read(read, 8192)  # the address
        peer.stdin.write(b'{"command": "stall"}\n' * 1000)
        peer.stdin.flush()
        until, waiting = time.monotonic() + LIMIT, bytes(4)
        while int.from_bytes(waiting, sys.byteorder) < 4000:
            waiting = fcntl.ioctl(read, termios.FIONREAD, bytes(4))
            self.assertLess(time.monotonic(), until)
        while peer.poll() is None and time.monotonic() < until:
            peer.send_signal(signal.SIGTERM)
            try:
                peer.wait(0.1)
            except subprocess.TimeoutExpired:
                pass
        self.assertEqual(peer.returncode, 1)

    def test_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError as e:
            self.skipTest(f"this machine has no IPv6 loopback: {e}")
        with Peer(listen="[::1]:0") as peer:
            self.assertEqual(peer.host, "[::1]")
            peer.host = "::1"
            WebSocket(peer).close()

    def test_script(self):
        script = self.path("script", "\n".join((
            '{"command": "respond", "http_status": 418}',
            '{"command": "send", "when": "message", "message": {"flags": 2}}',
            '{"command": "close", "after_ms": 1, "code": 1012}')))
        with Peer("--script", script) as peer:
            c = http.client.HTTPConnection(peer.host, peer.port, timeout=LIMIT)
            c.request("GET", "/")
            self.assertEqual(c.getresponse().status, 418)
            c.close()
            with WebSocket(peer) as ws:
                ws.send(b"\0" + agent_message(uuid.uuid4(), 0))
                self.assertEqual(ws.message(), {6: 2})
                self.assertIn(7, ws.message())
                self.assertEqual(ws.frame(), (0x88, struct.pack(">H", 1012)))

    def test_script_inside_a_request(self):
        # Answers that come while the request is being read: still one each.
        script = self.path("script", "\n".join((
            '{"command": "respond", "when": "connected", "http_status": 404}',
            '{"command": "fragment", "when": "refused", "bytes": 0}',
            '{"command": "text", "when": "message", "text": "a"}',
            '{"command": "reset", "when": "message"}')))
        body = agent_message(uuid.uuid4(), 0)
        with Peer("--script", script) as peer:
            c = http.client.HTTPConnection(peer.host, peer.port, timeout=LIMIT)
            self.assertEqual(post(peer, body, None, c)[0].status, 404)
            self.assertEqual(post(peer, body, None, c)[1], b"a")
            with self.assertRaises(ConnectionResetError):
                post(peer, body, None, c)
            c.close()

    def test_config_dir(self):
        os.mkdir(self.path("sub"))
        self.path("a.yaml", "a: 1")
        self.path("sub/b", "b")
        self.path(".hidden", "")
        uid, caps = uuid.uuid4(), 1 | ACCEPTS_REMOTE_CONFIG
        with Peer("--config-dir", self.dir) as peer, WebSocket(peer) as ws:
            config = fields(ws.exchange(agent_message(uid, 0, True, caps))[3])
            shown = peer.wait("sent")["message"]["remote_config"]
            self.assertEqual(bytes.fromhex(shown["config_hash"]), config[2])
            self.assertEqual(shown["config"]["config_map"], {
                "a.yaml": {"body": base64.b64encode(b"a: 1").decode(),
                           "content_type": "text/yaml"},
                "sub/b": {"body": base64.b64encode(b"b").decode()}})
            self.assertNotIn(3, ws.exchange(agent_message(uid, 1, False, caps)))
            self.path("sub/b", "c")
            changed = fields(ws.message()[3])[2]
            self.assertNotEqual(changed, config[2])
            self.path("sub/b", "b")
            self.assertEqual(fields(ws.message()[3])[2], config[2])
            # An agent that says it has it already is left alone.
            has = field(7, field(1, config[2]))
            reply = ws.exchange(agent_message(uid, 2, True, caps, has))
            self.assertNotIn(3, reply)

    def test_an_offer_that_was_lost(self):
        """On a connection that the agent has left."""
        uid, caps = uuid.uuid4(), 1 | ACCEPTS_REMOTE_CONFIG
        full = agent_message(uid, 0, True, caps)
        again = agent_message(uid, 1, False, caps)
        self.path("a", "1")
        with Peer("--config-dir", self.dir) as peer, WebSocket(peer) as old:
            self.assertIn(3, old.exchange(full))
            with WebSocket(peer) as ws:
                has = fields(ws.exchange(again)[3])[2]
                self.path("a", "2")
                for end in (old, ws):
                    self.assertNotEqual(fields(end.message()[3])[2], has)
        with Peer("--config-dir", self.dir) as peer:
            connections = [http.client.HTTPConnection(
                peer.host, peer.port, timeout=LIMIT) for _ in range(2)]
            offered = [3 in fields(post(peer, body, None, c)[1])
                       for c in connections for body in (full, again, again)]
            for c in connections:
                c.close()
            self.assertEqual(offered, [True, False, False, True, False, False])
            with WebSocket(peer) as ws:
                self.assertIn(3, ws.exchange(again))

    def make_certificates(self):
        def openssl(*args):
            subprocess.run(["openssl", *args], check=True, cwd=self.dir,
                           capture_output=True)
        new = ("req", "-x509", "-newkey", "ec", "-pkeyopt",
               "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
        for name in ("server", "client"):
            openssl(*new, "-keyout", f"{name}.key", "-out", f"{name}.pem",
                    "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost")

    def test_stall_inside_tls_records(self):
        self.make_certificates()
        tls = ssl.create_default_context(cafile=self.path("server.pem"))
        script = self.path("script", "\n".join((
            '{"command": "stall", "when": "message", "ms": 100}',
            '{"command": "stall", "ms": 0}')))
        uid = uuid.uuid4()
        with Peer("--tls-cert", self.path("server.pem"), "--tls-key",
                  self.path("server.key"), "--script", script) as peer, \
                WebSocket(peer, tls) as ws:
            peer.wait("connected")
            peer.command("stall")
            for number in range(9):
                ws.send(b"\0" + agent_message(uid, number, more=field(
                    99, bytes(number * 100))), piece=50)
            peer.command("stall", ms=0)
            for number in range(9):
                self.assertEqual(ws.message()[1], uid.bytes)
                peer.wait("message", sequence_num=number)

    def test_tls(self):
        self.make_certificates()
        tls = ssl.create_default_context(cafile=self.path("server.pem"))
        uid = uuid.uuid4()
        with Peer("--tls-cert", self.path("server.pem"),
                  "--tls-key", self.path("server.key"),
                  "--client-ca", self.path("client.pem")) as peer:
            with self.assertRaises((ssl.SSLError, OSError)):
                WebSocket(peer, tls)
            self.assertIn("TLS", peer.wait("connect_failed")["message"])
            tls.load_cert_chain(self.path("client.pem"),
                                self.path("client.key"))
            r, data = post(peer, agent_message(uid, 0), tls=tls)
            self.assertEqual(fields(data)[1], uid.bytes)
            with WebSocket(peer, tls) as ws:
                shown = peer.wait("connected", transport="websocket")["tls"]
                self.assertEqual(shown["client_certificate"]["subject"],
                                 "/CN=localhost")
                self.assertEqual(shown["server_name"], "localhost")
                self.assertEqual(shown["version"], ws.socket.version())
                self.assertEqual(shown["cipher"], ws.socket.cipher()[0])
                big = field(99, bytes(300_000))
                self.assertEqual(ws.exchange(agent_message(
                    uid, 1, more=big))[1], uid.bytes)
                # A thousand records that are there at once.
                peer.command("stall")
                ws.send(b"\0" + agent_message(uid, 2, more=field(
                    99, bytes(1000))), piece=1)
                peer.command("stall", ms=0)
                self.assertEqual(ws.message()[1], uid.bytes)
                peer.command("send", message={"custom_message": {
                    "data": base64.b64encode(bytes(300_000)).decode()}})
                self.assertEqual(len(ws.message()[11]), 300_004)


if __name__ == "__main__":
    PEER = sys.argv.pop(1)
    unittest.main()
