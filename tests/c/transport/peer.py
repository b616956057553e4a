# SPDX-License-Identifier: Apache-2.0
"""The other side of the transport tests: servers of every kind of conduct.

    peer.py ROLE [key=value ...]

prints "port N", then one line for whatever the test wants to know, and runs
until its standard input ends. ROLE names a function below; each connection runs
it in a thread. Only the standard library: what is sent is written out by hand,
so that it can also be wrong.
"""
import base64
import gzip
import hashlib
import os
import select
import socket
import ssl
import struct
import sys
import threading
import zlib

OPTIONS = dict(a.split("=", 1) for a in sys.argv[2:])
LOCK = threading.Lock()
COUNT = [0]
GATE = threading.Semaphore(0)


def say(*words):
    with LOCK:
        print(*words, flush=True)


class Closed(Exception):
    pass


class Peer:
    """One connection, with a buffer in front of it."""

    def __init__(self, sock):
        self.sock = sock
        self.data = b""

    def more(self):
        part = self.sock.recv(65536)
        if not part:
            raise Closed
        self.data += part

    def take(self, n):
        parts, have = [], 0
        while have < n:
            if not self.data:
                self.more()
            part, self.data = self.data[:n - have], self.data[n - have:]
            parts.append(part)
            have += len(part)
        return b"".join(parts)

    def until(self, mark):
        while mark not in self.data:
            self.more()
        head, self.data = self.data.split(mark, 1)
        return head

    def send(self, data):
        self.sock.sendall(data)

    def drain(self):
        """Until the client goes away."""
        while True:
            self.data = b""
            self.more()

    def request(self):
        """Head and body of a request: (first line, headers, body)."""
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        body = self.take(int(headers.get("content-length", 0)))
        return lines[0], headers, body

    def answer(self, status, body=b"", *headers):
        head = ["HTTP/1.1 %s" % status, "Content-Length: %d" % len(body)]
        head += headers
        self.send("\r\n".join(head).encode() + b"\r\n\r\n" + body)


# --- HTTP -------------------------------------------------------------------

def http_echo(peer):
    """Answers every POST with its (decoded) body, and says what it saw."""
    while True:
        line, headers, body = peer.request()
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if OPTIONS.get("quiet") is None:
            say("request", line)
            for name in sorted(headers):
                say("header", name, headers[name])
            say("body", len(body), zlib.crc32(body))
        extra = []
        if OPTIONS.get("gzip"):
            body = gzip.compress(body)
            extra = ["Content-Encoding: gzip"]
        peer.answer("200 OK", body, *extra)


def http_status(peer):
    """Answers a request, or refuses an upgrade."""
    peer.request()
    extra = []
    if "retry" in OPTIONS:
        extra.append("Retry-After: " + OPTIONS["retry"])
    if "location" in OPTIONS:
        extra.append("Location: " + OPTIONS["location"])
    peer.answer(OPTIONS["status"], os.fsencode(OPTIONS.get("body", "")), *extra)
    say("answered")
    peer.drain()


def http_chunked(peer):
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for part in (b"one ", b"two ", b"three"):
        peer.send(b"%x\r\n%s\r\n" % (len(part), part))
    peer.send(b"0\r\nTrailer: x\r\n\r\n")
    peer.drain()


def http_big(peer):
    """A body of `size` bytes, gzipped when asked, with something behind it."""
    body, extra = bytes(int(OPTIONS["size"])), []
    if OPTIONS.get("gzip"):
        body, extra = gzip.compress(body), ["Content-Encoding: gzip"]
        body += OPTIONS.get("behind", "").encode()
    while True:
        peer.request()
        peer.answer("200 OK", body, *extra)


def http_race(peer):
    """Answers the first request of the first connection; the second one there
    is read and then the connection is closed without a word. Later connections
    are answered."""
    with LOCK:
        COUNT[0] += 1
        first = COUNT[0] == 1
    peer.request()
    peer.answer("200 OK", b"one")
    _, _, body = peer.request() if first else ("", "", b"")
    if first:
        say("dropped", len(body))
        return
    peer.drain()


def http_race_all(peer):
    """As http_race, but no connection answers a second request, and only the
    first answers at all."""
    with LOCK:
        COUNT[0] += 1
        n = COUNT[0]
    peer.request()
    say("request", n)
    if n == 1:
        peer.answer("200 OK", b"one")
        peer.request()
        say("request", n)


def mute(peer):
    say("connected")
    peer.drain()


def half_open(peer):
    """Half an answer, then silence."""
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
    peer.drain()


def hang_up(peer):
    """After the first `bytes` of an answer."""
    peer.request()
    head = b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"
    peer.send(head[:int(OPTIONS.get("bytes", 0))])


def garbage(peer):
    peer.until(b"\r\n\r\n")
    peer.send(b"\x00\x01\x02 this is no HTTP at all\r\n\r\n")
    if OPTIONS.get("stay"):
        peer.drain()


def flood(peer):
    """Header lines without end."""
    peer.until(b"\r\n\r\n")
    peer.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        peer.send(b"X-Filler: " + b"x" * 1000 + b"\r\n")


# --- WebSocket --------------------------------------------------------------

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def accept_hash(key):
    guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    digest = hashlib.sha1((key + guid).encode()).digest()
    return base64.b64encode(digest).decode()


class WebSocket:
    def __init__(self, peer, extension=None, accept=None):
        self.peer = peer
        self.line, self.headers, _ = peer.request()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket",
                 "Connection: Upgrade", "Sec-WebSocket-Accept: "
                 + (accept or accept_hash(self.headers["sec-websocket-key"]))]
        if extension:
            lines.append("Sec-WebSocket-Extensions: " + extension)
        peer.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    def frame(self):
        first, second = self.peer.take(2)
        size = second & 127
        if size == 126:
            size = struct.unpack("!H", self.peer.take(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self.peer.take(8))[0]
        assert second & 128, "a client masks"
        mask = self.peer.take(4)
        data = self.peer.take(size)
        key = int.from_bytes((mask * (size // 4 + 1))[:size], "little")
        plain = (int.from_bytes(data, "little") ^ key).to_bytes(size, "little")
        return first, plain

    def message(self):
        """The next message: (opcode, first byte of its first frame, data).
        Control frames come as messages; pings are answered."""
        head, parts = None, []
        while True:
            first, data = self.frame()
            opcode = first & 15
            if opcode == PING:
                self.send(PONG, data)
                if head is None:
                    return PING, first, data
                continue
            if opcode >= 8:
                return opcode, first, data
            if head is None:
                head = first
            parts.append(data)
            if first & 128:
                return head & 15, head, b"".join(parts)

    def send(self, opcode, data=b"", fin=True, rsv=0, head_only=False):
        size = len(data)
        head = bytes([(128 if fin else 0) | rsv | opcode])
        if size < 126:
            head += bytes([size])
        elif size < 65536:
            head += b"\x7e" + struct.pack("!H", size)
        else:
            head += b"\x7f" + struct.pack("!Q", size)
        self.peer.send(head + (b"" if head_only else data))

    def close(self, code, reason=b""):
        self.send(CLOSE, struct.pack("!H", code) + reason)

    def until_close(self):
        """Says how the client ends."""
        try:
            while True:
                opcode, _, data = self.message()
                if opcode == CLOSE:
                    say("close", struct.unpack("!H", data[:2])[0])
                    return
        except (Closed, OSError):
            say("gone")


def ws_echo(peer):
    """Sends every message back and answers Close."""
    ws = WebSocket(peer)
    if OPTIONS.get("quiet") is None:
        say("request", ws.line)
        for name in sorted(ws.headers):
            say("header", name, ws.headers[name])
    while True:
        opcode, _, data = ws.message()
        if opcode == CLOSE:
            say("close", struct.unpack("!H", data[:2])[0])
            ws.send(CLOSE, data)
            return
        if opcode == PING:
            say("ping")
        else:
            ws.send(opcode, data)


def ws_bad_accept(peer):
    WebSocket(peer, accept="bm90IHRoZSBoYXNoIG9mIHRoZSBrZXk=")
    peer.drain()


def ws_text(peer):
    ws = WebSocket(peer)
    ws.send(TEXT, b"hello")
    ws.until_close()


def ws_close(peer):
    ws = WebSocket(peer)
    ws.close(int(OPTIONS["code"]), OPTIONS.get("reason", "").encode())
    ws.until_close()


def ws_fragments(peer):
    """One message of 1000 + 3000 + 5 bytes with pings in between, then one in
    a single frame."""
    ws = WebSocket(peer)
    data = bytes(i % 251 for i in range(4005))
    ws.send(BINARY, data[:1000], fin=False)
    ws.send(PING, b"a")
    ws.send(0, data[1000:4000], fin=False)
    ws.send(PONG, b"b")
    ws.send(PING, b"c")
    ws.send(0, data[4000:])
    while True:
        opcode, _, data = ws.message()
        if opcode == PONG:
            break
    say("pong", data.decode())
    while opcode == PONG:  # that of the second ping may come, too
        opcode, _, _ = ws.message()
    ws.send(BINARY, b"end")
    ws.until_close()


def ws_trickle(peer):
    """Half a message, then silence."""
    ws = WebSocket(peer)
    ws.send(BINARY, b"half", fin=False)
    ws.until_close()


def ws_announce(peer):
    """The head of a frame of `size` bytes, and a little of it."""
    ws = WebSocket(peer)
    ws.send(BINARY, bytes(int(OPTIONS["size"])), head_only=True)
    peer.send(bytes(3000))
    ws.until_close()


def ws_send(peer):
    ws = WebSocket(peer)
    ws.send(BINARY, bytes(int(OPTIONS["size"])))
    ws.until_close()


def ws_pieces(peer):
    """`count` fragments of 1000 bytes, never the last."""
    ws = WebSocket(peer)
    ws.send(BINARY, bytes(1000), fin=False)
    for _ in range(int(OPTIONS["count"])):
        ws.send(0, bytes(1000), fin=False)
    ws.until_close()


def ws_bad_opcode(peer):
    ws = WebSocket(peer)
    ws.send(5, b"what is this")
    ws.until_close()


def ws_hang_up(peer):
    WebSocket(peer)


def ws_mute(peer):
    """Reads and never says anything, nor answers Close."""
    ws = WebSocket(peer)
    ws.until_close()
    peer.drain()


def ws_stalled(peer):
    """Never reads."""
    WebSocket(peer)
    say("upgraded")
    sys.stdin.read()


def ws_sink(peer):
    """Says what arrives, without sending it back."""
    ws = WebSocket(peer)
    while True:
        opcode, _, data = ws.message()
        if opcode == CLOSE:
            say("close", struct.unpack("!H", data[:2])[0])
            ws.send(CLOSE, data)
            return
        say("message", len(data), zlib.crc32(data))


DEFLATE = ("permessage-deflate; server_no_context_takeover; "
           "client_no_context_takeover")


def deflated(data):
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (z.compress(data) + z.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflated(data):
    return zlib.decompressobj(-15).decompress(data + b"\0\0\xff\xff")


def ws_deflate(peer):
    """Echo under permessage-deflate."""
    ws = WebSocket(peer, extension=DEFLATE)
    say("offer", ws.headers.get("sec-websocket-extensions"))
    while True:
        opcode, first, data = ws.message()
        if opcode == CLOSE:
            ws.send(CLOSE, data)
            return
        if opcode != BINARY:
            continue
        plain = inflated(data) if first & 64 else data
        say("message", "deflated" if first & 64 else "plain", len(data),
            len(plain))
        ws.send(BINARY, deflated(plain), rsv=64)


def ws_deflate_bomb(peer):
    ws = WebSocket(peer, extension=DEFLATE)
    ws.send(BINARY, deflated(bytes(int(OPTIONS["size"]))), rsv=64)
    ws.until_close()


def ws_deflate_takeover(peer):
    """Messages that refer to those before, the last one in three frames; then
    one that is cut off."""
    ws = WebSocket(peer, extension="permessage-deflate")
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    for i in range(3):
        data = z.compress(b"hello hello %d" % i) + z.flush(zlib.Z_SYNC_FLUSH)
        if i < 2:
            ws.send(BINARY, data[:-4], rsv=64)
    ws.send(BINARY, data[:2], rsv=64, fin=False)
    ws.send(0, data[2:-4], fin=False)
    ws.send(0)
    ws.message()
    ws.send(BINARY, deflated(b"never the whole of it")[:-3], rsv=64)
    ws.until_close()


def ws_extensions(peer):
    ws = WebSocket(peer, extension=OPTIONS["answer"])
    ws.until_close()


def ws_deflate_plain(peer):
    """Under permessage-deflate, yet not compressed, with pongs that have
    something in them; each at the client's word."""
    ws = WebSocket(peer, extension=DEFLATE)
    ws.send(PONG, b"pong")
    ws.send(BINARY, b"one")
    ws.message()
    ws.send(PONG, b"pong")
    ws.send(BINARY, b"two " * 1000)
    ws.message()
    ws.send(BINARY, deflated(b"three"), rsv=64)
    ws.send(PONG, b"pong")
    ws.message()
    ws.send(BINARY, deflated(b"four"), rsv=64)
    ws.until_close()


def ws_many(peer):
    """Connections that end at once in one of several ways."""
    with LOCK:
        COUNT[0] += 1
        n = COUNT[0]
    if n % 4 == 0:
        return
    if n % 4 == 1:
        peer.request()
        peer.answer("503 Busy")
        return
    ws = WebSocket(peer)
    if n % 4 == 2:
        ws.close(1001)
    peer.drain()


def relay(peer):
    """Hands everything on to the port `to`, and what comes from there back."""
    hand_on(peer, ("127.0.0.1", OPTIONS["to"]))


def proxy(peer):
    """Does what CONNECT asks for."""
    target = peer.until(b"\r\n\r\n").split()[1].decode()
    if not OPTIONS.get("quiet"):
        say("connect", target)
    peer.send(b"HTTP/1.1 200 fine\r\n\r\n")
    hand_on(peer, target.rsplit(":", 1))


def hand_on(peer, to):
    with socket.create_connection((to[0], int(to[1]))) as there:
        there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            ready, _, _ = select.select([peer.sock, there], [], [])
            if there in ready:
                part = there.recv(65536)
                if not part:
                    return
                peer.send(part)
            if peer.sock in ready:
                peer.more()
                while getattr(peer.sock, "pending", int)():
                    peer.more()
                there.sendall(peer.data)
                peer.data = b""


ROLES = {name: f for name, f in globals().items()
         if callable(f) and getattr(f, "__module__", "") == "__main__"}


def serve(sock, context):
    try:
        if "gate" in OPTIONS:
            # The first bytes are here; what follows waits for the test's word.
            sock.recv(1, socket.MSG_PEEK)
            say("held")
            GATE.acquire()
        if context:
            sock = context.wrap_socket(sock, server_side=True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ROLES[sys.argv[1]](Peer(sock))
    except (Closed, OSError) as e:
        if OPTIONS.get("errors"):
            say("error", type(e).__name__)
    finally:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        sock.close()


def tls_context():
    if "cert" not in OPTIONS:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if "ciphers" in OPTIONS:
        context.set_ciphers(OPTIONS["ciphers"])
    context.load_cert_chain(OPTIONS["cert"], OPTIONS["key"])
    if "ca" in OPTIONS:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(OPTIONS["ca"])
    if "max" in OPTIONS:
        context.maximum_version = getattr(ssl.TLSVersion, OPTIONS["max"])
    return context


def main():
    host = OPTIONS.get("host", "127.0.0.1")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.bind((host, int(OPTIONS.get("port", 0))))
    listener.listen(200)
    context = tls_context()

    def accept():
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=serve, args=(sock, context),
                             daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    say("port", listener.getsockname()[1])
    for _ in sys.stdin:
        GATE.release()
    os._exit(0)


main()
