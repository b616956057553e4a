# SPDX-License-Identifier: Apache-2.0
"""Installs the build into a temporary prefix and uses it from there."""

import argparse
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import unittest

options = None


def run(*command, env=None):
    """Runs a command to its end and returns what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          env={**os.environ, **(env or {})}, timeout=100)
    if done.returncode:
        raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


def version():
    with open(os.path.join(options.source, "CMakeLists.txt"),
              encoding="utf-8") as f:
        return re.search(r"VERSION (\d+\.\d+\.\d+)", f.read()).group(1)


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

    def test_sub_project(self):
        source = self.path("super")
        os.makedirs(source)
        with open(f"{source}/CMakeLists.txt", "w", encoding="utf-8") as f:
            f.write("cmake_minimum_required(VERSION 3.20)\n"
                    "project(super LANGUAGES C)\n"
                    f"add_subdirectory({options.source} opamp)\n"
                    "if(CMAKE_BUILD_TYPE OR TARGET opamp-agent\n"
                    "    OR TARGET opamp_harness)\n"
                    '  message(FATAL_ERROR "it meddles")\n'
                    "endif()\n"
                    f"add_executable(x {options.source}"
                    "/tests/c/interop/install/consumer/main.c)\n"
                    "target_link_libraries(x opamp::opamp)\n")
        run("cmake", "-S", source, "-B", f"{source}/build")

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
                self.assertEqual(self.verdict(peer), "APPLIED")

    @staticmethod
    def verdict(peer):
        for line in peer.stdout:
            status = json.loads(line).get("message", {}).get(
                "remote_config_status", {}).get("status")
            if status in ("APPLIED", "FAILED"):
                return status
        return None


class Process(subprocess.Popen):
    """A process that ends with its block, or after 20 s."""

    def __init__(self, *command, env=None):
        super().__init__(command, stdin=subprocess.PIPE, env=env,
                         stdout=subprocess.PIPE, text=True)
        self.limit = threading.Timer(20, self.kill)
        self.limit.start()

    def __exit__(self, *what):
        self.limit.cancel()
        self.terminate()
        super().__exit__(*what)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    for name in ("build", "source", "peer"):
        arguments.add_argument(f"--{name}", required=True)
    options, rest = arguments.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
