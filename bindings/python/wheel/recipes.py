# SPDX-License-Identifier: Apache-2.0
"""How each library that goes into the wheel is built: static, position
independent, and with no more than libopamp uses of it."""

from __future__ import annotations

import hashlib
import inspect
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from sources import DebianSources, Source

FLAGS = (
    "-Os -fPIC -ffunction-sections -fdata-sections -fvisibility=hidden"
    " -fstack-protector-strong -D_FORTIFY_SOURCE=2 -DNDEBUG"
)

# Where the host keeps certificates, on most systems. What else of the host's
# OpenSSL is there is not for ours (bundle.c).
OPENSSL_DIR = "/etc/ssl"


class Workshop:
    """Builds one library after the other into one prefix."""

    def __init__(self, work: Path, jobs: int) -> None:
        self.work = work
        self.prefix = work / "prefix"
        self.jobs = jobs
        self.env = {
            **os.environ,
            "CFLAGS": self.flags,
            # None of the machine's own libraries gets in.
            "PKG_CONFIG_LIBDIR": str(self.prefix / "lib" / "pkgconfig"),
            "PKG_CONFIG_PATH": "",
        }

    @property
    def flags(self) -> str:
        """No file has the name of a folder of this machine in it."""
        return f"{FLAGS} -ffile-prefix-map={self.work}=."

    def folder(self, source: Source) -> Path:
        """An empty one to build in."""
        folder = self.work / "build" / source.package
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def run(self, folder: Path, *command: str | Path) -> None:
        """Runs it quietly; what it said is shown when it fails."""
        log = folder / "wheel.log"
        with log.open("a") as out:
            done = subprocess.run(
                [str(word) for word in command],
                cwd=folder,
                env=self.env,
                stdout=out,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            tail = log.read_text(errors="replace").splitlines()[-40:]
            print("\n".join(tail))
            raise SystemExit(f"{command[0]} failed; see {log}")

    def cmake(self, source: Path, folder: Path, *options: str) -> None:
        """Configures and compiles, and installs what of it is `all`."""
        self.run(
            folder,
            *("cmake", "-S", source, "-B", folder),
            "-DCMAKE_BUILD_TYPE=Release",
            "-DCMAKE_C_FLAGS_RELEASE=",  # FLAGS are all
            f"-DCMAKE_INSTALL_PREFIX={self.prefix}",
            "-DCMAKE_INSTALL_LIBDIR=lib",
            f"-DCMAKE_PREFIX_PATH={self.prefix}",
            "-DBUILD_SHARED_LIBS=OFF",
            "-DBUILD_TESTING=OFF",
            *(f"-D{option}" for option in options),
        )
        self.make(folder)

    def make(self, folder: Path, *targets: str) -> None:
        self.run(folder, "make", f"-j{self.jobs}", *targets)

    def describe(self, module: str, version: str, libs: str, requires: str) -> None:
        """The module for pkg-config, where the library's own is of no use."""
        folder = self.prefix / "lib" / "pkgconfig"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{module}.pc").write_text(
            f"prefix={self.prefix}\n\n"
            f"Name: {module}\nDescription: {module}, static\nVersion: {version}\n"
            f"Requires: {requires}\nLibs: -L${{prefix}}/lib {libs}\n"
            "Cflags: -I${prefix}/include\n"
        )


def upstream(source: Source) -> str:
    """The version without what is Debian's of it: 1:1.2.13.dfsg-1, 1.2.13."""
    return source.version.split(":")[-1].split("-")[0].split(".dfsg")[0]


def zlib(shop: Workshop, source: Source) -> None:
    folder = shop.folder(source)
    configure = source.tree / "configure"
    shop.run(folder, configure, "--static", f"--prefix={shop.prefix}")
    shop.make(folder, "libz.a")
    shop.run(folder, "make", "install")


def libuv1(shop: Workshop, source: Source) -> None:
    folder = shop.folder(source)
    # It would install its shared library, too.
    shop.cmake(source.tree, folder, "LIBUV_BUILD_TESTS=OFF")
    shutil.copytree(
        source.tree / "include", shop.prefix / "include", dirs_exist_ok=True
    )
    shutil.copy2(folder / "libuv_a.a", shop.prefix / "lib" / "libuv.a")
    shop.describe("libuv", upstream(source), "-luv -lpthread -ldl -lrt", "")


def protobuf_c(shop: Workshop, source: Source) -> None:
    folder = shop.folder(source)
    build = source.tree / "build-cmake"
    shop.cmake(build, folder, "BUILD_PROTOC=OFF", "BUILD_TESTS=OFF")
    shop.run(folder, "make", "install")
    shop.describe("libprotobuf-c", upstream(source), "-lprotobuf-c", "")


def openssl(shop: Workshop, source: Source) -> None:
    without = (
        "aria bf blake2 camellia cast cmp cms comp ct dso dtls ec2m engine gost"
        " idea legacy md4 mdc2 module nextprotoneg ocb ocsp psk rc2 rc4 rfc3779"
        " seed shared sm2 sm3 sm4 srp srtp ssl-trace tests ts ui-console whirlpool"
    )
    folder = shop.folder(source)
    shop.run(
        folder,
        # It keeps its flags in a text, and needs no folder mapped.
        *("env", f"CFLAGS={FLAGS}", source.tree / "Configure"),
        *("--prefix=/usr", "--libdir=lib", f"--openssldir={OPENSSL_DIR}"),
        *(f"no-{feature}" for feature in without.split()),
        "-DOPENSSL_TLS_SECURITY_LEVEL=2",  # as in all of Debian
    )
    shop.make(folder, "build_libs")
    shop.run(folder, "make", "install_dev", f"INSTALLTOP={shop.prefix}")
    libs = "-lssl -lcrypto -lpthread"
    shop.describe("openssl", upstream(source), libs, "")


def curl(shop: Workshop, source: Source) -> None:
    without = (
        "ALTSVC COOKIES CRYPTO_AUTH DOH GETOPTIONS HSTS LIBCURL_OPTION MIME NETRC"
        " NTLM OPENSSL_AUTO_LOAD_CONFIG PROGRESS_METER"
    )
    folder = shop.folder(source)
    shop.cmake(
        source.tree,
        folder,
        *("HTTP_ONLY=ON", "ENABLE_THREADED_RESOLVER=ON", "ENABLE_IPV6=ON"),
        *(f"CURL_DISABLE_{feature}=ON" for feature in without.split()),
        *("CURL_USE_OPENSSL=ON", "CURL_ZLIB=ON", f"OPENSSL_ROOT_DIR={shop.prefix}"),
        *("CURL_CA_BUNDLE=none", "CURL_CA_PATH=none", "BUILD_CURL_EXE=OFF"),
        *("CURL_USE_LIBPSL=OFF", "CURL_USE_LIBSSH2=OFF", "USE_LIBIDN2=OFF"),
        *("ENABLE_MANUAL=OFF", "ENABLE_UNIX_SOCKETS=OFF"),
    )
    shop.run(folder, "make", "install")
    libs, requires = "-lcurl -lpthread", "openssl zlib"
    shop.describe("libcurl", upstream(source), libs, requires)


def libwebsockets(shop: Workshop, source: Source) -> None:
    lib, include = shop.prefix / "lib", shop.prefix / "include"
    folder = shop.folder(source)
    shop.cmake(
        source.tree,
        folder,
        *("LWS_WITH_SHARED=OFF", "LWS_STATIC_PIC=ON", "LWS_WITHOUT_TESTAPPS=ON"),
        *("LWS_WITH_LIBUV=ON", "LWS_WITH_EVLIB_PLUGINS=OFF"),
        *("LWS_IPV6=ON", "LWS_UNIX_SOCK=ON", "LWS_WITH_HTTP2=OFF"),
        *("LWS_WITHOUT_EXTENSIONS=OFF", "LWS_WITH_ZLIB=ON", "DISABLE_WERROR=ON"),
        "LWS_HAVE_LIBCAP=",  # it would be taken from the machine
        "CMAKE_DISABLE_FIND_PACKAGE_Git=ON",  # our commit would be in its version
        f"LWS_LIBUV_LIBRARIES={lib / 'libuv.a'}",
        f"LWS_LIBUV_INCLUDE_DIRS={include}",
        f"LWS_ZLIB_LIBRARIES={lib / 'libz.a'}",
        f"LWS_ZLIB_INCLUDE_DIRS={include}",
        f"LWS_OPENSSL_LIBRARIES={lib / 'libssl.a'};{lib / 'libcrypto.a'}",
        f"LWS_OPENSSL_INCLUDE_DIRS={include}",
    )
    shop.run(folder, "make", "install")
    libs, requires = "-lwebsockets", "libuv openssl zlib"
    shop.describe("libwebsockets", upstream(source), libs, requires)


# In this order: each may need those before it.
RECIPES: dict[str, Callable[[Workshop, Source], None]] = {
    "zlib": zlib,
    "libuv1": libuv1,
    "protobuf-c": protobuf_c,
    "openssl": openssl,
    "curl": curl,
    "libwebsockets": libwebsockets,
}


def build_all(shop: Workshop, debian: DebianSources) -> list[Source]:
    """Builds what has changed, and what comes after it."""
    made = []
    key = FLAGS + inspect.getsource(Workshop)
    for package, recipe in RECIPES.items():
        source = debian.get(package)
        made.append(source)
        key += source.version + inspect.getsource(recipe)
        digest = hashlib.sha256(key.encode()).hexdigest()
        stamp = shop.work / "build" / f"{package}.stamp"
        if stamp.exists() and stamp.read_text() == digest:
            continue
        print(f"Building {package} {source.version}", flush=True)
        stamp.unlink(missing_ok=True)
        shop.env["SOURCE_DATE_EPOCH"] = source.time
        recipe(shop, source)
        stamp.write_text(digest)
    return made
