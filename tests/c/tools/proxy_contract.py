#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""opamp-agent through proxies: tinyproxy, squid, microsocks, and some that
behave badly.

Usage: proxy_contract.py OPAMP_AGENT OPAMP_PEER CERTS_SH [unittest arguments]
"""
import base64
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import unittest

import agent_driver
from agent_driver import Agent, Case
from names import first_of
from proxy_driver import (LIMIT, PASSWORD, USER, Microsocks, Scripted, Squid,
                          Tinyproxy, connect_to_target, free_ports,
                          hang_up_with)

CERTS_SH = None
# To all: a failure is the test's result, not to be tried again.
ONCE = ("--backoff-min=100000", "--backoff-max=100000")
SECRETS = (PASSWORD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
           "wrongword", "header-secret")
IN = f"{USER}:{PASSWORD}@"
WRONG = f"{USER}:wrongword@"
MIB = 1 << 20


class World:
    """The real proxies, started once for all tests."""

    def __init__(self):
        self.tmp = tempfile.TemporaryDirectory()
        root = pathlib.Path(self.tmp.name)
        root.chmod(0o755)
        self.certs = root / "certs"
        self.certs.mkdir()
        unittest.addModuleCleanup(self.tmp.cleanup)
        subprocess.run(["sh", CERTS_SH, str(self.certs)], check=True)
        self.tinyproxy = self.start(Tinyproxy, root / "tiny")
        self.tinyproxy_in = self.start(Tinyproxy, root / "tiny_in", auth=True)
        self.socks = self.start(Microsocks, root / "socks")
        self.socks_in = self.start(Microsocks, root / "socks_in", auth=True)
        self.squid = self.start(Squid, root / "squid", certs=self.certs)

    def start(self, kind, root, **options):
        proxy = kind(root, **options)
        unittest.addModuleCleanup(proxy.stop)  # also when the next one fails
        return proxy


WORLD = None


def setUpModule():
    global WORLD
    WORLD = World()
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            del os.environ[name]


class Proxied(Case):
    """The tests for every kind of URL; this is ws."""
    tls = False

    def peer(self, *args, **keys):
        if self.tls:
            args += (f"--tls-cert={WORLD.certs}/server.pem",
                     f"--tls-key={WORLD.certs}/server.key")
        return super().peer(*args, **keys)

    def agent(self, peer, *args, host="127.0.0.1", ca="ca.pem"):
        agent = Agent(f"{self.scheme}://{host}:{peer.port}", "--log=debug",
                      "--poll-interval=100", f"--ca={WORLD.certs}/{ca}", *args)
        self.addCleanup(self.check_no_secret, agent)
        return agent

    # Covers: SEC-2
    def check_no_secret(self, agent):
        said = agent.said + json.dumps(agent.seen)
        for secret in SECRETS:
            self.assertNotIn(secret, said)

    def exchange(self, peer, agent):
        """Something of each side arrives at the other one."""
        agent.wait("delivered")
        peer.command("send", message={"flags": 1})
        agent.wait("message_received")
        agent.command("set_health", health={"healthy": True, "status": "two"})
        while peer.wait("message")["message"].get("health", {}).get(
                "status") != "two":
            pass

    def arrives(self, proxy, *args, listen="127.0.0.1:0", **keys):
        with self.peer(listen=listen) as peer, self.agent(
                peer, "--proxy", proxy, *args, **keys) as agent:
            self.exchange(peer, agent)
        return peer.port

    def fails(self, proxy, *args, error="OPAMP_ERR_TRANSPORT", **keys):
        """The message of the failure; no server answered."""
        with self.peer() as peer, self.agent(
                peer, "--proxy", proxy, *ONCE, *args, **keys) as agent:
            failed = agent.wait("connect_failed")
        self.assertEqual((failed["error"], failed["http_status"]), (error, 0),
                         failed)
        self.assertNotIn("connected", [e["event"] for e in peer.seen])
        return failed["message"]

    # What a refusal is called: only a tunnel is a CONNECT.
    refused = "CONNECT"

    # Covers: SET-9
    def test_tinyproxy(self):
        port = self.arrives(WORLD.tinyproxy.url("http"))
        WORLD.tinyproxy.mentions(f"127.0.0.1:{port}")

    def test_no_scheme_is_http(self):
        self.arrives(f"127.0.0.1:{WORLD.tinyproxy.port}")

    def test_tinyproxy_with_password(self):
        self.arrives(WORLD.tinyproxy_in.url("http", IN))
        self.assertEqual(
            self.fails(WORLD.tinyproxy_in.url("http")),
            f"proxy 127.0.0.1:{WORLD.tinyproxy_in.port}: refused "
            f"{self.refused} with 407 (user and password are wrong or missing)")
        self.wrong_password(WORLD.tinyproxy_in)

    def wrong_password(self, tinyproxy):
        """For which tinyproxy has another status."""
        self.assertEqual(
            self.fails(tinyproxy.url("http", WRONG)),
            f"proxy 127.0.0.1:{tinyproxy.port}: refused CONNECT with 401 (user "
            "and password are wrong or missing)")

    # Covers: SET-9
    def test_squid(self):
        port = self.arrives(WORLD.squid.url("http"))
        log = (WORLD.squid.root / "access.log").read_text()
        self.assertIn(f":{port}", log)

    def test_squid_with_password(self):
        port = WORLD.squid.password_port
        self.arrives(WORLD.squid.url("http", IN, port))
        for credentials in (WRONG, ""):
            self.assertEqual(
                self.fails(WORLD.squid.url("http", credentials, port)),
                f"proxy 127.0.0.1:{port}: refused {self.refused} with 407 "
                "(user and password are wrong or missing)")

    def test_squid_refuses(self):
        port = WORLD.squid.refusing_port
        self.assertEqual(self.fails(WORLD.squid.url("http", port=port)),
                         f"proxy 127.0.0.1:{port}: refused CONNECT with 403")

    # Covers: SET-9
    def test_tls_to_the_proxy(self):
        port = WORLD.squid.tls_port
        self.arrives(f"https://localhost:{port}")
        self.arrives(f"https://127.0.0.1:{port}")
        self.arrives(f"https://127.0.0.1:{port}", "--insecure", ca="other.pem")

    def test_tls_to_the_proxy_fails(self):
        port = WORLD.squid.tls_port
        self.assertRegex(
            self.fails(f"https://localhost:{port}", ca="other.pem",
                       error="OPAMP_ERR_TLS"),
            f"^proxy localhost:{port}: certificate verify failed: "
            "unable to get local issuer certificate")
        port = WORLD.squid.port  # without TLS
        self.assertTrue(self.fails(
            f"https://127.0.0.1:{port}", error="OPAMP_ERR_TLS").startswith(
                f"proxy 127.0.0.1:{port}: "))

    # Covers: SET-9
    def test_socks(self):
        for scheme in ("socks5", "socks5h"):
            for host in ("127.0.0.1", "localhost"):
                port = self.arrives(WORLD.socks.url(scheme), host=host,
                                    listen=first_of(host))
            WORLD.socks.mentions(f":{port}")

    def test_socks_with_password(self):
        for scheme in ("socks5", "socks5h"):
            self.arrives(WORLD.socks_in.url(scheme, IN))
            for credentials in (WRONG, ""):
                self.assertEqual(
                    self.fails(WORLD.socks_in.url(scheme, credentials)),
                    f"proxy 127.0.0.1:{WORLD.socks_in.port}: SOCKS5: "
                    "authentication failed (user and password are wrong or "
                    "missing)")

    # Covers: SET-9
    def test_who_finds_names(self):
        def answer(s, head):
            port = int.from_bytes(head[-2:], "big")
            far = socket.create_connection(("127.0.0.1", port), LIMIT)
            s.sendall(b"\5\0\0\1\x7f\0\0\1\0\0")
            return far
        for scheme, kinds in (("socks5", {1, 4}), ("socks5h", {3})):
            with Scripted(answer, socks=True) as proxy:
                self.arrives(f"{scheme}://127.0.0.1:{proxy.port}",
                             host="localhost")
                self.assertIn(proxy.heads[0][3], kinds, scheme)

    def test_socks_refuses(self):
        def answer(code):
            return hang_up_with(b"\5" + bytes([code]) + b"\0\1" + bytes(6))
        for code, words in ((1, "general failure of the proxy"),
                            (2, "connection not allowed"),
                            (3, "the server's network is unreachable"),
                            (4, "the server is unreachable"),
                            (5, "the server refused the connection"),
                            (6, "the server does not answer")):
            with Scripted(answer(code), socks=True) as proxy:
                self.assertEqual(
                    self.fails(f"socks5h://127.0.0.1:{proxy.port}"),
                    f"proxy 127.0.0.1:{proxy.port}: SOCKS5: {words}")

    def test_nobody_there(self):
        port, = free_ports(1)
        for scheme in ("http", "https", "socks5", "socks5h"):
            self.assertEqual(
                self.fails(f"{scheme}://{IN}127.0.0.1:{port}"),
                f"proxy 127.0.0.1:{port}: connect: Connection refused")

    def test_no_such_name(self):
        for scheme in ("http", "socks5"):
            self.assertRegex(
                self.fails(f"{scheme}://{IN}proxy.invalid:1",
                           error="OPAMP_ERR_RESOLVE"),
                r"^proxy proxy\.invalid:1: no address for proxy\.invalid: ")

    def test_mute(self):
        with socket.create_server(("127.0.0.1", 0)) as mute:
            port = mute.getsockname()[1]
            for scheme in ("socks5", "https"):
                self.assertIn("timeout", self.fails(
                    f"{scheme}://{IN}127.0.0.1:{port}",
                    "--connect-timeout=200", "--request-timeout=200",
                    error="OPAMP_ERR_TIMEOUT"))

    garbage = (b"\0" * 100, b"SSH-2.0-x\r\n", b"HTTP/1.1 x\r\n\r\n",
               b"HTTP/1.1 20", b"HTTP/1.1 200 fine\r\nX: ", b"")

    def test_garbage(self):
        for answer in self.garbage:
            with Scripted(hang_up_with(answer)) as proxy:
                self.assertIn(f"proxy 127.0.0.1:{proxy.port}: ", self.fails(
                    f"http://127.0.0.1:{proxy.port}"), answer)

    # Covers: SET-9
    def test_headers_for_the_proxy(self):
        with Scripted(connect_to_target) as proxy, self.peer() as peer:
            with self.agent(peer, f"--proxy=http://{IN}127.0.0.1:{proxy.port}",
                            "--proxy-header=X-For: header-secret",
                            "--proxy-header=X-Empty:") as agent:
                self.exchange(peer, agent)
            head = proxy.heads[0].decode()
            self.assertTrue(head.startswith(
                f"CONNECT 127.0.0.1:{peer.port} HTTP/1.1\r\n"), head)
            self.assertIn("\r\nX-For: header-secret\r\n", head)
            self.assertIn("\r\nX-Empty:\r\n", head)
            self.assertIn(f"\r\nProxy-Authorization: Basic {SECRETS[1]}\r\n",
                          head)
            self.assertNotIn("Instance-UID", head)
        connected = next(e for e in peer.seen if e["event"] == "connected")
        self.assertNotIn("X-For", connected["headers"])
        self.assertNotIn("Proxy-Authorization", connected["headers"])

    def environment(self, **variables):
        for name in variables:
            self.addCleanup(os.environ.pop, name, None)
        os.environ.update(variables)

    # Covers: SET-9
    def test_environment(self):
        port, = free_ports(1)
        name = "https_proxy" if self.tls else "http_proxy"
        self.environment(**{name: f"http://{IN}127.0.0.1:{port}"})
        with self.peer() as peer:
            with self.agent(peer) as agent:
                agent.wait("delivered")
            with self.agent(peer, "--proxy-from-env", *ONCE) as agent:
                self.assertEqual(
                    agent.wait("connect_failed")["message"],
                    f"proxy 127.0.0.1:{port}: connect: Connection refused")
            self.environment(no_proxy="example.com,127.0.0.0/8")
            with self.agent(peer, "--proxy-from-env") as agent:
                agent.wait("delivered")
            self.environment(**{name: "x:y:z", "no_proxy": ""})
            with self.agent(peer, "--proxy-from-env", *ONCE) as agent:
                self.assertIn(f"environment variable {name}: proxy: the port",
                              agent.wait("connect_failed")["message"])
        self.environment(**{name: WORLD.tinyproxy_in.url("http", IN)})
        with self.peer() as peer:
            with self.agent(peer, "--proxy-from-env") as agent:
                self.exchange(peer, agent)
        WORLD.tinyproxy_in.mentions(f"127.0.0.1:{peer.port}")

    # Covers: SET-9, WIRE-8
    def test_big_messages(self):
        body = "x" * (5 * MIB)
        for proxy in (WORLD.tinyproxy.url("http"), WORLD.socks.url("socks5"),
                      f"https://127.0.0.1:{WORLD.squid.tls_port}"):
            with self.peer() as peer, self.agent(
                    peer, "--proxy", proxy, "--config-dir",
                    str(self.dir)) as agent:
                agent.wait("delivered")
                peer.command("offer_config", files={"a": {"body": body}})
                while agent.wait("remote_config_status")["status"] != "APPLIED":
                    pass
                self.assertEqual((self.dir / "a").stat().st_size, len(body))
                sent = agent_driver.rest(peer, "effective_config")
                while len(json.dumps(sent)) < len(body):
                    sent = agent_driver.rest(peer, "effective_config")
            (self.dir / "a").write_text("")

    def test_proxy_goes_and_comes(self):
        root = pathlib.Path(self.root / "socks")
        proxy = Microsocks(root)
        try:
            with self.peer() as peer, self.agent(
                    peer, "--proxy", proxy.url("socks5"), "--backoff-min=10",
                    "--backoff-max=50", "--reconnect-delay=10") as agent:
                self.exchange(peer, agent)
                proxy.stop()
                self.lost(agent)
                self.assertTrue(proxy.start())
                agent.command("set_health", health={"healthy": True,
                                                    "status": "back"})
                while peer.wait("message")["message"].get("health", {}).get(
                        "status") != "back":
                    pass
        finally:
            proxy.stop()

    def lost(self, agent):
        gone = agent.wait("disconnected")
        self.assertEqual(gone["error"], "OPAMP_ERR_TRANSPORT", gone)


class ProxiedTls(Proxied):
    scheme, tls = "wss", True

    # Covers: SET-8, SET-9
    def test_the_server_is_verified_through_a_proxy(self):
        """The proxy's certificate is good, the server's is not."""
        for host, what in (("localhost", "hostname"),
                           ("127.0.0.1", "IP address")):
            with Case.peer(self, f"--tls-cert={WORLD.certs}/elsewhere.pem",
                           f"--tls-key={WORLD.certs}/elsewhere.key",
                           listen=first_of(host)) as peer:
                for proxy in (WORLD.tinyproxy.url("http"),
                              f"https://127.0.0.1:{WORLD.squid.tls_port}",
                              WORLD.socks.url("socks5h")):
                    with self.agent(peer, "--proxy", proxy, *ONCE,
                                    host=host) as agent:
                        failed = agent.wait("connect_failed")
                    self.assertEqual(
                        (failed["error"], failed["message"].lower()),
                        ("OPAMP_ERR_TLS", "certificate verify failed: "
                         f"{what} mismatch (depth 0)".lower()))


class OverWebSocket:
    # Covers: SET-9
    def test_close_code(self):
        for proxy in (WORLD.tinyproxy.url("http"),
                      f"https://127.0.0.1:{WORLD.squid.tls_port}"):
            with self.peer() as peer, self.agent(
                    peer, "--proxy", proxy, *ONCE) as agent:
                agent.wait("delivered")
                peer.command("close", code=1011)
                self.assertEqual(agent.wait("disconnected")["close_code"], 1011)

    def test_half_way(self):
        """The tunnel ends right after it began, and in the middle."""
        def answer(s, head):
            s.sendall(b"HTTP/1.1 200 fine\r\n\r\n")
            s.shutdown(socket.SHUT_RDWR)
        with Scripted(answer) as proxy:
            self.fails(f"http://127.0.0.1:{proxy.port}",
                       error="OPAMP_ERR_TLS" if self.tls
                       else "OPAMP_ERR_TRANSPORT")

    def test_mute_to_connect(self):
        with socket.create_server(("127.0.0.1", 0)) as mute:
            self.assertIn("connect timeout", self.fails(
                f"http://127.0.0.1:{mute.getsockname()[1]}",
                "--connect-timeout=200", error="OPAMP_ERR_TIMEOUT"))


class Ws(OverWebSocket, Proxied):
    pass


class Wss(OverWebSocket, ProxiedTls):
    pass


class Https(ProxiedTls):
    scheme = "https"


class Http(Proxied):
    """Requests go to an HTTP proxy whole, without a tunnel."""
    scheme = "http"
    refused = "the request"
    # What curl takes for a status may come from the server.
    garbage = (b"\0" * 100, b"SSH-2.0-x\r\n", b"")

    def answered(self, proxy, status):
        """A status that is no 407 may be the server's."""
        with self.peer() as peer, self.agent(
                peer, *ONCE, "--proxy", proxy) as agent:
            failed = agent.wait("connect_failed")
        self.assertEqual((failed["error"], failed["http_status"]),
                         ("OPAMP_ERR_HTTP", status))

    def test_squid_refuses(self):
        self.answered(WORLD.squid.url("http", port=WORLD.squid.refusing_port),
                      403)

    # It does not read the request to its end, and resets the connection: the
    # head of its answer counts all the same.
    def wrong_password(self, tinyproxy):
        self.answered(tinyproxy.url("http", WRONG), 401)

    def test_headers_for_the_proxy(self):
        def answer(s, head):
            s.sendall(b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n")
        with Scripted(answer) as proxy, self.peer() as peer:
            with self.agent(peer, f"--proxy=http://{IN}127.0.0.1:{proxy.port}",
                            "--proxy-header=X-For: header-secret",
                            *ONCE) as agent:
                agent.wait("connect_failed", http_status=500)
            head = proxy.heads[0].decode()
        self.assertTrue(head.startswith(
            f"POST http://127.0.0.1:{peer.port}/v1/opamp HTTP/1.1\r\n"), head)
        self.assertIn("\r\nX-For: header-secret\r\n", head)
        self.assertIn(f"\r\nProxy-Authorization: Basic {SECRETS[1]}\r\n", head)

    def lost(self, agent):
        """The next request says it, unless one was under way."""
        gone = agent.wait("disconnected")
        while "connect: Connection refused" not in gone["message"]:
            gone = agent.wait("connect_failed")


del Proxied, ProxiedTls  # what is left are the four kinds

if __name__ == "__main__":
    agent_driver.AGENT, agent_driver.PEER, CERTS_SH = sys.argv[1:4]
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
