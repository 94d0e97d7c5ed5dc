#!/bin/bash
# test.sh - installs what is missing, builds, runs every test. The last line is `N passed, N failed`.
#
#   scripts/test.sh [TEST...]       default: all of them
#
# Builds out of the tree: build/asan (gcc, sanitizers, warnings are errors; what the tests run), build/clang (clang,
# warnings are errors) and build/fast (optimized: the simulator's many seeds). What the agents in the tests build is
# fetched once into build/sources.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
export CMOCKA_MESSAGE_OUTPUT=TAP top_srcdir=$top
jobs=$(nproc)

step() { printf '== %s (%ds)\n' "$*" $SECONDS; }
quietly() { # a command whose output matters only when it fails
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        tail -60 "$log"
        echo "test.sh: failed: $*" >&2
        echo "0 passed, 1 failed"
        exit 1
    fi
    rm -f "$log"
}
# build DIR MAKE-TARGETS -- CONFIGURE-OPTIONS
build() {
    local dir=build/$1 target targets=()
    shift
    while [ "$1" != -- ]; do targets+=("$1"); shift; done
    shift
    mkdir -p "$dir"
    [ -f "$dir/config.status" ] || (cd "$dir" && quietly ../../configure --quiet "$@")
    # one after the other: `all` is a make of its own, two at once would write the same objects
    for target in "${targets[@]}"; do quietly make -C "$dir" -s -j"$jobs" "$target"; done
}

if [ -f config.status ]; then
    echo "test.sh: this tree is configured in place; run make distclean first" >&2
    exit 1
fi
step dependencies
scripts/deps.sh
step build
[ -x configure ] && [ configure -nt configure.ac ] || quietly autoreconf -fi
build asan all check-programs -- --enable-werror --enable-sanitizers CFLAGS='-O1 -g'
build clang all -- --enable-werror CC=clang CFLAGS='-O1'
build fast tests/sim/sim -- --enable-werror CFLAGS='-O2'

export ORION_BUILD=$top/build/asan ORION_BUILD_FAST=$top/build/fast
if [ $# -gt 0 ]; then
    exec tests/run.pl "$@"
fi
step tests
unit=$(make -C build/asan -s print-unit-tests | sed "s|^|$ORION_BUILD/|")
# shellcheck disable=SC2086 # lists of words
exec tests/run.pl tests/layering.sh tests/docs.sh $unit tests/unit/*.sh tests/sim/*.sh tests/sql/*.sh tests/fuzz/run.sh \
    tests/e2e/*.t tests/faults/*.t
