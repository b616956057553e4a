# SPDX-License-Identifier: Apache-2.0
"""Builds libopamp with CMake, and the extension opamp._native on it.

LIBOPAMP_USE_SYSTEM=1 takes an installed libopamp instead, which pkg-config
finds. LIBOPAMP_CMAKE_ARGS adds arguments to CMake's.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import opamp_build  # noqa: E402

# What of the repository a source distribution needs.
C_SOURCES = (
    "CMakeLists.txt LICENSE proto libopamp/CMakeLists.txt libopamp/libopamp.pc.in"
    " libopamp/abi libopamp/cmake libopamp/include libopamp/src"
).split()


def run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True)


class BuildExtension(build_ext):
    """Builds libopamp.a first, unless the system's is wanted."""

    def run(self) -> None:
        env = dict(os.environ)
        if not opamp_build.SYSTEM:
            prefix = self.build_library()
            env["PKG_CONFIG_PATH"] = os.pathsep.join(
                [
                    str(prefix / "lib" / "pkgconfig"),
                    env.get("PKG_CONFIG_PATH", ""),
                ]
            )
        for extension in self.extensions:
            extension.extra_compile_args += ["-fvisibility=hidden"]
            extension.extra_compile_args += self.pkg_config(env, "--cflags")
            extension.extra_link_args += [
                *self.pkg_config(env, "--libs"),
                "-Wl,--as-needed",
                "-Wl,--gc-sections",
                "-Wl,--exclude-libs,ALL",
            ]
        super().run()

    def build_library(self) -> Path:
        """The prefix in which libopamp.a was installed."""
        work = Path(self.build_temp).resolve() / "libopamp"
        prefix = work / "prefix"
        run(
            "cmake", "-S", opamp_build.ROOT, "-B", work / "build",
            "-DCMAKE_BUILD_TYPE=Release",
            f"-DCMAKE_INSTALL_PREFIX={prefix}",
            "-DCMAKE_INSTALL_LIBDIR=lib",
            "-DOPAMP_BUILD_SHARED=OFF",
            "-DOPAMP_BUILD_TOOLS=OFF",
            "-DOPAMP_BUILD_EXAMPLES=OFF",
            "-DOPAMP_BUILD_TESTS=OFF",
            "-DOPAMP_BUILD_BENCH=OFF",
            "-DOPAMP_LOAD_CURL=ON",
            *shlex.split(os.environ.get("LIBOPAMP_CMAKE_ARGS", "")),
        )  # fmt: skip
        jobs = str(os.cpu_count() or 1)
        run("cmake", "--build", work / "build", "--parallel", jobs)
        run("cmake", "--install", work / "build")
        return prefix

    @staticmethod
    def pkg_config(env: dict[str, str], what: str) -> list[str]:
        ask = ["pkg-config", what, "libopamp"]
        return shlex.split(subprocess.check_output(ask, env=env, text=True))


class SourceDistribution(sdist):
    """Takes the C sources along, with those that protoc-c generates."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        if opamp_build.ROOT.parent == HERE:  # the sdist of an sdist
            return
        target = Path(base_dir) / "libopamp-src"
        for name in C_SOURCES:
            source = opamp_build.ROOT / name
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target / name)
            else:
                shutil.copy2(source, target / name)
        proto = target / "proto"
        protos = sorted(proto.glob("opamp/v1/*.proto"))
        run("protoc-c", "-I", proto, f"--c_out={proto}", *protos)


def options() -> dict[str, dict[str, str]]:
    """In the repository, nothing is built among the sources."""
    found = {"bdist_wheel": {"py_limited_api": "cp310"}}
    if opamp_build.ROOT.parent != HERE:
        base = opamp_build.ROOT / "build" / "python"
        base.mkdir(parents=True, exist_ok=True)
        found["build"] = {"build_base": str(base / "build")}
        found["egg_info"] = {"egg_base": str(base)}
    return found


setup(
    cffi_modules=["opamp_build.py:ffibuilder"],
    cmdclass={"build_ext": BuildExtension, "sdist": SourceDistribution},
    options=options(),
)
