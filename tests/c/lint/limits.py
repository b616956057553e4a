# SPDX-License-Identifier: Apache-2.0
"""limits.py ROOT [--write]: the table of options in libopamp/doc/limits.md.

It is made of the comments of opamp/options.h and of the table in
core/numbers.c. With --write it is written anew; without, it fails when it is
not what would be written.
"""

import re
import sys

import tree

DOC = "libopamp/doc/limits.md"
BEGIN, END = "<!-- options: ./dev fmt -->\n", "<!-- end of options -->\n"
# OPAMP_OPT_HEARTBEAT = 1,  /**< 30000 ms: silence before a heartbeat */
OPTION = re.compile(r"OPAMP_OPT_(\w+) = \d+,?\s*/\*\*< (\d+)([^:]*): (.*?)\*/",
                    re.S)
ROW = re.compile(r'\{OPAMP_OPT_(\w+), "([\w-]+)",([^}]*)\}')
WORDS = {"MINUTE": 60000, "HOUR": 3600000, "MIB": 1 << 20,
         "OPAMP_LOG_NONE": 0, "OPAMP_LOG_WARN": 2, "OPAMP_LOG_DEBUG": 4}


def number(expression):
    """The value of a product of numbers and WORDS."""
    value = 1
    for factor in expression.split("*"):
        factor = factor.strip()
        value *= WORDS[factor] if factor in WORDS else int(factor)
    return value


def rows(root):
    """(name, unit, default, least, most, meaning) of every option."""
    numbers = tree.text(root, "libopamp/src/core/numbers.c")
    bounds = {key: (name, *map(number, rest.split(",")))
              for key, name, rest in ROW.findall(numbers)}
    header = tree.text(root, "libopamp/include/opamp/options.h")
    for key, default, unit, meaning in OPTION.findall(header):
        name, known, least, most = bounds.pop(key)
        if known != int(default):
            raise ValueError(f"{key}: {default} in options.h, {known} in "
                             "numbers.c")
        unit = unit.strip() if unit.strip() in ("ms", "bytes") else ""
        yield name, unit, known, least, most, " ".join(meaning.split())
    if bounds:
        raise ValueError(f"not in options.h: {', '.join(bounds)}")


def table(root):
    head = ("| option | default | least | most | |\n"
            "|---|---|---|---|---|\n")
    return head + "".join(
        f"| `{name}` | {default} {unit}".rstrip() +
        f" | {least} | {most} | {meaning} |\n"
        for name, unit, default, least, most, meaning in rows(root))


def main(root, write):
    text = tree.text(root, DOC)
    before, rest = text.split(BEGIN)
    want = before + BEGIN + table(root) + END + rest.split(END)[1]
    if write:
        with open(f"{root}/{DOC}", "w", encoding="utf-8") as f:
            f.write(want)
    elif text != want:
        tree.finish([f"{DOC} is out of date: run ./dev fmt"], "")
    tree.finish([], f"{len(list(rows(root)))} options")


if __name__ == "__main__":
    main(sys.argv[1], "--write" in sys.argv[2:])
