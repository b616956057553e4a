#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh <directory>: the reference as HTML, in <directory>/html, by Doxygen.
set -euo pipefail
mkdir -p "$1"
output=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
version=$(sed -n 's/^project(opamp VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
rm -rf "$output/html"
sed -e "s|@version@|$version|" -e "s|@output@|$output|" \
  libopamp/doc/Doxyfile.in | PYTHONDONTWRITEBYTECODE=1 doxygen -
