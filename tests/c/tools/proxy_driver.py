# SPDX-License-Identifier: Apache-2.0
"""What a test needs of proxies: tinyproxy, squid and microsocks on free ports,
and one of its own that says what it is told to. Only the standard library."""
import os
import pathlib
import shutil
import socket
import subprocess
import threading

from peer_driver import LIMIT

USER, PASSWORD = "agent", "hunter2"
PACKAGES = {"tinyproxy": "tinyproxy-bin", "squid": "squid-openssl",
            "microsocks": "microsocks"}


def program(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    assert path, f"{name} is missing (Debian: {PACKAGES[name]})"
    return path


def free_ports(n):
    """They are free now, and Linux gives them to nobody else soon."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Program:
    """A real proxy; what it says goes into a file."""
    ports = 1

    def __init__(self, root, **options):
        self.options, self.root = options, pathlib.Path(root)
        self.root.mkdir(exist_ok=True)
        self.root.chmod(0o777)
        self.log = self.root / "log"
        for _ in range(5):
            self.port, *self.more_ports = free_ports(self.ports)
            if self.start():
                return
        raise AssertionError(self.log.read_text())

    def start(self):
        """False when it ends at once, as when its port is taken."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd=self.root)
        while not self.ended(0.02):
            try:
                for port in (self.port, *self.more_ports):
                    socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            except OSError:
                pass
        return False

    def ended(self, seconds):
        try:
            self.process.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            return False

    def mentions(self, text):
        """Waits until its log has the text."""
        for _ in range(LIMIT * 50):
            if text in self.log.read_text(errors="replace"):
                return
            assert not self.ended(0.02), self.log.read_text()
        raise AssertionError(f"no {text}: {self.log.read_text()}")

    def stop(self):
        self.process.kill()
        self.process.wait()

    def url(self, scheme, credentials="", port=None):
        return f"{scheme}://{credentials}127.0.0.1:{port or self.port}"


class Tinyproxy(Program):
    def command(self):
        config = self.root / "tinyproxy.conf"
        auth = f"BasicAuth {USER} {PASSWORD}\n"
        config.write_text(
            f"Port {self.port}\nListen 127.0.0.1\nMaxClients 50\n"
            "Timeout 600\nLogLevel Connect\n"
            + (auth if self.options.get("auth") else ""))
        return [program("tinyproxy"), "-d", "-c", str(config)]


class Microsocks(Program):
    def command(self):
        auth = ["-u", USER, "-P", PASSWORD] if self.options.get("auth") else []
        return [program("microsocks"), "-i", "127.0.0.1", "-p",
                str(self.port), *auth]


class Squid(Program):
    """Ports: open; with a password; refusing all; with TLS."""
    ports = 4

    def command(self):
        password, refusing, tls = self.more_ports
        crypted = subprocess.run(
            ["openssl", "passwd", "-apr1", PASSWORD], check=True,
            capture_output=True, text=True).stdout
        (self.root / "users").write_text(f"{USER}:{crypted}")
        certs = self.options["certs"]
        for name in ("server.pem", "server.key"):
            copy = shutil.copy(certs / name, self.root)
            os.chmod(copy, 0o644)
        config = self.root / "squid.conf"
        config.write_text(f"""
http_port 127.0.0.1:{self.port}
http_port 127.0.0.1:{password}
http_port 127.0.0.1:{refusing}
https_port 127.0.0.1:{tls} tls-cert={self.root}/server.pem \
tls-key={self.root}/server.key
auth_param basic program /usr/lib/squid/basic_ncsa_auth {self.root}/users
auth_param basic children 1
acl users proxy_auth REQUIRED
acl password localport {password}
acl refusing localport {refusing}
http_access deny refusing
http_access allow password users
http_access deny password
http_access allow all
cache deny all
cache_mem 1 MB
memory_cache_shared off
access_log stdio:{self.root}/access.log
cache_log {self.root}/cache.log
pid_filename {self.root}/squid.pid
coredump_dir {self.root}
buffered_logs off
pinger_enable off
netdb_filename none
visible_hostname localhost
shutdown_lifetime 0 seconds
max_filedescriptors 512
""")
        return [program("squid"), "-N", "-f", str(config)]

    @property
    def password_port(self):
        return self.more_ports[0]

    @property
    def refusing_port(self):
        return self.more_ports[1]

    @property
    def tls_port(self):
        return self.more_ports[2]


class Scripted:
    """Keeps the first bytes of every connection and answers with a function of
    the test: answer(socket, head) may return a socket to carry bytes to."""

    def __init__(self, answer, socks=False):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.answer, self.socks = answer, socks
        self.heads, self.sockets, self.threads = [], [], []
        self.closing = False
        self.spawn(self.accept)

    def spawn(self, function, *args):
        thread = threading.Thread(target=function, args=args)
        self.threads.append(thread)
        thread.start()

    def accept(self):
        while True:
            try:
                s, _ = self.server.accept()
            except OSError:
                return
            if self.closing:
                s.close()
                return
            self.sockets.append(s)
            self.spawn(self.serve, s)

    def head(self, s):
        got = b""
        while not got.endswith(b"\r\n\r\n"):
            byte = s.recv(1)
            if not byte:
                break
            got += byte
        return got

    def socks_head(self, s):
        """Up to the request, whose bytes are the head."""
        s.recv(2 + s.recv(2, socket.MSG_PEEK)[1], socket.MSG_WAITALL)
        s.sendall(b"\5\0")
        head = s.recv(4, socket.MSG_WAITALL)
        size = {1: 4, 4: 16}.get(head[3]) or s.recv(
            1, socket.MSG_PEEK)[0] + 1
        return head + s.recv(size + 2, socket.MSG_WAITALL)

    def serve(self, s):
        try:
            head = self.socks_head(s) if self.socks else self.head(s)
            self.heads.append(head)
            far = self.answer(s, head)
            if far is None:
                return
            self.sockets.append(far)
            self.spawn(self.carry, far, s)
            self.carry(s, far)
        except OSError:
            pass

    @staticmethod
    def carry(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.closing = True
        # accept() does not notice that its socket is closed.
        socket.create_connection(("127.0.0.1", self.port)).close()
        for s in self.sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for t in self.threads:
            t.join()
        for s in (self.server, *self.sockets):
            s.close()


def connect_to_target(s, head):
    """What a proxy does with CONNECT."""
    host, port = head.split()[1].decode().rsplit(":", 1)
    far = socket.create_connection((host, int(port)), LIMIT)
    s.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    return far


def hang_up_with(answer):
    def say(s, head):
        s.sendall(answer)
        s.shutdown(socket.SHUT_RDWR)
    return say
