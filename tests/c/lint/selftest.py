# SPDX-License-Identifier: Apache-2.0
"""Each check finds what it is there for, in a small tree that breaks a rule,
and is content with the same tree without the breach."""

import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"


class Checks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name

    def put(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)

    def run_check(self, name, *arguments):
        return subprocess.run(
            [sys.executable, os.path.join(HERE, name), self.root, *arguments],
            capture_output=True, text=True, check=False)

    def passes(self, name):
        done = self.run_check(name)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def fails(self, name, words):
        done = self.run_check(name)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn(words, done.stdout)

    def test_layers(self):
        core = "libopamp/src/core/a.c"
        self.put("libopamp/src/wire/wire.h", SPDX)
        self.put("libopamp/src/wire/inner.h",
                 SPDX + "#include <protobuf-c/protobuf-c.h>\n")
        self.put(core, SPDX + '#include <string.h>\n#include "wire/wire.h"\n')
        self.passes("layers.py")
        self.put(core, SPDX + "#include <time.h>\n")
        self.fails("layers.py", "may not include time.h")
        self.put(core, SPDX + '#include "transport/tls.h"\n')
        self.fails("layers.py", "may not include transport/tls.h")
        self.put(core, SPDX + '#include "wire/inner.h"\n')
        self.fails("layers.py", "through libopamp/src/wire/inner.h")

    def test_text(self):
        path = "tests/c/base/a.c"
        self.put(path, SPDX)
        self.passes("text.py")
        self.put(path, "int a;\n")
        self.fails("text.py", "lacks the SPDX line")
        self.put(path, SPDX + "// TO" + "DO\n")
        self.fails("text.py", f"{path}:2: says TO" + "DO")
        self.put(path, SPDX + "void f(void) { usleep(1); }\n")
        self.fails("text.py", f"{path}:2: a test that sleeps")
        self.put(path, SPDX)
        self.put("README.md", "see ../" + "shared/x.md\n")
        self.fails("text.py", "points outside")
        self.put("README.md", "see x.md\n")
        self.put("libopamp/include/opamp/a.h", SPDX + "/* http://x */\n")
        self.passes("text.py")
        self.put("libopamp/include/opamp/a.h", SPDX + "int a; // b\n")
        self.fails("text.py", "a.h:2: a // comment")

    def test_budgets(self):
        path = "libopamp/src/base/a.c"
        body = "int f(void) {\n" + "  g();\n" * 98 + "}\n"
        self.put(path, SPDX + body)
        self.passes("budgets.py")
        self.put(path, SPDX + body.replace("}", "  g();\n}"))
        self.fails("budgets.py", "f has 101 lines")
        self.put(path, SPDX + "int f(void) {\n}\n" + "\n" * 600)
        self.fails("budgets.py", "603 lines")

    def test_headers(self):
        folder = "libopamp/include/opamp/"
        good = ("/** Stops it.\n * @retval OPAMP_ERR_INVALID\n"
                " * @retval OPAMP_ERR_FORKED\n * @threads any */\n"
                "OPAMP_API opamp_status opamp_loop_stop(opamp_loop *l);\n")
        self.put(folder + "status.h", SPDX + "enum { OPAMP_ERR_INVALID = -2,\n"
                 "OPAMP_ERR_FORKED = -11 };\n")
        self.put(folder + "a.h", SPDX + good)
        self.passes("headers.py")
        for lost, words in (
                (" * @threads any", "does not say @threads"),
                (" * @retval OPAMP_ERR_FORKED\n", "say OPAMP_ERR_FORKED"),
                (" * @retval OPAMP_ERR_INVALID\n", "what a bad handle gives"),
                (good[:good.index("OPAMP_API")], "without a comment")):
            self.put(folder + "a.h", SPDX + good.replace(lost, ""))
            self.fails("headers.py", words)
        self.put(folder + "a.h", SPDX + good.replace("FORKED", "SPOONED"))
        self.fails("headers.py", "OPAMP_ERR_SPOONED, which is none")

    def test_coverage(self):
        self.put("libopamp/doc/requirements.txt", "A-1 one\nA-2 two\nB-1 three\n")
        self.put("libopamp/doc/later.txt", "B-* come later\n")
        test = "tests/c/core/a.c"
        self.put(test, "/* Covers: A-1,\n * A-2 */\nTEST(t) {\n")
        self.fails("coverage.py", "out of date")
        self.run_check("coverage.py", "--write")
        self.passes("coverage.py")
        with open(os.path.join(self.root, "libopamp/doc/spec-coverage.md"),
                  encoding="utf-8") as f:
            self.assertIn("| A-2 | two | tests/c/core/a.c: t |", f.read())
        self.put("tests/c/core/b.txt", "=== x\n=== a life\n# Covers: A-2\n=== y\n")
        self.run_check("coverage.py", "--write")
        with open(os.path.join(self.root, "libopamp/doc/spec-coverage.md"),
                  encoding="utf-8") as f:
            self.assertIn("tests/c/core/b.txt: a life |", f.read())
        os.remove(os.path.join(self.root, "tests/c/core/b.txt"))
        self.put(test, "/* Covers: A-1 */\nTEST(t) {\n")
        self.fails("coverage.py", "A-2 has no test")
        self.put(test, "/* Covers: A-1, A-2, A-9 */\nTEST(t) {\n")
        self.fails("coverage.py", "A-9 is no requirement")

    def test_limits(self):
        header, source = "libopamp/include/opamp/options.h", \
            "libopamp/src/core/numbers.c"
        row = '{OPAMP_OPT_PONG_TIMEOUT, "pong-timeout", 10000, 1, 2 * HOUR},\n'
        self.put("libopamp/doc/limits.md", "# Limits\n<!-- options: ./dev fmt "
                 "-->\n<!-- end of options -->\n")
        self.put(header, "OPAMP_OPT_PONG_TIMEOUT = 7, /**< 10000 ms: a pong */\n")
        self.put(source, row)
        self.fails("limits.py", "out of date")
        self.run_check("limits.py", "--write")
        self.passes("limits.py")
        with open(os.path.join(self.root, "libopamp/doc/limits.md"),
                  encoding="utf-8") as f:
            self.assertIn("| `pong-timeout` | 10000 ms | 1 | 7200000 | a pong |",
                          f.read())
        self.put(source, row.replace("10000", "20000"))
        self.assertEqual(self.run_check("limits.py").returncode, 1)

    def test_citations(self):
        self.put("tests/c/core/a.c", SPDX + "TEST(life) {\n}\n")
        self.put("tests/c/core/b.txt", "=== a life: of its own\n")
        page = "libopamp/doc/a.md"
        self.put(page, "`core/a.c: life`, `core/b.txt: a life: of its own`\n")
        self.passes("citations.py")
        self.put(page, "`core/a.c: lif`\n")
        self.fails("citations.py", 'has no test "lif"')
        self.put(page, "`core/b.txt: a life`\n")
        self.fails("citations.py", 'has no test "a life"')
        self.put(page, "`core/c.py: test_x`\n")
        self.fails("citations.py", "there is no tests/c/core/c.py")

    def test_symbols(self):
        def compiled(name, text):
            self.put(f"{name}.c", text)
            source = os.path.join(self.root, f"{name}.c")
            subprocess.run(["cc", "-c", "-fno-builtin", source, "-o",
                            source + ".o"], check=True)
            return source + ".o"

        def run(core, below):
            return subprocess.run(
                [sys.executable, os.path.join(HERE, "symbols.py"),
                 os.path.join(HERE, "core_symbols.txt"), "--core", core,
                 "--below", below], capture_output=True, text=True, check=False)

        below = compiled("below", "int opamp__b(void) { return 1; }\n")
        pure = compiled("pure", "int opamp__b(void); void *memcpy();\n"
                                "int f(void) { memcpy(); return opamp__b(); }\n")
        self.assertEqual(run(pure, below).returncode, 0)
        for name in ("clock_gettime", "socket", "printf", "rand", "opamp__up"):
            impure = compiled("impure",
                              f"int {name}(); int f(void) {{ return {name}(); }}\n")
            done = run(impure, below)
            self.assertEqual(done.returncode, 1, name)
            self.assertIn(f"the core needs {name}", done.stdout)


if __name__ == "__main__":
    unittest.main()
