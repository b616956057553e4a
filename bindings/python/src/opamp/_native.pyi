# SPDX-License-Identifier: Apache-2.0
# What CFFI makes of libopamp's headers: opamp_build.py.
from typing import Any

ffi: Any
lib: Any
