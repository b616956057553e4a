# SPDX-License-Identifier: Apache-2.0
"""memcheck.py JOBS EXCEPT DIRECTORY…: runs tests under valgrind.

Runs the ctests of build directories whose command is a program test_…, as ctest
would, but under memcheck; those whose name matches the expression EXCEPT are
left out.
"""

import concurrent.futures
import json
import os
import re
import subprocess
import sys

import tree

VALGRIND = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
            "--errors-for-leak-kinds=definite"]
LIMIT_S = 600


def tests(directory):
    """(name, command, environment) of the tests of a build directory."""
    out = subprocess.run(["ctest", "--test-dir", directory,
                          "--show-only=json-v1"], check=True,
                         capture_output=True, text=True).stdout
    for test in json.loads(out)["tests"]:
        command = test.get("command") or [""]
        if os.path.basename(command[0]).startswith("test_"):
            properties = {p["name"]: p["value"] for p in test["properties"]}
            yield test["name"], command, properties.get("ENVIRONMENT", [])


def run(test):
    name, command, environment = test
    extra = dict(pair.split("=", 1) for pair in environment)
    try:
        done = subprocess.run(VALGRIND + command, capture_output=True,
                              text=True, timeout=LIMIT_S, check=False,
                              errors="replace", env={**os.environ, **extra})
    except subprocess.TimeoutExpired:
        return f"{name}: not done after {LIMIT_S} s"
    if done.returncode == 0:
        return None
    return f"{name}: exit code {done.returncode}\n{done.stdout}{done.stderr}"


def main(jobs, left_out, directories):
    chosen = [t for d in directories for t in tests(d)
              if not re.search(left_out, t[0])]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        problems = [p for p in pool.map(run, chosen) if p]
    if not chosen:
        problems.append("there is no such test")
    tree.finish(problems, f"{len(chosen)} tests are clean under valgrind")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
