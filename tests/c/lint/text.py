# SPDX-License-Identifier: Apache-2.0
"""text.py ROOT: rules about the text of the sources that no compiler checks."""

import re
import sys

import tree

CODE = (".c", ".h", ".py", ".go", ".sh", ".lua", ".cmake", "CMakeLists.txt")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
# A pause in a test hides a race, or wastes time. (libuv's and libc's names,
# Python's and Go's; a pause of zero is one too.)
SLEEP = re.compile(r"\b(u?sleep|nanosleep|clock_nanosleep|uv_sleep"
                   r"|time\.sleep|time\.Sleep|asyncio\.sleep)\s*\(")
SHELL_SLEEP = re.compile(r"(^|[;&|(\s])sleep\s+[\d$.]", re.M)
# Where a pause is not waited for, but how long something bad lasts.
PACED = "tests/c/chaos/"
LICENSED = (".c", ".h", ".py", ".go", ".sh")
OUTSIDE = re.compile(r"\.\./shared|/work/shared")


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def without_comments_or_strings(text):
    """C text in which comments and literals are blank, line feeds kept."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"'
                         r"|'(?:\\.|[^'\\\n])*'", re.S)
    def blank(match):
        what = match.group()
        if what.startswith("//"):
            return "//"
        return re.sub(r"[^\n]", " ", what)
    return pattern.sub(blank, text)


def check(root, path):
    text = tree.text(root, path)
    linter = path.startswith("tests/c/lint/")
    if OUTSIDE.search(text) and not linter:
        yield 1, "points outside the project"
    if path.endswith(LICENSED) and \
            "SPDX-License-Identifier: Apache-2.0" not in text[:200]:
        yield 1, "lacks the SPDX line"
    if linter or not path.endswith(CODE):
        return
    for match in UNFINISHED.finditer(text):
        yield line_of(text, match.start()), f"says {match.group()}"
    if path.startswith("tests/") and not path.startswith(PACED):
        for match in SLEEP.finditer(text):
            yield line_of(text, match.start()), "a test that sleeps"
        if path.endswith(".sh"):
            for match in SHELL_SLEEP.finditer(text):
                yield line_of(text, match.start()), "a test that sleeps"
    if path.endswith(".h"):
        bare = without_comments_or_strings(text)
        for match in re.finditer("//", bare):
            yield line_of(bare, match.start()), "a // comment in a header"


def main(root):
    paths = tree.files(root)
    problems = [f"{path}:{line}: {what}" for path in paths
                for line, what in check(root, path)]
    tree.finish(problems, f"{len(paths)} files are fine")


if __name__ == "__main__":
    main(sys.argv[1])
