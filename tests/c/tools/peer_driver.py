# SPDX-License-Identifier: Apache-2.0
"""What a test needs to drive opamp-peer and to speak to it: the program with
its events and commands, a WebSocket client, HTTP requests, and protobuf by
hand. Only the standard library."""
import base64
import hashlib
import http.client
import json
import os
import queue
import socket
import struct
import subprocess
import threading

LIMIT = 20  # seconds, for anything that is waited for
PROTOBUF = {"Content-Type": "application/x-protobuf"}


# --- protobuf by hand ---------------------------------------------------------

def varint(n):
    out = b""
    while n > 0x7F:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def fields(data):
    """{number: value} of one message, the last value of each field."""
    out, at = {}, 0

    def take():
        nonlocal at
        n = shift = 0
        while True:
            n, at, shift = n | (data[at] & 0x7F) << shift, at + 1, shift + 7
            if data[at - 1] < 0x80:
                return n
    while at < len(data):
        tag = take()
        if tag & 7 == 2:
            size = take()
            out[tag >> 3], at = data[at:at + size], at + size
        else:
            out[tag >> 3] = take()
    return out


def agent_message(uid, number, full=True, capabilities=1, more=b""):
    return (field(1, uid.bytes) + field(2, number)
            + (field(3, b"") if full else b"") + field(4, capabilities) + more)


# --- the program --------------------------------------------------------------

class Peer:
    def __init__(self, program, *args, listen="127.0.0.1:0", json_lines=True):
        self.process = subprocess.Popen(
            [program, f"--listen={listen}", "--control", *args,
             *(["--json"] if json_lines else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines, self.seen = queue.Queue(), []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        if json_lines:
            self.host, port = self.wait("listening")["address"].rsplit(":", 1)
            self.port = int(port)

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def wait(self, event, **match):
        """The next event of that name, and with those values, after the last
        one waited for; events between are kept in self.seen."""
        while True:
            line = self.lines.get(timeout=LIMIT)
            assert line is not None, f"ended while waiting for {event}"
            got = json.loads(line)
            assert isinstance(got["t_ms"], int)
            self.seen.append(got)
            if got["event"] == event and match.items() <= got.items():
                return got

    def command(self, command, ok=True, **keys):
        self.line(json.dumps({"command": command, "id": command, **keys}))
        result = self.wait("result", id=command)
        assert result["ok"] is ok, result
        return result

    def line(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def end(self, code=0):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        assert self.process.wait(LIMIT) == code, self.process.returncode
        self.reader.join()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if kind is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.reader.join()
            self.process.stdout.close()
        else:
            self.end()


class WebSocket:
    """A client that knows just enough of RFC 6455."""

    def __init__(self, peer, tls=None, headers="", path="/v1/opamp"):
        self.socket = socket.create_connection((peer.host, peer.port), LIMIT)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket,
                                          server_hostname="localhost")
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n{headers}\r\n".encode())
        self.file = self.socket.makefile("rb")
        self.head = self.read_head()
        self.status = int(self.head.split()[1])
        if self.status == 101:
            want = base64.b64encode(hashlib.sha1(
                key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            ).digest()).decode()
            assert f"Sec-WebSocket-Accept: {want}\r\n" in self.head

    def read_head(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.file.readline()
            assert line, head
            head += line
        return head.decode()

    def send(self, payload, opcode=2, fin=True, rsv=0, piece=None):
        mask = os.urandom(4)
        n = len(payload)
        size = (bytes([0x80 | n]) if n < 126 else
                b"\xfe" + struct.pack(">H", n) if n < 65536 else
                b"\xff" + struct.pack(">Q", n))
        out = (bytes([(0x80 if fin else 0) | rsv | opcode]) + size + mask
               + bytes(b ^ mask[i & 3] for i, b in enumerate(payload)))
        for at in range(0, len(out), piece or len(out)):
            self.socket.sendall(out[at:at + (piece or len(out))])

    def frame(self):
        """(first byte, payload); None at the end of the stream."""
        head = self.file.read(2)
        if len(head) < 2:
            return None
        n = head[1]
        assert n < 128, "a server must not mask"
        if n > 125:
            n = int.from_bytes(self.file.read(2 if n == 126 else 8), "big")
        return head[0], self.file.read(n)

    def message(self):
        first, payload = self.frame()
        assert first == 0x82, hex(first)
        assert payload[:1] == b"\0"
        return fields(payload[1:])

    def exchange(self, message):
        self.send(b"\0" + message)
        return self.message()

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.close()


def post(peer, body, headers=None, connection=None, tls=None):
    c = connection or (
        http.client.HTTPSConnection("localhost", peer.port, timeout=LIMIT,
                                    context=tls) if tls else
        http.client.HTTPConnection(peer.host, peer.port, timeout=LIMIT))
    c.request("POST", "/v1/opamp", body, {**PROTOBUF, **(headers or {})})
    response = c.getresponse()
    data = response.read()
    if connection is None:
        c.close()
    return response, data
