#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh <directory>: the pages and the reference as HTML, by LDoc, of a copy in
# which lua/opamp.lua has the comments of what is written in C, too.
set -euo pipefail
mkdir -p "$1"
output=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r README.md config.ld doc examples lua "$copy"
lua5.4 doc/reference.lua lua/opamp.lua src/*.c >"$copy/lua/opamp.lua"
cd "$copy"
ldoc --quiet --fatalwarnings --dir "$output" .
