# SPDX-License-Identifier: Apache-2.0
"""What the runners of the bindings' tests share: virtual environments, and the
checks of Python sources that run in them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "bindings" / "python" / "pyproject.toml"  # of ruff and mypy


def succeeds(*command: str | Path, **kwargs: object) -> bool:
    words = [str(word) for word in command]
    result = subprocess.run(words, check=False, **kwargs)  # type: ignore[call-overload]
    return bool(result.returncode == 0)


def run(*command: str | Path, **kwargs: object) -> None:
    if not succeeds(*command, **kwargs):
        raise SystemExit(f"run.py: {' '.join(map(str, command))} failed")


def sanitizers() -> dict[str, str]:
    """The variables of an interpreter that was not linked with the sanitizers,
    and is to load a module of gcc's that was."""
    libraries = [
        subprocess.check_output(["gcc", f"-print-file-name={name}"], text=True)
        for name in ("libasan.so", "libubsan.so")
    ]
    return {
        "LD_PRELOAD": " ".join(name.strip() for name in libraries),
        "UBSAN_OPTIONS": "halt_on_error=1",
    }


class Checks:
    """Remembers which have failed."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def check(self, name: str, good: bool) -> None:
        if not good:
            self.failed.append(name)

    def finish(self) -> None:
        if self.failed:
            raise SystemExit(f"run.py: failed: {', '.join(self.failed)}")


class Environment:
    """A virtual environment with what the tests need."""

    def __init__(self, python: str, folder: Path, home: Path, suite: str = ".") -> None:
        """It has what requirements.txt of `home`, where the tests are, names, and
        that of the suite, if there is one."""
        self.variables: dict[str, str] = {}  # of what runs in it
        self.folder = folder
        self.home = home
        self.python = folder / "bin" / "python"
        needs = [home / "requirements.txt", home / suite / "requirements.txt"]
        lists = dict.fromkeys(path.resolve() for path in needs if path.exists())
        wanted = python.encode() + b"".join(path.read_bytes() for path in lists)
        stamp = folder / "ready"
        digest = hashlib.sha256(wanted).hexdigest()
        if not stamp.exists() or stamp.read_text() != digest:
            shutil.rmtree(folder, ignore_errors=True)
            run(python, "-m", "venv", folder)
            self.install(*(word for path in lists for word in ("-r", path)))
            stamp.write_text(digest)

    def install(self, *what: str | Path) -> None:
        options = ("--quiet", "--disable-pip-version-check")
        run(self.python, "-m", "pip", "install", *options, *what)

    def pytest(self, build: Path, *arguments: str) -> bool:
        env = {**os.environ, "OPAMP_BUILD": str(build), **self.variables}
        env["PYTHONDONTWRITEBYTECODE"] = "1"
        # Most tests wait for servers, or for processes to end.
        options = ("-q", "-p", "no:cacheprovider", "-n", "4")
        pytest = (self.python, "-m", "pytest", *options)
        return succeeds(*pytest, *arguments, cwd=self.home, env=env)

    def lint(self, ours: list[Path], programs: list[Path], paths: list[Path]) -> bool:
        """Formatting and common mistakes of what is in `ours`, and types of each
        program: a folder, which may import from `paths`."""
        bin_dir = self.folder / "bin"
        ruff = ["--no-cache", f"--config={CONFIG}", *map(str, ours)]
        # What is found where it runs counts as our own, and is sorted so.
        good = succeeds(bin_dir / "ruff", "format", "--check", *ruff, cwd=ROOT)
        good = succeeds(bin_dir / "ruff", "check", *ruff, cwd=ROOT) and good
        for folder in programs:
            files = sorted(folder.glob("*.py"))
            package = folder / "__init__.py" in files
            extra = [] if package else [folder]
            env = {
                **os.environ,
                "MYPYPATH": ":".join(map(str, [*paths, *extra])),
                "MYPY_CACHE_DIR": str(self.folder / "mypy"),
            }
            mypy = (bin_dir / "mypy", "--strict", f"--config-file={CONFIG}")
            what = [folder] if package else files
            good = succeeds(*mypy, *what, env=env) and good
        return good
