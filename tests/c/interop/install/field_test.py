# SPDX-License-Identifier: Apache-2.0
"""A field that the protocol does not have yet, added to a copy of the sources:
at the places libopamp/doc/contributing.md names, and at no other."""

import os
import shutil
import subprocess

import ways
from ways import Folder, options, run, source

TRANSCRIPT = """=== a new field is a row like any other
capabilities ReportsHealth
@0     set location{region:"north"}
       and start
       event connecting
       open ws://server/v1/opamp
@40    opened
       event connected
       send 0: location{region:"north"}
       look undelivered=location
@60    server
       event delivered seq=0
       look undelivered=none
@70    set location{region:"north"}
@80    server flags:1
       send 1: location{region:"north"}
@90    server
       event delivered seq=1
@100   set location{region:"south"}
       send 2: location{region:"south"}
@110   closed TRANSPORT
       event disconnected
@1110  tick
       event connecting
       open ws://server/v1/opamp
@1120  opened
       event connected
       send 3: location{region:"south"}
@1130  set location
       send 4: location{}
@1140  server
@1150  server
       event delivered seq=4
"""

PROGRAM = """#include <opamp/opamp.h>
int main(void) {
  opamp_options *o = NULL;
  opamp_client *c = NULL;
  opamp_msg *m = NULL;
  return opamp_options_new(&o) ||
         opamp_options_set_text(o, OPAMP_TEXT_URL, "http://127.0.0.1:1") ||
         opamp_client_new(&c, NULL, o) ||
         opamp_msg_new(&m, OPAMP_MSG_AGENT_LOCATION) ||
         opamp_msg_set_str(m, OPAMP_AGENT_LOCATION_REGION,
                           opamp_str_of("north")) ||
         opamp_client_set_location(c, m) ||
         opamp_client_undelivered(c) !=
             UINT64_C(1) << OPAMP_AGENT_TO_SERVER_LOCATION;
}
"""

ROW = "  ROW(LOCATION, LOCATION, 0, 0) \\\n"
SETTER = """opamp_status opamp_client_set_location(opamp_client *c, const opamp_msg *m) {
  return set(c, OPAMP_AGENT_TO_SERVER_LOCATION, m, __func__);
}

"""
DECLARATION = """/** Reports an AgentLocation: where the agent is.
 * @retval OPAMP_ERR_TYPE     a message of another type
 * @retval OPAMP_ERR_DEPTH    nested more than 64 deep
 * @retval OPAMP_ERR_NOMEM
 * @retval OPAMP_ERR_INVALID  a bad handle
 * @retval OPAMP_ERR_FORKED
 * @threads any; callbacks too */
OPAMP_API opamp_status opamp_client_set_location(opamp_client *c,
                                                 const opamp_msg *m);

"""

# What a person writes: the file, its neighbour there, and before or behind that
# what is new.
CHANGES = [
    # The schema.
    ("proto/opamp/v1/opamp.proto", "",
     "  ConnectionSettingsStatus connection_settings_status = 15;\n",
     "  AgentLocation location = 16;\n"),
    ("proto/opamp/v1/opamp.proto", "", "  bytes data = 3;\n}\n",
     "\nmessage AgentLocation {\n  string region = 1;\n}\n"),
    # A row of the field table.
    ("libopamp/src/core/state.h", ROW, "  ROW(HEALTH, HEALTH,", ""),
    # A setter.
    ("libopamp/src/runtime/set.c", SETTER,
     "opamp_status opamp_client_set_effective_config(", ""),
    ("libopamp/include/opamp/client.h", DECLARATION,
     "/** Reports an EffectiveConfig:", ""),
    ("libopamp/abi/symbols.txt", "", "opamp_client_set_heartbeat\n",
     "opamp_client_set_location\n"),
    # A line of documentation.
    ("CHANGELOG.md", "", "The first version.\n",
     "\n- Agents say where they are.\n"),
]


class Field(Folder):
    def setUp(self):
        super().setUp()
        self.copy = self.path("source")
        shutil.copytree(options.source, self.copy, ignore=lambda folder, names: [
            n for n in names if n == ".git" or (
                folder == options.source and n.startswith("build"))])

    def change(self):
        for path, before, neighbour, behind in CHANGES:
            with open(os.path.join(self.copy, path), encoding="utf-8") as f:
                text = f.read()
            self.assertEqual(text.count(neighbour), 1, neighbour)
            self.write(f"source/{path}",
                       text.replace(neighbour, before + neighbour + behind))
        self.write("source/tests/c/core/transcripts/location.txt", TRANSCRIPT)

    def test_one_row_is_enough(self):
        self.change()
        build = self.path("build")
        run("cmake", "-G", "Ninja", "-S", self.copy, "-B", build,
            "-DOPAMP_WERROR=ON", "-DCMAKE_BUILD_TYPE=Debug",
            "-DOPAMP_BUILD_STATIC=OFF", "-DOPAMP_BUILD_TOOLS=OFF",
            "-DOPAMP_BUILD_EXAMPLES=OFF", "-DOPAMP_BUILD_BENCH=OFF")
        run("ninja", "-C", build, "opamp_fields")
        run("ninja", "-C", build, "opamp_shared", "tests/c/core/all",
            "tests/c/wire/all", "tests/c/abi/all")
        run("ctest", "--test-dir", build, "--output-on-failure", "-R",
            "^(core|wire|abi|lint_headers|lint_layers)", "-E",
            "memory|lossless|misuse|nomem")
        program = self.path("program")
        run("cc", self.write("program.c", PROGRAM),
            f"-I{self.copy}/libopamp/include", f"{build}/libopamp/libopamp.so",
            f"-Wl,-rpath,{build}/libopamp", "-o", program)
        run(program)
        self.assertEqual(self.touched(), {path for path, *_ in CHANGES} | {
            "tests/c/core/transcripts/location.txt",
            "libopamp/include/opamp/fields.h"})  # generated

    def touched(self):
        """What differs from the sources it was copied from."""
        done = subprocess.run(
            ["diff", "-rq", "--exclude=build*", "--exclude=.git",
             "--exclude=__pycache__", options.source, self.copy],
            capture_output=True, text=True, check=False)
        names = set()
        for line in done.stdout.splitlines():
            if line.startswith("Files "):
                names.add(os.path.relpath(line.split()[1], options.source))
            else:  # Only in <folder>: <name>
                folder, name = line.removeprefix("Only in ").split(": ")
                names.add(os.path.relpath(f"{folder}/{name}", self.copy))
        return names


if __name__ == "__main__":
    ways.main("source")
