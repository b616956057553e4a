# SPDX-License-Identifier: Apache-2.0
"""Subinterpreters, in which mod_wsgi runs applications; what an import brings."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest
from peer import PATIENCE, Peer

# In 3.12 and 3.13 the module for them has different names and functions.
RUN = """
import sys
def run(code, kind):
    if sys.version_info >= (3, 13):
        import _interpreters
        interpreter = _interpreters.create(kind)
        failure = _interpreters.exec(interpreter, code)
        _interpreters.destroy(interpreter)
        if failure is not None:
            sys.exit(failure.formatted)
    else:
        import _xxsubinterpreters
        interpreter = _xxsubinterpreters.create(isolated=kind == "isolated")
        _xxsubinterpreters.run_string(interpreter, code)
        _xxsubinterpreters.destroy(interpreter)
"""


def python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are none to be had")
def test_a_legacy_subinterpreter(peer: Peer) -> None:
    code = f"""
import opamp
client = opamp.Client({peer.url()!r})
client.start()
assert client.wait_connected({PATIENCE})
"""
    done = python(f"{RUN}\nrun({code!r}, 'legacy')\nrun({code!r}, 'legacy')")
    assert done.returncode == 0, done.stderr
    peer.wait_message("agent_disconnect", count=2)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are none to be had")
def test_an_isolated_subinterpreter() -> None:
    code = """
try:
    import opamp
except ImportError as error:
    assert "isolated subinterpreter" in str(error), error
else:
    raise AssertionError("it was loaded")
"""
    done = python(f"{RUN}\nrun({code!r}, 'isolated')")
    assert done.returncode == 0, done.stderr


def test_what_an_import_brings() -> None:
    done = python(
        """
        import json, sys, threading
        before = set(sys.modules)
        import opamp
        first = sorted(set(sys.modules) - before)
        opamp.Client("wss://127.0.0.1:1/")
        opamp.RemoteConfig
        print(json.dumps([first, sorted(sys.modules), threading.active_count()]))
        """
    )
    assert done.returncode == 0, done.stderr
    first, modules, threads = json.loads(done.stdout)
    natives = {"opamp._native", "opamp._native.lib", "_cffi_backend"}
    assert set(first) <= {"opamp", "__future__"} | natives
    assert not {"google.protobuf", "requests", "asyncio", "urllib3"} & set(modules)
    assert threads == 1


# Covers: PROC-1
def test_an_import_does_nothing_else() -> None:
    done = python(
        """
        import logging, os, signal
        fds = set(os.listdir("/proc/self/fd"))
        handlers = [signal.getsignal(n) for n in range(1, 32)]
        import opamp
        opamp.Client
        assert len(os.listdir("/proc/self/fd")) == len(fds)
        assert handlers == [signal.getsignal(n) for n in range(1, 32)]
        assert not logging.getLogger().handlers
        """
    )
    assert done.returncode == 0, done.stderr
