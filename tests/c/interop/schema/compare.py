#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares our schema with that of a published implementation.

compare.py OURS go        OURS is the program built from ours/export.c
compare.py OURS python PY PY is an interpreter with opentelemetry-opamp-client

Whatever they have, we must have, with the same number, shape and type. Names
may differ and are reported. Exits 77 (skipped) without the implementation,
unless OPAMP_INTEROP_REQUIRED is 1.
"""

import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


class Schema:
    def __init__(self, text):
        self.messages, self.fields, self.enums = set(), {}, {}
        for what, name, *rest in map(str.split, text.splitlines()):
            self.messages.update([name] if what == "message" else [])
            if what == "field":
                number, shape, kind, field = rest
                fields = self.fields.setdefault(name, {})
                fields[int(number)] = (shape, kind, field)
            if what == "enum":
                self.enums.setdefault(name, {})[int(rest[0])] = rest[1]


class Comparison:
    def __init__(self, ours, theirs):
        self.ours, self.theirs = ours, theirs
        self.renamed, self.wrong, self.checked = {}, [], 0

    def fail(self, text):
        self.wrong.append(text)

    def kind(self, theirs, ours):
        """Whether two types are the same, perhaps under another name."""
        what, _, name = theirs.partition(":")
        known = self.ours.messages if what == "message" else self.ours.enums
        if not name or theirs == ours or name in known:
            return theirs == ours
        if not ours.startswith(what + ":"):
            return False
        renamed_to = ours.partition(":")[2]
        return self.renamed.setdefault(name, renamed_to) == renamed_to

    def message(self, name):
        ours = self.ours.fields.get(self.renamed.get(name, name), {})
        for number, field in sorted(self.theirs.fields.get(name, {}).items()):
            where = f"{name}.{field[2]} = {number}"
            self.checked += 1
            if number not in ours:
                self.fail(f"{where} is missing")
                continue
            shape, kind, called = ours[number]
            if shape != field[0] or not self.kind(field[1], kind):
                self.fail(f"{where} is {field[:2]}, ours {(shape, kind)}")
            if called != field[2]:
                print(f"info: {where} is called {called} here")

    def enum(self, name):
        ours = self.ours.enums.get(self.renamed.get(name, name), {})
        for number, value in sorted(self.theirs.enums[name].items()):
            self.checked += 1
            if number not in ours:
                self.fail(f"{value} = {number} is missing")
            elif ours[number] != value:
                print(f"info: {value} is called {ours[number]} here")

    def run(self):
        """Messages of a name of ours first: they tell what the others are."""
        messages = sorted(self.theirs.messages)
        for name in messages:
            if name in self.ours.messages:
                self.message(name)
        for name in messages:
            if name in self.renamed:
                print(f"info: {name} is called {self.renamed[name]} here")
                self.message(name)
            elif name not in self.ours.messages:
                self.fail(f"message {name} is missing")
        for name in sorted(self.theirs.enums):
            self.enum(name)
        return self.wrong


def skip(why):
    print("schema:", why, file=sys.stderr)
    sys.exit(1 if os.environ.get("OPAMP_INTEROP_REQUIRED") == "1" else 77)


def output(command, **options):
    return subprocess.run(command, check=True, text=True,
                          stdout=subprocess.PIPE, **options).stdout


def from_go():
    env = dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="-mod=readonly")
    if shutil.which("go") is None:
        skip("there is no go")
    if subprocess.run(["go", "mod", "download"], cwd=HERE, env=env).returncode:
        skip("the Go modules cannot be downloaded")
    return output(["go", "run", "."], cwd=HERE, env=env)


def from_python(interpreter):
    if shutil.which(interpreter) is None:
        skip(f"there is no {interpreter}")
    run = subprocess.run([interpreter, HERE / "export.py"], text=True,
                         stdout=subprocess.PIPE)
    if run.returncode == 77:
        skip(f"{interpreter} has no opentelemetry-opamp-client")
    run.check_returncode()
    return run.stdout


def main(args):
    if len(args) < 2 or args[1] not in ("go", "python"):
        sys.exit(__doc__)
    ours = Schema(output([args[0]]))
    venv = os.environ.get("OPAMP_VENV")
    if args[1] == "go":
        theirs = Schema(from_go())
    else:
        theirs = Schema(from_python(f"{venv}/bin/python" if venv else args[2]))
    if len(theirs.messages) < 20:
        sys.exit("schema: theirs is not an OpAMP schema")
    comparison = Comparison(ours, theirs)
    for line in comparison.run():
        print("wrong:", line)
    print(f"{comparison.checked} fields and values compared")
    return int(bool(comparison.wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
