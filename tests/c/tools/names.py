# SPDX-License-Identifier: Apache-2.0
"""Where names lead on this machine."""
import socket


def first_of(host: str) -> str:
    """Where to listen for a program that tries only a name's first address."""
    family, *_, (address, *_) = socket.getaddrinfo(
        host, 0, type=socket.SOCK_STREAM)[0]
    return f"[{address}]:0" if family == socket.AF_INET6 else f"{address}:0"
