#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""opamp-peer from outside: what it does by itself, its events and commands.

Usage: peer_contract.py PATH_OF_OPAMP_PEER [unittest arguments]
Needs nothing but the standard library and the openssl program.
"""
import base64
import gzip
import http.client
import queue
import socket
import struct
import sys
import threading
import unittest
import uuid
import zlib

import peer_driver
from peer_driver import LIMIT, WebSocket, agent_message, field, fields, post

PEER = None
SERVER_CAPABILITIES = 0x7F


def Peer(*args, **keys):
    return peer_driver.Peer(PEER, *args, **keys)


# --- what it does by itself ---------------------------------------------------

class Behaviour(unittest.TestCase):
    def test_websocket_message(self):
        uid = uuid.uuid4()
        with Peer() as peer, WebSocket(peer, headers="X-A: b\r\n",
                                       path="/a?b=c") as ws:
            event = peer.wait("connected")
            self.assertEqual(event["transport"], "websocket")
            self.assertEqual(event["path"], "/a?b=c")
            self.assertEqual(event["headers"]["X-A"], "b")
            reply = ws.exchange(agent_message(uid, 7, capabilities=0x803))
            self.assertEqual(reply, {1: uid.bytes, 7: SERVER_CAPABILITIES})
            got = peer.wait("message")
            self.assertEqual(got["connection"], event["connection"])
            self.assertEqual(got["instance_uid"], str(uid))
            self.assertEqual(got["sequence_num"], 7)
            self.assertEqual(got["message"], {
                "instance_uid": str(uid), "sequence_num": 7,
                "agent_description": {}, "capabilities": [
                    "ReportsStatus", "AcceptsRemoteConfig", "ReportsHealth"]})
            sent = peer.wait("sent")
            self.assertEqual(sent["message"]["instance_uid"], str(uid))
            ws.send(struct.pack(">H", 1000) + b"bye", opcode=8)
            self.assertEqual(ws.frame(), (0x88, struct.pack(">H", 1000)))
            closed = peer.wait("closed")
            self.assertEqual((closed["code"], closed["clean"]), (1000, True))

    def test_full_state_is_asked_for(self):
        uid = uuid.uuid4()
        with Peer() as peer, WebSocket(peer) as ws:
            for number, full, asked in ((0, False, True), (1, True, False),
                                        (2, False, False), (2, False, False),
                                        (4, False, True), (5, False, True),
                                        (6, True, False), (7, False, False)):
                reply = ws.exchange(agent_message(uid, number, full))
                self.assertEqual(reply.get(6), 1 if asked else None, number)

    def test_new_uid_on_request(self):
        uid = uuid.uuid4()
        with Peer() as peer, WebSocket(peer) as ws:
            wish = agent_message(uid, 0, more=field(10, 1))
            first, again = ws.exchange(wish), ws.exchange(wish)
            new = fields(first[8])[1]
            self.assertEqual(uuid.UUID(bytes=new).version, 7)
            self.assertEqual(fields(again[8])[1], new)
            other = ws.exchange(agent_message(uuid.UUID(bytes=new), 1))
            self.assertNotIn(8, other)

    def test_message_without_uid_is_a_bad_request(self):
        with Peer() as peer, WebSocket(peer) as ws:
            error = fields(ws.exchange(field(1, b"short") + field(2, 1))[2])
            self.assertEqual(error[1], 1)
            self.assertIn(b"instance_uid", error[2])
            shown = peer.wait("message")
            self.assertEqual(shown["instance_uid"],
                             {"bytes": base64.b64encode(b"short").decode()})

    def test_http(self):
        uid = uuid.uuid4()
        with Peer() as peer:
            c = http.client.HTTPConnection(peer.host, peer.port, timeout=LIMIT)
            for number in range(3):
                r, data = post(peer, agent_message(uid, number), None, c)
                self.assertEqual(r.status, 200)
                self.assertEqual(r.headers["Content-Type"],
                                 "application/x-protobuf")
                self.assertEqual(fields(data)[1], uid.bytes)
            c.close()
            self.assertEqual(peer.wait("connected")["transport"], "http")
            for number in range(3):
                got = peer.wait("message", sequence_num=number)
                self.assertEqual(got["headers"]["Content-Type"],
                                 "application/x-protobuf")
            self.assertTrue(peer.wait("closed")["clean"])
            self.assertEqual(
                sum(e["event"] == "connected" for e in peer.seen), 1)

    def test_http_codings(self):
        body = agent_message(uuid.uuid4(), 0)
        with Peer() as peer:
            r, _ = post(peer, gzip.compress(body), {"Content-Encoding": "gzip"})
            self.assertEqual(r.status, 200)
            r, _ = post(peer, iter([body[:5], body[5:]]))  # chunked
            self.assertEqual(r.status, 200)
            r, data = post(peer, body, {"Accept-Encoding": "gzip"})
            self.assertEqual(r.headers["Content-Encoding"], "gzip")
            self.assertIn(7, fields(gzip.decompress(data)))
            for headers, status in (({"Content-Encoding": "gzip"}, 400),
                                    ({"Content-Encoding": "br"}, 415),
                                    ({"Content-Type": "text/plain"}, 415)):
                self.assertEqual(post(peer, body, headers)[0].status, status)
            self.assertEqual(post(peer, b"\xff")[0].status, 400)
            self.assertEqual(peer.wait("bad_message")["http_status"], 400)
            c = http.client.HTTPConnection(peer.host, peer.port, timeout=LIMIT)
            c.request("GET", "/")
            self.assertEqual(c.getresponse().status, 405)
            c.close()

    def test_pipelined_requests(self):
        uid = uuid.uuid4()
        with Peer() as peer, socket.create_connection(
                (peer.host, peer.port), LIMIT) as s:
            for number in range(5):
                body = agent_message(uid, number)
                s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: "
                          b"application/x-protobuf\r\nContent-Length: %d\r\n"
                          b"\r\n" % len(body) + body)
            with s.makefile("rb") as f:
                for number in range(5):
                    self.assertEqual(f.readline(), b"HTTP/1.1 200 OK\r\n")
                    size = 0
                    while (line := f.readline()) != b"\r\n":
                        if line.startswith(b"Content-Length"):
                            size = int(line.split()[1])
                    self.assertEqual(fields(f.read(size))[1], uid.bytes)

    def test_deflate(self):
        uid = uuid.uuid4()
        with Peer() as peer, WebSocket(
                peer, headers="Sec-WebSocket-Extensions: permessage-deflate; "
                "client_max_window_bits\r\n") as ws:
            self.assertIn("permessage-deflate", ws.head)
            z = zlib.compressobj(wbits=-15)
            packed = z.compress(b"\0" + agent_message(uid, 0))
            ws.send((packed + z.flush(zlib.Z_SYNC_FLUSH))[:-4], rsv=0x40)
            first, payload = ws.frame()
            self.assertEqual(first, 0xC2)
            plain = zlib.decompress(payload + b"\0\0\xff\xff\x03\0", wbits=-15)
            self.assertEqual(fields(plain[1:])[1], uid.bytes)

    def test_websocket_rules(self):
        good = b"\0" + agent_message(uuid.uuid4(), 0)
        with Peer() as peer:
            for code, frames in ((1003, [(b"x", 1, True)]),
                                 (1002, [(b"\x01", 2, True)]),
                                 (1002, [(b"", 2, True)]),
                                 (1007, [(b"\0\xff", 2, True)]),
                                 (1002, [(b"", 0, True)]),
                                 (1002, [(b"", 3, True)])):
                with WebSocket(peer) as ws:
                    for payload, opcode, fin in frames:
                        ws.send(payload, opcode, fin)
                    first, payload = ws.frame()
                    self.assertEqual((first, payload[:2]),
                                     (0x88, struct.pack(">H", code)))
                self.assertEqual(peer.wait("closed")["code"], code)
            with WebSocket(peer) as ws:
                ws.send(good[:9], 2, False)
                ws.send(b"ping", 9)
                ws.send(good[9:], 0)
                self.assertEqual(ws.frame(), (0x8A, b"ping"))
                self.assertIn(7, ws.message())


# --- commands -------------------------------------------------------------------

class Commands(unittest.TestCase):
    def setUp(self):
        self.uid = uuid.uuid4()

    def agent(self, peer):
        ws = WebSocket(peer)
        ws.exchange(agent_message(self.uid, 0))
        return ws, peer.wait("message")["connection"]

    def test_send_to_websocket(self):
        with Peer() as peer:
            ws, number = self.agent(peer)
            other, _ = self.agent(peer)
            with ws, other:
                peer.command("send", message={"flags": 1}, connection=number)
                self.assertEqual(ws.message(), {6: 1})
                result = peer.command("send", message={"command": {}})
                self.assertEqual(result["connections"], 2)
                for one in (ws, other):
                    self.assertEqual(one.message(), {9: b""})

    def test_send_to_http(self):
        body = agent_message(self.uid, 0)
        with Peer() as peer:
            post(peer, body)
            number = peer.wait("message")["connection"]
            peer.command("send", message={"flags": 1}, connection=number)
            peer.command("send", message={"flags": 2})
            flags = [fields(post(peer, body)[1]).get(6) for _ in range(3)]
            self.assertEqual(flags, [1, 2, None])

    def test_offer_config(self):
        files = {"a.yaml": {"body": "x: é", "content_type": "text/yaml"},
                 "": {"body_base64": "AAE=", "role": "r"}}
        base64_of = base64.b64encode("x: é".encode()).decode()
        with Peer() as peer:
            ws, number = self.agent(peer)
            with ws:
                hashes = set()
                for offer in (files, dict(reversed(files.items()))):
                    peer.command("offer_config", files=offer, connection=number)
                    reply = ws.message()
                    self.assertEqual(reply[1], self.uid.bytes)
                    hashes.add(fields(reply[3])[2])
                self.assertEqual([len(h) for h in hashes], [32])
                sent = [e for e in peer.seen if e["event"] == "sent"][-1]
                self.assertEqual(
                    sent["message"]["remote_config"]["config"]["config_map"],
                    {"a.yaml": {"body": base64_of, "content_type": "text/yaml"},
                     "": {"body": "AAE=", "role": "r"}})
                files["a.yaml"]["body"] = "x: e"
                peer.command("offer_config", files=files)
                self.assertNotIn(fields(ws.message()[3])[2], hashes)
                peer.command("offer_config", ok=False,
                             files={"a": {"body": "", "body_base64": ""}})

    def test_error(self):
        with Peer() as peer:
            ws, _ = self.agent(peer)
            with ws:
                peer.command("error", type="Unavailable", message="later",
                             retry_after_ms=1500)
                reply = ws.message()
                self.assertEqual(reply[1], self.uid.bytes)
                error = fields(reply[2])
                self.assertEqual((error[1], error[2]), (2, b"later"))
                self.assertEqual(fields(error[3]), {1: 1_500_000_000})
                peer.command("error", type="BadRequest")
                self.assertEqual(fields(ws.message()[2]), {1: 1})
                self.assertIn("type", peer.command(
                    "error", ok=False, type="Bad")["message"])

    def test_respond(self):
        body = agent_message(self.uid, 0)
        with Peer() as peer:
            peer.command("respond", http_status=503, times=2,
                         headers={"Retry-After": "7"},
                         body_base64=base64.b64encode(b"busy").decode())
            r, data = post(peer, body)
            self.assertEqual((r.status, r.headers["Retry-After"], data),
                             (503, "7", b"busy"))
            self.assertEqual(peer.wait("message")["http_status"], 503)
            self.assertEqual(peer.wait("refused")["http_status"], 503)
            with WebSocket(peer) as ws:
                self.assertEqual(ws.status, 503)
            self.assertEqual(peer.wait("refused")["path"], "/v1/opamp")
            self.assertEqual(post(peer, body)[0].status, 200)
            peer.command("respond", http_status=404)
            peer.command("respond", http_status=404, times=0)
            with WebSocket(peer) as ws:
                self.assertEqual(ws.status, 101)

    def test_close(self):
        with Peer() as peer:
            for keys, want in (({}, struct.pack(">H", 1000)),
                               ({"code": 4001, "reason": "no"},
                                struct.pack(">H", 4001) + b"no"),
                               ({"code": 0}, b"")):
                ws, number = self.agent(peer)
                with ws:
                    peer.command("close", connection=number, **keys)
                    self.assertEqual(ws.frame(), (0x88, want))
                    peer.command("text")  # not after a Close frame
                    ws.send(want, opcode=8)
                    self.assertIsNone(ws.frame())
                closed = peer.wait("closed", connection=number)
                self.assertTrue(closed["clean"])
                if "code" in keys and keys["code"]:
                    self.assertEqual(closed["code"], keys["code"])

    def test_reset(self):
        with Peer() as peer:
            ws, number = self.agent(peer)
            with ws:
                peer.command("reset", connection=number)
                with self.assertRaises(ConnectionResetError):
                    ws.frame()
            closed = peer.wait("closed", connection=number)
            self.assertEqual((closed["code"], closed["clean"]), (1006, False))

    def test_stall(self):
        with Peer() as peer:
            ws, number = self.agent(peer)
            with ws:
                peer.command("stall", connection=number)
                ws.send(b"\0" + agent_message(self.uid, 1))
                peer.command("send", message={"flags": 2})
                self.assertEqual(ws.message(), {6: 2})
                peer.command("stall", connection=number, ms=0)
                self.assertEqual(ws.message()[7], SERVER_CAPABILITIES)
                peer.command("stall", ms=300)
                ws.send(b"\0" + agent_message(self.uid, 2))
                start = peer.seen[-1]["t_ms"]
                got = peer.wait("message", sequence_num=2)
                self.assertGreaterEqual(got["t_ms"] - start, 250)
                peer.command("stall", ms=300)  # for new ones too
                start = peer.seen[-1]["t_ms"]
                WebSocket(peer).close()
                self.assertGreaterEqual(
                    peer.wait("connected")["t_ms"] - start, 250)

    def test_garbage_and_text(self):
        junk = base64.b64encode(b"\x01\x02").decode()
        with Peer() as peer:
            ws, number = self.agent(peer)
            with ws:
                peer.command("garbage", base64=junk)
                self.assertEqual(ws.frame(), (0x82, b"\x01\x02"))
                peer.command("garbage", base64=junk, raw=True)
                peer.command("text", text="hi")
                self.assertEqual(ws.file.read(2), b"\x01\x02")
                self.assertEqual(ws.frame(), (0x81, b"hi"))
            peer.wait("closed", connection=number)
            body = agent_message(self.uid, 1)
            post(peer, body)
            peer.command("garbage", base64=junk)
            peer.command("text")
            self.assertEqual(post(peer, body)[1], b"\x01\x02")
            r, _ = post(peer, body)
            self.assertEqual(r.headers["Content-Type"], "text/plain")

    def test_fragment(self):
        with Peer() as peer:
            ws, _ = self.agent(peer)
            with ws:
                peer.command("fragment", bytes=3)
                peer.command("garbage", base64=base64.b64encode(
                    b"12345678").decode())
                self.assertEqual([ws.frame() for _ in range(3)], [
                    (0x02, b"123"), (0x00, b"456"), (0x80, b"78")])
            r, data = post(peer, agent_message(self.uid, 1))
            self.assertEqual(r.headers["Transfer-Encoding"], "chunked")
            self.assertEqual(fields(data)[1], self.uid.bytes)
            peer.command("fragment", bytes=0)
            r, _ = post(peer, agent_message(self.uid, 2))
            self.assertIn("Content-Length", r.headers)

    def test_accept(self):
        with Peer() as peer:
            ws, _ = self.agent(peer)
            with ws:
                for off in ({"on": False}, {"off": True}):
                    peer.command("accept", **off)
                    with self.assertRaises(ConnectionRefusedError):
                        WebSocket(peer)
                    peer.command("accept", on=True)
                    WebSocket(peer).close()
                ws.exchange(agent_message(self.uid, 1))
            peer.command("accept", ok=False)
            peer.command("accept", ok=False, on=True, off=True)

    def test_accept_after_stop(self):
        with Peer() as peer:
            ws, _ = self.agent(peer)
            with ws:
                peer.command("stop")
                peer.command("accept", ok=False, on=True)

    def test_auto_reply(self):
        with Peer() as peer:
            ws, _ = self.agent(peer)
            with ws:
                peer.command("auto_reply", off=True)
                ws.send(b"\0" + agent_message(self.uid, 1))
                peer.wait("message", sequence_num=1)
                peer.command("text")
                self.assertEqual(ws.frame()[0], 0x81)
            answers = queue.Queue()
            thread = threading.Thread(target=lambda: answers.put(post(
                peer, agent_message(uuid.uuid4(), 9))))
            thread.start()
            number = peer.wait("message", sequence_num=9)["connection"]
            peer.command("send", message={"flags": 2}, connection=number)
            thread.join()
            self.assertEqual(fields(answers.get()[1]), {6: 2})
            thread = threading.Thread(target=lambda: answers.put(post(
                peer, agent_message(self.uid, 10))))
            thread.start()
            peer.wait("message", sequence_num=10)
            peer.command("auto_reply", on=True)
            thread.join()
            self.assertIn(7, fields(answers.get()[1]))

    def test_stop(self):
        with Peer() as peer:
            ws, number = self.agent(peer)
            with ws:
                peer.command("stop")
                going_away = struct.pack(">H", 1001)
                self.assertEqual(ws.frame(), (0x88, going_away))
                ws.send(going_away, opcode=8)
                self.assertIsNone(ws.frame())
            self.assertTrue(peer.wait("closed", connection=number)["clean"])

    def test_bad_commands_change_nothing(self):
        with Peer() as peer:
            for line, what in (
                    ("[]", "not a JSON object"), ("{", "not JSON"),
                    ('{"command": "fly"}', "command"), ("{}", "command"),
                    ('{"command": "stop", "x": 1}', "x: unknown key"),
                    ('{"command": "send"}', "message: missing"),
                    ('{"command": "send", "message": {"remote_config": '
                     '{"config_hash": "0"}}}',
                     "message: remote_config.config_hash: not hex"),
                    ('{"command": "reset", "connection": 99}', "connection"),
                    ('{"command": "stop", "connection": 1}', "connection"),
                    ('{"command": "close", "code": "x"}', "code"),
                    ('{"command": "close", "code": 70000}', "code"),
                    ('{"command": "fragment"}', "bytes: missing"),
                    ('{"command": "respond"}', "http_status: missing"),
                    ('{"command": "respond", "http_status": 200, '
                     '"body_base64": "?"}', "body_base64: not base64"),
                    ('{"command": "garbage"}', "base64: missing")):
                peer.line(line)
                result = peer.wait("result")
                self.assertFalse(result["ok"], line)
                self.assertIn(what, result["message"])
            WebSocket(peer).close()


if __name__ == "__main__":
    PEER = sys.argv.pop(1)
    unittest.main()
