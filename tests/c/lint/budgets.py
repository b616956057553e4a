# SPDX-License-Identifier: Apache-2.0
"""budgets.py ROOT: files of at most 600 lines, functions of at most 60.

A function between 60 and 100 lines is a warning, a longer one a failure.
"""

import json
import os
import subprocess
import sys

import tree

FILE_LINES, FUNCTION_LINES, FUNCTION_LIMIT = 600, 60, 100


def functions(root, paths):
    """(path, name, lines) of every function."""
    out = subprocess.run(
        ["ctags", "--output-format=json", "--fields=+ne", "--kinds-C=f",
         "--language-force=C", "-f", "-", "-L", "-"],
        input="\n".join(os.path.join(root, p) for p in paths),
        check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        tag = json.loads(line)
        if "end" in tag:
            yield (os.path.relpath(tag["path"], root), tag["name"],
                   tag["end"] - tag["line"] + 1)


def main(root):
    problems = []
    sources = [p for p in tree.files(root, ".c", ".h", ".py", ".go", ".lua")
               if p.startswith(("libopamp/", "tests/", "bindings/"))]
    for path in sources:
        lines = tree.text(root, path).count("\n")
        if lines > FILE_LINES:
            problems.append(f"{path}: {lines} lines, {FILE_LINES} at most")
    library = [p for p in sources if p.startswith("libopamp/")
               and p.endswith(".c")]
    found = list(functions(root, library)) if library else []
    for path, name, lines in found:
        if lines > FUNCTION_LIMIT:
            problems.append(f"{path}: {name} has {lines} lines, "
                            f"{FUNCTION_LIMIT} at the very most")
        elif lines > FUNCTION_LINES:
            print(f"warning: {path}: {name} has {lines} lines, "
                  f"better {FUNCTION_LINES}")
    if library and not found:
        problems.append("ctags found no function at all")
    tree.finish(problems, f"{len(sources)} files, {len(found)} functions")


if __name__ == "__main__":
    main(sys.argv[1])
