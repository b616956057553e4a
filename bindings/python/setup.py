# SPDX-License-Identifier: Apache-2.0
"""Builds libopamp with CMake, and the extension opamp._native on it.

LIBOPAMP_USE_SYSTEM=1 takes an installed libopamp instead, which pkg-config
finds. LIBOPAMP_CMAKE_ARGS adds arguments to CMake's, LIBOPAMP_BUILD_BASE is
where to build instead of ROOT/build. LIBOPAMP_BUNDLE is the prefix of static
libraries for a wheel that needs none of the system's.
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
    " libopamp/tools/gen_fields.c"
).split()


# wheel/bundle.c says what is wrapped.
BUNDLE_LINK_ARGS = (
    "-Wl,--wrap=X509_get_default_cert_file -Wl,-z,relro,-z,now -Wl,--strip-all"
).split()


def run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    subprocess.run([str(word) for word in command], check=True, env=env)


def by_path(libraries: list[str], archives: list[Path]) -> list[str]:
    """The archives in place of -lNAME: a folder of Python's own that is searched
    before can have a shared library of that name."""
    paths = {f"-l{path.stem.removeprefix('lib')}": str(path) for path in archives}
    return [paths.get(word, word) for word in libraries]


class BuildExtension(build_ext):
    """Builds libopamp.a first, unless the system's is wanted."""

    def run(self) -> None:
        self.env = dict(os.environ)
        archives: list[Path] = []
        if opamp_build.BUNDLE:
            libraries = Path(opamp_build.BUNDLE, "lib")
            archives += libraries.glob("*.a")
            # Only there, not among the system's.
            self.env["PKG_CONFIG_LIBDIR"] = str(libraries / "pkgconfig")
        if not opamp_build.SYSTEM:
            libraries = self.build_library() / "lib"
            archives += libraries.glob("*.a")
            self.env["PKG_CONFIG_PATH"] = os.pathsep.join(
                [str(libraries / "pkgconfig"), self.env.get("PKG_CONFIG_PATH", "")]
            )
        for extension in self.extensions:
            extension.depends += [str(archive) for archive in archives]
            extension.extra_compile_args += ["-fvisibility=hidden"]
            extension.extra_compile_args += self.pkg_config("--cflags")
            extension.extra_link_args += [
                *by_path(self.pkg_config("--libs"), archives),
                "-Wl,--as-needed",
                "-Wl,--gc-sections",
                "-Wl,--exclude-libs,ALL",
            ]
            if opamp_build.BUNDLE:
                extension.extra_link_args += BUNDLE_LINK_ARGS
        super().run()

    def build_extensions(self) -> None:
        """A Python that is not the system's would have its own folder searched
        for libraries, wherever the extension is used."""
        linker = self.compiler.linker_so
        linker[:] = [word for word in linker if not word.startswith("-Wl,-rpath")]
        super().build_extensions()

    def build_library(self) -> Path:
        """The prefix in which libopamp.a was installed."""
        work = Path(self.build_temp).resolve() / "libopamp"
        prefix = work / "prefix"
        curl = ["-DOPAMP_LOAD_CURL=ON"]
        if opamp_build.BUNDLE:
            curl = [
                "-DOPAMP_LOAD_CURL=OFF",
                f"-DCMAKE_PREFIX_PATH={opamp_build.BUNDLE}",
                f"-DOPENSSL_ROOT_DIR={opamp_build.BUNDLE}",
            ]
        self.command(
            "cmake", "-S", opamp_build.ROOT, "-B", work / "build",
            "-DCMAKE_BUILD_TYPE=Release",
            f"-DCMAKE_INSTALL_PREFIX={prefix}",
            "-DCMAKE_INSTALL_LIBDIR=lib",
            "-DOPAMP_BUILD_SHARED=OFF",
            "-DOPAMP_BUILD_TOOLS=OFF",
            "-DOPAMP_BUILD_EXAMPLES=OFF",
            "-DOPAMP_BUILD_TESTS=OFF",
            "-DOPAMP_BUILD_BENCH=OFF",
            *curl,
            *shlex.split(os.environ.get("LIBOPAMP_CMAKE_ARGS", "")),
        )  # fmt: skip
        jobs = str(os.cpu_count() or 1)
        self.command("cmake", "--build", work / "build", "--parallel", jobs)
        self.command("cmake", "--install", work / "build")
        return prefix

    def command(self, *words: str | Path) -> None:
        run(*words, env=self.env)

    def pkg_config(self, what: str) -> list[str]:
        ask = ["pkg-config", what, "libopamp"]
        return shlex.split(subprocess.check_output(ask, env=self.env, text=True))


class SourceDistribution(sdist):
    """Takes the C sources along, with those that protoc-c generates."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        target = Path(base_dir) / "libopamp-src"
        for name in C_SOURCES:
            source = opamp_build.ROOT / name
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target / name)
            else:
                shutil.copy2(source, target / name)
        proto = target / "proto"
        if any(proto.glob("opamp/v1/*.pb-c.c")):  # of an sdist
            return
        protos = sorted(proto.glob("opamp/v1/*.proto"))
        run("protoc-c", "-I", proto, f"--c_out={proto}", *protos)


def options() -> dict[str, dict[str, str]]:
    """In the repository, nothing is built among the sources."""
    found = {"bdist_wheel": {"py_limited_api": "cp310"}}
    if opamp_build.ROOT.parent != HERE:
        kind = "wheel-python" if opamp_build.BUNDLE else "python"
        base = Path(os.environ.get("LIBOPAMP_BUILD_BASE", opamp_build.ROOT / "build"))
        base /= kind
        base.mkdir(parents=True, exist_ok=True)
        found["build"] = {"build_base": str(base / "build")}
        found["egg_info"] = {"egg_base": str(base)}
    return found


setup(
    cffi_modules=["opamp_build.py:ffibuilder"],
    cmdclass={"build_ext": BuildExtension, "sdist": SourceDistribution},
    options=options(),
)
