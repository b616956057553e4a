# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests, made when they run."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Authority:
    """A certificate authority in a folder, by the openssl command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._new("ca", "-x509", "-days", "2", "-out", "ca.pem")
        for name in ("server", "agent"):
            alternative = "subjectAltName=IP:127.0.0.1,DNS:localhost"
            self._new(name, "-addext", alternative, "-out", f"{name}.csr")
            self._openssl(
                *("x509", "-req", "-days", "1", "-CA", "ca.pem", "-CAkey"),
                *("ca.key", "-CAcreateserial", "-copy_extensions", "copy"),
                *("-in", f"{name}.csr", "-out", f"{name}.pem"),
            )

    def file(self, name: str) -> Path:
        return self.folder / name

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(
            ["openssl", *arguments], cwd=self.folder, check=True, capture_output=True
        )

    def _new(self, name: str, *arguments: str) -> None:
        self._openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-keyout", f"{name}.key", "-subj", f"/CN={name}"),
            *arguments,
        )
