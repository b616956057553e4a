# SPDX-License-Identifier: Apache-2.0
"""How TLS is set up."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

_Path = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class TLS:
    """Options of TLS. Certificates and keys are PEM, in files, or as text where
    the name ends in _pem. Keys are secrets, and never printed."""

    #: Authorities to trust: a file, or a directory of files. Without any, those
    #: of the system.
    ca: _Path | None = None
    #: The same as text.
    ca_pem: str | bytes | None = None
    #: The system's authorities beside the given ones.
    system_ca: bool = False
    #: The client's certificate, its chain after it.
    cert: _Path | None = None
    #: The same as text.
    cert_pem: str | bytes | None = None
    #: The key of that certificate.
    key: _Path | None = None
    #: The same as text.
    key_pem: str | bytes | None = field(default=None, repr=False)
    #: False: any certificate with any name is taken. Whoever sits in between
    #: can then read and change everything.
    verify: bool = True
    #: "1.2" or "1.3". Default: 1.2.
    min_version: str | None = None
    #: The same. Default: the highest there is.
    max_version: str | None = None
    #: IANA names. Default: the library's choice.
    ciphers: Sequence[str] = ()
