# SPDX-License-Identifier: Apache-2.0
"""Builds the sources in the ways others do: as a part of their project, with
only one kind of library, without WebSocket; with gcc and with clang."""

import os

import ways
from ways import Folder, options, run, source, version

TOP = """cmake_minimum_required(VERSION 3.20)
project(super LANGUAGES C)
"""
# Nothing of ours may reach the project around.
CHECKED = """
if(CMAKE_BUILD_TYPE OR CMAKE_MODULE_PATH OR CMAKE_C_FLAGS
    OR TARGET opamp-agent OR TARGET opamp_harness)
  message(FATAL_ERROR "it meddles")
endif()
get_directory_property(options COMPILE_OPTIONS)
if(options)
  message(FATAL_ERROR "it meddles: ${options}")
endif()
add_executable(program main.c)
target_link_libraries(program PRIVATE opamp::opamp)
"""


class Ways(Folder):
    def setUp(self):
        super().setUp()
        with open(source("tests/c/interop/install/consumer/main.c"),
                  encoding="utf-8") as f:
            self.write("super/main.c", f.read())

    def project(self, text):
        self.write("super/CMakeLists.txt", TOP + text + CHECKED)
        return self.path("super")

    def check(self, program, shared):
        self.assertEqual(run(program).strip(), version())
        needs = run("ldd", program)
        self.assertEqual("libopamp.so.0" in needs, shared)
        # Which is loaded when it is needed, or linked.
        self.assertEqual("libcurl.so" in needs, not shared)

    def test_sub_directory(self):
        build = self.build(
            self.project(f"add_subdirectory({options.source} opamp)\n"),
            "build", "-DCMAKE_C_COMPILER=gcc")
        self.check(f"{build}/program", shared=True)

    def test_fetch_content(self):
        build = self.build(self.project(
            "include(FetchContent)\n"
            "set(OPAMP_BUILD_SHARED OFF)\n"
            f"FetchContent_Declare(opamp SOURCE_DIR {options.source})\n"
            "FetchContent_MakeAvailable(opamp)\n"),
            "build", "-DCMAKE_C_COMPILER=clang",
            "-DCMAKE_POLICY_DEFAULT_CMP0077=NEW")
        self.check(f"{build}/program", shared=False)

    def install(self, compiler, *arguments):
        """Only the library, as a rule, in a prefix that is returned."""
        prefix = self.path("prefix")
        build = self.build(
            options.source, "build", f"-DCMAKE_C_COMPILER={compiler}",
            "-DCMAKE_INSTALL_LIBDIR=lib", "-DOPAMP_BUILD_TESTS=OFF",
            "-DOPAMP_BUILD_TOOLS=OFF", "-DOPAMP_BUILD_EXAMPLES=OFF",
            "-DOPAMP_BUILD_BENCH=OFF", f"-DCMAKE_INSTALL_PREFIX={prefix}",
            *arguments)
        run("cmake", "--install", build)
        return prefix

    def use(self, prefix, compiler, shared):
        """By the CMake package and by pkg-config."""
        build = self.build(self.project("find_package(opamp REQUIRED)\n"),
                           "use", f"-DCMAKE_C_COMPILER={compiler}",
                           f"-DCMAKE_PREFIX_PATH={prefix}")
        self.check(f"{build}/program", shared)
        env = {"PKG_CONFIG_PATH": f"{prefix}/lib/pkgconfig"}
        flags = run("pkg-config", "--cflags", "--libs",
                    "libopamp", env=env).split()
        program = self.path("by-pkg-config")
        run(compiler, self.path("super", "main.c"), *flags, "-o", program,
            f"-Wl,-rpath,{prefix}/lib")
        self.check(program, shared)

    def test_only_shared(self):
        prefix = self.install("clang", "-DOPAMP_BUILD_STATIC=OFF")
        self.assertFalse(os.path.exists(f"{prefix}/lib/libopamp.a"))
        self.use(prefix, "gcc", shared=True)

    def test_only_static(self):
        prefix = self.install("gcc", "-DOPAMP_BUILD_SHARED=OFF",
                              "-DOPAMP_BUILD_TOOLS=ON")
        self.assertFalse(os.path.exists(f"{prefix}/lib/libopamp.so"))
        for tool in ("agent", "peer", "fleet"):
            self.assertIn(version(), run(f"{prefix}/bin/opamp-{tool}",
                                         "--version"))
        self.use(prefix, "clang", shared=False)

    def test_small(self):
        """The library as distributions strip it has a size to keep."""
        build = self.build(
            options.source, "build", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
            "-DCMAKE_C_COMPILER=gcc", "-DOPAMP_BUILD_TESTS=OFF",
            "-DOPAMP_BUILD_TOOLS=OFF", "-DOPAMP_BUILD_EXAMPLES=OFF",
            "-DOPAMP_BUILD_BENCH=OFF", "-DOPAMP_BUILD_STATIC=OFF")
        small = self.path("small.so")
        run("strip", "-o", small, f"{build}/libopamp/libopamp.so")
        self.assertLessEqual(os.path.getsize(small), 320000)


class WithoutWebSocket(Folder):
    def test_http_works(self):
        build = self.build(options.source, "build", "-DOPAMP_WERROR=ON",
                           "-DOPAMP_WITH_WEBSOCKET=OFF")
        agent = f"{build}/libopamp/tools/agent/opamp-agent"
        peer = f"{build}/libopamp/tools/peer/opamp-peer"
        self.assertNotIn("websockets", run("ldd", agent))
        self.assertIn("no WebSocket", run(agent, "--version"))
        for url in ("ws://127.0.0.1:1", "wss://127.0.0.1:1"):
            code, said = ways.finish(agent, url)
            self.assertEqual(code, 2)
            self.assertIn("has no WebSocket (OPAMP_WITH_WEBSOCKET=OFF)", said)
        run("python3", source("tests/c/tools/agent_contract.py"), agent, peer,
            "LifeOverHttp")


if __name__ == "__main__":
    ways.main("source")
