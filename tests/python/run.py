# SPDX-License-Identifier: Apache-2.0
"""Builds the Python binding, and tests it on each Python there is.

It needs nothing but Python's own library: environments are made in the build
directory, with what requirements.txt names.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BINDING = ROOT / "bindings" / "python"

VERSIONS = ("3.10", "3.11", "3.12", "3.13")


def run(*command: str | Path, **kwargs: object) -> None:
    words = [str(word) for word in command]
    result = subprocess.run(words, check=False, **kwargs)  # type: ignore[call-overload]
    if result.returncode != 0:
        raise SystemExit(f"run.py: {' '.join(words)} failed")


def interpreters() -> dict[str, str]:
    """Each Python of VERSIONS that is on this machine, by version."""
    candidates = ["/usr/bin/python3"]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in VERSIONS:
        found = sorted(pyenv.glob(f"{version}.*/bin/python"))
        candidates += [str(path) for path in found[-1:]]
        candidates.append(shutil.which(f"python{version}") or "")
    ask = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    usable: dict[str, str] = {}
    for candidate in filter(None, candidates):
        try:
            answer = subprocess.run(
                [candidate, "-c", ask], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        if answer.stdout.strip() in VERSIONS:
            usable.setdefault(answer.stdout.strip(), candidate)
    return {version: usable[version] for version in VERSIONS if version in usable}


class Environment:
    """A virtual environment with what the tests need."""

    def __init__(self, python: str, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        wanted = (HERE / "requirements.txt").read_bytes() + python.encode()
        stamp = folder / "ready"
        digest = hashlib.sha256(wanted).hexdigest()
        if not stamp.exists() or stamp.read_text() != digest:
            shutil.rmtree(folder, ignore_errors=True)
            run(python, "-m", "venv", folder)
            self.install("-r", HERE / "requirements.txt")
            stamp.write_text(digest)

    def install(self, *what: str | Path) -> None:
        options = ("--quiet", "--disable-pip-version-check")
        run(self.python, "-m", "pip", "install", *options, *what)

    def build_wheel(self, target: Path) -> Path:
        shutil.rmtree(target, ignore_errors=True)
        options = ("--quiet", "--disable-pip-version-check", "--no-deps")
        run(
            *(self.python, "-m", "pip", "wheel", *options),
            *("--no-build-isolation", "--wheel-dir", target, BINDING),
        )
        (wheel,) = target.glob("*.whl")
        return wheel

    def install_wheel(self, wheel: Path) -> None:
        self.install("--force-reinstall", "--no-deps", wheel)

    def pytest(self, build: Path, *arguments: str) -> bool:
        env = {**os.environ, "OPAMP_BUILD": str(build), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [str(self.python), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        result = subprocess.run([*command, *arguments], cwd=HERE, env=env, check=False)
        return result.returncode == 0


def lint(environment: Environment) -> bool:
    """Formatting, common mistakes, and types of everything."""
    bin_dir = environment.folder / "bin"
    config = ("--config", str(BINDING / "pyproject.toml"))
    ours = [str(BINDING / "src"), str(BINDING / "setup.py"), str(HERE)]
    types = ["--strict", "--config-file", str(BINDING / "pyproject.toml")]
    commands = (
        [str(bin_dir / "ruff"), "format", "--no-cache", "--check", *config, *ours],
        [str(bin_dir / "ruff"), "check", "--no-cache", *config, *ours],
        [str(bin_dir / "mypy"), *types, str(BINDING / "src" / "opamp")],
        [str(bin_dir / "mypy"), *types, *sorted(map(str, HERE.glob("*.py")))],
    )
    env = {**os.environ, "MYPYPATH": f"{BINDING / 'src'}:{HERE}"}
    cache = {"MYPY_CACHE_DIR": str(environment.folder / "mypy")}
    results = [
        subprocess.run(command, env=env | cache, check=False).returncode
        for command in commands
    ]
    return not any(results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path, help="where opamp-peer was built")
    parser.add_argument("scratch", type=Path, help="for environments and wheels")
    parser.add_argument("--required", action="store_true", help="all versions")
    parser.add_argument("--lint", action="store_true", help="only look at the text")
    parser.add_argument("--version", action="append", help="only this one")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest")
    arguments = parser.parse_args()
    scratch = arguments.scratch.resolve()
    scratch.mkdir(parents=True, exist_ok=True)

    found = interpreters()
    missing = [version for version in VERSIONS if version not in found]
    if missing and arguments.required:
        raise SystemExit(f"run.py: there is no Python {', '.join(missing)}")
    if missing:
        print(f"There is no Python {', '.join(missing)}: not tested on it.")
    if arguments.version:
        found = {version: found[version] for version in arguments.version}

    # 3.11 is Debian 12's; there everything is tested.
    main_version = "3.11" if "3.11" in found else next(iter(found))
    first = Environment(found[main_version], scratch / main_version)
    if arguments.lint:
        sys.exit(not lint(first))
    wheel = first.build_wheel(scratch / "wheel")
    good = True
    for version, python in found.items():
        print(f"--- Python {version}", flush=True)
        environment = Environment(python, scratch / version)
        environment.install_wheel(wheel)
        # Servers of applications need no other Python to show what they do.
        suites = [".", "hosts"] if version == main_version else ["."]
        what = arguments.pytest or suites
        good = environment.pytest(arguments.build.resolve(), *what) and good
    sys.exit(not good)


if __name__ == "__main__":
    main()
