#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh <sources> <directory> <libopamp.so> <variant>: builds the sources below
# the directory in one of the ways below, warnings being errors, and runs their
# tests. The library is the ordinary one.
set -euo pipefail
source=$1 work=$2 library=$3 variant=$4
dir=$work/$variant
protobuf_c=$work/protobuf-c
mkdir -p "$dir"

# build <cmake arguments…>, then what `targets` names, or all.
build() {
  cmake -G Ninja -S "$source" -B "$dir" -DOPAMP_WERROR=ON "$@" \
    >"$dir/configure.log" || {
    cat "$dir/configure.log"
    exit 1
  }
  ninja -C "$dir" --quiet ${targets:-}
}

# Tests that take their time elsewhere are left out; so are those of libraries
# the variant does not have.
check() {
  ctest --test-dir "$dir" -j 2 --output-on-failure --no-tests=error "$@"
}

# Debian's sources of protobuf-c, by a configuration of apt that is ours alone,
# so that nobody's is changed and nobody need be root.
fetch_protobuf_c() {
  local apt=$work/apt list
  [[ ! -d $protobuf_c ]] || return 0
  mkdir -p "$apt/sources" "$apt/lists/partial" "$apt/cache/archives/partial"
  for list in /etc/apt/sources.list.d/*.sources; do
    [[ -f $list ]] && grep -qi debian.org "$list" &&
      sed 's/^Types:.*/Types: deb-src/' "$list" >"$apt/sources/${list##*/}"
  done
  for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [[ -f $list ]] && sed -n 's/^deb \(.*debian\.org.*\)/deb-src \1/p' "$list" \
      >"$apt/sources/${list##*/}.list"
  done
  local options=(-qq -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache"
    -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$apt/sources"
    -o APT::Get::List-Cleanup=0)
  apt-get "${options[@]}" update
  (
    cd "$apt"
    apt-get "${options[@]}" --download-only source protobuf-c
    mkdir -p unpacked
    tar -xf protobuf-c_*.orig.tar.* --strip-components=1 -C unpacked
  )
  mv "$apt/unpacked" "$protobuf_c"
}

# core_only <compiler> <flags>: base, wire and core, on a protobuf-c built alike.
core_only() {
  local compiler=$1 flags=$2
  local lib=$dir/protobuf-c pc=$dir/protobuf-c/libprotobuf-c.pc
  mkdir -p "$lib"
  # shellcheck disable=SC2086
  (
    cd "$lib"
    $compiler $flags -O2 -w -DPACKAGE_VERSION='"1.4.1"' -DPACKAGE_STRING='""' \
      -I"$protobuf_c" -c "$protobuf_c/protobuf-c/protobuf-c.c"
    ar rcs libprotobuf-c.a protobuf-c.o
  )
  printf '%s\n' 'Name: libprotobuf-c' 'Description: built here' \
    'Version: 1.4.1' "Libs: -L$lib -lprotobuf-c" "Cflags: -I$protobuf_c" >"$pc"
  PKG_CONFIG_LIBDIR=$lib build -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_C_COMPILER="$compiler" -DCMAKE_C_FLAGS="$flags" \
    -DOPAMP_CORE_ONLY=ON
  check
}

# A program whose enumerations are short, on the library whose are not.
short_enums_outside() {
  gcc -std=gnu11 -fshort-enums -Wall -Wextra -Werror -I"$source/libopamp/include" \
    -I"$source/tests/c" -DTESTS_SOURCE_DIR='""' \
    "$source/tests/c/examples/typed.c" "$source/tests/c/harness.c" \
    "$library" -Wl,-rpath,"${library%/*}" -o "$dir/typed"
  "$dir/typed"
}

case $variant in
protobuf_c) fetch_protobuf_c ;;
clang_ndebug)
  targets="tests/c/base/all tests/c/wire/all tests/c/core/all tests/c/abi/all
    tests/c/runtime/all opamp_shared"
  build -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS=-DNDEBUG \
    -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
    -DOPAMP_BUILD_EXAMPLES=OFF -DOPAMP_BUILD_TOOLS=OFF -DOPAMP_BUILD_BENCH=OFF
  check -R '^(base|wire|core|abi|runtime)_' \
    -E 'memory|nomem|lossless|lost|many|fork'
  ;;
lto)
  targets="opamp_shared opamp-agent opamp-peer tests/c/core/all"
  build -DCMAKE_BUILD_TYPE=Release -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON \
    -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++ \
    -DOPAMP_BUILD_STATIC=OFF -DOPAMP_BUILD_EXAMPLES=OFF -DOPAMP_BUILD_BENCH=OFF
  check -R '^(core_transcripts_all|abi_symbols|agent_contract)$'
  ;;
short_enums)
  core_only gcc -fshort-enums
  short_enums_outside
  ;;
musl) core_only musl-gcc "" ;;
m32) core_only gcc -m32 ;;
*)
  echo "no such variant: $variant" >&2
  exit 2
  ;;
esac
