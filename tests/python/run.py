# SPDX-License-Identifier: Apache-2.0
"""Builds the Python binding, and tests it on each Python there is.

It needs nothing but Python's own library: environments are made in the build
directory, with what requirements.txt names.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from pathlib import Path

from environment import Checks, Environment, run, sanitizers, succeeds

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BINDING = ROOT / "bindings" / "python"

VERSIONS = ("3.10", "3.11", "3.12", "3.13")
SUITES = ("hosts", "interop", "docs", "compat", "packaging")


def pyenv_versions() -> list[Path]:
    """Where pyenv keeps its Pythons: as it says, as usual, and beside what it
    puts in front of them."""
    roots = [Path.home() / ".pyenv"]
    if "PYENV_ROOT" in os.environ:
        roots.insert(0, Path(os.environ["PYENV_ROOT"]))
    shim = shutil.which("python3")
    if shim is not None and Path(shim).parent.name == "shims":
        roots.append(Path(shim).parents[1])
    return [root / "versions" for root in roots]


def interpreters() -> dict[str, str]:
    """Each Python of VERSIONS that is on this machine, by version."""
    candidates = ["/usr/bin/python3"]
    for version in VERSIONS:
        for folder in pyenv_versions():
            found = sorted(folder.glob(f"{version}.*/bin/python"))
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
        usable.setdefault(answer.stdout.strip(), candidate)
    return {version: usable[version] for version in VERSIONS if version in usable}


class Package(Environment):
    """One that can have the package in it."""

    def build_wheel(self, target: Path) -> Path:
        """The binding as one wheel, which is good for all versions."""
        shutil.rmtree(target, ignore_errors=True)
        options = ("--quiet", "--disable-pip-version-check", "--no-deps")
        run(
            *(self.python, "-m", "pip", "wheel", *options),
            *("--no-build-isolation", "--wheel-dir", target, BINDING),
            env={**os.environ, "LIBOPAMP_BUILD_BASE": str(target), **self.variables},
        )
        (wheel,) = target.glob("*.whl")
        return wheel

    def install_wheel(self, wheel: Path) -> None:
        self.install("--force-reinstall", "--no-deps", wheel)


class Sanitized(Package):
    """One in which the extension has the sanitizers of the compiler."""

    FLAGS = "-fsanitize=address,undefined -fno-omit-frame-pointer -g -O1"
    # It measures memory, of which there is more.
    TESTS = ("--deselect", "test_loop.py::test_many_clients_come_and_go")

    def build_wheel(self, target: Path) -> Path:
        self.variables = {
            "CFLAGS": self.FLAGS,
            "LDFLAGS": "-fsanitize=address,undefined",
            "LIBOPAMP_CMAKE_ARGS": "-DCMAKE_BUILD_TYPE=Debug"
            " -DOPAMP_SANITIZE=address,undefined",
            "ASAN_OPTIONS": "detect_leaks=0",
        }
        return super().build_wheel(target)

    def pytest(self, build: Path, *arguments: str) -> bool:
        # What Python leaks when it ends is more than what anybody would find in
        # there.
        self.variables = {
            **sanitizers(),
            "ASAN_OPTIONS": "detect_leaks=0",
            "PYTHONMALLOC": "malloc",
        }
        return super().pytest(build, *self.TESTS, *arguments)


def lint(python: str, folder: Path) -> bool:
    """Formatting, common mistakes, and types of everything."""
    # Each folder is a program of its own: names come twice.
    folders = ["src/opamp", "examples", "wheel"]
    checked = [BINDING / name for name in folders]
    checked += [HERE, *(HERE / name for name in SUITES)]
    paths = [BINDING / "src", HERE, HERE.parent / "c" / "tools"]
    environment = Environment(python, folder, HERE)
    return environment.lint([BINDING, HERE], checked, paths)


class Runner(Checks):
    """Runs suites, and remembers which failed."""

    def __init__(self, build: Path, scratch: Path, python: str) -> None:
        super().__init__()
        self.build = build
        self.scratch = scratch
        self.python = python
        self.arguments: list[str] = []
        self.wheel: Path | None = None

    def environment(self, python: str, name: str, suite: str = ".") -> Package:
        """One with the package in it, which is built when it is first needed."""
        made = Package(python, self.scratch / name, HERE, suite)
        if self.wheel is None:
            self.wheel = made.build_wheel(self.scratch / "wheel")
        made.install_wheel(self.wheel)
        return made

    def core(self, version: str, python: str) -> None:
        """What has to be so on every Python."""
        print(f"--- Python {version}", flush=True)
        environment = self.environment(python, version)
        good = environment.pytest(self.build, *self.arguments)
        self.check(f"Python {version}", good)

    def suite(self, suite: str, main_version: str) -> None:
        """One that has a folder of its own, and perhaps requirements."""
        print(f"--- {suite}", flush=True)
        has_needs = (HERE / suite / "requirements.txt").exists()
        name = suite if has_needs else main_version
        environment = self.environment(self.python, name, suite)
        # What builds packages does so in one place.
        alone = ("-n", "0") if suite == "packaging" else ()
        good = environment.pytest(self.build, suite, *alone, *self.arguments)
        if suite == "compat":
            theirs = HERE / suite / "run_peer_tests.py"
            command = (environment.python, theirs, self.scratch / "peer")
            good = succeeds(*command, cwd=HERE) and good
        self.check(suite, good)

    def sanitized(self) -> None:
        """The core once more, with what sees errors in C."""
        print("--- with sanitizers", flush=True)
        environment = Sanitized(self.python, self.scratch / "sanitized", HERE)
        wheel = environment.build_wheel(self.scratch / "sanitized-wheel")
        environment.install_wheel(wheel)
        good = environment.pytest(self.build, *self.arguments)
        self.check("sanitizers", good)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path, help="where opamp-peer was built")
    parser.add_argument("scratch", type=Path, help="for environments and wheels")
    parser.add_argument("--required", action="store_true", help="nothing is skipped")
    parser.add_argument("--lint", action="store_true", help="text and types, too")
    parser.add_argument("--version", help="only the core, and on this Python")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest")
    arguments = parser.parse_args()
    scratch = arguments.scratch.resolve()
    scratch.mkdir(parents=True, exist_ok=True)

    found = interpreters()
    missing = [version for version in VERSIONS if version not in found]
    if missing and arguments.required:
        raise SystemExit(f"run.py: there is no Python {', '.join(missing)}")
    if arguments.required:
        os.environ["OPAMP_INTEROP_REQUIRED"] = "1"
    if missing:
        print(f"There is no Python {', '.join(missing)}: not tested on it.")
    # 3.11 is Debian 12's; there everything is tested.
    main_version = "3.11" if "3.11" in found else next(iter(found))
    runner = Runner(arguments.build.resolve(), scratch, found[main_version])
    runner.arguments = arguments.pytest
    if arguments.lint:
        runner.check("lint", lint(runner.python, scratch / main_version))
    for version, python in found.items():
        if arguments.version in (None, version):
            runner.core(version, python)
    if arguments.version is None:
        for suite in SUITES:
            runner.suite(suite, main_version)
        runner.sanitized()
    runner.finish()


if __name__ == "__main__":
    main()
