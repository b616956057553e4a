# SPDX-License-Identifier: Apache-2.0
"""links.py FILE: a page for Doxygen, on standard output.

In the repository a page links to other files by their paths. Of those only
pages exist in the reference: links to anything else become plain text.
"""

import re
import sys

LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)([^)\s]+)\)")


def kept(match):
    text, target = match.groups()
    page = target.split("#")[0]
    if not page.endswith(".md") or page.endswith("spec-coverage.md"):
        return text
    return match.group(0)


with open(sys.argv[1], encoding="utf-8") as page:
    sys.stdout.write(LINK.sub(kept, page.read()))
