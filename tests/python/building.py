# SPDX-License-Identifier: Apache-2.0
"""What tests need that build something."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def output(
    *command: str | Path,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
) -> str:
    """What it prints; the exception of one that fails shows that, too."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        env=env,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}"
    return done.stdout


def install_libopamp(folder: Path, *options: str) -> Path:
    """The prefix in which the shared library is installed, and what the options
    of CMake add."""
    prefix, build = folder / "prefix", folder / "build"
    without = "STATIC TOOLS EXAMPLES TESTS BENCH".split()
    output(
        *("cmake", "-S", ROOT, "-B", build, "-DCMAKE_BUILD_TYPE=Debug"),
        *(f"-DCMAKE_INSTALL_PREFIX={prefix}", "-DCMAKE_INSTALL_LIBDIR=lib"),
        *(f"-DOPAMP_BUILD_{part}=OFF" for part in without),
        *options,
    )
    output("cmake", "--build", build, "--parallel", "2")
    output("cmake", "--install", build)
    return prefix
