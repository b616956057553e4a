# SPDX-License-Identifier: Apache-2.0
"""What the pages say is so: the programs of the guide work as it tells, links
lead somewhere, and files, commands and options that are named exist."""

import json
import os
import re
import signal
import subprocess

import ways
from ways import Folder, Process, options, run, source, verdict

PAGES = ["README.md", "CHANGELOG.md"] + sorted(
    f"libopamp/doc/{name}" for name in os.listdir(
        os.path.join(os.path.dirname(__file__), "../../../../libopamp/doc"))
    if name.endswith(".md") and name != "spec-coverage.md")
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.M)
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"^[\w.-]+(/[\w.-]+)+\.(c|h|py|md|txt|sh|proto|cpp)$")
# Where a path may begin.
ROOTS = ["", "libopamp/", "libopamp/src/", "libopamp/include/",
         "libopamp/doc/", "tests/c/", "tests/c/interop/"]


def page(path):
    with open(source(path), encoding="utf-8") as f:
        return f.read()


def anchors(text):
    """As GitHub makes them of headings."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            for title in HEADING.findall(FENCE.sub("", text))}


class Pages(ways.unittest.TestCase):
    def test_links_lead_somewhere(self):
        for path in PAGES:
            for target in LINK.findall(FENCE.sub("", page(path))):
                if target.startswith("http"):
                    continue
                name, _, anchor = target.partition("#")
                full = os.path.normpath(os.path.join(os.path.dirname(path),
                                                     name)) if name else path
                self.assertTrue(os.path.exists(source(full)),
                                f"{path}: {target}")
                if anchor:
                    self.assertIn(anchor, anchors(page(full)),
                                  f"{path}: {target}")

    def test_files_that_are_named_exist(self):
        seen = 0
        for path in PAGES:
            for name in CODE.findall(FENCE.sub("", page(path))):
                if not FILE.match(name):
                    continue
                seen += 1
                self.assertTrue(any(os.path.exists(source(root + name))
                                    for root in ROOTS), f"{path}: {name}")
        self.assertGreater(seen, 30)

    def test_commands_of_dev_exist(self):
        known = set(re.findall(r"^  (\w+)  ", run(source("dev"), "--help"),
                               re.M))
        used = {name for path in PAGES
                for name in re.findall(r"\./dev (\w+)", page(path))}
        self.assertGreater(len(used), 5)
        self.assertEqual(used - known, set())

    def test_options_of_tools_exist(self):
        seen = 0
        for tool in ("agent", "fleet", "peer"):
            program = f"{options.build}/libopamp/tools/{tool}/opamp-{tool}"
            known = set(re.findall(r"--[\w-]+", run(program, "--help")))
            lines = "\n".join(page(p) for p in PAGES).replace("\\\n", " ")
            for line in re.findall(rf"opamp-{tool} (--.*)", lines):
                used = set(re.findall(r"(?<!\S)--[\w-]+", line))
                seen += len(used)
                self.assertEqual(used - known, set(), line)
        self.assertGreater(seen, 5)


class Guide(Folder):
    def setUp(self):
        super().setUp()
        blocks = re.findall(r"^```c\n(.*?)^```$", page("libopamp/doc/guide.md"),
                            re.M | re.S)
        self.first, self.second = (
            self.compile(f"program{i}", block)
            for i, block in enumerate(blocks))

    def compile(self, name, text):
        library = f"{options.build}/libopamp"
        run("cc", "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra",
            "-Wpedantic", "-Werror", self.write(f"{name}.c", text),
            f"-I{options.source}/libopamp/include", f"{library}/libopamp.so",
            f"-Wl,-rpath,{library}", "-o", self.path(name))
        return self.path(name)

    def peer(self, *more):
        return Process(options.peer, "--listen", "127.0.0.1:0", "--json",
                       "--control", *more)

    def url(self, peer):
        return f"ws://{json.loads(peer.stdout.readline())['address']}"

    def test_first(self):
        with self.peer() as peer:
            with Process(self.first, self.url(peer)) as agent:
                words = [agent.stdout.readline().split()[0] for _ in range(3)]
        self.assertEqual(words, ["connecting", "connected", "delivered"])
        self.assertNotEqual(subprocess.run([self.first], check=False,
                                           stderr=subprocess.DEVNULL).returncode,
                            0)

    def test_second(self):
        config = self.write("conf/app.conf", "interval = 5\n")
        with self.peer("--config-dir", self.path("conf")) as peer:
            with Process(self.second, self.url(peer)) as agent:
                self.assertEqual(agent.stdout.readline(),
                                 "interval is now 5\n")
                self.assertEqual(verdict(peer), "APPLIED")
                with open(config, "w", encoding="utf-8") as f:
                    f.write("interval = soon\n")
                self.assertEqual(verdict(peer), "FAILED")
                agent.send_signal(signal.SIGINT)
                self.assertEqual(agent.wait(20), 0)
            last = next(line for line in peer.stdout
                        if "agent_disconnect" in line or '"closed"' in line)
            self.assertIn("agent_disconnect", last)


if __name__ == "__main__":
    ways.main("build", "source", "peer")
