# SPDX-License-Identifier: Apache-2.0
"""What CMake says when a library is missing, too old or cannot do its part."""

import ways
from ways import Folder, options


class Sentences(Folder):
    def refusal(self, *arguments, env=None):
        """What the configuration fails with, on one line."""
        code, said = ways.finish(
            "cmake", "-S", options.source, "-B", self.path("build"),
            "-DOPAMP_BUILD_TESTS=OFF", *arguments, env=env)
        self.assertNotEqual(code, 0)
        self.assertEqual(said.count("CMake Error"), 1, said)
        return " ".join(said.split("CMake Error", 1)[1].split())

    def module(self, name, version, libs=""):
        self.write(f"pc/{name}.pc", f"Name: {name}\nDescription: a fake\n"
                                    f"Version: {version}\nLibs: {libs}\n")
        return {"PKG_CONFIG_PATH": self.path("pc")}

    def test_old_libwebsockets(self):
        self.assertIn("libwebsockets is 4.0.20; 4.1.6 or newer is needed "
                      "(libwebsockets-dev)",
                      self.refusal(env=self.module("libwebsockets", "4.0.20")))

    def test_old_libuv(self):
        self.assertIn("libuv is 1.40.0; 1.44 or newer is needed (libuv1-dev)",
                      self.refusal(env=self.module("libuv", "1.40.0")))

    def test_old_curl(self):
        self.write("curl/curl/curl.h", "")
        self.write("curl/curl/curlver.h",
                   '#define LIBCURL_VERSION "7.50.0"\n')
        self.assertIn("libcurl is 7.50.0; 7.88 or newer is needed "
                      "(libcurl4-openssl-dev)",
                      self.refusal("-DCURL_NO_CURL_CMAKE=ON",
                                   f"-DCURL_INCLUDE_DIR={self.path('curl')}"))

    def test_missing(self):
        env = {"PKG_CONFIG_LIBDIR": self.path("none")}
        self.assertIn("libprotobuf-c 1.4 or newer is missing. On Debian: "
                      "apt-get install libprotobuf-c-dev",
                      self.refusal(env=env))

    def test_no_plugin(self):
        """A libwebsockets that makes no context, as without its plugin."""
        stub = self.write("lib/stub.c", "void *lws_create_context(void *i)"
                                        " { return i = 0; }\n"
                                        "void lws_set_log_level(void) {}\n")
        ways.run("cc", "-shared", "-fPIC", "-w", stub, "-o",
                 self.path("lib", "libwebsockets.so"))
        env = self.module("libwebsockets", "4.1.6",
                          f"-L{self.path('lib')} -lwebsockets")
        env["LD_LIBRARY_PATH"] = self.path("lib")
        sentence = ("its plugin is missing. On Debian: apt-get install "
                    "libwebsockets-evlib-uv")
        self.assertIn(sentence, self.refusal(env=env))
        # It is asked again, and without WebSocket not at all.
        self.assertIn(sentence, self.refusal(env=env))
        ways.run("cmake", "-S", options.source, "-B", self.path("without"),
                 "-DOPAMP_WITH_WEBSOCKET=OFF", env=env)

    def test_no_protoc_c(self):
        hidden = ways.path_without("protoc-c", self.path("bin"))
        self.assertIn("protoc-c is missing. On Debian: apt-get install "
                      "protobuf-c-compiler",
                      self.refusal(ways.ONLY_PATH, env=hidden))


if __name__ == "__main__":
    ways.main("source")
