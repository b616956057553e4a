# SPDX-License-Identifier: Apache-2.0
"""The files of the source tree, and how a check reports what is wrong."""

import os
import sys

SKIPPED = {".git", "__pycache__", "node_modules"}


def files(root, *endings):
    """Paths below root, relative to it, that end in one of `endings` (any when
    there is none), without build directories."""
    found = []
    for folder, names, here in os.walk(root):
        names[:] = sorted(n for n in names if n not in SKIPPED
                          and not (folder == root and n.startswith("build"))
                          and not os.path.exists(
                              os.path.join(folder, n, "CMakeCache.txt")))
        for name in sorted(here):
            if not endings or name.endswith(endings):
                found.append(os.path.relpath(os.path.join(folder, name), root))
    return found


def text(root, path):
    with open(os.path.join(root, path), encoding="utf-8",
              errors="replace") as f:
        return f.read()


def finish(problems, ok):
    """Prints the problems and ends the process accordingly."""
    for problem in problems:
        print(problem)
    if problems:
        print(f"{len(problems)} problems")
        sys.exit(1)
    print(ok)
