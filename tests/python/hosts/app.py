# SPDX-License-Identifier: Apache-2.0
"""A WSGI application whose process is an agent; it says which one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

import agent

Start = Callable[[str, list[tuple[str, str]]], object]


def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    said = {"pid": os.getpid(), "uid": agent.uid(), "applied": agent.applied}
    return [json.dumps(said).encode()]
