#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares abi/symbols.txt with the headers and with the built library.

symbols.py headers <include dir>             prints what the headers declare
symbols.py check <include dir> <list> <lib>  compares all three
symbols.py misuse <include dir> <test>       whether the test calls every
                                             function that takes a handle
"""

import pathlib
import re
import subprocess
import sys

DECLARATION = re.compile(r"\bOPAMP_API\b([^;{]*?)\b(opamp_\w+)\s*\(", re.S)
COMMENT = re.compile(r"/\*.*?\*/", re.S)
DIRECTIVE = re.compile(r"^\s*#.*$", re.M)
HANDLE = re.compile(
    r"\s*(const\s+)?opamp_(loop|client|options|event|configdir)\s*\*\s*\w")


def declarations(include):
    """(name, the text of its parameters) of every function."""
    for header in sorted(pathlib.Path(include, "opamp").glob("*.h")):
        text = DIRECTIVE.sub("", COMMENT.sub("", header.read_text()))
        found = [(m.group(2), text[m.end():text.index(")", m.end())])
                 for m in DECLARATION.finditer(text)]
        if len(found) != len(re.findall(r"\bOPAMP_API\b", text)):
            sys.exit(f"{header}: an OPAMP_API that is no function")
        yield from found


def declared(include):
    return {name for name, _ in declarations(include)}


def not_misused(include, test):
    text = pathlib.Path(test).read_text()
    taking = [name for name, parameters in declarations(include)
              if HANDLE.match(parameters)]
    missing = [n for n in taking if not re.search(rf"\b{n}\(", text)]
    for name in missing:
        print(f"{test}: {name} is not called")
    return int(bool(missing) or len(taking) < 50)


def exported(library):
    lines = subprocess.run(
        ["nm", "-D", "--defined-only", library],
        check=True, capture_output=True, text=True,
    ).stdout.splitlines()
    names = {line.split()[-1].split("@")[0] for line in lines}
    # The version node itself is a symbol of type A.
    return {n for n in names if not n.startswith("OPAMP_")}


def differ(what, got, want):
    for name in sorted(got - want):
        print(f"{what}: {name} is too much")
    for name in sorted(want - got):
        print(f"{what}: {name} is missing")
    return got != want


def main(args):
    if len(args) == 2 and args[0] == "headers":
        print("\n".join(sorted(declared(args[1]))))
        return 0
    if len(args) == 3 and args[0] == "misuse":
        return not_misused(*args[1:])
    if len(args) != 4 or args[0] != "check":
        sys.exit(__doc__)
    lines = pathlib.Path(args[2]).read_text().split()
    wrong = lines != sorted(set(lines))
    if wrong:
        print("symbols.txt is not sorted, or names something twice")
    wrong |= differ("headers", declared(args[1]), set(lines))
    wrong |= differ("library", exported(args[3]), set(lines))
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
