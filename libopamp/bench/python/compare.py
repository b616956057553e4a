# SPDX-License-Identifier: Apache-2.0
"""compare.py --build DIR --python PYTHON [--wheel FILE]: the package opamp
beside the C library and PyPI's opentelemetry-opamp-client, in one run and
against the same server.

PYTHON is one that has both packages. Times of one run can be compared with each
other only, so that every figure stands beside the others.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(os.path.dirname(HERE), "peers")
sys.path.insert(0, PEERS)

import compare as peers  # noqa: E402

MANY = 100
HEARTBEAT_MS = 100
FLOOD_S = 3


def start_ms(command, times=15):
    """The median of how long a program takes."""
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        subprocess.run(command, check=True)
        found.append((time.perf_counter() - begun) * 1000)
    return statistics.median(found)


def imports(python):
    """What an import adds to a bare Python, in ms, the programs in turn."""
    programs = {"bare": "pass",
                "import opamp": "import opamp",
                "import opamp; Client": "import opamp; opamp.Client",
                "import opamp; Client and events":
                    "import opamp; opamp.Client; opamp.RemoteConfig",
                "upstream's agent and client":
                    "import opentelemetry._opamp.agent"}
    rounds = [{name: start_ms([python, "-c", text], 1)
               for name, text in programs.items()} for _ in range(15)]
    median = {name: statistics.median(r[name] for r in rounds)
              for name in programs}
    bare = median.pop("bare")
    print(f"bare Python                             {bare:8.1f} ms")
    for name, value in median.items():
        print(f"  {name:37} {value - bare:+8.1f} ms")


def flood(server, command, scheme):
    """Messages a second of MANY agents that report without a pause."""
    server.reset(MANY)
    process = subprocess.Popen(
        [*command, f"{scheme}://127.0.0.1:{server.port}", str(MANY), "30000",
         "flood"], stderr=subprocess.DEVNULL)
    try:
        time.sleep(2)
        before = server.seen()[0]
        time.sleep(FLOOD_S)
        return {"rate": (server.seen()[0] - before) / FLOOD_S,
                "threads": peers.status(process.pid, "Threads")}
    finally:
        process.kill()
        process.wait()


ROWS = [("cpu_us", "CPU for a heartbeat, µs"),
        ("calls", "system calls for a heartbeat"),
        ("silence", "system calls in 3 s of silence"),
        ("first_ms", "exec to first report, ms"),
        ("rss_kb", "memory with one agent, KB"),
        ("threads", "threads with one agent"),
        ("many", f"threads with {MANY} agents"),
        ("rate", f"messages a second of {MANY} agents")]


def agents(server, programs, scheme):
    """The figures of each program that speaks a scheme."""
    found = {}
    for name, (command, schemes) in programs.items():
        if scheme not in schemes:
            continue
        figures = peers.measure(server, command, scheme, 1, HEARTBEAT_MS, 5)
        figures["first_ms"] = peers.start_up(server, command, scheme)
        figures["silence"] = peers.silence(server, command, scheme)
        if "python" in command[0]:
            rate = flood(server, command, scheme)
            figures["rate"], figures["many"] = rate["rate"], rate["threads"]
        found[name] = figures
    return found


def tell(scheme, found):
    names = list(found)
    print(f"\n{scheme:38}" + "".join(f"{name:>14}" for name in names))
    for key, title in ROWS:
        values = [found[name].get(key) for name in names]
        cells = "".join(f"{'–' if v is None else f'{v:,.1f}':>14}"
                        for v in values)
        print(f"  {title:36}{cells}")
    c, ours = found["C"], found["opamp"]
    print(f"  opamp beside C: CPU x {ours['cpu_us'] / c['cpu_us']:.2f}, "
          f"system calls x {ours['calls'] / c['calls']:.2f}")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--build", required=True)
    arguments.add_argument("--python", required=True)
    arguments.add_argument("--wheel")
    options = arguments.parse_args()
    python = options.python
    bench = os.path.join(options.build, "libopamp", "bench")
    programs = {"C": ([f"{bench}/libopamp_client"], ("ws", "http")),
                "opamp": ([python, f"{HERE}/agents.py"], ("ws", "http")),
                "upstream": ([python, f"{PEERS}/python_client.py"], ("http",))}
    imports(python)
    print(f"\n{100} files from the wire to the handler")
    for which in ("ours", "upstream"):
        done = subprocess.run([python, f"{HERE}/offer.py", which], check=True,
                              capture_output=True, text=True)
        print(f"  {which:37} {float(done.stdout):8.0f} µs")
    with peers.Server([f"{bench}/floor_server"]) as server:
        for scheme in ("ws", "http"):
            tell(scheme, agents(server, programs, scheme))
    if options.wheel:
        with zipfile.ZipFile(options.wheel) as wheel:
            size = sum(entry.file_size for entry in wheel.infolist())
        print(f"\nthe wheel, installed: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
