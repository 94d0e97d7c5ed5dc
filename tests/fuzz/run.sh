#!/bin/bash
# run.sh - builds the fuzz targets, checks that the seeds reach every decoder's success branches, runs each a while. TAP.
#
#   tests/fuzz/run.sh [SECONDS-PER-TARGET]      default: 5
#   FUZZ_BUILD    folder for objects, corpora and findings, kept (default: a temporary one)
#   FUZZ_ONLY     names of targets, blank-separated (default: all)
#
# A target is tests/fuzz/fuzz_NAME.c with lines `/* fuzz-links: FILE... */` that name what it is linked with, globs
# allowed. Its seeds are the files of tests/fuzz/corpus/NAME/ and what the programs tests/fuzz/seeds*.c write into
# DIR/NAME. It declares its success branches with fuzz_branches (count.h): one that no seed reaches is a failure.
set -u
seconds=${1:-5}
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
if [ -n "${FUZZ_BUILD:-}" ]; then
    out=$FUZZ_BUILD
else
    out=$(mktemp -d /tmp/orion-fuzz-XXXXXX)
    trap 'rm -rf "$out"' EXIT
fi
cc=$(command -v clang-14 || command -v clang) || { echo '1..0 # SKIP clang is missing (apt-get install clang)'; exit 0; }
flags=(-std=gnu11 -D_GNU_SOURCE -g -O1 -fno-omit-frame-pointer -Isrc -I. -Wall -Wextra -Werror '-DPACKAGE_VERSION="fuzz"'
    '-DORION_SYSCONFDIR="/etc/orion"' '-DORION_LIBEXECDIR="/usr/libexec/orion"')
sanitize=address,undefined
libs='-ljson-c -lsodium -lisal -lpthread'
tests=0
failed=0

ok() { # STATUS NAME [DETAIL]
    tests=$((tests + 1))
    if [ "$1" = 0 ]; then echo "ok $tests - $2"; else
        failed=1
        echo "not ok $tests - $2"
        [ -z "${3:-}" ] || printf '%s\n' "$3" | tail -40 | sed 's/^/# /'
    fi
}

# The files that FILE says it is linked with.
links() {
    # shellcheck disable=SC2046 # a list of globs
    printf '%s\n' $(sed -n 's|^/\* fuzz-links: \(.*\) \*/$|\1|p' "$1") | sort -u
}

# object SOURCE: compiled once, unless it is there and nothing it was made from is newer; prints its path
object() {
    local o=$out/obj/${1%.c}.o
    if [ ! -e "$o" ] || [ -n "$(find src tests/fuzz -name '*.[ch]' -newer "$o" -o -name '*.def' -newer "$o" | head -1)" ]; then
        mkdir -p "$(dirname "$o")"
        "$cc" "${flags[@]}" -fsanitize=fuzzer-no-link,$sanitize -fno-sanitize-recover=undefined -c -o "$o" "$1" || return 1
    fi
    echo "$o"
}

# program SOURCE OUTPUT SANITIZERS [ANOTHER-SOURCE]
program() {
    local objects=() source o
    for source in "$1" $(links "$1") ${4:-}; do
        o=$(object "$source") || return 1
        objects+=("$o")
    done
    # shellcheck disable=SC2086 # a list of words
    "$cc" -g -fsanitize=$3 -o "$2" "${objects[@]}" $libs
}

# Seeds of all targets, in $out/seeds/NAME.
seeds() {
    local name source
    rm -rf "$out/seeds"
    for source in tests/fuzz/fuzz_*.c; do
        name=$(basename "$source" .c)
        name=${name#fuzz_}
        mkdir -p "$out/seeds/$name"
        [ ! -d "tests/fuzz/corpus/$name" ] || cp tests/fuzz/corpus/"$name"/* "$out/seeds/$name/"
    done
    for source in tests/fuzz/seeds*.c; do
        name=$(basename "$source" .c)
        program "$source" "$out/bin/$name" $sanitize && "$out/bin/$name" "$out/seeds" || return 1
    done
}

# Every declared success branch is reached from the seeds alone.
check_branches() { # NAME
    local name=$1 log count=$out/$1.count missed
    rm -f "$count"
    if ! log=$(ORION_FUZZ_COUNT=$count "$out/bin/fuzz_$name" -runs=0 "$out/seeds/$name" 2>&1); then
        ok 1 "$name: its seeds run" "$log"
        return
    fi
    missed=$(awk '$2 == 0 { print "no seed reaches " $1 }' "$count" 2>/dev/null || echo "no counts were written")
    [ -s "$count" ] && [ -z "$missed" ]
    ok $? "$name: its seeds reach all $(wc -l <"$count") success branches" "$missed"
}

run_target() { # NAME
    local name=$1 log=$out/$1.log runs
    mkdir -p "$out/found/$name"
    "$out/bin/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=64 -print_final_stats=1 \
        -artifact_prefix="$out/$name-" "$out/found/$name" "$out/seeds/$name" >"$log" 2>&1
    local status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: //p' "$log")
    ok $status "$name: $seconds s, ${runs:-no} runs" "$(grep -v '^#' "$log"; for f in "$out/$name"-*; do
        [ -e "$f" ] && echo "input of ${f##*/}: $(base64 -w0 "$f" | head -c 2000)"
    done)"
}

mkdir -p "$out/bin"
# shellcheck disable=SC2046 # a list of names
targets=${FUZZ_ONLY:-$(for f in tests/fuzz/fuzz_*.c; do basename "$f" .c; done | sed 's/^fuzz_//')}
if ! log=$(seeds 2>&1); then
    ok 1 "the seeds are written" "$log"
    echo "1..$tests"
    exit 1
fi
for name in $targets; do
    if ! log=$(program "tests/fuzz/fuzz_$name.c" "$out/bin/fuzz_$name" fuzzer,$sanitize tests/fuzz/count.c 2>&1); then
        ok 1 "$name: builds" "$log"
        continue
    fi
    check_branches "$name"
    run_target "$name"
done
echo "1..$tests"
exit $failed
