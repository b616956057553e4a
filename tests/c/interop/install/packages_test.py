# SPDX-License-Identifier: Apache-2.0
"""The source archive of ./dev dist and the packages of ./dev package. The
packages are installed in a fresh Debian below the temporary directory."""

import glob
import json
import os
import re
import shutil
import urllib.error
import urllib.request

import ways
from ways import Folder, Process, options, run, source, version


def mirror():
    """The one that apt uses here."""
    for path in ["/etc/apt/sources.list",
                 *sorted(glob.glob("/etc/apt/sources.list.d/*"))]:
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as f:
                found = re.search(r"^(?:deb|URIs:)\s.*?(http\S+/debian)/?\s",
                                  f.read(), re.M)
            if found:
                return found.group(1)
    return "http://deb.debian.org/debian"


class Archive(Folder):
    def test_builds_without_protoc_c(self):
        out = self.path("out")
        run(source("dev"), "dist", env={"OPAMP_BUILD_DIR": out})
        run("tar", "-xf", f"{out}/dist/libopamp-{version()}.tar.gz", "-C",
            self.folder)
        env = ways.path_without("protoc-c", self.path("bin"))
        build = self.build(self.path(f"libopamp-{version()}"), "build",
                           "-DOPAMP_BUILD_TESTS=OFF", ways.ONLY_PATH, env=env)
        self.assertIn(f"libopamp {version()}",
                      run(f"{build}/libopamp/tools/agent/opamp-agent",
                          "--version"))


class Debian(Folder):
    def setUp(self):
        super().setUp()
        run(source("dev"), "package", env={"OPAMP_BUILD_DIR": self.folder})
        self.packages = sorted(glob.glob(self.path("package", "*.deb")))
        self.assertEqual(
            [os.path.basename(p).split("_")[0] for p in self.packages],
            ["libopamp-dev", "libopamp0", "opamp-tools"])

    def test_no_errors(self):
        run("lintian", "--allow-root", "--fail-on", "error", *self.packages)

    def test_in_a_fresh_debian(self):
        if os.geteuid() != 0:
            self.skipTest("only root may chroot")
        root = self.path("root")
        try:
            urllib.request.urlopen(f"{mirror()}/dists/bookworm/Release",
                                   timeout=20).close()
        except (urllib.error.URLError, TimeoutError):
            self.skipTest("no mirror of Debian can be reached")
        run("debootstrap", "--variant=minbase", "bookworm", root, mirror())
        for package in self.packages:
            shutil.copy(package, f"{root}/tmp")
        run("chroot", root, "env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c",
            "apt-get install -qy --no-install-recommends"
            " /tmp/libopamp0_*.deb /tmp/opamp-tools_*.deb")
        self.converse(root)

    def converse(self, root):
        """The agent puts into place what the server offers."""
        os.makedirs(f"{root}/tmp/offered")
        with open(f"{root}/tmp/offered/main.conf", "w", encoding="utf-8") as f:
            f.write("colour = green")
        with Process("chroot", root, "opamp-peer", "--listen", "127.0.0.1:0",
                     "--json", "--control", "--config-dir", "/tmp/offered",
                     ) as peer:
            address = json.loads(peer.stdout.readline())["address"]
            with Process("chroot", root, "opamp-agent", "--config-dir",
                         "/tmp/conf", "--apply", "true",
                         f"ws://{address}/v1/opamp"):
                self.assertEqual(ways.verdict(peer), "APPLIED")
        with open(glob.glob(f"{root}/tmp/conf/**/main.conf",
                            recursive=True)[0], encoding="utf-8") as f:
            self.assertEqual(f.read(), "colour = green")


if __name__ == "__main__":
    ways.main("source")
