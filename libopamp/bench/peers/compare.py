# SPDX-License-Identifier: Apache-2.0
"""compare.py --build DIR --scratch DIR [--quick]: this library beside what else
there is, in one run, against the same server.

Each peer is a program of ours that makes N agents with one client library and
lets them send heartbeats; the floor is a program without any. What is measured
is seen from outside: CPU time, memory and threads by the kernel, messages by
the server, system calls by strace. Ratios to the floor come first: times of one
run can be compared with each other only.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import picture

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT_S = 60
# Agents, heartbeat in ms, how long is measured in s.
SIZES = [(1, 100, 5), (100, 1000, 5), (1000, 1000, 5), (10000, 2000, 6)]


class Server:
    """floor_server, and what it has counted."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def reset(self, wanted):
        self.ask(f"r {wanted}")

    def seen(self):
        """Messages, their bytes, when the first and the last wanted came."""
        return [int(n) for n in self.ask("s")]

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.process.stdin.close()
        self.process.wait(LIMIT_S)
        self.process.stdout.close()


# --- what the kernel says of a process ----------------------------------------

def cpu_ns(pid):
    """Of all its threads."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total


def status(pid, key):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        for line in f:
            if line.startswith(key + ":"):
                return int(line.split()[1])
    return 0


def system_calls(pid, seconds):
    """How many it makes in that time."""
    done = subprocess.run(
        ["timeout", "-s", "INT", str(seconds), "strace", "-f", "-c", "-p",
         str(pid)], capture_output=True, text=True, check=False)
    total = [line for line in done.stderr.splitlines()
             if line.endswith(" total")]
    return int(total[-1].split()[-2 if len(total[-1].split()) == 5 else -3]) \
        if total else 0


# --- one run ------------------------------------------------------------------

class Run:
    """N agents of one peer; figures are attributes."""

    def __init__(self, server, command, scheme, n, interval_ms):
        self.server, self.n = server, n
        server.reset(n)
        self.begun = time.monotonic_ns()
        self.process = subprocess.Popen(
            [*command, f"{scheme}://127.0.0.1:{server.port}", str(n),
             str(interval_ms)], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    def wait(self):
        """Until all have reported; whether they did."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end and self.process.poll() is None:
            messages, _, first, last = self.server.seen()
            if messages >= self.n:
                self.first_ms = (first - self.begun) / 1e6
                if self.n > 1:
                    self.all_ms = (last - self.begun) / 1e6
                return True
            time.sleep(0.02)
        return False

    def measure(self, seconds):
        pid = self.process.pid
        time.sleep(1)
        before, sent, *_ = cpu_ns(pid), *self.server.seen()
        bytes_before = self.server.seen()[1]
        time.sleep(seconds)
        after, messages, total = cpu_ns(pid), *self.server.seen()[:2]
        count = max(messages - sent, 1)
        self.cpu_us = (after - before) / 1000 / count
        self.bytes = (total - bytes_before) / count
        self.rss_kb = status(pid, "VmRSS")
        self.threads = status(pid, "Threads")

    def trace(self, seconds):
        sent = self.server.seen()[0]
        calls = system_calls(self.process.pid, seconds)
        self.calls = calls / max(self.server.seen()[0] - sent, 1)

    def until(self, messages):
        end = time.monotonic() + LIMIT_S
        while self.server.seen()[0] < messages and time.monotonic() < end:
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.process.kill()
        self.process.wait()


def measure(server, command, scheme, n, interval_ms, seconds):
    """The figures of a run as a dictionary; None when it did not get there."""
    with Run(server, command, scheme, n, interval_ms) as run:
        if not run.wait():
            return None
        run.measure(seconds)
        if n == 1:
            run.trace(3)
        return {k: v for k, v in vars(run).items()
                if isinstance(v, (int, float)) and k not in ("n", "begun")}


def start_up(server, command, scheme):
    """The median of what several take, the first being slower than all."""
    found = []
    for _ in range(11):
        with Run(server, command, scheme, 1, 1000) as run:
            if run.wait():
                found.append(run.first_ms)
    return statistics.median(found) if found else None


def silence(server, command, scheme):
    """System calls in three seconds in which nothing is to be done."""
    with Run(server, command, scheme, 1, 3600 * 1000) as run:
        if not run.wait():
            return None
        time.sleep(1)
        return system_calls(run.process.pid, 3)


def instructions(server, command, scheme):
    """Of user space for a heartbeat: the difference of two lives, counted by
    callgrind, which only knows programs without a runtime of their own."""
    counts = []
    for messages in (50, 250):
        with tempfile.TemporaryDirectory() as directory:
            log = os.path.join(directory, "log")
            traced = ["valgrind", "--tool=callgrind", f"--log-file={log}",
                      f"--callgrind-out-file={directory}/out", *command]
            with Run(server, traced, scheme, 1, 10) as run:
                run.until(messages)
                run.process.terminate()
                run.process.wait()
                seen = server.seen()[0]
            with open(log, encoding="utf-8") as f:
                total = [line for line in f if "Collected" in line]
            counts.append((seen, int(total[-1].split()[-1])))
    (m1, i1), (m2, i2) = counts
    return (i2 - i1) / max(m2 - m1, 1)


# --- the peers ----------------------------------------------------------------

def go_client(scratch):
    """The program built; None without Go."""
    program = os.path.join(scratch, "go_client")
    if shutil.which("go") is None:
        return None
    copy = os.path.join(scratch, "go")
    shutil.copytree(os.path.join(HERE, "go"), copy, dirs_exist_ok=True)
    subprocess.run(["go", "build", "-o", program, "."], cwd=copy, check=True,
                   env={**os.environ, "GOFLAGS": "-mod=mod"})
    return program


def size_kb(*paths):
    """Of files without debugging information, and of directories."""
    total = 0
    for path in paths:
        if os.path.isdir(path):
            total += sum(os.path.getsize(os.path.join(at, name))
                         for at, _, names in os.walk(path) for name in names)
            continue
        with tempfile.NamedTemporaryFile() as small:
            subprocess.run(["strip", "-o", small.name, path], check=True)
            total += os.path.getsize(small.name)
    return total / 1024


def installed_kb(name, command, options):
    """What comes with it, beside what a distribution has anyway: of C its own
    library, of Go the program, of Python the packages."""
    if name == "libopamp":
        return size_kb(f"{options.build}/libopamp/libopamp.so")
    if name != "Python":
        return size_kb(command[0])
    found = subprocess.run(
        [command[0], "-c", "import sysconfig;"
         "print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True).stdout.strip()
    return size_kb(*(entry.path for entry in os.scandir(found) if entry.is_dir()
                     and not entry.name.startswith(("pip", "setuptools"))))


def peers(options):
    """Name → the command, the schemes it knows, the most agents it is asked."""
    programs = os.path.join(options.build, "libopamp/bench")
    found = {"floor": ([f"{programs}/floor_client"], "ws http", 10000),
             "libopamp": ([f"{programs}/libopamp_client"], "ws http", 10000)}
    go = go_client(options.scratch)
    if go:
        found["opamp-go"] = ([go], "ws http", 10000)
    python = os.path.join(os.environ.get("OPAMP_VENV", ""), "bin/python")
    if os.path.exists(python):
        found["Python"] = ([python, f"{HERE}/python_client.py"], "http", 100)
    return found


# --- telling ------------------------------------------------------------------

ROWS = [("cpu_us", "CPU for a heartbeat", "µs"),
        ("instructions", "user instructions for a heartbeat", ""),
        ("calls", "system calls for a heartbeat", ""),
        ("silence", "system calls in 3 s of silence", ""),
        ("all_ms", "all have reported after", "ms"),
        ("first_ms", "exec to first report", "ms"),
        ("per_client_kb", "memory for each agent", "KB"),
        ("rss_kb", "memory of the process", "KB"),
        ("threads", "threads", ""),
        ("bytes", "bytes of a heartbeat", ""),
        ("installed_kb", "size of what is installed", "KB")]


# Here the floor is next to nothing, and a ratio to it says nothing.
ABSOLUTE = ("per_client_kb", "threads", "silence", "installed_kb")
ONCE = ("first_ms", "rss_kb", "threads", "bytes", "instructions", "silence",
        "installed_kb")


def cell(value, floor, unit):
    if value is None:
        return "–"
    text = f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"
    text = f"{text} {unit}".strip()
    if floor and value is not floor:
        return f"x {value / floor:.1f} ({text})"
    return text


def table(results, names):
    lines = ["| | agents | " + " | ".join(names) + " |",
             "|---|---" + "|---" * len(names) + "|"]
    for scheme in ("ws", "http"):
        for key, title, unit in ROWS:
            for n, *_ in SIZES:
                values = [results.get((name, scheme, n), {}).get(key)
                          for name in names]
                if all(v is None for v in values) or (
                        key in ONCE and n != 1):
                    continue
                floor = None if key in ABSOLUTE else values[0]
                cells = [cell(v, floor, unit) for v in values]
                lines.append(f"| {scheme}: {title} | {n:,} | " +
                             " | ".join(cells) + " |")
    return "\n".join(lines)


def add_once(server, results, known, options):
    """What needs no load to be seen."""
    for (name, scheme, n), figures in results.items():
        command = known[name][0]
        if n != 1:
            continue
        figures["first_ms"] = start_up(server, command, scheme)
        figures["silence"] = silence(server, command, scheme)
        figures["installed_kb"] = installed_kb(name, command, options)
        if name in ("floor", "libopamp"):
            figures["instructions"] = instructions(server, command, scheme)


def add_memory(results):
    """What an agent adds: over the process with one."""
    for (name, scheme, n), figures in results.items():
        one = results.get((name, scheme, 1))
        if n > 1 and one:
            figures["per_client_kb"] = \
                max(figures["rss_kb"] - one["rss_kb"], 0) / (n - 1)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--build", required=True)
    arguments.add_argument("--scratch", required=True)
    arguments.add_argument("--quick", action="store_true",
                           help="only 1 and 100 agents")
    options = arguments.parse_args()
    # The peers are built elsewhere than where this was started.
    options.build = os.path.abspath(options.build)
    options.scratch = os.path.abspath(options.scratch)
    os.makedirs(options.scratch, exist_ok=True)
    results, known = {}, peers(options)
    with Server([f"{options.build}/libopamp/bench/floor_server"]) as server:
        for n, interval, seconds in SIZES[:2] if options.quick else SIZES:
            for scheme in ("ws", "http"):
                for name, (command, schemes, most) in known.items():
                    if n > most or scheme not in schemes.split():
                        continue
                    figures = measure(server, command, scheme, n, interval,
                                      seconds)
                    if figures is None:
                        print(f"{name} {scheme}: {n} agents did not all report "
                              f"in {LIMIT_S} s", file=sys.stderr)
                    else:
                        results[name, scheme, n] = figures
        add_once(server, results, known, options)
    add_memory(results)
    print(table(results, list(known)))
    path = os.path.join(options.scratch, "peers.svg")
    with open(path, "w", encoding="utf-8") as f:
        f.write(picture.bars(results, list(known)))
    print(f"\n{path}")


if __name__ == "__main__":
    main()
