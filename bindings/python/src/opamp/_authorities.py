# SPDX-License-Identifier: Apache-2.0
"""Where certificates of authorities are."""

from __future__ import annotations

import os

from opamp._native import lib

# The files of Debian, Red Hat, SUSE, Red Hat again, and Alpine, with those that
# follow them.
_WELL_KNOWN = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)

_set = False


def use_those_of_the_host(url: str) -> None:
    """Has a wheel's own OpenSSL use the authorities of this host where none are
    given, which was not known when it was built. SSL_CERT_FILE and SSL_CERT_DIR
    it looks at by itself, each time. The system's OpenSSL knows where they are."""
    global _set
    if _set or not hasattr(lib, "opamp_python_set_authorities"):
        return
    if "SSL_CERT_FILE" in os.environ or "SSL_CERT_DIR" in os.environ:
        return
    path = _first_readable(_WELL_KNOWN)
    # What costs more is done when it is needed.
    if path is None and url.lower().startswith(("wss:", "https:")):
        path = _of_python()
    if path is not None:
        lib.opamp_python_set_authorities(os.fsencode(path))
        _set = True


def _first_readable(paths: tuple[str, ...]) -> str | None:
    for path in paths:
        if os.path.isfile(path) and os.access(path, os.R_OK):
            return path
    return None


def _of_python() -> str | None:
    """Those of the interpreter, or of the package certifi."""
    try:
        import ssl
    except ImportError:  # a Python without it
        pass
    else:
        cafile = ssl.get_default_verify_paths().cafile
        if cafile is not None:
            return cafile
    try:
        import certifi
    except ImportError:
        return None
    path: str = certifi.where()
    return path
