# SPDX-License-Identifier: Apache-2.0
"""layers.py ROOT: each file of the library includes only what its layer may.

    runtime -> core -> wire -> base     runtime -> transport -> base
"""

import fnmatch
import posixpath
import re
import sys

import tree

C = """assert.h ctype.h errno.h float.h inttypes.h limits.h math.h stdarg.h
    stdbool.h stddef.h stdint.h stdlib.h string.h""".split()
POSIX = """arpa/* dirent.h dlfcn.h fcntl.h net/* netdb.h netinet/* poll.h pthread.h
    signal.h stdatomic.h stdio.h strings.h sys/* time.h unistd.h""".split()

# Layer: what it may include, as patterns.
ALLOWED = {
    # string.h for the inline functions of typed.h.
    "include/opamp": ["opamp/*", "stdbool.h", "stddef.h", "stdint.h",
                      "string.h"],
    # arpa/inet.h for inet_pton, which reads text and nothing else.
    "src/base": C + ["opamp/*", "base/*", "stdatomic.h", "stdio.h",
                     "arpa/inet.h"],
    "src/wire": C + ["opamp/*", "base/*", "wire/*", "stdio.h",
                     "protobuf-c/*", "*.pb-c.h", "schema_lists.h"],
    "src/core": C + ["opamp/*", "base/*", "wire/*", "core/*"],
    "src/transport": C + POSIX + ["opamp/*", "base/*", "transport/*",
                                  "curl/*", "libwebsockets.h", "openssl/*",
                                  "uv.h", "zlib.h"],
    "src/runtime": C + POSIX + ["opamp/*", "base/*", "wire/*", "core/*",
                                "transport/*", "runtime/*", "uv.h"],
}

# What must not be reached even through a header that is allowed itself.
HIDDEN = {
    "include/opamp": ["protobuf-c/*", "*.pb-c.h"],
    "src/core": ["protobuf-c/*", "*.pb-c.h", "stdio.h", "time.h"],
    "src/transport": ["protobuf-c/*", "*.pb-c.h"],
    "src/runtime": ["protobuf-c/*", "*.pb-c.h", "curl/*", "libwebsockets.h",
                    "openssl/*"],
}

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)


def matches(name, patterns):
    return any(fnmatch.fnmatch(name, p) for p in patterns)


def layer_of(path):
    for layer in ALLOWED:
        if path.startswith(f"libopamp/{layer}/"):
            return layer
    return None


class Includes:
    """Who includes what, our own headers being found like the compiler does."""

    def __init__(self, root):
        self.direct = {}
        for path in tree.files(root, ".c", ".h"):
            if layer_of(path):
                self.direct[path] = INCLUDE.findall(tree.text(root, path))

    def resolve(self, path, name):
        beside = posixpath.join(posixpath.dirname(path), name)
        for candidate in (beside, f"libopamp/src/{name}",
                          f"libopamp/include/{name}"):
            if candidate in self.direct:
                return candidate
        return None

    def all_of(self, path):
        """Every include reached from path, as (name, the file that has it)."""
        seen, waiting, reached = {path}, [path], []
        while waiting:
            at = waiting.pop()
            for name in self.direct[at]:
                reached.append((name, at))
                target = self.resolve(at, name)
                if target and target not in seen:
                    seen.add(target)
                    waiting.append(target)
        return reached


def own_name(path, name, includes):
    """An include with its folder, also when it was written without."""
    target = includes.resolve(path, name)
    if not target:
        return name
    return re.sub(r"^libopamp/(src|include)/", "", target)


def main(root):
    includes, problems = Includes(root), []
    for path, names in includes.direct.items():
        layer = layer_of(path)
        for name in names:
            full = own_name(path, name, includes)
            if not matches(full, ALLOWED[layer]):
                problems.append(f"{path}: {layer} may not include {full}")
        for name, via in includes.all_of(path):
            if via != path and matches(name, HIDDEN.get(layer, [])):
                problems.append(f"{path}: sees {name} through {via}")
    if not includes.direct:
        problems.append(f"{root}: no sources of the library found")
    tree.finish(problems, f"{len(includes.direct)} files keep to their layers")


if __name__ == "__main__":
    main(sys.argv[1])
