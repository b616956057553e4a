# SPDX-License-Identifier: Apache-2.0
"""What a loop must know of its process: forks, and its end."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from opamp._loop import Loop

# For all clients of the process together.
_EXIT_SECONDS = 2.0

_loops: weakref.WeakSet[Loop] = weakref.WeakSet()
# What each thread that forks holds up meanwhile.
_held: dict[int, list[list[Loop]]] = {}
_hooked = False
_exit_hooked = False
_exiting = False


def exiting() -> bool:
    """Whether the interpreter is on its way out: nothing is started any more."""
    return _exiting


def register(loop: Loop) -> None:
    """Has `loop` taken care of when the process forks."""
    global _hooked
    _loops.add(loop)
    if not _hooked:
        _hooked = True
        os.register_at_fork(
            before=_before_fork,
            after_in_parent=_after_fork_in_parent,
            after_in_child=_after_fork_in_child,
        )


def register_exit() -> None:
    """Has all clients stopped when the interpreter ends."""
    global _exit_hooked
    if not _exit_hooked:
        _exit_hooked = True
        atexit.register(_at_exit)


def _before_fork() -> None:
    loops = [loop for loop in list(_loops) if loop._before_fork()]
    _held.setdefault(threading.get_ident(), []).append(loops)


def _after_fork_in_parent() -> None:
    for loop in _held[threading.get_ident()].pop():
        loop._after_fork_in_parent()


def _after_fork_in_child() -> None:
    _held.clear()
    for loop in list(_loops):
        if loop._pid != os.getpid():
            try:
                loop._after_fork_in_child()
            except Exception:
                logging.getLogger("opamp").exception(
                    "a client could not be restarted after a fork"
                )


def after_fork_in_child() -> None:
    """For hosts that fork behind Python's back, like uWSGI without
    py-call-osafterfork: call it in the child, in uWSGI by
    uwsgidecorators.postfork. os.fork() and what is built on it need no call, and
    one more does no harm.

    It tells Python that it is in a child, so that what other modules registered
    with os.register_at_fork() is done, too: locks that threads of the parent
    held would never be free again."""
    if any(loop._pid != os.getpid() for loop in list(_loops)):
        import _imp
        import ctypes

        if sys.version_info >= (3, 13):
            _imp.acquire_lock()  # which os.fork() has done by then
        # Ours is among what this calls. The GIL is held meanwhile.
        ctypes.pythonapi.PyOS_AfterFork_Child()


def _at_exit() -> None:
    """Stops all clients at once, and waits for them together."""
    global _exiting
    _exiting = True
    deadline = time.monotonic() + _EXIT_SECONDS
    loops = [loop for loop in list(_loops) if loop._pid == os.getpid()]
    for loop in loops:
        loop._ask_to_stop()
    for loop in loops:
        loop._finish(deadline)
