# SPDX-License-Identifier: Apache-2.0
"""opamp-fleet from outside, by its contract, against opamp-peer."""
import json
import re
import resource
import signal
import subprocess
import sys
import unittest

import peer_driver
from peer_driver import LIMIT

FLEET = PEER = None  # the programs
KEYS = """clients connected connect_failures disconnects
    time_to_all_connected_ms messages_sent messages_received bytes_sent
    bytes_received configs_applied configs_failed settings_applied settings_failed
    healths_reported latency_ms cpu_user_ms
    cpu_system_ms steady rss_bytes rss_per_client_bytes errors""".split()


class Fleet(subprocess.Popen):
    def __init__(self, *arguments, **more):
        super().__init__([FLEET, *arguments], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, **more)

    def summary(self, code=0):
        out, said = self.communicate(timeout=LIMIT)
        assert self.returncode == code, (self.returncode, said)
        return json.loads(out)

    def __exit__(self, kind, *rest):
        if kind is not None:
            self.kill()
        super().__exit__(kind, *rest)


def run(*arguments, **more):
    """Exit code, standard output, standard error."""
    done = subprocess.run([FLEET, *arguments], capture_output=True, text=True,
                          timeout=LIMIT, check=False, **more)
    return done.returncode, done.stdout, done.stderr


class OverHttp(unittest.TestCase):
    scheme = "http"

    def peer(self, *arguments):
        return peer_driver.Peer(PEER, *arguments)

    def fleet(self, peer, *arguments, **more):
        return Fleet("--json", "--heartbeat=100", *arguments,
                     f"{self.scheme}://{peer.host}:{peer.port}", **more)

    def until(self, peer, count, has):
        """So many agents of which a message has what is asked for."""
        found = set()
        while len(found) < count:
            event = peer.wait("message")
            if has(event["message"]):
                found.add(event["instance_uid"])
        return found

    def test_summary(self):
        with self.peer() as peer:
            with self.fleet(peer, "-n", "20", "--duration=400") as fleet:
                got = fleet.summary()
        self.assertEqual([k for k in KEYS if k not in got], [])
        self.assertEqual((got["clients"], got["connected"]), (20, 20))
        self.assertEqual((got["connect_failures"], got["disconnects"]), (0, 0))
        self.assertEqual(got["errors"], {})
        self.assertGreaterEqual(got["messages_sent"], 60)
        self.assertGreaterEqual(got["messages_received"], 40)
        self.assertGreater(got["bytes_sent"], got["messages_sent"] * 20)
        self.assertGreaterEqual(got["time_to_all_connected_ms"], 0)
        self.assertGreaterEqual(got["steady"]["duration_ms"], 400)
        self.assertGreaterEqual(got["steady"]["messages"], 40)
        self.assertGreater(got["rss_bytes"], got["rss_per_client_bytes"])
        latency = got["latency_ms"]
        self.assertGreater(latency["max"], 0)
        self.assertLessEqual(latency["p50"], latency["p99"])
        self.assertLessEqual(latency["p99"], latency["max"])

    def test_goodbye(self):
        with self.peer() as peer:
            with self.fleet(peer, "-n5") as fleet:
                # Who sends a second message has the answer to the first.
                agents = self.until(peer, 5,
                                    lambda m: m.get("sequence_num", 0) > 0)
                fleet.send_signal(signal.SIGINT)
                gone = self.until(peer, 5, lambda m: "agent_disconnect" in m)
                self.assertEqual(fleet.summary()["connected"], 5)
        self.assertEqual(agents, gone)

    def test_attributes(self):
        with self.peer() as peer:
            with self.fleet(peer, "-n3", "--service-name=web") as fleet:
                names = set()
                for _ in range(3):
                    while True:
                        event = peer.wait("message")
                        if "agent_description" in event["message"]:
                            break
                    attributes = {
                        a["key"]: a["value"]["string_value"]
                        for a in event["message"]["agent_description"][
                            "identifying_attributes"]}
                    self.assertEqual(attributes["service.name"], "web")
                    self.assertEqual(attributes["service.instance.id"],
                                     event["instance_uid"])
                    names.add(event["instance_uid"])
                self.assertEqual(len(names), 3)
                fleet.send_signal(signal.SIGTERM)
                fleet.summary()

    def offered(self, *arguments):
        """The statuses of 40 agents that were offered a configuration, and the
        summary."""
        with self.peer() as peer:
            with self.fleet(peer, "-n40", *arguments) as fleet:
                agents = self.until(peer, 40, lambda m: "health" in m)
                peer.command("offer_config",
                             files={"a": {"body": "x: 1"}})
                seen = {}
                while len(seen) < len(agents) or any(
                        s[-1] == "APPLYING" for s in seen.values()):
                    event = peer.wait("message")
                    status = event["message"].get("remote_config_status")
                    if status:
                        seen.setdefault(event["instance_uid"], []).append(
                            status["status"])
                fleet.send_signal(signal.SIGTERM)
                return seen, fleet.summary()

    def test_offers(self):
        seen, got = self.offered()
        self.assertEqual({s[-1] for s in seen.values()}, {"APPLIED"})
        self.assertEqual((got["configs_applied"], got["configs_failed"]),
                         (40, 0))

    def test_offers_that_fail(self):
        seen, got = self.offered("--fail-percent=50", "--seed=3")
        ends = [s[-1] for s in seen.values()]
        self.assertEqual((got["configs_applied"], got["configs_failed"]),
                         (ends.count("APPLIED"), ends.count("FAILED")))
        self.assertEqual(len(ends), 40)
        self.assertGreater(ends.count("FAILED"), 5)
        self.assertGreater(ends.count("APPLIED"), 5)
        again = self.offered("--fail-percent=50", "--seed=3")[1]
        self.assertEqual(again["configs_failed"], got["configs_failed"])

    def test_offers_that_take_a_while(self):
        seen, got = self.offered("--apply-delay=300")
        self.assertEqual({tuple(s) for s in seen.values()},
                         {("APPLYING", "APPLIED")})
        self.assertEqual(got["configs_applied"], 40)

    def test_health(self):
        with self.peer() as peer:
            with self.fleet(peer, "-n4", "--health-every=100") as fleet:
                self.until(peer, 4, lambda m: m.get("health", {}).get(
                    "status") == "turn 3")
                fleet.send_signal(signal.SIGTERM)
                fleet.summary()

    def test_churn(self):
        with self.peer() as peer:
            with self.fleet(peer, "-n4", "--churn=6000/min") as fleet:
                gone = self.until(peer, 4, lambda m: "agent_disconnect" in m)
                back = self.until(peer, 4, lambda m: "health" in m)
                self.assertEqual(gone, back)
                fleet.send_signal(signal.SIGTERM)
                self.assertGreaterEqual(fleet.summary()["messages_sent"], 12)

    def test_rate(self):
        with self.peer() as peer:
            with self.fleet(peer, "-n10", "--rate=100/s",
                            "--duration=0") as fleet:
                got = fleet.summary()
        self.assertGreaterEqual(got["time_to_all_connected_ms"], 80)


    # Covers: SET-1, SET-3, SET-10
    def last_turns(self, peer, agents):
        """{uid: turn} of the newest health of each, when all said goodbye."""
        gone, turns = set(), {}
        while len(gone) < agents:
            event = peer.wait("message")
            if "agent_disconnect" in event["message"]:
                gone.add(event["instance_uid"])
        for event in peer.seen:
            if event["event"] == "message" and "health" in event["message"]:
                status = event["message"]["health"]["status"]
                turns[event["instance_uid"]] = int(status.split()[1])
        return turns

    def test_rotation_storm(self):
        """200 agents and 20 offers in a row, to and fro between two servers,
        each third to where nobody listens: in the end all use the last good
        one, and each has told one final status for each. Their health changes
        all the while, and in the end the last change of each is known."""
        agents, offers = 200, 20
        with self.peer() as one, self.peer() as two:
            with self.fleet(one, f"-n{agents}", "--trial-interval=0",
                            "--health-every=1000") as fleet:
                here, there = one, two
                self.until(here, agents, lambda m: "health" in m)
                told = {}
                for n in range(offers):
                    bad = n % 3 == 2
                    port = 1 if bad else there.port
                    name = f"{n:064x}"
                    here.command("send", message={"connection_settings": {
                        "hash": name, "opamp": {
                            "destination_endpoint":
                                f"{self.scheme}://127.0.0.1:{port}",
                            "headers": {"headers": [
                                {"key": "Offer", "value": str(n)}]}}}})
                    if not bad:
                        here, there = there, here
                    done = set()
                    while len(done) < agents:
                        event = here.wait("message")
                        got = event["message"].get("connection_settings_status")
                        if (not got or got["status"] == "APPLYING" or
                                got["last_connection_settings_hash"] != name):
                            continue
                        done.add(event["instance_uid"])
                        told.setdefault((event["instance_uid"], name),
                                        set()).add(got["status"])
                    self.assertEqual({s for (_, h), v in told.items()
                                      for s in v if h == name},
                                     {"FAILED" if bad else "APPLIED"})
                self.assertEqual(len(told), agents * offers)
                self.assertEqual({len(s) for s in told.values()}, {1})
                fleet.send_signal(signal.SIGTERM)
                got = fleet.summary()
                turns = self.last_turns(here, agents)
        # A turn is the number of an agent's changes.
        self.assertGreater(got["healths_reported"], agents)
        self.assertEqual(sum(turns.values()), got["healths_reported"])
        self.assertEqual((got["settings_applied"], got["settings_failed"]),
                         (agents * 14, agents * 6))


class OverWebSocket(OverHttp):
    scheme = "ws"

    def test_broken_connections(self):
        with self.peer() as peer:
            with self.fleet(peer, "-n10") as fleet:
                self.until(peer, 10, lambda m: "health" in m)
                peer.command("reset")
                self.until(peer, 10, lambda m: "health" in m)
                fleet.send_signal(signal.SIGTERM)
                got = fleet.summary()
        self.assertEqual(got["disconnects"], 10)
        self.assertEqual(sum(got["errors"].values()), 10)


class Alone(unittest.TestCase):
    def test_nobody_listens(self):
        with Fleet("-n3", "--json", "ws://127.0.0.1:1") as fleet:
            line = fleet.stderr.readline()
            self.assertRegex(line, r"^0/3 connected, .* [1-9]\d* failures, "
                                   r"latency p50 0\.00 ms p99 0\.00 ms$")
            fleet.send_signal(signal.SIGTERM)
            got = fleet.summary()
        self.assertEqual((got["connected"], got["time_to_all_connected_ms"]),
                         (0, -1))
        self.assertGreaterEqual(got["connect_failures"], 3)
        self.assertEqual(got["errors"],
                         {"OPAMP_ERR_TRANSPORT": got["connect_failures"]})

    def test_for_people(self):
        peer = peer_driver.Peer(PEER)
        with peer:
            code, out, _ = run("-n2", "--duration=0",
                               f"ws://{peer.host}:{peer.port}")
        self.assertEqual(code, 0)
        self.assertRegex(out, r"(?m)^connected +2$")
        self.assertRegex(out, r"(?m)^latency_ms.p99 +\d")

    def test_wrong_usage(self):
        url = "ws://127.0.0.1:1"
        for arguments, words in (
                (["-n3"], "URL is missing"),
                ([url], "-n: how many agents?"),
                (["-n0", url], "-n: how many agents?"),
                (["-nmany", url], "-n: 'many' is no whole number"),
                (["-n2000000", url], "-n: more than 1000000"),
                (["-n1", "--fail-percent=101", url], "no percentage"),
                (["-n1", "--churn=some", url], "--churn: 'some' is no"),
                (["-n1", "--rate=-1", url], "--rate: '-1' is no number"),
                (["-n1", "--heartbeat=1", url], "--heartbeat: 1 is not from"),
                (["-n1", "--nope", url], "--nope: no such option"),
                (["-n1", "--cert=x", url], "--cert and --key need each"),
                (["-n1", "--proxy=x:0", url], "--proxy: proxy: the port is"),
                (["-n1", "ftp://x"], "URL")):
            code, out, said = run(*arguments)
            self.assertEqual((code, out), (2, ""), arguments)
            self.assertIn(words, said)
        code, _, said = run("-n1", "--ca=/nowhere.pem", "wss://127.0.0.1:1")
        self.assertEqual(code, 3)
        self.assertIn("/nowhere.pem", said)

    def test_more_than_descriptors(self):
        code, out, said = run(
            "-n200", "ws://127.0.0.1:1", preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_NOFILE, (100, 200)))
        self.assertEqual((code, out), (3, ""))
        self.assertIn("-n 200: 264 open files are needed, the hard limit is "
                      "200", said)

    def test_help_and_version(self):
        code, out, _ = run("--help")
        self.assertEqual(code, 0)
        for name in ("rate", "heartbeat", "duration", "health-every",
                     "apply-delay", "fail-percent", "churn", "service-name",
                     "header", "ca", "proxy", "seed", "json"):
            self.assertIn(f"\n  --{name}", out)
        self.assertIn("\n  -n N", out)
        for key in KEYS:
            self.assertTrue(re.search(rf"\b{key}\b", out), key)
        code, out, _ = run("--version")
        self.assertEqual(code, 0)
        self.assertIn("opamp-fleet 0.", out)


if __name__ == "__main__":
    FLEET, PEER = sys.argv[1:3]
    del sys.argv[1:3]
    unittest.main()
