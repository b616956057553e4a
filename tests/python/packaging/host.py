# SPDX-License-Identifier: Apache-2.0
"""Other machines than this one: with another Python, or without what is here."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from building import output

ROOT = Path(__file__).resolve().parents[3]
PROJECT = ROOT / "bindings" / "python"
AGENT = Path(__file__).with_name("connecting.py")

# The oldest and the newest, and those in between.
VERSIONS = ("3.10", "3.11", "3.12", "3.13")

# Makes the Python of a version, with the wheel installed.
Environments = Callable[[str], Path]

# Where Debian and the Python that is built on it look for authorities.
TRUST = ("/etc/ssl", "/usr/lib/ssl", "/etc/pki", "/usr/share/ca-certificates")

# What a wheel, or an extension of it, must not need.
LIBRARIES = "curl websockets uv protobuf-c ssl crypto z opamp".split()


def interpreter(version: str) -> str | None:
    """A Python of that version on this machine, also one of pyenv's."""
    pyenv = Path.home() / ".pyenv" / "versions"
    found = sorted(pyenv.glob(f"{version}.*/bin/python{version}"))
    return str(found[-1]) if found else shutil.which(f"python{version}")


def environment(folder: Path, python: str, *install: str | Path) -> Path:
    """The Python of a new virtual environment with that in it."""
    output(python, "-m", "venv", folder)
    ours = folder / "bin" / "python"
    if install:
        pip = (ours, "-m", "pip", "install", "--disable-pip-version-check", "-q")
        output(*pip, *install)
    return ours


def system_libraries(program: str | Path) -> list[str]:
    """The files of LIBRARIES that programs here are linked with, but for those
    that this one, as Debian's Python, cannot do without."""
    needed = {os.path.realpath(word) for word in output("ldd", program).split()}
    folders = [
        folder
        for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu")
        if os.path.isdir(folder)
    ]
    folders.append("/usr/local/lib")
    files = (
        str(file)
        for folder in folders
        for name in LIBRARIES
        for file in Path(folder).glob(f"lib{name}*.so*")
        if file.name.startswith((f"lib{name}.so", f"lib{name}-evlib"))
    )
    return sorted({os.path.realpath(file) for file in files} - needed)


# files… -- folders… -- command…: empty files and folders in place of those.
_HIDE = """
until [ "$1" = -- ]; do mount --bind /dev/null "$1"; shift; done; shift
until [ "$1" = -- ]; do mount -t tmpfs none "$1"; shift; done; shift
exec "$@"
"""


def without(
    files: Iterable[str], folders: Iterable[str], *command: str | Path
) -> list[str]:
    """The command, as on a machine that has none of these."""
    own = ["--user", "--map-root-user"] if os.geteuid() != 0 else []
    return [
        *("unshare", *own, "--mount", "sh", "-euc", _HIDE, "sh"),
        *(*files, "--"),
        *(*(folder for folder in folders if os.path.isdir(folder)), "--"),
        *(str(word) for word in command),
    ]


def connecting(
    prefix: list[str],
    *arguments: str | Path,
    env: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    """What connecting.py reports, after a prefix that ends with its Python.
    The variables of `env` are set, or with None, are not."""
    changed = dict(os.environ)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF", "PYTHONPATH"):
        changed.pop(name, None)
    for name, value in (env or {}).items():
        if value is None:
            changed.pop(name, None)
        else:
            changed[name] = value
    said = output(*prefix, AGENT, *arguments, env=changed, cwd="/")
    report: dict[str, Any] = json.loads(said.splitlines()[-1])
    return report
