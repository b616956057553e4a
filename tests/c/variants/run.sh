#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh <sources> <directory> <variant>: builds the sources below the directory
# in one of the ways below, warnings being errors, and runs their tests.
set -euo pipefail
source=$1 work=$2 variant=$3
dir=$work/$variant
protobuf_c=$work/protobuf-c
mkdir -p "$dir"

# build <cmake arguments…>, then what `targets` names, or all.
build() {
  # What an earlier run was told must not be remembered.
  cmake --fresh -G Ninja -S "$source" -B "$dir" -DOPAMP_WERROR=ON "$@" \
    >"$dir/configure.log" 2>&1 || {
    cat "$dir/configure.log"
    exit 1
  }
  # shellcheck disable=SC2086
  ninja -C "$dir" --quiet ${targets:-}
}

# check <build> <ctest arguments…>. Twice as many as there are processors: the
# tests that take long wait for a network most of the time.
check() {
  local build=$work/$1
  shift
  ctest --test-dir "$build" -j "$((2 * $(nproc)))" --output-on-failure \
    --no-tests=error "$@"
}

# Debian's sources of protobuf-c, by a configuration of apt that is ours alone,
# so that nobody's is changed and nobody need be root.
fetch_protobuf_c() {
  local apt=$work/apt site
  [[ ! -d $protobuf_c ]] || return 0
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  # The mirror that apt uses here.
  # shellcheck disable=SC2016
  site=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
    'Origin: Debian' 'Codename: bookworm' 'Component: main' | sed -n 1p)
  echo "deb-src ${site:-http://deb.debian.org/debian} bookworm main" \
    >"$apt/sources.list"
  local options=(-q -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache"
    -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=-
    -o APT::Sandbox::User=root)
  apt-get "${options[@]}" update
  (
    cd "$apt"
    apt-get "${options[@]}" --download-only source protobuf-c
    rm -rf unpacked
    mkdir unpacked
    tar -xf protobuf-c_*.orig.tar.* --strip-components=1 -C unpacked
  )
  mv "$apt/unpacked" "$protobuf_c"
}

# around <compiler> <flags> <cmake arguments…>: on a protobuf-c built alike.
around() {
  local compiler=$1 flags=$2
  local lib=$dir/protobuf-c pc=$dir/protobuf-c/libprotobuf-c.pc
  shift 2
  mkdir -p "$lib"
  # shellcheck disable=SC2086
  (
    cd "$lib"
    $compiler $flags -O2 -fPIC -w -DPACKAGE_VERSION='"1.4.1"' \
      -DPACKAGE_STRING='""' -I"$protobuf_c" \
      -c "$protobuf_c/protobuf-c/protobuf-c.c"
    ar rcs libprotobuf-c.a protobuf-c.o
  )
  printf '%s\n' 'Name: libprotobuf-c' 'Description: built here' \
    'Version: 1.4.1' "Libs: -L$lib -lprotobuf-c" "Cflags: -I$protobuf_c" >"$pc"
  # Optimised, as the compiler sees more then, and with all that NDEBUG removes.
  PKG_CONFIG_PATH=$lib build -DCMAKE_BUILD_TYPE=None \
    -DCMAKE_C_COMPILER="$compiler" -DCMAKE_C_FLAGS="$flags -O2 -g" "$@"
}

# What exchange runs, beside the library and the tools.
programs="libopamp/examples/all tests/c/examples/all test_example_own_transport"

# exchange <programs> <library>: of two builds.
exchange() {
  local -x LD_LIBRARY_PATH=$work/$2/libopamp
  echo "The programs of $1 with the library of $2:"
  ldd "$work/$1/tests/c/examples/test_typed" |
    grep -F "$LD_LIBRARY_PATH/libopamp.so" || {
    echo "but they found another one" >&2
    return 1
  }
  check "$1" -R '^(typed|agent_contract)$|^example_(agent_(min|reload|cxx)|own)'
}

# Without the headers as C++, for which there is no compiler here.
core_only=(-DOPAMP_CORE_ONLY=ON -DCMAKE_CXX_COMPILER=NOTFOUND)

case $variant in
protobuf_c) fetch_protobuf_c ;;
clang_ndebug)
  build -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS=-DNDEBUG \
    -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++
  # What strace sees is no different here.
  check "$variant" -R '^(base|wire|core|abi|runtime)_' -E strace
  ;;
lto)
  # The linker sees what two files do not agree about. What is linked with
  # --wrap is left out: the compiler makes calls no linker can wrap.
  targets="opamp_shared opamp_static opamp-agent opamp-peer tests/c/core/all
    $programs"
  build -DCMAKE_BUILD_TYPE=Release -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON \
    -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++ \
    -DCMAKE_SHARED_LINKER_FLAGS='-Wall -Werror' \
    -DCMAKE_EXE_LINKER_FLAGS='-Wall -Werror' -DOPAMP_BUILD_BENCH=OFF
  check "$variant" -R '^((core|abi)_|agent_contract$)'
  ;;
short_enums)
  targets="opamp_shared opamp-agent opamp-peer tests/c/base/all
    tests/c/wire/all tests/c/core/all tests/c/abi/all $programs"
  around gcc -fshort-enums -DCMAKE_CXX_COMPILER=g++ \
    -DCMAKE_CXX_FLAGS=-fshort-enums \
    -DOPAMP_BUILD_STATIC=OFF -DOPAMP_BUILD_BENCH=OFF
  check "$variant" -R '^(base|wire|core|abi)_'
  ;;
exchange)
  failed=0
  exchange lto short_enums || failed=1
  exchange short_enums lto || failed=1
  exit $failed
  ;;
musl)
  around musl-gcc '' "${core_only[@]}"
  check "$variant"
  ;;
m32)
  # Without the package gcc-multilib, which would have cross compilers removed,
  # the kernel's headers are where they are for 64 bits.
  around gcc '-m32 -idirafter /usr/include/x86_64-linux-gnu' "${core_only[@]}"
  check "$variant"
  ;;
*)
  echo "no such variant: $variant" >&2
  exit 2
  ;;
esac
