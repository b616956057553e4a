# SPDX-License-Identifier: Apache-2.0
"""abandon_strace.py PROGRAM TEST…: what a forked child does to what it inherited
from its parent, as strace sees it.

Runs tests of test_runtime_fork, in which children abandon a loop at every
moment, over every transport. All a child may do with a descriptor it inherited
is to look at it, to close it, or to put another one in its place: any other
system call on it would reach the parent's connection or the parent's epoll.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

CALLS = ["%desc", "%network", "clone", "clone3", "fork", "vfork", "execve"]
LOOKING = {"fstat", "newfstatat", "statx", "getsockname", "getpeername",
           "getsockopt"}
# 7<TCP:[127.0.0.1:1->127.0.0.1:2]>
DESCRIPTOR = re.compile(r"(\d+)(?:<((?:->|[^>])*)>)?")
# Name, first argument, other arguments, result.
LINE = re.compile(rf"(\w+)\(({DESCRIPTOR.pattern})?(.*)\)\s+= (-?\d+)")
NEW = {"dup", "eventfd2", "epoll_create1", "openat", "socket", "accept4",
       "timerfd_create", "memfd_create"}
PAIRS = {"socketpair", "pipe2", "pipe"}
CHILDREN = 60  # 12 moments and transports, five of each
FORK = re.compile(r"clone\(child_stack=NULL, .*SIGCHLD.* = (\d+)$|fork\(\) += "
                  r"(\d+)$")


class Child:
    """Follows one child: which numbers are its own, what it did to others."""

    def __init__(self):
        self.own, self.problems, self.parted = set(), [], False

    def look(self, line):
        match = LINE.match(line)
        if not match:
            return
        name, first, _, _, rest, result = match.groups()
        result = int(result)
        if name in NEW and result >= 0:
            self.own.add(result)
        elif name in PAIRS and result == 0:
            pair = re.search(r"\[(\d+)[^,]*, (\d+)", first or rest)
            self.own.update(int(n) for n in pair.groups())
        elif name in ("dup2", "dup3"):
            self.replace(line, rest, result)
        elif first:
            self.use(line, name, first, rest, result)

    def replace(self, line, rest, result):
        """dup3(old, new): `rest` begins with the new number."""
        number, what = DESCRIPTOR.search(rest).groups()
        self.parted |= int(number) not in self.own and "TCP" in (what or "")
        if result >= 0:
            self.own.add(int(number))

    def use(self, line, name, first, rest, result):
        number, what = DESCRIPTOR.match(first).groups()
        number = int(number)
        if name == "close":
            self.parted |= number not in self.own and "TCP" in (what or "")
            self.own.discard(number)
        elif number in self.own:
            if "F_DUPFD" in rest:
                self.own.add(result)
        elif name not in LOOKING and not rest.startswith(", F_GET"):
            self.problems.append(line)


def child_of(lines):
    child = Child()
    for line in lines:
        child.look(line)
    return child


def judge(traces):
    """{pid: lines} of a whole run → (children seen, problems)."""
    forked = {m.group(1) or m.group(2) for lines in traces.values()
              for line in lines if (m := FORK.match(line))}
    seen, problems = 0, []
    for pid in sorted(forked & traces.keys()):
        if any(line.startswith("execve(") for line in traces[pid]):
            continue  # a server of the test
        child = child_of(traces[pid])
        seen += 1
        problems += [f"child {pid}: {line}" for line in child.problems]
        if not child.parted:
            problems.append(f"child {pid} kept its parent's connection")
    return seen, problems


def trace(program, test, folder):
    command = ["strace", "-ff", "-yy", "-qq", "--signal=none", "-o",
               f"{folder}/t", "-e", "trace=" + ",".join(CALLS), program, test]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150,
                          errors="replace", check=False)
    if done.returncode != 0:
        sys.exit(f"{test} under strace: {done.stdout}{done.stderr}")
    return {p.name[2:]: p.read_text(errors="replace").splitlines()
            for p in pathlib.Path(folder).glob("t.*")}


class Judging(unittest.TestCase):
    """What would go unseen if the lines above were wrong."""
    START = ["dup3(9<UNIX-STREAM:[1->2]>, 7<TCP:[127.0.0.1:1->127.0.0.1:2]>, "
             "O_CLOEXEC) = 7<UNIX-STREAM:[1->2]>", "close(9) = 0"]

    def problems(self, *lines):
        lines = [*self.START, *lines]
        fork = "clone(child_stack=NULL, flags=SIGCHLD) = 22"
        return judge({"1": [fork], "22": lines})[1]

    def test_what_is_its_own_it_may_use(self):
        self.assertEqual(self.problems(
            'write(7<UNIX-STREAM:[1->2]>, "\\27\\3", 2) = 2',
            "epoll_create1(EPOLL_CLOEXEC) = 5<anon_inode:[eventpoll]>",
            "epoll_ctl(5<anon_inode:[eventpoll]>, EPOLL_CTL_DEL, 7) = 0",
            "socketpair(AF_UNIX, SOCK_STREAM, 0, [11<UNIX:[3]>, 12<UNIX:[4]>])"
            " = 0", 'sendto(12<UNIX:[4]>, "x", 1, 0, NULL, 0) = 1',
            "fstat(3<TCP:[1->2]>, {st_mode=S_IFSOCK}) = 0",
            "fcntl(3<TCP:[1->2]>, F_GETFL) = 2"), [])

    def test_what_it_inherited_it_may_not(self):
        for line in (
                'write(8<TCP:[127.0.0.1:1->127.0.0.1:2]>, "x", 1) = 1',
                'sendto(8<TCP:[1->2]>, "x", 1, 0, NULL, 0) = 1',
                "shutdown(8<TCP:[1->2]>, SHUT_WR) = 0",
                "epoll_ctl(6<anon_inode:[eventpoll]>, EPOLL_CTL_DEL, 8) = 0",
                'write(10<anon_inode:[eventfd]>, "\\1", 8) = 8',
                'read(10<anon_inode:[eventfd]>, "\\1", 8) = 8',
                "fcntl(8<TCP:[1->2]>, F_SETFL, O_RDONLY) = 0",
                'write(9<UNIX-STREAM:[1->2]>, "x", 1) = 1'):
            self.assertEqual(self.problems(line), ["child 22: " + line])

    def test_it_lets_go_of_the_connection(self):
        fork = "clone(child_stack=NULL, flags=SIGCHLD) = 22"
        self.assertEqual(judge({"1": [fork], "22": ["close(3</tmp/x>) = 0"]}),
                         (1, ["child 22 kept its parent's connection"]))

    def test_what_runs_another_program_is_no_such_child(self):
        fork = "clone(child_stack=NULL, flags=SIGCHLD) = 22"
        self.assertEqual(judge({"1": [fork], "22": ['execve("/x") = 0']}),
                         (0, []))


def main(program, *tests):
    judging = unittest.main(argv=["judging"], exit=False, verbosity=0)
    failed = not judging.result.wasSuccessful()
    for test in tests:
        with tempfile.TemporaryDirectory() as folder:
            seen, problems = judge(trace(program, test, folder))
        print(f"{test}: {seen} children")
        print("\n".join(problems[:20]))
        failed |= bool(problems) or seen < CHILDREN
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
