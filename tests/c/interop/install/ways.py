# SPDX-License-Identifier: Apache-2.0
"""What the tests of the ways to build and install share."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import unittest

options = argparse.Namespace()


def main(*names):
    """Runs the tests of the program; the names are its options."""
    arguments = argparse.ArgumentParser()
    for name in names:
        arguments.add_argument(f"--{name}", required=True)
    rest = arguments.parse_known_args(namespace=options)[1]
    unittest.main(argv=[sys.argv[0], *rest])


def source(*path):
    return os.path.join(options.source, *path)


def finish(*command, env=None):
    """Runs a command to its end: (its exit code, all it printed)."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, check=False, timeout=280,
                          env={**os.environ, **(env or {})})
    return done.returncode, done.stdout


def run(*command, env=None):
    """Runs a command that must succeed and returns what it printed."""
    code, said = finish(*command, env=env)
    if code:
        raise AssertionError(f"{command}: {said}")
    return said


def version():
    with open(source("CMakeLists.txt"), encoding="utf-8") as f:
        return re.search(r"VERSION (\d+\.\d+\.\d+)", f.read()).group(1)


# CMake looks for programs here too.
ONLY_PATH = "-DCMAKE_IGNORE_PATH=/bin;/usr/bin;/usr/local/bin"


def path_without(name, programs):
    """An environment whose PATH has all programs but one, by links."""
    os.makedirs(programs)
    for folder in os.environ["PATH"].split(":"):
        for entry in os.listdir(folder) if os.path.isdir(folder) else ():
            link = os.path.join(programs, entry)
            if entry != name and not os.path.lexists(link):
                os.symlink(os.path.join(folder, entry), link)
    return {"PATH": programs}


class Folder(unittest.TestCase):
    """Each test has a directory of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, *name):
        return os.path.join(self.folder, *name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def build(self, project, name, *arguments, env=None):
        """Configures and builds; returns the build directory."""
        build = self.path(name)
        run("cmake", "-G", "Ninja", "-S", project, "-B", build, *arguments,
            env=env)
        run("cmake", "--build", build, "--parallel", "2", env=env)
        return build


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


def verdict(peer):
    """What an opamp-peer with --json hears of the configuration it offered."""
    for line in peer.stdout:
        status = json.loads(line).get("message", {}).get(
            "remote_config_status", {}).get("status")
        if status in ("APPLIED", "FAILED"):
            return status
    return None
