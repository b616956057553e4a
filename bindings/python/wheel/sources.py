# SPDX-License-Identifier: Apache-2.0
"""Debian's sources, by apt, without touching the machine's own lists."""

from __future__ import annotations

import functools
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True)
class Source:
    """A source package, unpacked and with Debian's patches."""

    package: str
    version: str
    tree: Path

    @property
    def copyright(self) -> Path:
        return self.tree / "debian" / "copyright"

    @property
    def time(self) -> str:
        """When this version was made, in seconds since 1970."""
        log = str(self.tree / "debian" / "changelog")
        return output("dpkg-parsechangelog", "-l", log, "-S", "Timestamp").strip()


def output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


class DebianSources:
    """Fetches source packages of this machine's release of Debian, once."""

    def __init__(self, folder: Path, *, refresh: bool = False) -> None:
        self.folder = folder
        self.refresh = refresh
        self.apt = folder / "apt"

    def get(self, package: str) -> Source:
        """What is there already, or the newest version there is."""
        tree = self.folder / package
        note = self.folder / f"{package}.version"
        had = note.read_text() if note.exists() else None
        if had is None or self.refresh:
            version = self._fetch(package, had)
            if version != had:
                note.unlink(missing_ok=True)
                self._unpack(package, tree)
                note.write_text(version)
        return Source(package, note.read_text(), tree)

    def _fetch(self, package: str, had: str | None) -> str:
        """Downloads the newest version, unless it is had, and returns it. A
        mirror's index can be ahead of its files: then it is the one before."""
        versions = self._versions(package)
        for version in versions:
            if version != had and not self._download(package, version):
                continue
            if version != versions[0]:
                print(
                    f"warning: {package} {versions[0]} could not be had;"
                    f" the wheel gets {version}"
                )
            return version
        raise SystemExit(f"no source of {package} could be had")

    def _unpack(self, package: str, tree: Path) -> None:
        shutil.rmtree(tree, ignore_errors=True)
        [description] = self._downloads(package).glob("*.dsc")
        unpack = ["dpkg-source", "--no-check", "-x", str(description), str(tree)]
        subprocess.run(unpack, check=True, stdout=subprocess.DEVNULL)

    def _versions(self, package: str) -> list[str]:
        """The newest one first."""
        shown = output("apt-cache", *self._options, "showsrc", package)
        found = {
            line.split()[1]
            for line in shown.splitlines()
            if line.startswith("Version: ")
        }

        def order(one: str, other: str) -> int:
            ask = ["dpkg", "--compare-versions", one, "lt", other]
            return 1 if subprocess.run(ask, check=False).returncode == 0 else -1

        return sorted(found, key=functools.cmp_to_key(order))

    def _downloads(self, package: str) -> Path:
        return self.apt / "downloads" / package

    def _download(self, package: str, version: str) -> bool:
        """Whether all files of it came; apt has checked them then."""
        folder = self._downloads(package)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        fetch = ["apt-get", *self._options, "-qq", "source", "--download-only"]
        done = subprocess.run([*fetch, f"{package}={version}"], cwd=folder, check=False)
        return done.returncode == 0

    @functools.cached_property
    def _options(self) -> list[str]:
        """Has apt work on a list of sources in our folder, brought up to date."""
        for name in ("lists/partial", "cache/archives/partial"):
            (self.apt / name).mkdir(parents=True, exist_ok=True)
        listed = self.apt / "sources.list"
        listed.write_text(self._source_list())
        options = [
            f"-oDir::Etc::sourcelist={listed}",
            "-oDir::Etc::sourceparts=/dev/null",
            f"-oDir::State::lists={self.apt / 'lists'}",
            f"-oDir::Cache={self.apt / 'cache'}",
            # Its own user may not look into our folder.
            "-oAPT::Sandbox::User=root",
        ]
        subprocess.run(["apt-get", *options, "-qq", "update"], check=True)
        return options

    @staticmethod
    def _source_list() -> str:
        """The archives that binary packages of Debian come from."""
        codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
        shown = output(
            *("apt-get", "indextargets", "Created-By: Packages", "--format"),
            "$(REPO_URI) $(RELEASE) $(COMPONENT)",
        )
        return "".join(
            f"deb-src [signed-by={KEYRING}] {line}\n"
            for line in dict.fromkeys(shown.splitlines())
            if line.split()[1].split("-")[0] == codename
        )
