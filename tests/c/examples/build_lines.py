# SPDX-License-Identifier: Apache-2.0
"""build_lines.py SOURCES BUILD NAME…: each example is built with the command
in its head comment, against nothing but what BUILD installs, and started."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

LIMIT = 100  # seconds, for one command
COMMAND = re.compile(r"^ \*   (c(?:c|\+\+) .*?[^\\])$", re.M | re.S)


def run(*args, **keys):
    return subprocess.run(args, timeout=LIMIT, check=True, text=True, **keys)


def install(build, root):
    """The environment of somebody who installed the library below root."""
    run("cmake", "--install", build, stdout=subprocess.DEVNULL,
        env={**os.environ, "DESTDIR": str(root)})
    pc = next(root.rglob("libopamp.pc"))
    pc.write_text(re.sub(r"^(prefix|libdir|includedir)=/", rf"\1={root}/",
                         pc.read_text(), flags=re.M))
    return {**os.environ, "PKG_CONFIG_PATH": str(pc.parent),
            "LD_LIBRARY_PATH": str(pc.parent.parent)}


def command_of(source):
    found = COMMAND.search(source.read_text())
    assert found, f"{source}: its comment does not say how to build it"
    return found.group(1).replace("\n *  ", "\n")


def main(sources, build, names):
    with tempfile.TemporaryDirectory() as tmp:
        env = install(build, pathlib.Path(tmp) / "root")
        for name in names:
            source = next(pathlib.Path(sources).glob(f"{name}.c*"))
            os.symlink(source, f"{tmp}/{source.name}")
            run("sh", "-c", command_of(source), cwd=tmp, env=env)
            wrong = subprocess.run([f"{tmp}/{name}"], env=env, timeout=LIMIT)
            assert wrong.returncode == 2, f"{name}: {wrong.returncode}"
            print(f"{name} is built and starts")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
