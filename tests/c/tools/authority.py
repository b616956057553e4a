# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests, made when they run."""
from __future__ import annotations

import pathlib
import subprocess


class Authority:
    """A certificate authority in a folder, by the openssl command."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.new("ca", "-x509", "-days", "2", "-out", "ca.pem")
        self.issue("server", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        self.issue("agent")
        self.issue("other")

    def file(self, name: str) -> pathlib.Path:
        return self.folder / name

    def read(self, name: str) -> str:
        return self.file(name).read_text()

    def openssl(self, *args: str) -> None:
        subprocess.run(["openssl", *args], cwd=self.folder, check=True,
                       capture_output=True)

    def new(self, name: str, *args: str) -> None:
        self.openssl("req", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                     f"{name}.key", "-subj", f"/CN={name}", *args)

    def issue(self, name: str, *args: str) -> None:
        """A certificate, and the key of it."""
        self.new(name, *args, "-out", f"{name}.csr")
        self.sign(name)

    def sign(self, name: str) -> str:
        """The certificate that NAME.csr asks for."""
        self.openssl("x509", "-req", "-days", "1", "-CA", "ca.pem", "-CAkey",
                     "ca.key", "-CAcreateserial", "-copy_extensions", "copy",
                     "-in", f"{name}.csr", "-out", f"{name}.pem")
        return self.read(f"{name}.pem")
