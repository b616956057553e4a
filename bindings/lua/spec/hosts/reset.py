# SPDX-License-Identifier: Apache-2.0
"""A server that takes a WebSocket, and resets it while the agent writes."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
import struct
import threading

from peer import PATIENCE

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# So much is read of a message before: the agent is in the middle of it.
_ENOUGH = 100_000


class Resetting:
    """Each connection ends in a TCP reset; with `tls`, that is below TLS."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.resets = 0
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Resetting:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def url(self) -> str:
        scheme = "wss" if self._tls is not None else "ws"
        return "{}://{}:{}".format(scheme, *self._listener.getsockname())

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        stream = connection
        if self._tls is not None:
            stream = self._tls.wrap_socket(connection, server_side=True)
        with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = stream.recv(4096)
                if not piece:
                    return
                head += piece
            stream.sendall(_upgrade(head))
            read = 0
            while read < _ENOUGH and (piece := stream.recv(65536)):
                read += len(piece)
            if read >= _ENOUGH:
                self.resets += 1
            linger = struct.pack("ii", 1, 0)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def _upgrade(head: bytes) -> bytes:
    """The answer to a request for a WebSocket."""
    lines = [line.split(b":", 1) for line in head.split(b"\r\n") if b":" in line]
    key = {k.lower(): v.strip() for k, v in lines}[b"sec-websocket-key"]
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
