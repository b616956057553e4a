# SPDX-License-Identifier: Apache-2.0
"""settings_contract.py AGENT PEER: connection settings that a server offers to
opamp-agent, over both transports: tried, kept, given back, kept over restarts."""
import json
import os
import subprocess
import sys
import unittest

import agent_driver
from agent_driver import SETTINGS, offer_settings, rest, sha

SECRET = "s3cr3t-token"


class Settings(agent_driver.Case):
    def agent(self, peer, *args, **keys):
        return super().agent(peer, SETTINGS, "--trial-interval=0",
                             "--reconnect-delay=0", *args, **keys)

    def url(self, peer, scheme=None):
        return f"{scheme or self.scheme}://{peer.host}:{peer.port}/v1/opamp"

    def kill(self, agent):
        agent.process.kill()
        agent.process.wait()

    def reported(self, peer, name, status, **match):
        while True:
            got = rest(peer, "connection_settings_status", **match)
            if (got["last_connection_settings_hash"] == sha(name)
                    and got["status"] == status):
                return got

    # Covers: SET-3, SET-4, CONN-11
    def test_another_server(self):
        with self.peer() as old, self.peer() as new, self.agent(old) as agent:
            agent.wait("delivered")
            self.offer(old, "move", destination_endpoint=self.url(new),
                       headers={"Token": SECRET})
            got = agent.wait("connection_settings")
            self.assertEqual((got["hash"], got["kinds"]),
                             (sha("move"), ["opamp"]))
            self.reported(old, "move", "APPLYING")
            head = new.wait("connected")["headers"]
            self.assertEqual(head["Token"], SECRET)
            self.settled(agent, "move")
            self.reported(new, "move", "APPLIED")
            state = agent.command("state")["state"]
            self.assertEqual(state["endpoint"], self.url(new))
            agent.end()
            goodbyes = [m for m in old.seen if m["event"] == "message"
                        and "agent_disconnect" in m["message"]]
            self.assertEqual(len(goodbyes), 1)
            self.assertNotIn(SECRET, json.dumps(agent.seen) + agent.said)

    # Covers: SET-3
    def test_a_bad_offer_and_back(self):
        with self.peer() as old, self.peer() as gone, self.agent(old) as agent:
            agent.wait("delivered")
            there = self.url(gone)
            gone.end()
            self.offer(old, "bad", destination_endpoint=there,
                       heartbeat_interval_seconds=7)
            why = self.settled(agent, "bad", "FAILED")
            self.assertIn(there, why)
            self.assertIn("Connection refused", why)
            self.assertEqual(self.reported(old, "bad", "FAILED")
                             ["error_message"], why)
            self.assertEqual(agent.command("state")["state"]["endpoint"],
                             self.url(old))
            # The same hash is not tried again.
            self.offer(old, "bad", destination_endpoint=there)
            agent.command("set_health", health={"healthy": True, "status": "x"})
            rest(old, "health")
            self.assertEqual(sum(e["event"] == "connection_settings"
                                 for e in agent.seen), 1)

    # Covers: SET-3, CONN-1
    def test_a_server_that_refuses(self):
        with self.peer() as old, self.peer() as new, self.agent(old) as agent:
            agent.wait("delivered")
            new.command("respond", http_status=403, times=9)
            self.offer(old, "no", destination_endpoint=self.url(new))
            self.assertIn("403", self.settled(agent, "no", "FAILED"))
            agent.command("set_health", health={"healthy": True, "status": "y"})
            while rest(old, "health").get("status") != "y":
                pass

    # Covers: SET-3
    def test_a_mute_server(self):
        with self.peer() as old, self.peer() as new, self.agent(
                old, "--trial-timeout=300") as agent:
            agent.wait("delivered")
            new.command("auto_reply", off=True)
            self.offer(old, "mute", destination_endpoint=self.url(new))
            self.assertIn("trial timeout", self.settled(agent, "mute", "FAILED"))
            self.reported(old, "mute", "FAILED")

    # Covers: SET-2
    def test_to_the_other_transport(self):
        other = {"ws": "http", "http": "ws"}[self.scheme]
        with self.peer() as old, self.peer() as new, self.agent(old) as agent:
            agent.wait("delivered")
            self.offer(old, "over", destination_endpoint=self.url(new, other))
            self.settled(agent, "over")
            self.reported(new, "over", "APPLIED")
            self.offer(new, "back", destination_endpoint=self.url(old))
            self.settled(agent, "back")
            self.reported(old, "back", "APPLIED")

    # Covers: SET-1, SET-6, STATE-11
    def test_what_is_wrong_is_said(self):
        long = "x" * (1 << 20)
        cases = (
            ("scheme", {"destination_endpoint": "ftp://x"}, "scheme"),
            ("crlf", {"headers": {"A\r\nB": SECRET}}, "headers"),
            ("value", {"headers": {"A": SECRET + "\r\nB: c"}}, 'header "A"'),
            ("content-type", {"headers": {"Content-Type": "x"}},
             "Content-Type"),
            ("pem", {"tls": {"ca_pem_contents": "rubbish"}}, "no certificate"),
            ("version", {"tls": {"min_version": "9"}}, "TLS version"),
            ("cipher", {"tls": {"cipher_suites": ["TLS_NONE"]}}, "TLS_NONE"),
            ("proxy", {"proxy": {"url": f"gopher://u:{SECRET}@x"}}, "proxy"),
            ("proxy header", {"proxy": {
                "url": "http://x", "connect_headers": {"A B": SECRET}}},
             "proxy.connect_headers"),
            ("insecure", {"tls": {"insecure_skip_verify": True}}, "weaker"),
            ("certificate", {"certificate": {"cert": "x", "private_key": "x"}},
             "store"))
        with self.peer() as peer, self.agent(peer) as agent:
            agent.wait("delivered")
            for name, opamp, what in cases:
                self.offer(peer, name, **opamp)
                self.assertIn(what, self.settled(agent, name, "FAILED"), name)
                got = self.reported(peer, name, "FAILED")["error_message"]
                self.assertTrue(got.startswith("opamp: "), got)
            offer_settings(peer, "metrics", own_metrics={})
            self.assertIn("ReportsOwnMetrics is off",
                          self.settled(agent, "metrics", "FAILED"))
            peer.command("offer_settings", hash="",
                         opamp={"destination_endpoint": "ws://x"})
            got = agent.wait("connection_settings_status", hash="")
            self.assertIn("no hash", got["error"])
            # Tried, and refused there; an interval of 2^63 s is an hour.
            self.offer(peer, "long", headers={"A": long})
            self.settled(agent, "long", "FAILED")
            self.reported(peer, "long", "FAILED")
            self.offer(peer, "slow", heartbeat_interval_seconds=1 << 62)
            self.settled(agent, "slow")
            self.assertIn(3600000, [e["ms"] for e in agent.seen
                                    if e["event"] == "heartbeat_interval"])
            agent.end()
            self.assertNotIn(SECRET, json.dumps(agent.seen) + agent.said)

    # Covers: SET-5, STATE-16
    def test_over_restarts(self):
        state = f"--state-dir={self.root / 'state'}"
        with self.peer() as old, self.peer() as new:
            with self.agent(old, state) as agent:
                uid = agent.wait("starting")["instance_uid"]
                agent.wait("delivered")
                self.offer(old, "move", destination_endpoint=self.url(new))
                self.settled(agent, "move")
                self.reported(new, "move", "APPLIED")
                self.kill(agent)
            for _ in range(2):
                with self.agent(old, state) as agent:
                    got = agent.wait("starting")
                    self.assertEqual((got["instance_uid"], got["endpoint"]),
                                     (uid, self.url(new)))
                    self.reported(new, "move", "APPLIED")

    # Covers: SET-5
    def test_killed_during_the_trial(self):
        state = f"--state-dir={self.root / 'state'}"
        with self.peer() as old, self.peer() as new:
            new.command("auto_reply", off=True)
            with self.agent(old, state) as agent:
                agent.wait("delivered")
                self.offer(old, "move", destination_endpoint=self.url(new))
                self.reported(new, "move", "APPLYING")
                self.kill(agent)
            new.command("auto_reply", on=True)
            with self.agent(old, state) as agent:
                self.assertEqual(agent.wait("connecting")["endpoint"],
                                 self.url(new))
                self.settled(agent, "move")

    def on_a_disk(self, peer, then):
        """An agent whose state directory is a small disk of its own, to which
        something happens, by a shell command, when it was used once."""
        state = self.root / "state"
        state.mkdir()
        script = (f'mount -t tmpfs -o size=64k,mode=700 tmpfs "$0" && '
                  f'"$@" --for=1 >/dev/null; {then} && exec "$@"')
        # Who is root already need not be it in a namespace of users, which there
        # is none of inside a chroot.
        own = "-m" if os.geteuid() == 0 else "-rm"
        return self.agent(peer, f"--state-dir={state}", inside=(
            "unshare", own, "sh", "-c", script, str(state)))

    # Covers: SET-5, STATE-16
    def test_a_full_disk(self):
        with self.peer() as peer, self.on_a_disk(
                peer, 'cat /dev/zero 2>/dev/null > "$0/filler"; true'
                ) as agent:
            agent.wait("delivered")
            self.offer(peer, "s", headers={"A": "x" * 9000})
            self.assertIn("No space left on device",
                          self.settled(agent, "s", "FAILED"))
            agent.command("state")

    # Covers: SET-5, STATE-16
    def test_a_disk_that_is_read_only(self):
        with self.peer() as peer, self.on_a_disk(
                peer, 'mount -o remount,ro "$0"') as agent:
            self.assertIsNone(agent.events.get(timeout=agent_driver.LIMIT))
            self.assertEqual(agent.process.wait(agent_driver.LIMIT), 3)
            for t in agent.threads:
                t.join()
            self.assertIn("Read-only file system", agent.said)

    # Covers: STATE-16
    def test_one_at_a_time(self):
        state = f"--state-dir={self.root / 'state'}"
        with self.peer() as peer, self.agent(peer, state) as agent:
            agent.wait("delivered")
            second = subprocess.run(
                [agent_driver.AGENT, state, self.url(peer)],
                stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=agent_driver.LIMIT)
            self.assertEqual((second.returncode, second.stdout), (3, ""))
            self.assertIn(f"in use by process {agent.process.pid}",
                          second.stderr)

    # Covers: OFFER-9
    def test_the_last_configuration(self):
        state = f"--state-dir={self.root / 'state'}"
        conf = f"--config-dir={self.dir}"
        with self.peer() as peer:
            with self.agent(peer, state, conf) as agent:
                agent.wait("delivered")
                peer.command("offer_config", files={"a": {"body": "one"}})
                one = agent.wait("remote_config_status", status="APPLIED")
                while "remote_config_status" not in peer.wait(
                        "message")["message"]:
                    pass
            peer.command("accept", off=True)
            with self.agent(peer, state, conf) as agent:
                got = agent.wait("remote_config_status", status="APPLIED")
                self.assertEqual(got["hash"], one["hash"])
                self.assertEqual(self.files(), {"a": "one"})

    # Covers: SET-1
    def test_parts_of_the_application(self):
        with self.peer() as peer, self.agent(
                peer, "--capabilities=+ReportsOwnMetrics,"
                "+ReportsConnectionSettingsStatus,"
                "+AcceptsOpAMPConnectionSettings") as agent:
            agent.wait("delivered")
            offer_settings(peer, "both",
                           own_metrics={"destination_endpoint": "http://m"},
                           opamp={"heartbeat_interval_seconds": 9})
            got = agent.wait("connection_settings")
            self.assertEqual(got["kinds"], ["opamp", "own_metrics"])
            agent.command("settings_status", hash=sha("both"), status="FAILED",
                          error="own_metrics: no exporter")
            self.assertEqual(self.settled(agent, "both", "FAILED"),
                             "own_metrics: no exporter")


class SettingsOverHTTP(Settings):
    scheme = "http"


if __name__ == "__main__":
    agent_driver.AGENT, agent_driver.PEER = sys.argv[1:3]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
