# SPDX-License-Identifier: Apache-2.0
"""links.py FILE: a page for Doxygen, on standard output.

In the repository a page links to other files by their paths. Of those only the
pages of this directory, the README and the changelog are in the reference:
links to anything else become plain text.
"""

import os
import re
import sys

LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)([^)\s]+)\)")
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
LEFT_OUT = os.path.join(HERE, "spec-coverage.md")


def kept(match):
    text, target = match.groups()
    page = os.path.normpath(os.path.join(
        os.path.dirname(os.path.abspath(sys.argv[1])), target.split("#")[0]))
    known = page.endswith(".md") and page != LEFT_OUT and \
        os.path.dirname(page) in (HERE, TOP)
    return match.group(0) if known else text


with open(sys.argv[1], encoding="utf-8") as page:
    sys.stdout.write(LINK.sub(kept, page.read()))
