# SPDX-License-Identifier: Apache-2.0
"""Builds the Lua binding, and tests it on each Lua there is.

Needs Debian's busted, luacheck, ldoc and valgrind. The tests of hosts and of
packages are in Python, and run in an environment that is made in the scratch
directory.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
BINDING = HERE.parent
ROOT = HERE.parents[2]
TESTS = ROOT / "tests"
sys.path.insert(0, str(TESTS / "python"))

from environment import Checks, Environment, run, sanitizers  # noqa: E402

LUAS = {
    "5.1": "lua5.1",
    "5.2": "lua5.2",
    "5.3": "lua5.3",
    "5.4": "lua5.4",
    "jit": "luajit",
}
MAIN = "5.4"  # on which what is slow runs
BENCH = ROOT / "libopamp" / "bench" / "lua"
SUITES = ("hosts", "interop", "packaging")
PATIENCE = 1200  # seconds for one run of all specs

MEMCHECK = (
    "valgrind --quiet --error-exitcode=99 --leak-check=full"
    " --errors-for-leak-kinds=definite"
).split()

# A build that sees mistakes, and whose commands clang-tidy may read.
CHECKED = (
    "-DCMAKE_BUILD_TYPE=Debug",
    "-DOPAMP_SANITIZE=address,undefined",
    "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON",
)

Job = Callable[[], object]


class Modules:
    """The modules of all Luas, built in one directory."""

    def __init__(self, folder: Path, luas: list[str], *options: str) -> None:
        self.folder = folder
        run(
            *("cmake", "-S", BINDING, "-B", folder, "-DOPAMP_WERROR=ON"),
            *(f"-DOPAMP_LUA_VERSIONS={';'.join(luas)}", *options),
            stdout=subprocess.DEVNULL,
        )
        jobs = str(os.cpu_count() or 1)
        build = ("cmake", "--build", folder, "--parallel", jobs)
        run(*build, stdout=subprocess.DEVNULL)

    def cpath(self, lua: str) -> str:
        return str(self.folder / lua / "?.so")

    def variables(self, luas: list[str]) -> dict[str, str]:
        """By which the tests in Python find each."""
        return {
            f"OPAMP_LUA_CPATH_{lua.replace('.', '').upper()}": self.cpath(lua)
            for lua in luas
        }


class Runner(Checks):
    """Runs what there is, and remembers what failed."""

    def __init__(self, build: Path, modules: Modules, busted: list[str]) -> None:
        super().__init__()
        self.build = build
        self.modules = modules
        self.busted = busted
        self._printing = threading.Lock()

    def told(self, name: str, *command: str | Path, **env: str) -> str:
        """A command in the binding's folder; what it wrote is printed, too."""
        began = time.monotonic()
        try:
            done = subprocess.run(
                [str(word) for word in command],
                cwd=BINDING,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE,
                check=False,
            )
            good, output = done.returncode == 0, done.stdout
        except subprocess.TimeoutExpired as error:
            good, output = False, error.stdout or b""
        said = output.decode(errors="replace")
        word = "ok" if good else "FAILED"
        with self._printing:
            print(f"--- {name}: {word}, {time.monotonic() - began:.0f} s")
            print(said, end="", flush=True)
            self.check(name, good)
        return said

    def specs(
        self,
        name: str,
        lua: str,
        *before: str,
        modules: Modules | None = None,
        built_for: str = "",
        **env: str,
    ) -> None:
        """busted, on a Lua and its module or another's."""
        modules = modules or self.modules
        cpath = modules.cpath(built_for or lua)
        self.told(
            name,
            *before,
            program(LUAS[lua]),
            program("busted"),
            *self.busted,
            OPAMP_BUILD=str(self.build),
            LUA_PATH=f"{BINDING}/lua/?.lua;{HERE}/?.lua;;",
            LUA_CPATH=f"{cpath};;",
            **modules.variables([built_for or lua]),
            **env,
        )

    def all_specs(self, luas: list[str]) -> list[Job]:
        jobs = [partial(self.specs, f"Lua {lua}", lua) for lua in luas]
        if "jit" in luas and "5.1" in luas:
            name = "Lua 5.1's module on LuaJIT"
            jobs.append(partial(self.specs, name, "jit", built_for="5.1"))
        return [*jobs]

    def other_checks(self, scratch: Path) -> list[Job]:
        """Each sees other mistakes. What takes longest is first."""
        modules = Modules(scratch / "sanitized", [MAIN], *CHECKED)
        env = {**sanitizers(), "ASAN_OPTIONS": leaks_of(MAIN, modules.folder)}
        sanitized = partial(self.specs, modules=modules, **env)
        tidy = ("clang-tidy", "--quiet", "--warnings-as-errors=*", "-p", modules.folder)
        lint = ("luacheck", "--quiet", "--no-color", ".", BENCH)
        return [
            partial(self.specs, "valgrind", MAIN, *MEMCHECK),
            partial(sanitized, "sanitizers", MAIN),
            partial(self.told, "clang-tidy", *tidy, *sorted(BINDING.glob("src/*.c"))),
            partial(self.told, "luacheck", *lint),
            partial(self.ldoc, scratch / "docs"),
        ]

    def ldoc(self, target: Path) -> None:
        said = self.told("ldoc", BINDING / "doc" / "build.sh", target)
        # It has no warning for that.
        self.check("ldoc without lua-discount", "falling back to" not in said)

    def python(self, folder: Path, luas: list[str]) -> None:
        """Formatting and types of what is in Python, and its tests."""
        environment = Environment(sys.executable, folder, HERE)
        environment.variables = self.modules.variables(luas)
        programs = [HERE, *(HERE / suite for suite in SUITES)]
        paths = [TESTS / "python", TESTS / "c" / "tools", HERE / "hosts"]
        self.check("lint", environment.lint([HERE], programs, paths))
        for suite in SUITES:
            print(f"--- {suite}", flush=True)
            # What several tests share is built once for each file.
            few = ("-n", "2", "--dist", "loadfile") if suite == "packaging" else ()
            self.check(suite, environment.pytest(self.build, suite, *few))


def leaks_of(lua: str, folder: Path) -> str:
    """ASan's options for a Lua: other programs, which specs run, do not free what
    they have when they end."""
    (folder / f"asan.{LUAS[lua]}").write_text("detect_leaks=1\n")
    return f"detect_leaks=0:include_if_exists={folder}/asan.%b"


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"run.py: there is no {name}; ./dev setup installs it")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path, help="where opamp-peer was built")
    parser.add_argument("scratch", type=Path, help="for modules and environments")
    parser.add_argument("--required", action="store_true", help="nothing is skipped")
    parser.add_argument("--lua", choices=LUAS, help="only the specs, and on this Lua")
    parser.add_argument("busted", nargs="*", help="arguments for busted")
    arguments = parser.parse_args()
    scratch = arguments.scratch.resolve()
    scratch.mkdir(parents=True, exist_ok=True)

    wanted = [arguments.lua] if arguments.lua else list(LUAS)
    found = [lua for lua in wanted if shutil.which(LUAS[lua])]
    missing = [LUAS[lua] for lua in wanted if lua not in found]
    if missing and (arguments.required or not found):
        raise SystemExit(f"run.py: there is no {', '.join(missing)}")
    if missing:
        print(f"There is no {', '.join(missing)}: not tested on it.")
    if arguments.required:
        os.environ["OPAMP_INTEROP_REQUIRED"] = "1"
    modules = Modules(scratch / "module", found)
    runner = Runner(arguments.build.resolve(), modules, arguments.busted)
    jobs = runner.all_specs(found)
    if arguments.lua is None:
        jobs = runner.other_checks(scratch) + jobs
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda job: job(), jobs))
    if arguments.lua is None:
        runner.python(scratch / "python", found)
    runner.finish()


if __name__ == "__main__":
    main()
