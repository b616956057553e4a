# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of opentelemetry-opamp-client against our layer for it.

    python run_peer_tests.py SCRATCH [ARGUMENT OF PYTEST]...

They come from PyPI, are copied into the directory SCRATCH with another prefix
in their imports, and run twice: with the message classes of that package, if it
is installed, and with those of our own. internals.txt names those that are left
out. The Python that runs this needs what requirements.txt lists, and opamp.
"""

from __future__ import annotations

import ast
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

NAME, VERSION = "opentelemetry-opamp-client", "0.5b0"
SHA256 = "babfbe469ebfd1722a8b2b154aed801a0297b48b4ddbf8dd896275ffa8e835ce"

_IMPORT = re.compile(r"^(\s*(?:from|import)\s+)opentelemetry\._opamp\b", re.M)

# A plugin of pytest: as if the package were not installed.
_ALONE = 'import sys\n\nsys.modules["opentelemetry._opamp"] = None\n'


def download(scratch: Path) -> Path:
    """The source distribution, pinned down to its bytes."""
    where = scratch / "download"
    archive = where / f"{NAME.replace('-', '_')}-{VERSION}.tar.gz"
    if not archive.exists():
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
                *("--no-binary", ":all:", "--dest", str(where), f"{NAME}=={VERSION}"),
            ],
            check=True,
        )
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        raise SystemExit(f"{archive} is not what it was")
    return archive


def unpack(archive: Path, target: Path) -> None:
    """The tests, with our package in their imports."""
    shutil.rmtree(target, ignore_errors=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            _, _, name = member.name.partition("/tests/opamp/")
            file = tar.extractfile(member) if name else None
            if file is None or ".." in Path(name).parts:
                continue
            data = file.read()
            if name.endswith(".py"):
                text = _IMPORT.sub(r"\1opamp.compat.opentelemetry", data.decode())
                data = text.encode()
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def tests_in(target: Path) -> dict[str, list[str]]:
    """The names of the test functions, by file, without importing anything."""
    found: dict[str, list[str]] = {}
    for path in sorted(target.rglob("test_*.py")):
        names = [
            node.name
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        ]
        found[str(path.relative_to(target))] = names
    return found


def internals() -> dict[str, str]:
    """The reasons for leaving tests out, by test."""
    listed: dict[str, str] = {}
    for line in (HERE / "internals.txt").read_text().splitlines():
        if line.startswith("  "):
            listed[next(reversed(listed))] = line.strip()
        elif line and not line.startswith("#"):
            listed[line] = ""
    without = [test for test, reason in listed.items() if not reason]
    if without:
        raise SystemExit(f"internals.txt: no reason for {', '.join(without)}")
    return listed


def selection(tests: dict[str, list[str]], listed: dict[str, str]) -> list[str]:
    """Arguments of pytest that leave out what is listed."""
    known = {f"{file}::{name}" for file, names in tests.items() for name in names}
    gone = sorted(set(listed) - known)
    if gone:
        raise SystemExit(f"internals.txt: there is no {', '.join(gone)}")
    arguments = []
    for file, names in tests.items():
        left_out = [f"{file}::{name}" for name in names if f"{file}::{name}" in listed]
        if len(left_out) == len(names):  # it need not even be importable
            arguments.append(f"--ignore=peer/{file}")
        else:
            arguments += [f"--deselect=peer/{test}" for test in left_out]
    return arguments


def main() -> int:
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    scratch = Path(sys.argv[1]).resolve()
    target = scratch / "peer"
    unpack(download(scratch), target)
    tests, listed = tests_in(target), internals()
    (scratch / "alone.py").write_text(_ALONE)
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        *("--rootdir", str(scratch), "--import-mode=importlib", "peer"),
        *selection(tests, listed),
        *sys.argv[2:],
    ]
    print(f"{sum(map(len, tests.values()))} tests, without {len(listed)} internals")
    for plugin in ((), ("-p", "alone")):
        result = subprocess.run([*command, *plugin], cwd=scratch, check=False)
        if result.returncode != 0:
            return result.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
