# SPDX-License-Identifier: Apache-2.0
"""Describes opamp._native to CFFI.

The public headers of libopamp are its only declaration: they are plain C
without macros, so what CFFI needs is what is left of them when comments and
preprocessor lines are taken away.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import cffi

HERE = Path(__file__).resolve().parent

# Where the C sources are: in a source distribution, below this directory.
ROOT = HERE / "libopamp-src"
if not ROOT.exists():
    ROOT = HERE.parent.parent

SYSTEM = os.environ.get("LIBOPAMP_USE_SYSTEM", "") not in ("", "0")

# A prefix with static libraries of all that libopamp needs, which become part
# of the extension (wheel/build.py makes it).
BUNDLE = os.environ.get("LIBOPAMP_BUNDLE", "")

# In this order. typed.h is inline functions, which are for C alone.
HEADERS = (
    "types status uid fields message options event loop client transport store"
    " configdir"
).split()


def include_dir() -> Path:
    """Where opamp/opamp.h is."""
    if not SYSTEM:
        return ROOT / "libopamp" / "include"
    ask = ["pkg-config", "--variable=includedir", "libopamp"]
    return Path(subprocess.check_output(ask, text=True).strip())


def declarations() -> str:
    """The public headers, as CFFI reads them."""
    parts = []
    for name in HEADERS:
        text = (include_dir() / "opamp" / f"{name}.h").read_text()
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        text = re.sub(
            r"^#ifdef __cplusplus\n.*?^#endif\n",
            "",
            text,
            flags=re.DOTALL | re.MULTILINE,
        )
        text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
        parts.append(text.replace("OPAMP_API ", ""))
    return "\n".join(parts)


preamble = "#include <opamp/opamp.h>\n"
ffibuilder = cffi.FFI()
ffibuilder.cdef(declarations())
if BUNDLE:
    # By this function the package knows what it is.
    ffibuilder.cdef("void opamp_python_set_authorities(const char *path);")
    preamble += (HERE / "wheel" / "bundle.c").read_text()
ffibuilder.set_source(
    "opamp._native",
    preamble,
    define_macros=[("Py_LIMITED_API", "0x030a0000")],
    include_dirs=[str(include_dir())],
)
