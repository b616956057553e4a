# SPDX-License-Identifier: Apache-2.0
"""symbols.py ALLOWED --core OBJECTS --below OBJECTS: the core is pure.

What the objects of the core need from outside is either defined in the layers
below it or stands in the list ALLOWED: no clock, no socket, no thread, no
stdio, no random.
"""

import fnmatch
import subprocess
import sys

import tree


def symbols(option, objects):
    out = subprocess.run(["nm", "--format=posix", option, *objects],
                         check=True, capture_output=True, text=True).stdout
    return {line.split()[0] for line in out.splitlines()
            if line and not line.rstrip().endswith(":")}


def main(arguments):
    at = arguments.index("--core"), arguments.index("--below")
    core, below = arguments[at[0] + 1:at[1]], arguments[at[1] + 1:]
    with open(arguments[0], encoding="utf-8") as f:
        allowed = [line.split("#")[0].strip() for line in f]
    allowed = [p for p in allowed if p]
    ours = symbols("--defined-only", core + below)
    needed = symbols("--undefined-only", core) - ours
    problems = [f"the core needs {name}" for name in sorted(needed)
                if not any(fnmatch.fnmatch(name, p) for p in allowed)]
    if not core:
        problems.append("no objects of the core given")
    tree.finish(problems, f"{len(core)} objects need {len(needed)} symbols "
                          "from outside, all of them allowed")


if __name__ == "__main__":
    main(sys.argv[1:])
