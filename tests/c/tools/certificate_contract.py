# SPDX-License-Identifier: Apache-2.0
"""certificate_contract.py AGENT PEER: client certificates that opamp-agent is
offered, and those it asks for, over both transports and TLS."""
import base64
import json
import subprocess
import sys
import unittest

import agent_driver
import peer_driver
from agent_driver import SETTINGS, rest

CA_CONF = """[ca]
default_ca = c
[c]
database = index
serial = serial
new_certs_dir = .
policy = any
default_md = sha256
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
"""


def b64(data):
    return base64.b64encode(data).decode()


class Authority:
    """A certificate authority in a folder, by the openssl command."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.file("ca.conf").write_text(CA_CONF)
        self.file("index").write_text("")
        self.file("serial").write_text("01\n")
        self.new("ca", "-x509", "-days", "2", "-out", "ca.pem")
        self.issue("server", "-addext", "subjectAltName=IP:127.0.0.1")
        self.issue("agent")
        self.issue("other")

    def file(self, name):
        return self.folder / name

    def read(self, name):
        return self.file(name).read_bytes()

    def openssl(self, *args):
        subprocess.run(["openssl", *args], cwd=self.folder, check=True,
                       capture_output=True)

    def new(self, name, *args):
        self.openssl("req", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                     f"{name}.key", "-subj", f"/CN={name}", *args)

    def issue(self, name, *args):
        self.new(name, *args, "-out", f"{name}.csr")
        self.sign(name)

    def sign(self, name, begins="-1 day", ends="+1 day"):
        dates = [subprocess.run(
            ["date", "-u", "-d", when, "+%Y%m%d%H%M%SZ"], check=True,
            capture_output=True, text=True).stdout.strip()
            for when in (begins, ends)]
        self.openssl("ca", "-batch", "-notext", "-config", "ca.conf", "-cert",
                     "ca.pem", "-keyfile", "ca.key", "-in", f"{name}.csr",
                     "-out", f"{name}.pem", "-startdate", dates[0],
                     "-enddate", dates[1])

    def signed(self, csr, **when):
        self.file("asked.csr").write_bytes(csr)
        self.sign("asked", **when)
        return self.read("asked.pem")


class OverWebSocket(agent_driver.Case):
    scheme = "wss"

    def setUp(self):
        super().setUp()
        self.ca = Authority(self.root / "ca")
        self.state = self.root / "state"

    def peer(self, *args):
        return peer_driver.Peer(
            agent_driver.PEER, f"--tls-cert={self.ca.file('server.pem')}",
            f"--tls-key={self.ca.file('server.key')}", *args)

    def strict(self):
        """A server that lets in who has a certificate."""
        return self.peer(f"--client-ca={self.ca.file('ca.pem')}")

    def agent(self, peer, *args):
        return super().agent(
            peer, f"--ca={self.ca.file('ca.pem')}", "--trial-interval=0",
            "--reconnect-delay=0", f"--state-dir={self.state}", *args)

    def to(self, peer):
        return f"{self.scheme}://{peer.host}:{peer.port}"

    def subject(self, peer, wanted):
        while True:
            got = peer.wait("connected")["tls"].get("client_subject", "")
            if wanted in got:
                return

    def request(self, peer):
        got = rest(peer, "connection_settings_request")
        csr = base64.b64decode(got["opamp"]["certificate_request"]["csr"])
        self.assertIn(b"BEGIN CERTIFICATE REQUEST", csr)
        return csr

    # Covers: SET-2, SET-3, SET-8
    def test_an_offered_certificate(self):
        cert = {"cert": b64(self.ca.read("agent.pem")),
                "private_key": b64(self.ca.read("agent.key"))}
        with self.peer() as old, self.strict() as new:
            with self.agent(old, SETTINGS) as agent:
                agent.wait("delivered")
                self.offer(old, "without", destination_endpoint=self.to(new))
                self.settled(agent, "without", "FAILED")
                while rest(old, "connection_settings_status")["status"] != \
                        "FAILED":
                    pass
                self.offer(old, "with", destination_endpoint=self.to(new),
                           certificate=cert)
                self.subject(new, "CN=agent")
                self.settled(agent, "with")
                agent.end()
                # Nothing of the key, whatever was said.
                key = self.ca.read("agent.key").decode().split("\n")[1]
                said = json.dumps(agent.seen) + agent.said
                self.assertNotIn(key, said)
                self.assertNotIn(b64(key.encode())[:40], said)
            with self.agent(old) as agent:  # without SETTINGS, but with it
                self.subject(new, "CN=agent")
                agent.wait("delivered")
            modes = {p.name: p.stat().st_mode & 0o7777
                     for p in self.state.iterdir()}
            self.assertEqual(set(modes.values()), {0o600}, modes)
            self.assertEqual(self.state.stat().st_mode & 0o7777, 0o700)

    # Covers: SET-8
    def test_certificates_that_are_no_good(self):
        agent_key, other = (self.ca.read("agent.key"),
                            self.ca.read("other.pem"))
        encrypted = subprocess.run(
            ["openssl", "pkcs8", "-topk8", "-in", self.ca.file("agent.key"),
             "-passout", "pass:x"], check=True, capture_output=True).stdout
        cert = self.ca.read("agent.pem")
        cases = (("rubbish", b"rubbish", agent_key, "no certificate"),
                 ("nul", b"\0", agent_key, "no PEM"),
                 ("key rubbish", cert, b"x", "no private key"),
                 ("encrypted", cert, encrypted, "passphrase"),
                 ("another's", other, agent_key, "does not match"),
                 ("order", self.ca.read("ca.pem") + cert, agent_key,
                  "does not match"),
                 ("no cert", b"", agent_key, "without a certificate"),
                 ("no key", cert, b"", "asked for none"))
        with self.peer() as peer, self.agent(peer, SETTINGS) as agent:
            agent.wait("delivered")
            for name, c, k, what in cases:
                self.offer(peer, name,
                           certificate={"cert": b64(c), "private_key": b64(k)})
                why = self.settled(agent, name, "FAILED")
                self.assertIn(what, why, name)
            self.offer(peer, "pool", tls={"ca_pem_contents": self.ca.read(
                "other.pem").decode()})
            self.assertIn("certificate verify failed",
                          self.settled(agent, "pool", "FAILED"))

    # Covers: SET-7
    def test_from_a_token_to_a_certificate(self):
        """Let in with a token, the agent asks for a certificate, and with it
        goes to where nothing else is let in; then a new one, in time."""
        with self.peer() as door, self.strict() as house:
            with self.agent(door, "--request-certificate",
                            "--header=Authorization: Bearer t0ken") as agent:
                uid = agent.wait("starting")["instance_uid"]
                csr = self.request(door)
                # Two thirds of its life are over: the next is due at once.
                old = self.ca.signed(csr, begins="-9 days", ends="+1 day")
                self.offer(door, "house", destination_endpoint=self.to(house),
                           headers={}, certificate={
                               "cert": b64(old),
                               "ca_cert": b64(self.ca.read("ca.pem"))})
                self.subject(house, f"CN={uid}")
                self.settled(agent, "house")
                again = self.request(house)
                self.assertNotEqual(again, csr)
                self.offer(house, "renewed", certificate={
                    "cert": b64(self.ca.signed(again))})
                self.settled(agent, "renewed")
                self.assertFalse((self.state / "private_key").exists())
            with self.agent(door, "--request-certificate") as agent:
                self.subject(house, f"CN={uid}")
                agent.wait("delivered")
                self.assertNotIn("connection_settings_request", json.dumps(
                    [e for e in house.seen[-3:]]))

    # Covers: SET-7
    def test_a_restart_in_the_middle(self):
        with self.peer() as peer:
            with self.agent(peer, "--request-certificate") as agent:
                csr = self.request(peer)
                agent.process.kill()
                agent.process.wait()
            with self.agent(peer, "--request-certificate") as agent:
                self.assertEqual(self.request(peer), csr)
                self.offer(peer, "one", certificate={
                    "cert": b64(self.ca.signed(csr))})
                self.settled(agent, "one")

    # Covers: SET-7
    def test_a_certificate_for_somebody_else(self):
        with self.peer() as peer, self.agent(
                peer, "--request-certificate") as agent:
            self.request(peer)
            self.offer(peer, "wrong", certificate={
                "cert": b64(self.ca.read("other.pem"))})
            self.assertIn("does not match",
                          self.settled(agent, "wrong", "FAILED"))

    # Covers: SET-7
    def test_a_refused_request(self):
        with self.peer() as peer, self.agent(peer, SETTINGS) as agent:
            agent.wait("delivered")
            peer.command("auto_reply", off=True)
            agent.command("request_certificate")
            self.request(peer)
            peer.command("error", type="BadRequest", message="not you")
            got = agent.wait("parked")
            self.assertEqual((got["fields"], got["message"]),
                             (["connection_settings_request"], "not you"))
            agent.wait("server_error")


class OverHTTP(OverWebSocket):
    scheme = "https"


if __name__ == "__main__":
    agent_driver.AGENT, agent_driver.PEER = sys.argv[1:3]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
