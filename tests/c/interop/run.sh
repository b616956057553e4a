#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh build DIR               compiles the tests into DIR
# run.sh test DIR NAME [args]    runs the tests NAME that were compiled there
#
# Exits 77 (skipped) without Go 1.25 or newer, unless OPAMP_INTEROP_REQUIRED is
# 1; then that is a failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export GOTOOLCHAIN=local GOFLAGS=-mod=readonly

give_up() {
  echo "interop: $*" >&2
  [[ ${OPAMP_INTEROP_REQUIRED:-0} == 1 ]] && exit 1
  exit 77
}

what=$1 dir=$2
case $what in
build)
  version=$(go env GOVERSION 2>/dev/null) || version=none
  if [[ ! $version =~ ^go([0-9]+)\.([0-9]+) ]] ||
    ((BASH_REMATCH[1] * 1000 + BASH_REMATCH[2] < 1025)); then
    give_up "Go 1.25 or newer is needed, there is $version"
  fi
  go mod download || give_up "the Go modules cannot be downloaded"
  for name in refserver refagent; do
    go vet "./$name"
    go test -c -o "$dir/$name.test" "./$name"
  done
  ;;
test)
  name=$3
  shift 3
  [[ -x $dir/$name.test ]] || give_up "$name was not built"
  exec "$dir/$name.test" -test.parallel 4 -test.timeout 240s "$@"
  ;;
*)
  echo "interop: unknown: $what" >&2
  exit 2
  ;;
esac
