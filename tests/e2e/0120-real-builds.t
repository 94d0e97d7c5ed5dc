#!/bin/bash
# Real input: bare git repositories made from Debian's sources, built through Orion with make, configure and cmake+ninja.
# They are fetched once into build/sources.
. "$(dirname "$0")/../lib.sh"
SOURCES=$TEST_TOP/build/sources

packages="lua5.4 zlib libzstd redis"
# shellcheck disable=SC2086 # a list of words
"$TEST_TOP/scripts/sources.sh" "$SOURCES" $packages >"$T/fetch" 2>&1 || {
    ok 1 "Debian's sources can be fetched" "$(tail -5 "$T/fetch")"
    plan_done
    exit 1
}
mkdir -p "$T/repo" && for p in $packages; do cp -a "$SOURCES/$p.git" "$T/repo/"; done
repos=()
for p in $packages; do repos+=(--repo "$p=$T/repo/$p.git"); done
lab_up lab --slots 2 "${repos[@]}" || { ok 1 "the lab comes up"; plan_done; exit 1; }

# build NAME ARTEFACT ARGS...: submits, prints the id
declare -A ID ARTEFACT
submit() { local name=$1 artefact=$2 repo=$3; shift 3; ID[$name]=$("$ORION" submit "$repo" "$@") && ARTEFACT[$name]=$artefact; }
submit "lua5.4 with make" src/lua lua5.4 linux
submit "zlib with cmake and ninja" .orion-build/minigzip zlib
submit "zlib with configure and make" minigzip zlib --driver configure
submit "zstd with make" programs/zstd libzstd zstd-release
submit "redis with make" src/redis-server redis -a MALLOC=libc
for name in "${!ID[@]}"; do
    id=${ID[$name]}
    wait_for 400 task_ended "$id"
    task=$(curl -s "$URL/v1/tasks/$id")
    is "$(jq -r '.state, .exit_code' <<<"$task" | xargs)" "succeeded 0" "$name: exit 0" || true
    ws=$(jq -r '.attempts[-1].workspace' <<<"$task")
    [ -s "$ws/${ARTEFACT[$name]}" ]; ok $? "$name: ${ARTEFACT[$name]} is in the workspace" "$(ls "$ws" 2>&1 | head -20; "$ORION" logs "$id" 2>/dev/null | tail -5)"
    wait_for 15 log_complete "$id"; ok $? "$name: the log is complete"
done
is "$("$LAB/agent-1/work/${ID[zstd with make]}.1/programs/zstd" --version 2>&1 | grep -ci zstandard)" 1 "the zstd that was built runs"
is "$(violations)" 0 "no invariant is violated"
sanitizers_quiet
plan_done
