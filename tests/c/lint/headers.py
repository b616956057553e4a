# SPDX-License-Identifier: Apache-2.0
"""headers.py ROOT: what the comment of a public function has to say.

From which threads it may be called (@threads), every status it returns
(@retval), and among them those of its handle. That it has a comment at all is
for ./dev docs to find.
"""

import re
import sys

import tree

FOLDER = "libopamp/include/opamp/"
# A comment and the function that follows it.
FUNCTION = re.compile(r"/\*\*((?:(?!\*/).)*)\*/\s*OPAMP_API\s+([\w *]*?)"
                      r"\b(opamp_\w+)\s*\(([^)]*)\)", re.S)
STATUS = re.compile(r"\bOPAMP_ERR_\w+")
RETVAL = re.compile(r"@retval\s+(\w+)")
HANDLE = re.compile(r"(?:const )?opamp_(loop|client|options|event|configdir)"
                    r" \*(?!\*)")
# The child of the process that made a loop, and what needs none of it.
FORKS = {"loop", "client"}
# They return a number of events, or a status.
COUNTING = {"opamp_loop_poll", "opamp_loop_dispatch"}
# A status that an event carries is not one of the call.
READING = {"opamp_event_status"}
# What is for a forked child.
OF_CHILDREN = {"opamp_loop_adopt"}


def returns_status(name, result):
    return (result.strip() == "opamp_status" or name in COUNTING) and \
        name not in READING


def problems_of(comment, result, name, parameters, known):
    """What the comment of one function does not say, or says wrongly."""
    told = set(RETVAL.findall(comment))
    if "@threads" not in comment:
        yield "does not say @threads"
    for status in sorted(set(STATUS.findall(comment)) - known):
        yield f"names {status}, which is none"
    if not returns_status(name, result):
        return
    if not told:
        yield "has no @retval"
    handle = HANDLE.match(parameters.strip())
    if handle and "OPAMP_ERR_INVALID" not in told:
        yield "does not say what a bad handle gives"
    if (handle and handle.group(1) in FORKS and name not in OF_CHILDREN
            and "OPAMP_ERR_FORKED" not in told):
        yield "does not say OPAMP_ERR_FORKED"


def main(root):
    known = set(STATUS.findall(tree.text(root, FOLDER + "status.h")))
    problems, seen = [], 0
    for path in tree.files(root, ".h"):
        if not path.startswith(FOLDER):
            continue
        text = tree.text(root, path)
        for match in FUNCTION.finditer(text):
            comment, result, name, parameters = match.groups()
            seen += 1
            problems += [f"{path}: {name} {what}" for what in problems_of(
                comment, result, name, parameters, known)]
        count = len(re.findall(r"^OPAMP_API ", text, re.M))
        if count != len(FUNCTION.findall(text)):
            problems.append(f"{path}: a function without a comment")
    tree.finish(problems, f"{seen} functions say what they must")


if __name__ == "__main__":
    main(sys.argv[1])
