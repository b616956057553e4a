# SPDX-License-Identifier: Apache-2.0
"""Sphinx reads the docstrings as they are written, which is as plain text with
`names` and indented code; and tables are made of what the package says."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import opamp
from docutils import nodes
from opamp import _options
from opamp._native import lib
from opamp.errors import error_of
from sphinx.domains.python import PyXRefRole
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

logger = logging.getLogger(__name__)

LIBRARY = Path(__file__).resolve().parents[4] / "libopamp"


# --- `names`


class NameRole(PyXRefRole):
    """A link where the text is a name of the API, and code where it is not."""

    def process_link(
        self,
        env: BuildEnvironment,
        refnode: nodes.Element,
        has_explicit_title: bool,
        title: str,
        target: str,
    ) -> tuple[str, str]:
        target = re.sub(r"\(.*\)$", "", target, flags=re.DOTALL)
        module = env.ref_context.get("py:module") or "opamp"
        around = env.ref_context.get("py:class") or "Client"
        if module.startswith("opamp."):
            around = f"{module.removeprefix('opamp.')}.{around}"
        refnode["refdomain"], refnode["reftype"] = "py", "obj"
        refnode["py:module"], refnode["py:class"] = "opamp", around
        refnode["refwarn"] = False
        return title, target


def resolve_again(
    app: Sphinx, env: BuildEnvironment, node: nodes.Element, content: nodes.TextElement
) -> nodes.Element | None:
    """What is no name of its own class may be a method of the client."""
    if node.get("refwarn") is not False or node.get("py:class") == "Client":
        return None
    node["py:class"] = "Client"
    domain = env.domains["py"]
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, "obj", node["reftarget"], node, content
    )


def no_warning(app: Sphinx, domain: Any, node: nodes.Element) -> bool | None:
    """The default role may find nothing: then it is no name but code."""
    return True if node.get("refwarn") is False else None


# --- docstrings


def as_rst(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """What is indented is code, and a star is a star."""
    result: list[str] = []
    code = False
    for i, line in enumerate(lines):
        if line.startswith("    "):
            if not code and (i == 0 or not lines[i - 1]):
                result += [".. code-block:: python", ""]
                code = True
        elif line:
            code = False
        result.append(line if code else re.sub(r"[*|]", r"\\\g<0>", line))
    lines[:] = result


def signature(
    app: Sphinx, what: str, name: str, obj: Any, *rest: Any
) -> tuple[str, None] | None:
    """Events and messages are told by their fields; nobody makes an event."""
    if inspect.isclass(obj) and issubclass(obj, (opamp.Event, opamp.Message)):
        return "", None
    return None


def skip(
    app: Sphinx, what: str, name: str, obj: Any, skipped: bool, options: object
) -> bool | None:
    """Of enumerations only the members."""
    if what == "class" and name in ("as_integer_ratio", "from_bytes", "to_bytes"):
        return None if "opamp" in str(getattr(obj, "__module__", "")) else True
    return None


# --- tables


def table(header: list[str], rows: list[list[str]], widths: str) -> str:
    """A list-table, as text."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in [header, *rows]:
        for i, cell in enumerate(row):
            lines.append(f"   {'*' if i == 0 else ' '} - {cell}")
    return "\n".join(lines)


def library_options() -> dict[str, str]:
    """What the page of the C library says of its options, by our names."""
    row = re.compile(r"^\| `([\w-]+)` \|[^|]*\|[^|]*\|[^|]*\| (.*) \|$", re.MULTILINE)
    text = (LIBRARY / "doc" / "limits.md").read_text()
    return {name.replace("-", "_"): said for name, said in row.findall(text)}


class OptionTable(SphinxDirective):
    """All options: what they are when they are not given, and can be."""

    def run(self) -> list[nodes.Node]:
        analyzer = ModuleAnalyzer.for_module("opamp.types")
        self.env.note_dependency(analyzer.srcname)
        self.env.note_dependency(str(LIBRARY / "doc" / "limits.md"))
        comments = analyzer.find_attr_docs()
        theirs = library_options()
        rows = []
        for name in opamp.Options.__annotations__:
            said = " ".join(comments.get(("Options", name), [])).strip()
            if not said and (text := theirs.get(name, "")):
                said = f"{text[0].upper()}{text[1:]}."
            said = re.sub(r"[*|]", r"\\\g<0>", said)
            if not said:
                logger.warning("nothing says what option %s is", name)
            rows.append([f"``{name}``", *self.values(name), said])
        header = ["option", "default", "can be", ""]
        return self.parse_text_to_nodes(table(header, rows, "22 12 18 48"))

    @staticmethod
    def values(name: str) -> tuple[str, str]:
        limit = opamp.limits().get(name)
        if limit is not None:
            unit = "" if name in _options._COUNTS else " s"
            default, low, high = (f"{n:.12g}" for n in limit)
            return f"{default}{unit}", f"{low} to {high}"
        if name in _options._SWITCHES:
            key = _options._number_keys()[name]
            return str(bool(lib.opamp_option_default(key))), "bool"
        return "", ""


class ErrorTable(SphinxDirective):
    """All codes, and the exception that has each."""

    def run(self) -> list[nodes.Node]:
        comment = re.compile(r"OPAMP_ERR_(\w+) = -\d+,?\s*/\*\*< (.*?) \*/", re.DOTALL)
        header = LIBRARY / "include" / "opamp" / "status.h"
        said = dict(comment.findall(header.read_text()))
        self.env.note_dependency(str(header))
        rows = []
        for code in opamp.ErrorCode:
            kind = type(error_of(code, "")).__name__
            kind = "MemoryError" if code.name == "NOMEM" else kind
            text = re.sub(r"\s*\n\s*\*\s*", " ", said.get(code.name, ""))
            if not text:
                logger.warning("nothing says what %s is", code.name)
            rows.append([f"``{code.name}``", str(int(code)), f"`{kind}`", text])
        table_text = table(["code", "", "exception", ""], rows, "18 8 26 48")
        return self.parse_text_to_nodes(table_text)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_role("opamp", NameRole())
    app.add_directive("opamp-options", OptionTable)
    app.add_directive("opamp-errors", ErrorTable)
    app.connect("autodoc-process-docstring", as_rst)
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-skip-member", skip)
    app.connect("missing-reference", resolve_again)
    app.connect("warn-missing-reference", no_warning)
    return {"parallel_read_safe": True}
