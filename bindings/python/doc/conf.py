# SPDX-License-Identifier: Apache-2.0
"""How Sphinx makes the pages. `./dev docs` runs it, every warning an error."""

import sys
from pathlib import Path

import opamp

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "opamp for Python"
author = "the authors of libopamp"
project_copyright = author
release = version = opamp.__version__

extensions = ["sphinx.ext.autodoc", "opamp_docs"]
exclude_patterns = ["_ext"]
# What stands between single backticks is a name of the API, or code.
default_role = "opamp"
smartquotes = False  # quotes are code as often as not
nitpicky = True
nitpick_ignore_regex = [
    # Names in annotations, which are not the API's own.
    ("py:class", r"(?!opamp\.).*"),
    ("py:class", r"opamp\.(.*\.)?_.*"),
    ("py:data", r"typing\..*"),
]

autoclass_content = "both"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_type_aliases = {
    name: name for name in ("AttributeValue", "Attributes", "Headers")
}
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
maximum_signature_line_length = 76

html_theme = "alabaster"
html_title = f"opamp {release}"
html_theme_options = {
    "description": "OpAMP for Python",
    "fixed_sidebar": True,
    "page_width": "62rem",
    "sidebar_width": "15rem",
    "font_family": "sans-serif",
    "head_font_family": "sans-serif",
}
html_copy_source = False
html_show_copyright = False
