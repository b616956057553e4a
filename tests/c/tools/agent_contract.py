#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""opamp-agent from outside, against opamp-peer: its options, events, commands.

Usage: agent_contract.py OPAMP_AGENT OPAMP_PEER [unittest arguments]
"""
import base64
import os
import pathlib
import re
import signal
import subprocess
import sys
import unittest

import agent_driver
from agent_driver import Agent, Case, rest, small_pipe, text
from peer_driver import LIMIT

UID = "0192b4a5-0000-7000-8000-000000000001"


class Life(Case):
    # Covers: CONN-1, CONN-9, CONN-14, HTTP-2, STATE-1
    def test_from_start_to_stop(self):
        with self.peer() as peer, self.agent(
                peer, f"--instance-uid={UID}", "--service-name", "svc",
                "--identify=a=b", "--describe", "c=d=e",
                "--header=X-Token: secret") as agent:
            url = f"{self.scheme}://{peer.host}:{peer.port}/v1/opamp"
            starting = agent.wait("starting")
            self.assertEqual(starting["instance_uid"], UID)
            self.assertEqual(starting["endpoint"], url)
            self.assertEqual(agent.wait("connecting")["attempt"], 1)
            sent = agent.wait("message_sent", sequence_num=0)
            self.assertIn("agent_description", sent["fields"])
            agent.wait("delivered")
            connected = peer.wait("connected")
            self.assertEqual(connected["path"], "/v1/opamp")
            head = connected["headers"]
            self.assertEqual(head["X-Token"], "secret")
            self.assertEqual(head["OpAMP-Instance-UID"], UID)
            first = peer.wait("message")["message"]
            known = {a["key"]: a["value"]["string_value"] for kind in
                     first["agent_description"].values() for a in kind}
            self.assertLessEqual({
                "service.instance.id": UID, "service.name": "svc", "a": "b",
                "c": "d=e", "os.type": "linux"}.items(), known.items())
            self.assertIn("host.name", known)
            self.assertIs(first["health"]["healthy"], True)
            agent.end(sig=signal.SIGTERM)
            self.assertEqual(agent.seen[-1]["event"], "stopped")
            self.assertIs(agent.seen[-1]["disconnect_sent"], True)
            self.assertIn("agent_disconnect", peer.wait("message")["message"])

    def test_state(self):
        with self.peer() as peer, self.agent(peer) as agent:
            agent.wait("delivered")
            state = agent.command("state")["state"]
            self.assertEqual(state["state"], "connected")
            self.assertEqual(state["undelivered"], [])
            self.assertEqual(state["transport"], {
                "ws": "websocket", "http": "http"}[self.scheme])
            self.assertIn("OffersRemoteConfig", state["server_capabilities"])
            self.assertGreaterEqual(state["counters"]["messages_sent"], 1)
            agent.command("stop", disconnect=False)
            agent.end()
            self.assertIs(agent.seen[-1]["disconnect_sent"], False)

    def test_nobody_listens(self):
        with Agent(f"{self.scheme}://127.0.0.1:1", "--backoff-min=100000",
                   "--backoff-max=100000") as agent:
            failed = agent.wait("connect_failed")
            self.assertEqual(failed["error"], "OPAMP_ERR_TRANSPORT")
            self.assertGreater(failed["retry_in_ms"], 0)
            self.assertEqual(failed["http_status"], 0)
            state = agent.command("state")["state"]
            self.assertEqual(state["state"], "waiting")
            self.assertGreater(state["next_retry_ms"], 0)

    def test_nobody_reads_the_output(self):
        with self.peer() as peer:
            read, write = small_pipe()
            agent = subprocess.Popen(
                [agent_driver.AGENT, "--json", "--poll-interval=100",
                 f"{self.scheme}://{peer.host}:{peer.port}"],
                stdin=subprocess.DEVNULL, stdout=write)
            try:
                peer.wait("message")
                for _ in range(200):
                    peer.command("send", message={"flags": 0})
                agent.send_signal(signal.SIGTERM)
                self.assertEqual(agent.wait(LIMIT), 0)
            finally:
                agent.kill()
                os.close(read)
                os.close(write)

    def test_identity_given_by_the_server(self):
        with self.peer() as peer, self.agent(peer) as agent:
            agent.wait("delivered")
            peer.command("send", message={
                "agent_identification": {"new_instance_uid": UID}})
            self.assertEqual(agent.wait("identity")["instance_uid"], UID)
            own = {"key": "service.instance.id",
                   "value": {"string_value": UID}}
            while own not in rest(peer, "agent_description", instance_uid=UID)[
                    "identifying_attributes"]:
                pass

    def test_for(self):
        with self.peer() as peer, self.agent(peer, "--for", "200",
                                             control=False) as agent:
            self.assertEqual(agent.process.wait(LIMIT), 0)

    def test_second_signal(self):
        with self.peer() as peer, self.agent(
                peer, "--stop-timeout=60000") as agent:
            agent.wait("delivered")
            peer.command("stall", ms=100000)
            agent.command("stop")  # no signal, so the next one is the first
            agent.process.send_signal(signal.SIGTERM)
            agent.end(code=1, sig=signal.SIGINT)
            self.assertEqual(agent.seen[-1]["reason"], "a second signal")


class LifeOverHttp(Life):
    scheme = "http"

    # Covers: HTTP-7
    def test_status_of_a_later_refusal(self):
        with self.peer() as peer, self.agent(peer) as agent:
            agent.wait("delivered")
            peer.command("respond", http_status=500)
            self.assertEqual(agent.wait("disconnected")["http_status"], 500)


class Offers(Case):
    def start(self, peer, *args):
        agent = self.agent(peer, *args)
        self.addCleanup(agent.__exit__, None, None, None)
        agent.wait("delivered")
        return agent

    def test_files_and_apply(self):
        with self.peer() as peer:
            agent = self.start(
                peer, "--config-dir", str(self.dir), "--json-bodies",
                "--apply", self.log("OPAMP_CONFIG_DIR", "OPAMP_CONFIG_HASH",
                                    "OPAMP_CONFIG_FILES"))
            peer.command("offer_config", files={
                "a.yaml": text("x: 1"), "sub/b": text("2"), "": text("3")})
            offer = agent.wait("remote_config")
            self.assertEqual(set(offer["files"]), {"a.yaml", "sub/b", ""})
            self.assertEqual(base64.b64decode(offer["files"]["sub/b"]["body"]),
                             b"2")
            self.assertEqual(offer["files"]["a.yaml"]["size"], 4)
            agent.wait("remote_config_status", status="APPLIED",
                       hash=offer["hash"])
            self.assertEqual(self.files(), {"a.yaml": "x: 1", "sub/b": "2",
                                            "config": "3"})
            self.assertEqual(self.logged(),
                             [f"{self.dir} {offer['hash']} 3"])
            while True:
                seen = rest(peer, "effective_config")["config_map"]
                if seen.get("config_map"):
                    break
            self.assertEqual(set(seen["config_map"]),
                             {"a.yaml", "sub/b", "config"})

    def test_failed_apply_restores(self):
        with self.peer() as peer:
            agent = self.start(
                peer, "--config-dir", str(self.dir), "--apply",
                f"cat $OPAMP_CONFIG_DIR/a >> {self.root}/log; "
                "echo >> $OPAMP_CONFIG_DIR/../log; "
                "echo some words; ! grep -q bad $OPAMP_CONFIG_DIR/a")
            peer.command("offer_config", files={"a": text("good")})
            agent.wait("remote_config_status", status="APPLIED")
            peer.command("offer_config", files={"a": text("bad"),
                                                "b": text("new")})
            failed = agent.wait("remote_config_status", status="FAILED")
            self.assertIn("exit status 1: some words", failed["error"])
            self.assertEqual(self.files(), {"a": "good"})
            agent.command("state")
            peer.command("offer_config", files={"a": text("fine")})
            agent.wait("remote_config_status", status="APPLIED")
            self.assertEqual(self.logged(), ["good", "bad", "good", "fine"])

    def test_names_that_lead_elsewhere(self):
        with self.peer() as peer:
            agent = self.start(peer, "--config-dir", str(self.dir))
            for name in ("../x", "/x", "a//b", "a/../b", "y" * 256):
                peer.command("offer_config", files={name: text("x"),
                                                    "fine": text("y")})
                failed = agent.wait("remote_config_status", status="FAILED")
                self.assertIn(name[:100], failed["error"])
                self.assertEqual(self.files(), {})
        self.assertEqual({p.name for p in self.root.iterdir()},
                         {"conf", ".conf.opamp"})

    def test_end_of_the_output(self):
        with self.peer() as peer:
            agent = self.start(peer, "--apply", "head -c 9000 /dev/zero | "
                               "tr '\\0' x; printf '\\377end'; exit 1")
            peer.command("offer_config", files={"a": text("x")})
            failed = agent.wait("remote_config_status", status="FAILED")
            self.assertEqual(failed["error"],
                             "exit status 1: " + "x" * 4092 + "?end")

    def test_newest_of_waiting_offers(self):
        fifo = self.root / "fifo"
        os.mkfifo(fifo)
        with self.peer() as peer:
            agent = self.start(
                peer, "--config-dir", str(self.dir), "--apply",
                f"cat {fifo}; cat $OPAMP_CONFIG_DIR/a >> {self.root}/log")
            for body in ("1\n", "2\n", "3\n"):
                peer.command("offer_config", files={"a": text(body)})
                last = agent.wait("remote_config")["hash"]
            fifo.write_text("go")  # the first offer's run
            while not (self.root / "log").exists():
                agent.command("state")
            fifo.write_text("go")  # the last one's
            agent.wait("remote_config_status", status="APPLIED", hash=last)
            self.assertEqual(self.logged(), ["1", "3"])

    def test_stopped_while_applying(self):
        with self.peer() as peer:
            agent = self.start(peer, "--config-dir", str(self.dir), "--apply",
                               f"echo x > {self.root}/log; tail -f /dev/null")
            peer.command("offer_config", files={"a": text("x")})
            while not (self.root / "log").exists():
                agent.command("state")
            agent.end(sig=signal.SIGTERM)
            status = rest(peer, "remote_config_status")
            while status["status"] != "FAILED":
                status = rest(peer, "remote_config_status")
            self.assertIn("stopped", status["error_message"])
            self.assertEqual(self.files(), {})

    def test_killed_while_applying(self):
        args = ("--config-dir", str(self.dir), "--apply",
                self.log("OPAMP_CONFIG_FILES") + f"; echo $$ > {self.root}/p; "
                f"mv {self.root}/p {self.root}/pid; "
                "[ $OPAMP_CONFIG_FILES = 0 ] || "
                "exec tail -f /dev/null")
        with self.peer() as peer:
            agent = self.start(peer, *args)
            peer.command("offer_config", files={"a": text("x")})
            while not (self.root / "pid").exists():
                agent.command("state")
            agent.process.kill()
            agent.process.wait()
            os.kill(int((self.root / "pid").read_text()), signal.SIGKILL)
            self.assertEqual(self.files(), {"a": "x"})
            agent = self.start(peer, *args)
            self.assertEqual(self.files(), {})
            while self.logged() != ["1", "0"]:
                agent.command("state")

    def test_apply_timeout(self):
        with self.peer() as peer:
            agent = self.start(peer, "--apply", "echo slow; tail -f /dev/null",
                               "--apply-timeout=100")
            peer.command("offer_config", files={"a": text("x")})
            failed = agent.wait("remote_config_status", status="FAILED")
            self.assertEqual(failed["error"], "timed out: slow")

    def test_private_directory(self):
        with self.peer() as peer:
            agent = self.start(
                peer, "--apply", f"ls -R $OPAMP_CONFIG_DIR > {self.root}/ls; "
                + self.log("OPAMP_CONFIG_DIR"))
            peer.command("offer_config", files={"a/b": text("x")})
            agent.wait("remote_config_status", status="APPLIED")
            self.assertIn("b\n", (self.root / "ls").read_text())
            path = pathlib.Path(self.logged()[0])
            self.assertFalse(path.exists() or path.parent.exists())

    # Covers: OFFER-4
    def test_answers(self):
        for answer, status, error in (
                ("applied", "APPLIED", ""), ("failed", "FAILED", "--answer"),
                ("pending", "FAILED", "not answered")):
            with self.peer() as peer:
                agent = self.start(peer, f"--answer={answer}",
                                   "--offer-deadline=1000")
                peer.command("offer_config", files={"a": text(answer)})
                got = agent.wait("remote_config_status", status=status)
                self.assertIn(error, got["error"])

    def test_manual_answer(self):
        with self.peer() as peer:
            agent = self.start(peer, "--answer=manual", "--config-dir",
                               str(self.dir))
            for status, left in (("APPLIED", "APPLIED"),
                                 ("FAILED", "APPLIED")):
                peer.command("offer_config", files={"a": text(status)})
                offer = agent.wait("remote_config_status", status="APPLYING")
                self.assertEqual(self.files(), {"a": status})
                agent.command("config_status", hash=offer["hash"],
                              status=status, error="because")
                agent.wait("remote_config_status", status=status)
                agent.command("state")
                self.assertEqual(self.files(), {"a": left})

    def test_changed_files_are_reported(self):
        self.dir.mkdir()
        (self.dir / "mine").write_text("1")
        with self.peer() as peer:
            agent = self.start(peer, "--config-dir", str(self.dir))
            first = rest(peer, "effective_config")["config_map"]["config_map"]
            self.assertEqual(base64.b64decode(first["mine"]["body"]), b"1")
            (self.dir / "sub").mkdir()
            (self.dir / "sub" / "new").write_text("2")
            while "sub/new" not in first:
                first = rest(peer, "effective_config")
                first = first["config_map"]["config_map"]
            agent.process.send_signal(signal.SIGHUP)
            agent.command("state")

    def test_restart_command(self):
        with self.peer() as peer:
            agent = self.start(peer, "--on-restart", self.log("0"))
            peer.command("send", message={"command": {"type": "Restart"}})
            self.assertEqual(agent.wait("command")["type"], "Restart")
            while not (self.root / "log").exists():
                agent.command("state")

    def test_children_start_clean(self):
        with self.peer() as peer:
            agent = self.start(
                peer, "--apply", "grep ^Sig[BI] /proc/self/status; "
                "ps -o pgid= -p $$ | grep -q $$ || echo group; "
                "for i in 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do "
                "[ -e /proc/$$/fd/$i ] && echo fd $i; done; exit 7")
            peer.command("offer_config", files={"a": text("x")})
            failed = agent.wait("remote_config_status", status="FAILED")
            self.assertEqual(failed["error"].split(), [
                "exit", "status", "7:", "SigBlk:", "0" * 16, "SigIgn:",
                "0" * 16])


class Commands(Case):
    def test_values_arrive(self):
        with self.peer() as peer, self.agent(
                peer, "--capabilities=+ReportsAvailableComponents,"
                "+ReportsEffectiveConfig,+ReportsPackageStatuses") as agent:
            agent.wait("delivered")
            agent.command("set_health", health={
                "healthy": False, "last_error": "x",
                "start_time_unix_nano": 1700000000123456789,
                "attributes": {"n": 9223372036854775807,
                               "b": {"bytes": "AAE="}},
                "components": {"c": {"healthy": True, "status": "ok"}}})
            health = rest(peer, "health")
            while "component_health_map" not in health:
                health = rest(peer, "health")
            self.assertEqual(health["start_time_unix_nano"],
                             1700000000123456789)
            self.assertEqual(health["component_health_map"],
                             {"c": {"healthy": True, "status": "ok"}})
            self.assertIn({"key": "n", "value": {
                "int_value": 9223372036854775807}}, health["attributes"])
            self.assertIn({"key": "b", "value": {"bytes_value": "AAE="}},
                          health["attributes"])
            agent.command("set_description", identifying={"a": [1, True]},
                          non_identifying={})
            self.assertEqual(rest(peer, "agent_description"), {
                "identifying_attributes": [{"key": "a", "value": {
                    "array_value": {"values": [
                        {"int_value": 1}, {"bool_value": True}]}}}]})
            agent.command("set_components", components={
                "x": {"metadata": {"v": "1"}, "components": {"y": {}}}})
            self.assertRegex(rest(peer, "available_components")["hash"],
                             "^[0-9a-f]{64}$")
            agent.command("set_effective_config", files={
                "f": {"body": "t", "content_type": "text/x"}})
            config = rest(peer, "effective_config")["config_map"]
            self.assertEqual(config["config_map"]["f"], {
                "body": "dA==", "content_type": "text/x"})
            agent.command("set_package_statuses", packages={
                "p": {"name": "p", "status": "Installed"}},
                server_provided_all_packages_hash="00ff")
            self.assertIn("p", rest(peer, "package_statuses")["packages"])

    # Covers: STATE-10, STATE-14
    def test_custom_messages_and_capabilities(self):
        with self.peer() as peer, self.agent(peer) as agent:
            agent.wait("delivered")
            agent.command("send_custom", ok=False, capability="c", type="t")
            agent.command("batch", commands=[
                {"command": "set_custom_capabilities", "capabilities": ["c"]},
                {"command": "send_custom", "capability": "c", "type": "t",
                 "data": "aGk="}])
            self.assertEqual(rest(peer, "custom_message"), {
                "capability": "c", "type": "t", "data": "aGk="})
            peer.command("send", message={"custom_message": {
                "capability": "c", "type": "back", "data": "AA=="}})
            got = agent.wait("custom_message")
            self.assertEqual((got["capability"], got["type"], got["data"]),
                             ("c", "back", "AA=="))
            agent.command("set_capabilities",
                          capabilities=["ReportsStatus", "ReportsOwnLogs"])
            while rest(peer, "capabilities") != ["ReportsStatus",
                                                 "ReportsOwnLogs"]:
                pass

    # Covers: STATE-12
    def test_batch_is_all_or_nothing(self):
        with self.peer() as peer, self.agent(peer) as agent:
            agent.wait("delivered")
            health = {"command": "set_health", "health": {"healthy": False}}
            bad = agent.command("batch", ok=False, commands=[
                health, {"command": "set_heartbeat", "ms": "x"}])
            self.assertIn("commands[1]", bad["message"])
            self.assertEqual(agent.command("state")["state"]["undelivered"],
                             [])
            before = agent.command("state")["state"]["sequence_num"]
            agent.command("batch", commands=[
                health, {"command": "set_description",
                         "identifying": {"a": "b"}}])
            sent = agent.wait("message_sent")
            self.assertEqual(sent["sequence_num"], before + 1)
            self.assertLessEqual({"health", "agent_description"},
                                 set(sent["fields"]))

    # Covers: STATE-12
    def test_batch_without_room_does_nothing(self):
        with Agent("ws://127.0.0.1:1", "--backoff-min=100000",
                   "--backoff-max=100000") as agent:
            agent.wait("connect_failed")
            agent.command("set_custom_capabilities", capabilities=["c"])
            one = {"command": "send_custom", "capability": "c"}
            agent.command("batch", commands=[one] * 60)
            health = {"command": "set_health", "health": {"status": "new"}}
            answer = {"command": "config_status", "hash": "00"}
            for bad in ([health] + [one] * 5, [one] * 5,
                        [one, {**answer, "status": "UNSET"}]):
                agent.command("batch", ok=False, commands=bad)
            agent.command("batch", commands=[one] * 4)
            agent.command("send_custom", ok=False, capability="c")

    # Covers: STATE-14
    def test_answered_custom_messages_make_room(self):
        with self.peer() as peer, self.agent(peer) as agent:
            agent.wait("delivered")
            agent.command("set_custom_capabilities", capabilities=["c"])
            one = {"command": "send_custom", "capability": "c"}
            agent.command("batch", commands=[one] * 30)
            for _ in range(10):  # 60 of them wait at the most
                agent.command("batch", commands=[one] * 30)
                for _ in range(30):
                    agent.wait("message_received")
            for _ in range(330):
                rest(peer, "custom_message")

    def test_long_names_are_cut_between_characters(self):
        with Agent("ws://127.0.0.1:1") as agent:
            for name in ("\u00e9" * 1000, "x" + "\u00e9" * 1000):
                for command, keys in (
                        (name, {}), ("state", {name: 1}),
                        ("set_health", {"health": {name: 1}}),
                        ("set_effective_config", {"files": {name: 1}})):
                    got = agent.command(command, ok=False, **keys)
                    self.assertIn("\u00e9", got["message"])

    def test_what_is_no_command(self):
        with self.peer() as peer, self.agent(peer) as agent:
            agent.wait("delivered")
            for line, what in (
                    ("nonsense", ""), ("", ""), ("[1]", ""), ("{}", "command"),
                    ('{"command":"fly"}', "fly: no such command"),
                    ('{"command":"state","x":1}', "x: no such key"),
                    ('{"command":"set_health"}', "health: is missing"),
                    ('{"command":"set_health","health":{"ok":1}}',
                     "health.ok: no such key"),
                    ('{"command":"config_status","hash":"zz","status":"x"}',
                     "hash: not hex"),
                    ('{"command":"config_status","hash":"00","status":"x"}',
                     "status"),
                    ('{"command":"set_capabilities",'
                     '"capabilities":["AcceptsPackages"]}', "AcceptsPackages"),
                    ('{"command":"set_heartbeat","ms":1}', "ms"),
                    ('{"command":"set_header","name":"a b","value":"c"}', ""),
                    ('{"command":"request_certificate"}', "no store")):
                got = agent.line(line)
                self.assertIs(got["ok"], False, line)
                self.assertTrue(got["error"].startswith("OPAMP_ERR_"), got)
                self.assertIn(what, got["message"])
            self.assertIsNone(agent.line("{}")["id"])
            for unreadable in ('"a":"\\u0000"', '"id":7'):
                got = agent.line('{"id":7,"command":"state",%s}' % unreadable)
                self.assertEqual((got["id"], got["ok"]), (7, False))

    # Covers: STATE-7
    def test_heartbeat(self):
        with self.peer() as peer, self.agent(peer) as agent:
            agent.wait("delivered")
            agent.command("set_heartbeat", ms=1000)
            sent = agent.wait("message_sent")
            self.assertEqual(set(sent["fields"]) - {
                "instance_uid", "sequence_num", "capabilities"}, set())

    # Covers: CONN-8
    def test_headers(self):
        with self.peer() as peer, self.agent(
                peer, "--header=A: option", "--header=B: option",
                "--header-command",
                f"echo x >> {self.root}/log; echo \"B: $(wc -l < "
                f"{self.root}/log)\"") as agent:
            head = peer.wait("connected")["headers"]
            self.assertEqual((head["A"], head["B"]), ("option", "1"))
            agent.wait("delivered")
            agent.command("set_header", name="a", value="set")
            peer.command("respond", http_status=401)
            peer.command("close", code=1012)
            failed = agent.wait("connect_failed")
            self.assertEqual(failed["http_status"], 401)
            head = peer.wait("connected")["headers"]
            self.assertEqual((head["a"], head["B"]), ("set", "2"))
            agent.command("set_header", name="A", value=None)


class Usage(unittest.TestCase):
    def run_agent(self, *args):
        return subprocess.run([agent_driver.AGENT, *args], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=LIMIT)

    def test_exit_codes(self):
        for code, args, what in (
                (2, [], "URL"), (2, ["ftp://x"], "URL"),
                (2, ["ws://x", "http://y"], "only one"),
                (2, ["--nope", "ws://x"], "--nope"),
                (2, ["ws://x", "--for"], "--for: MS is missing"),
                (2, ["ws://x", "--heartbeat=x"], "'x' is no whole number"),
                (2, ["ws://x", "--heartbeat=1"], "--heartbeat"),
                (2, ["ws://x", "--capabilities=AcceptsPackages"],
                 "AcceptsPackages"),
                (2, ["ws://x", "--capabilities=+Nope"], "'Nope'"),
                (2, ["ws://x", "--instance-uid=1"], "UUID"),
                (2, ["ws://x", "--proxy=ftp://u:p@q"], "--proxy: proxy: unknown"),
                (2, ["ws://x", "--request-certificate"], "no store"),
                (3, ["ws://x", "--state-dir=/no/such/dir"], "/no/such/dir"),
                (2, ["ws://x", "--config-dir="], "--config-dir"),
                (2, ["ws://x", "--cert=/no/such"], "--key"),
                (2, ["ws://x", "--key=/no/such"], "--cert"),
                (2, ["ws://x", "--tls-min=1.3", "--tls-max=1.2"], "TLS"),
                (3, ["wss://x", "--ca=/no/such"], "/no/such"),
                (3, ["ws://x", "--config-dir=/no/such/dir"], "/no/such/dir")):
            got = self.run_agent(*args)
            self.assertEqual(got.returncode, code, (args, got.stderr))
            self.assertIn(what, got.stderr)
            self.assertEqual(got.stdout, "")

    def test_help_and_version(self):
        got = self.run_agent("--help")
        self.assertEqual((got.returncode, got.stderr), (0, ""))
        self.assertGreater(len(re.findall(r"^  --[a-z-]+", got.stdout,
                                          re.MULTILINE)), 50)
        for part in ("opamp-agent ", "libopamp ", "specification 0.20",
                     "libcurl", "libwebsockets", "OpenSSL", "libuv",
                     "protobuf-c"):
            self.assertIn(part, self.run_agent("--version").stdout)

    def test_lines_for_people(self):
        got = self.run_agent("--for=300", "ws://127.0.0.1:1")
        self.assertEqual(got.returncode, 0)
        lines = got.stdout.splitlines()
        self.assertIn(" starting endpoint=ws", lines[0])
        self.assertIn(" connect_failed error=OPAMP_ERR_TRANSPORT", got.stdout)
        self.assertNotIn("\033", got.stdout)

    def test_a_closed_output_ends_it(self):
        read, write = os.pipe()
        os.close(read)
        got = subprocess.run([agent_driver.AGENT, "ws://127.0.0.1:1"], stdout=write,
                             stdin=subprocess.DEVNULL, timeout=LIMIT,
                             stderr=subprocess.PIPE, text=True)
        os.close(write)
        self.assertEqual(got.returncode, 1)
        self.assertIn("standard output", got.stderr)


if __name__ == "__main__":
    agent_driver.AGENT, agent_driver.PEER = map(os.path.abspath, sys.argv[1:3])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
