# SPDX-License-Identifier: Apache-2.0
"""Installs the build into a temporary prefix and uses it from there."""

import glob
import json
import os
import re
import tempfile
import unittest

import ways
from ways import Process, options, run, verdict, version


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.prefix = os.path.join(cls.folder.name, "prefix")
        # pkg-config's file has the prefix that the build was configured for;
        # DESTDIR is how packagers install elsewhere.
        run("cmake", "--install", options.build, env={"DESTDIR": cls.prefix})
        (pc,) = glob.glob(f"{cls.prefix}/**/libopamp.pc", recursive=True)
        cls.libdir = os.path.dirname(os.path.dirname(pc))
        cls.env = {"PKG_CONFIG_PATH": os.path.dirname(pc),
                   "PKG_CONFIG_SYSROOT_DIR": cls.prefix,
                   "LD_LIBRARY_PATH": cls.libdir}

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def test_cmake_package(self):
        build = self.path("consumer")
        source = os.path.join(options.source, "tests/c/interop/install/consumer")
        run("cmake", "-S", source, "-B", build,
            f"-Dopamp_DIR={self.libdir}/cmake/opamp")
        run("cmake", "--build", build)
        for name in ("shared", "static"):
            self.assertEqual(run(f"{build}/{name}", env=self.env).strip(),
                             version())
        libraries = run("ldd", f"{build}/static")
        self.assertNotIn("libopamp", libraries)

    def test_pkg_config(self):
        self.assertEqual(run("pkg-config", "--modversion", "libopamp",
                             env=self.env).strip(), version())

    def test_readme_example(self):
        with open(os.path.join(options.source, "README.md"),
                  encoding="utf-8") as f:
            code = re.search(r"```c\n(.*?)```", f.read(), re.S).group(1)
        self.assertLessEqual(code.count("\n"), 40)
        source, program = self.path("agent.c"), self.path("agent")
        with open(source, "w", encoding="utf-8") as f:
            f.write(code)
        flags = run("pkg-config", "--cflags", "--libs", "libopamp",
                    env=self.env).split()
        run("cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
            source, *flags, "-o", program)
        self.converse(program)

    def converse(self, program):
        """The example against opamp-peer: told of a file, it prints it."""
        folder = self.path("offered")
        os.makedirs(folder)
        with open(f"{folder}/main.conf", "w", encoding="utf-8") as f:
            f.write("colour = green")
        with Process(options.peer, "--listen", "127.0.0.1:0", "--json",
                     "--control", "--config-dir", folder) as peer:
            address = json.loads(peer.stdout.readline())["address"]
            with Process(program, f"ws://{address}/v1/opamp",
                         env={**os.environ, **self.env}) as agent:
                self.assertEqual(agent.stdout.readline(),
                                 "main.conf is now: colour = green\n")
                self.assertEqual(verdict(peer), "APPLIED")


if __name__ == "__main__":
    ways.main("build", "source", "peer")
