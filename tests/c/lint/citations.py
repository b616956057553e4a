# SPDX-License-Identifier: Apache-2.0
"""citations.py ROOT: the tests that the pages name exist.

A page of libopamp/doc names a test as `file: name`, the file from tests/c on;
the name is a heading of a transcript, or defined in the file.
"""

import os
import re
import sys

import tree

DOC, TESTS = "libopamp/doc", "tests/c"
CITATION = re.compile(r"`([\w./-]+\.(?:c|py|go|txt)): ([^`]+)`")


def defines(text, path, name):
    if path.endswith(".txt"):
        return f"\n=== {name}\n" in "\n" + text
    return re.search(rf"\b(TEST\({name}\)|func {name}\(|def {name}\()", text)


def main(root):
    problems, seen = [], 0
    for page in tree.files(root, ".md"):
        if os.path.dirname(page) != DOC or page.endswith("spec-coverage.md"):
            continue
        for path, name in CITATION.findall(tree.text(root, page)):
            seen += 1
            full = f"{TESTS}/{path}"
            if not os.path.exists(os.path.join(root, full)):
                problems.append(f"{page}: there is no {full}")
            elif not defines(tree.text(root, full), path, name):
                problems.append(f"{page}: {full} has no test \"{name}\"")
    tree.finish(problems, f"{seen} citations")


if __name__ == "__main__":
    main(sys.argv[1])
