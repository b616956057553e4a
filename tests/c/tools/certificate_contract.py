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
from authority import Authority


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

    def strict(self, *args):
        """A server that lets in who has a certificate."""
        return self.peer(f"--client-ca={self.ca.file('ca.pem')}", *args)

    def issues(self, seconds=86400):
        """What makes a server give out certificates."""
        return (f"--issue-certificates={self.ca.file('ca.pem')},"
                f"{self.ca.file('ca.key')}", f"--issue-seconds={seconds}")

    def agent(self, peer, *args):
        return super().agent(
            peer, f"--ca={self.ca.file('ca.pem')}", "--trial-interval=0",
            "--reconnect-delay=0", f"--state-dir={self.state}", *args)

    def to(self, peer):
        return f"{self.scheme}://{peer.host}:{peer.port}"

    def certificate(self, peer, subject, but=()):
        """The next agent with a certificate for `subject` is let in; returns
        its digest, which is none of `but`."""
        while True:
            got = peer.wait("connected")["tls"].get("client_certificate", {})
            if (got.get("subject") == f"/CN={subject}"
                    and got["sha256"] not in but):
                self.assertEqual(got["issuer"], "/CN=ca")
                return got["sha256"]

    def request(self, peer):
        got = rest(peer, "connection_settings_request")
        csr = base64.b64decode(got["opamp"]["certificate_request"]["csr"])
        self.assertIn(b"BEGIN CERTIFICATE REQUEST", csr)
        return csr

    # Covers: SET-2, SET-3, SET-8
    def test_an_offered_certificate(self):
        cert = {"cert_file": str(self.ca.file("agent.pem")),
                "private_key_file": str(self.ca.file("agent.key"))}
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
                self.certificate(new, "agent")
                self.settled(agent, "with")
                agent.end()
                # Nothing of the key, whatever was said.
                key = self.ca.read("agent.key").split("\n")[1]
                said = json.dumps(agent.seen) + agent.said
                self.assertNotIn(key, said)
                self.assertNotIn(
                    base64.b64encode(key.encode()).decode()[:40], said)
            with self.agent(old) as agent:  # without SETTINGS, but with it
                self.certificate(new, "agent")
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
             "-passout", "pass:x"], check=True, capture_output=True,
            text=True).stdout
        cert = self.ca.read("agent.pem")
        cases = (("rubbish", "rubbish", agent_key, "no certificate"),
                 ("key rubbish", cert, "x", "no private key"),
                 ("encrypted", cert, encrypted, "passphrase"),
                 ("another's", other, agent_key, "does not match"),
                 ("order", self.ca.read("ca.pem") + cert, agent_key,
                  "does not match"),
                 ("no cert", "", agent_key, "without a certificate"),
                 ("no key", cert, "", "asked for none"))
        with self.peer() as peer, self.agent(peer, SETTINGS) as agent:
            agent.wait("delivered")
            for name, c, k, what in cases:
                self.offer(peer, name,
                           certificate={"cert": c, "private_key": k})
                why = self.settled(agent, name, "FAILED")
                self.assertIn(what, why, name)
            nul = self.root / "nul"
            nul.write_text("\0")
            self.offer(peer, "nul", certificate={
                "cert_file": str(nul), "private_key": agent_key})
            self.assertIn("no PEM", self.settled(agent, "nul", "FAILED"))
            self.offer(peer, "pool", tls={
                "ca_pem_contents_file": str(self.ca.file("other.pem"))})
            self.assertIn("certificate verify failed",
                          self.settled(agent, "pool", "FAILED"))

    # Covers: SET-7
    def test_from_a_token_to_a_certificate(self):
        """Let in with a token, the agent asks for a certificate, and with it
        goes to where nothing else is let in; then a new one, in time."""
        # The next is due after a second of a hundred, that of the house later.
        with self.strict("--client-ca-optional",
                         *self.issues(seconds=100)) as door, \
                self.strict(*self.issues()) as house:
            with self.agent(door, "--request-certificate",
                            "--certificate-renew-percent=1",
                            "--header=Authorization: Bearer t0ken") as agent:
                uid = agent.wait("starting")["instance_uid"]
                first = door.wait("connected")
                self.assertEqual(first["headers"]["Authorization"],
                                 "Bearer t0ken")
                self.assertNotIn("client_certificate", first["tls"])
                csr = self.request(door)
                shown = {self.certificate(door, uid)}
                agent.wait("connection_settings_status", status="APPLIED")
                self.offer(door, "house", destination_endpoint=self.to(house),
                           headers={})
                shown.add(self.certificate(house, uid))
                self.settled(agent, "house")
                self.assertNotEqual(self.request(house), csr)
                self.certificate(house, uid, but=shown)
                agent.wait("connection_settings_status", status="APPLIED")
            with self.agent(door, "--request-certificate") as agent:
                self.certificate(house, uid)
                at = len(house.seen)
                agent.wait("delivered")
                agent.command("set_health", health={"status": "there"})
                while rest(house, "health").get("status") != "there":
                    pass
                self.assertNotIn("connection_settings_request",
                                 json.dumps(house.seen[at:]))

    # Covers: SET-7
    def test_a_restart_in_the_middle(self):
        with self.peer() as mute, self.peer(*self.issues()) as peer:
            with self.agent(mute, "--request-certificate") as agent:
                csr = self.request(mute)
                agent.process.kill()
                agent.process.wait()
            with self.agent(peer, "--request-certificate") as agent:
                self.assertEqual(self.request(peer), csr)
                agent.wait("connection_settings_status", status="APPLIED")
                agent.end()
            self.assertFalse((self.state / "private_key").exists())

    # Covers: SET-7
    def test_a_certificate_for_somebody_else(self):
        with self.peer() as peer, self.agent(
                peer, "--request-certificate") as agent:
            self.request(peer)
            self.offer(peer, "wrong", certificate={
                "cert": self.ca.read("other.pem")})
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
