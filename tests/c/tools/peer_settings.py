#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""opamp-peer from outside: the connection settings it offers, the certificates
it gives out and those it is shown.

Usage: peer_settings.py PATH_OF_OPAMP_PEER [unittest arguments]
Needs nothing but the standard library and the openssl program.
"""
import base64
import hashlib
import http.client
import json
import os
import pathlib
import re
import ssl
import subprocess
import sys
import tempfile
import unittest
import uuid

import peer_driver
from peer_driver import LIMIT, WebSocket, agent_message, field, fields, post

PEER = None
SECRET = "s3cr3t"
# What a strict verifier wants of an authority.
USAGE = ("-addext", "keyUsage=digitalSignature,keyCertSign")


def Peer(*args, **keys):
    return peer_driver.Peer(PEER, *args, **keys)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.uid = uuid.uuid4()

    def path(self, name, text=None):
        if text is not None:
            (self.dir / name).write_text(text)
        return str(self.dir / name)

    def openssl(self, *args):
        return subprocess.run(["openssl", *args], cwd=self.dir, check=True,
                              capture_output=True, text=True).stdout

    def new(self, name, *args):
        """A key, and a certificate signed by itself, or a request."""
        self.openssl("req", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                     f"{name}.key", "-out", f"{name}.pem", "-subj",
                     f"/CN={name}", *args)


# --- offer_settings -----------------------------------------------------------

class Offers(Case):
    def offered(self, peer, ws, **parts):
        peer.command("offer_settings", **parts)
        return ws.message()[4]

    def shown(self, peer):
        return [e["message"]["connection_settings"] for e in peer.seen
                if e["event"] == "sent"
                and "connection_settings" in e["message"]][-1]

    def test_every_field(self):
        file = self.path("a.pem", "PEM of a file")
        connection = {
            "destination_endpoint": "wss://x", "headers": {"A": "b"},
            "certificate": {"cert": "c", "private_key": "k", "ca_cert": "a"},
            "tls": {"ca_pem_contents_file": file, "min_version": "1.2",
                    "max_version": "1.3", "insecure_skip_verify": True,
                    "include_system_ca_certs_pool": True,
                    "cipher_suites": ["X", "Y"]},
            "proxy": {"url": "http://p", "connect_headers": {"C": "d"}}}
        want = {
            **connection, "headers": {"headers": [{"key": "A", "value": "b"}]},
            "certificate": {"cert": "Yw==", "private_key": "aw==",
                            "ca_cert": "YQ=="},
            "tls": {"ca_pem_contents": "PEM of a file", **connection["tls"]},
            "proxy": {"url": "http://p", "connect_headers": {
                "headers": [{"key": "C", "value": "d"}]}}}
        del want["tls"]["ca_pem_contents_file"]
        parts = {"opamp": {**connection, "heartbeat_interval_seconds": 30},
                 "own_metrics": connection, "own_traces": connection,
                 "own_logs": connection, "other_connections": {
                     "o": {**connection, "other_settings": {"k": "v"}}}}
        with Peer() as peer, WebSocket(peer) as ws:
            ws.exchange(agent_message(self.uid, 0))
            got = self.offered(peer, ws, **parts)
            shown = self.shown(peer)
            self.assertEqual(shown.pop("hash"), fields(got)[1].hex())
            self.assertEqual(shown, {
                "opamp": {**want, "heartbeat_interval_seconds": 30},
                "own_metrics": want, "own_traces": want, "own_logs": want,
                "other_connections": {
                    "o": {**want, "other_settings": {"k": "v"}}}})

    def test_headers_of_one_name(self):
        with Peer() as peer, WebSocket(peer) as ws:
            ws.exchange(agent_message(self.uid, 0))
            self.offered(peer, ws, opamp={"headers": {
                "B": ["1", "2"], "A": "3", "C": []}})
            self.assertEqual(
                self.shown(peer)["opamp"]["headers"]["headers"],
                [{"key": "B", "value": "1"}, {"key": "B", "value": "2"},
                 {"key": "A", "value": "3"}])
            self.offered(peer, ws, opamp={"headers": {}, "proxy": {}})
            self.assertEqual(self.shown(peer)["opamp"],
                             {"headers": {}, "proxy": {}})

    def test_the_hash(self):
        one, two = ({"a": {}, "b": {}}, {"b": {}, "a": {}})
        with Peer() as peer, WebSocket(peer) as ws:
            ws.exchange(agent_message(self.uid, 0))
            offer = self.offered(peer, ws, other_connections=one)
            head = field(1, fields(offer)[1])
            self.assertTrue(offer.startswith(head))
            self.assertEqual(hashlib.sha256(offer[len(head):]).digest(),
                             fields(offer)[1])
            self.assertEqual(
                self.offered(peer, ws, other_connections=two), offer)
            empty = hashlib.sha256(b"").digest()
            self.assertEqual(self.offered(peer, ws), field(1, empty))
            self.assertEqual(self.offered(peer, ws, hash="00fF"),
                             field(1, b"\0\xff"))
            self.assertEqual(self.offered(peer, ws, hash=""), b"")

    def test_targets(self):
        with Peer() as peer, WebSocket(peer) as ws:
            ws.exchange(agent_message(self.uid, 0))
            number = peer.wait("message")["connection"]
            body = agent_message(uuid.uuid4(), 0)
            post(peer, body)
            got = peer.command("offer_settings", hash="01")
            self.assertEqual(got["connections"], 2)
            self.assertEqual(ws.message(),
                             {1: self.uid.bytes, 4: field(1, b"\1")})
            self.assertEqual(fields(post(peer, body)[1])[4], field(1, b"\1"))
            got = peer.command("offer_settings", connection=number)
            self.assertEqual(got["connections"], 1)
            peer.command("offer_settings", ok=False, connection=99)

    def test_files(self):
        os.mkfifo(self.path("fifo"))
        self.path("big", "x" * (1 << 20))
        self.path("bigger", "x" * ((1 << 20) + 1))
        (self.dir / "latin").write_bytes(b"\xe9")
        with Peer() as peer:
            for name, why in (("none", "No such file or directory"),
                              ("", "not a regular file"),
                              ("fifo", "not a regular file"),
                              ("bigger", "too large")):
                got = peer.command("offer_settings", ok=False, opamp={
                    "certificate": {"private_key_file": self.path(name)}})
                self.assertEqual(got["message"],
                                 f"opamp.certificate.private_key_file: {why}")
            for name in ("big", "latin"):
                peer.command("offer_settings", opamp={
                    "certificate": {"ca_cert_file": self.path(name)}})
            got = peer.command("offer_settings", ok=False, own_logs={
                "tls": {"ca_pem_contents_file": self.path("latin")}})
            self.assertIn("own_logs.tls.ca_pem_contents_file: not UTF-8",
                          got["message"])

    def test_what_is_wrong_is_said_and_where(self):
        other = {"other_connections": {"x": {"certificate": {"cert": [SECRET]}}}}
        cases = (
            ({"own_metric": {}}, "own_metric: unknown key"),
            ({"opamp": SECRET}, "opamp: not an object"),
            ({"opamp": {"tls": {"min_versoin": SECRET}}},
             "opamp.tls.min_versoin: unknown key"),
            ({"own_logs": {"heartbeat_interval_seconds": 1}},
             "own_logs.heartbeat_interval_seconds: unknown key"),
            ({"opamp": {"heartbeat_interval_seconds": -1}},
             "opamp.heartbeat_interval_seconds: is negative"),
            ({"opamp": {"destination_endpoint": 1}},
             "opamp.destination_endpoint: not a text"),
            ({"opamp": {"destination_endpoint_file": "x"}},
             "opamp.destination_endpoint_file: unknown key"),
            ({"opamp": {"tls": {"min_version_file": "x"}}},
             "opamp.tls.min_version_file: unknown key"),
            ({"opamp": {"headers": [SECRET]}}, "opamp.headers: not an object"),
            ({"opamp": {"headers": {"A": 1}}}, "opamp.headers.A: not a text"),
            ({"opamp": {"headers": {"A": ["b", {}]}}},
             "opamp.headers.A[1]: not a text"),
            ({"opamp": {"headers": {"headers": [{"key": SECRET}]}}},
             "opamp.headers.headers[0]: not a text"),
            ({"own_traces": {"proxy": {"connect_headers": {"A": None}}}},
             "own_traces.proxy.connect_headers.A: not a text"),
            (other, "other_connections.x.certificate.cert: not a text"),
            ({"opamp": {"certificate": {"cert": SECRET, "cert_file": SECRET}}},
             "opamp.certificate.cert_file: is given without a file, too"),
            ({"opamp": {"certificate": {"private_key_file": SECRET}}},
             "opamp.certificate.private_key_file: No such file or directory"),
            ({"opamp": {"certificate": {"cert_file": 1}}},
             "opamp.certificate.cert_file: not a text"),
            ({"hash": "0"}, "hash: not hex"), ({"hash": 1}, "hash: not hex"))
        with Peer() as peer:
            for parts, what in cases:
                got = peer.command("offer_settings", ok=False, **parts)
                self.assertEqual(got["message"], what)
            for line in ('{"command":"offer_settings","x":"%s" 1}',
                         '{"command":"offer_settings","x":"%s',
                         '{"command":"offer_settings","x":"%s","x":"%s"}'):
                peer.line(line.replace("%s", SECRET))
                self.assertFalse(peer.wait("result")["ok"])
            self.assertNotIn(SECRET, json.dumps(peer.seen))


# --- certificates -------------------------------------------------------------

def request(csr):
    """An agent's request for a certificate, as a field of AgentToServer."""
    return field(11, field(1, field(1, field(1, csr) if csr else b"")))


class Certificates(Case):
    def setUp(self):
        super().setUp()
        for name in ("ca", "other"):
            self.new(name, "-x509", "-days", "2", *USAGE, "-addext",
                     "subjectAltName=DNS:localhost")
        self.new("agent")
        self.csr = (self.dir / "agent.pem").read_bytes()
        self.issues = f"--issue-certificates={self.pair('ca')}"

    def pair(self, cert, key=None):
        return f"{self.path(cert)}.pem,{self.path(key or cert)}.key"

    def start(self, *args):
        return subprocess.run(
            [PEER, "--listen=127.0.0.1:0", *args], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=LIMIT)

    def asks(self, ws, number, csr):
        return ws.exchange(agent_message(self.uid, number, more=request(csr)))

    def issued(self, reply):
        """{subject, …} of the certificate in an answer, which is verified."""
        offer = fields(reply[4])
        head = field(1, offer[1])
        self.assertEqual(hashlib.sha256(reply[4][len(head):]).digest(),
                         offer[1])
        self.assertEqual(set(fields(offer[2])), {3})
        certificate = fields(fields(offer[2])[3])
        self.assertEqual(set(certificate), {1, 3})
        (self.dir / "issued.pem").write_bytes(certificate[1])
        (self.dir / "authority.pem").write_bytes(certificate[3])
        self.openssl("verify", "-x509_strict", "-purpose", "sslclient",
                     "-CAfile", "authority.pem", "issued.pem")
        self.assertEqual(
            self.openssl("x509", "-in", "issued.pem", "-noout", "-pubkey"),
            self.openssl("pkey", "-in", "agent.key", "-pubout"))
        return self.openssl("x509", "-in", "issued.pem", "-noout", "-text")

    def test_a_request_gets_a_certificate(self):
        with Peer(self.issues, "--issue-seconds=600") as peer, \
                WebSocket(peer) as ws:
            text = self.issued(self.asks(ws, 0, self.csr))
            for what in ("Subject: CN = agent", "Issuer: CN = ca", "CA:FALSE",
                         "TLS Web Client Authentication", "Version: 3"):
                self.assertIn(what, text)
            begins, ends = (ssl.cert_time_to_seconds(t) for t in re.findall(
                r"Not (?:Before|After ) ?: (.*)", text))
            self.assertEqual(ends - begins, 600)
            # Once for each request, and another each time.
            self.assertNotIn(4, ws.exchange(agent_message(self.uid, 1)))
            again = self.issued(self.asks(ws, 2, self.csr))
            serial = r"Serial Number:\s*(\S+)"
            self.assertNotEqual(re.search(serial, text)[1],
                                re.search(serial, again)[1])

    def test_over_http_behind_what_waits(self):
        body = agent_message(self.uid, 0)
        asks = agent_message(self.uid, 1, more=request(self.csr))
        with Peer(self.issues) as peer:
            post(peer, body)
            peer.command("send", message={"flags": 1})
            self.assertEqual(fields(post(peer, asks)[1]), {6: 1})
            self.issued(fields(post(peer, agent_message(self.uid, 2))[1]))

    def test_not_without_the_option(self):
        with Peer() as peer, WebSocket(peer) as ws:
            reply = self.asks(ws, 0, self.csr)
            self.assertEqual(set(reply), {1, 7})

    def test_authorities_of_all_kinds(self):
        for name, kind in (("rsa", "rsa:2048"), ("ed25519", "ed25519")):
            self.openssl("req", "-x509", "-newkey", kind, "-nodes", "-days", "2",
                         "-keyout", f"{name}.key", "-out", f"{name}.pem",
                         "-subj", f"/CN={name}", *USAGE)
            both = self.path("both.pem", "".join(
                (self.dir / f"{name}.{end}").read_text()
                for end in ("pem", "key")))
            with Peer(f"--issue-certificates={both}") as peer, \
                    WebSocket(peer) as ws:
                self.assertIn(f"Issuer: CN = {name}",
                              self.issued(self.asks(ws, 0, self.csr)))

    def test_rubbish_is_a_bad_request(self):
        lines = self.csr.splitlines(True)
        swapped = b"".join([lines[0], self.forged(), lines[-1]])
        cases = ((b"", b"no certificate signing request"),
                 (b"rubbish", b"no certificate signing request"),
                 (b"\0\xff", b"no certificate signing request"),
                 (lines[0] + lines[-1], b"no certificate signing request"),
                 (lines[0] + b"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,"
                  + b"0" * 32 + b"\n\n" + b"".join(lines[1:]),
                  b"no certificate signing request"),
                 (swapped, b"signature"))
        with Peer(self.issues) as peer, WebSocket(peer) as ws:
            for number, (csr, what) in enumerate(cases):
                reply = self.asks(ws, number, csr)
                self.assertEqual(set(reply), {2}, csr)
                error = fields(reply[2])
                self.assertEqual(error[1], 1)
                self.assertIn(what, error[2])
            self.issued(self.asks(ws, 9, self.csr))

    def forged(self):
        """The request in base64, for another subject than was signed."""
        der = subprocess.run(
            ["openssl", "req", "-in", "agent.pem", "-outform", "DER"],
            cwd=self.dir, check=True, capture_output=True).stdout
        self.assertEqual(der.count(b"agent"), 1)
        return base64.encodebytes(der.replace(b"agent", b"admin"))

    def test_authorities_that_are_none(self):
        self.openssl("pkcs8", "-topk8", "-in", "ca.key", "-passout", "pass:x",
                     "-out", "locked.key")
        self.openssl("req", "-x509", "-key", "ca.key", "-out", "leaf.pem",
                     "-subj", "/CN=x", "-addext",
                     "basicConstraints=critical,CA:FALSE")
        self.openssl("genrsa", "-out", "rsa.key", "2048")
        self.path("rubbish.key", SECRET)
        self.path("rubbish.pem", SECRET)
        for files, file, why in (
                (self.pair("none"), "none.pem", "No such file or directory"),
                (self.pair("ca", "none"), "none.key",
                 "No such file or directory"),
                (self.pair("ca", "other"), "other.key",
                 "the key of another certificate"),
                (self.pair("ca", "rsa"), "rsa.key",
                 "the key of another certificate"),
                (self.pair("ca", "locked"), "locked.key",
                 "its key needs a passphrase"),
                (self.pair("ca", "rubbish"), "rubbish.key", "no private key"),
                (self.path("ca.pem"), "ca.pem", "no private key"),
                (self.pair("rubbish", "ca"), "rubbish.pem", "no certificate"),
                (self.pair("leaf", "ca"), "leaf.pem",
                 "not the certificate of an authority")):
            out = self.start(f"--issue-certificates={files}")
            self.assertEqual((out.returncode, out.stdout), (3, ""), files)
            self.assertEqual(out.stderr,
                             f"opamp-peer: {self.path(file)}: {why}\n")

    def test_clients_with_a_certificate_and_without(self):
        tls = ssl.create_default_context(cafile=self.path("ca.pem"))
        with Peer(self.issues, f"--tls-cert={self.path('ca.pem')}",
                  f"--tls-key={self.path('ca.key')}", "--client-ca-optional",
                  f"--client-ca={self.path('ca.pem')}") as peer:
            with WebSocket(peer, tls) as ws:
                self.assertNotIn("client_certificate",
                                 peer.wait("connected")["tls"])
                self.issued(self.asks(ws, 0, self.csr))
            tls.load_cert_chain(self.path("other.pem"), self.path("other.key"))
            refused = http.client.HTTPSConnection(
                "localhost", peer.port, timeout=LIMIT, context=tls)
            self.addCleanup(refused.close)
            with self.assertRaises((ssl.SSLError, OSError)):
                post(peer, b"", connection=refused)
            self.assertIn("TLS", peer.wait("connect_failed")["message"])
            tls.load_cert_chain(self.path("issued.pem"), self.path("agent.key"))
            with WebSocket(peer, tls) as ws:
                got = peer.wait("connected")["tls"]["client_certificate"]
            der = ssl.PEM_cert_to_DER_cert(
                (self.dir / "issued.pem").read_text())
            self.assertEqual(got.pop("sha256"),
                             hashlib.sha256(der).hexdigest())
            self.assertRegex(got.pop("not_after"),
                             r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
            self.assertEqual(got, {"subject": "/CN=agent", "issuer": "/CN=ca"})

    def test_the_line_for_people(self):
        tls = ssl.create_default_context(cafile=self.path("ca.pem"))
        tls.load_cert_chain(self.path("ca.pem"), self.path("ca.key"))
        peer = Peer(f"--tls-cert={self.path('ca.pem')}",
                    f"--tls-key={self.path('ca.key')}",
                    f"--client-ca={self.path('ca.pem')}", json_lines=False)
        peer.host, port = peer.lines.get(timeout=LIMIT).split(":")
        peer.port = int(port)
        WebSocket(peer, tls).close()
        self.assertIn("connected: websocket /v1/opamp, certificate of /CN=ca",
                      peer.lines.get(timeout=LIMIT))
        peer.end()


if __name__ == "__main__":
    PEER = sys.argv.pop(1)
    unittest.main()
