#!/bin/bash
# fanout.sh - one log, many viewers: server-sent events beside nginx+nchan and node's better-sse, in one run, interleaved:
# every repeat measures each of them once, with the same load client.
#
#   bench/fanout.sh [PEERS]     PEERS: a writable copy of the peers' folder, installed and compiled (see its README); its
#                               load client is needed for Orion too
#   ORION_BUILD   a build without sanitizers (default: build/dev)       REPS  3
#   CASES         a pattern of names, such as 'max_100.*'               ONLY  orion: without the others
#   WORKERS       of the gateway (default: 2)
#
# Lines of 100 bytes; bN: N lines in one message. Orion's enter as an agent's chunks, one chunk for each message, over a
# real WebSocket (bench/fanout takes them from the load client by HTTP, one hop more than the others have), and go through
# gateway, log sink (hash chain checked, journal written and synced) and gateway to /task-output. A line is timed from the
# client's stamp to the subscriber that has it; a run counts only if every subscriber got every line. Processor seconds
# are those of gateway, sink and scheduler together. Afterwards 100 subscribers compare each byte. Memory: idle_conn's user
# memory per idle subscriber of a running build, in a fresh farm; `calm`: one subscriber, 20 lines a second, beside others
# that are parked at another log.
# Prints medians with least and most, and ratios; the rows go to bench/results/fanout.tsv.
set -euo pipefail
cd "$(dirname "$0")/.."
PEERS=${1:-${PEERS:-}}
[ -n "$PEERS" ] || { echo "usage: bench/fanout.sh PEERS" >&2; exit 2; }
PEERS=$(cd "$PEERS" && pwd)
REPS=${REPS:-3}
CASES=${CASES:-.*}
ONLY=${ONLY:-}
export ORION_BUILD=${ORION_BUILD:-$PWD/build/dev}
. tests/lib.sh
set +eu
mkdir -p bench/results
RAW=$T/raw.jsonl
: >"$RAW"
FANOUT=

# shellcheck disable=SC1091 # not ours
peer() { (. "$PEERS/env.sh" >/dev/null; "$@"); }
ended() {
    local status=$?
    [ -z "$FANOUT" ] || kill "$FANOUT" 2>/dev/null
    peer "$PEERS/setup.sh" stop nchan bettersse >/dev/null 2>&1
    (exit $status)
    finish
}
trap ended EXIT

# name, subscribers, lines, lines in a message, lines a second (0: as fast as they go), POSTs in flight
cases() {
    grep -E "^($CASES) " <<'TABLE'
max_1sub_b1 1 40000 1 0 8
max_1sub_b20 1 50000 20 0 8
max_100sub_b1 100 10000 1 0 8
max_100sub_b20 100 50000 20 0 8
max_1000sub_b1 1000 1000 1 0 8
max_1000sub_b20 1000 5000 20 0 8
rate1k_1sub_b1 1 4000 1 1000 1
rate1k_100sub_b1 100 4000 1 1000 1
rate100_1000sub_b1 1000 400 1 100 1
TABLE
}

# record REPEAT SERVER NAME COMMAND...: the last line it prints is the record
record() {
    local rep=$1 server=$2 name=$3 line
    shift 3
    line=$("$@" 2>>"$T/bench.log" | tail -1)
    [[ $line == \{*\} ]] || { echo "# $server $name: no figures" >&2; tail -3 "$T/bench.log" >&2; return 1; }
    line="${line%\}},\"rep\":$rep,\"server\":\"$server\",\"name\":\"$name\"}"
    echo "$line" >>"$RAW"
    jq -r '"# \(.rep) \(.server) \(.name): " + if .rss_per_conn_b then "\(.rss_per_conn_b) bytes each" else
        "\(.delivered_per_s) lines/s, \(.server_cpu_per_M) s/M, p50 \(.p50_us) us, p99 \(.p99_us) us, " +
        (if .delivered == .expected then "all" else "LOST \(.expected - .delivered)" end) end' <<<"$line"
}
bench() { "$PEERS/c/sse_bench" -t 60 "$@"; }

# --- what the others do ------------------------------------------------------------------------------------------

peer_once() { # REPEAT SERVER PORT
    local rep=$1 server=$2 port=$3 pid name subs lines per rate window id n
    peer "$PEERS/setup.sh" start "$server" >/dev/null || exit 1
    pid=$(peer bash -c "cat \$D/$server.pid")
    while read -r name subs lines per rate window; do
        id=$name$rep
        record "$rep" "$server" "$name" bench -s "http://127.0.0.1:$port/sub?id=$id" -p "http://127.0.0.1:$port/pub?id=$id" \
            -x "$pid" -n "$subs" -l "$lines" -b "$per" -r "$rate" -W "$window"
    done < <(cases)
    peer "$PEERS/setup.sh" stop "$server"
    [ "$CASES" = '.*' ] || return 0
    for n in 1000 10000; do   # each with a fresh server: what another run has touched would count as free
        peer "$PEERS/setup.sh" start "$server" >/dev/null || exit 1
        pid=$(peer bash -c "cat \$D/$server.pid")
        record "$rep" "$server" "idle_$n" "$PEERS/c/idle_conn" -m sse -u "http://127.0.0.1:$port/sub?id=idle$rep" -n "$n" -x "$pid"
        peer "$PEERS/setup.sh" stop "$server"
    done
}

# --- what Orion does ----------------------------------------------------------------------------------------------

farm_pids() { echo "$(lab_pid gateway),$(lab_pid logsink-1),$(lab_pid scheduler)"; }

orion_up() {
    lab_up "$1" --agents 0 --workers "${WORKERS:-2}" || exit 1
    DOOR=$(free_port)
    "$ORION_BUILD/bench/fanout" -x "gateway=$(lab_pid gateway)" -x "sink=$(lab_pid logsink-1)" \
        -x "scheduler=$(lab_pid scheduler)" "$URL" "$DOOR" >"$T/fanout.out" 2>>"$T/bench.log" &
    FANOUT=$!
    wait_for 20 grep -q ready "$T/fanout.out" || exit 1
}

orion_down() {
    kill "$FANOUT"
    wait "$FANOUT"
    FANOUT=
    "$ORION" lab down --dir "$LAB" >/dev/null
}

# A task that the bench's agent builds: sets TASK
task_new() {
    TASK=$(curl -s -X POST "$URL/v1/tasks" -H 'Content-Type: application/json' -d '{"repo":"bench"}' | jq -r .id)
    wait_for 20 grep -q "task $TASK" "$T/fanout.out" || { echo "the task was not assigned" >&2; exit 1; }
}
task_over() { wait_for 20 log_complete "$TASK" || { echo "the log is not complete" >&2; exit 1; }; }

orion_case() { # REPEAT NAME SUBSCRIBERS LINES PER RATE WINDOW
    task_new
    record "$1" orion "$2" bench -s "$URL/task-output/$TASK" -p "http://127.0.0.1:$DOOR/" -x "$(farm_pids)" \
        -n "$3" -l "$4" -b "$5" -r "$6" -W "$7"
    task_over
    jq -r '"#   " + ([to_entries[] | select(.key | startswith("cpu_")) | "\(.key[4:]) \(.value) s"] | join(", ")) +
        ", rewinds \(.rewinds)"' <<<"$(grep "$TASK" "$T/fanout.out" | tail -1)"
}

# One subscriber that others do not disturb, beside N that are parked at the log of a task that waits for its agent.
orion_calm() { # REPEAT PARKED
    local idle='' waiting
    task_new
    if [ "$2" != 0 ]; then
        waiting=$(curl -s -X POST "$URL/v1/tasks" -H 'Content-Type: application/json' -d '{"repo":"bench","labels":["nobody"]}' | jq -r .id)
        "$PEERS/c/idle_conn" -m sse -u "$URL/v1/tasks/$waiting/log" -n "$2" -t 12 -x "$(lab_pid gateway)" >"$T/idle.out" 2>>"$T/bench.log" &
        idle=$!
        parked() { [ "$(ss -Htn state established "( sport = :$PORT )" | wc -l)" -ge "$1" ]; }
        wait_for 20 parked "$2"
    fi
    record "$1" orion "calm_$2_parked" bench -s "$URL/v1/tasks/$TASK/log" -p "http://127.0.0.1:$DOOR/" -x "$(farm_pids)" -n 1 -l 100 -b 1 -r 20
    if [ -n "$idle" ]; then
        wait "$idle"
        curl -s -o /dev/null -X POST "$URL/v1/tasks/$waiting/cancel" -H 'Content-Type: application/json' -d '{}'
    fi
    task_over
}

orion_idle() { # REPEAT SUBSCRIBERS
    orion_up "idle$2-$1"
    task_new
    record "$1" orion "idle_$2" "$PEERS/c/idle_conn" -m sse -u "$URL/task-output/$TASK" -n "$2" -x "$(lab_pid gateway)"
    orion_down
}

# Every byte, by 100 subscribers that begin before and in the middle of it.
orion_exact() {
    local i pids='' bad=0
    task_new
    for i in $(seq 50); do curl -sN -H 'Accept: text/event-stream' "$URL/v1/tasks/$TASK/log" >"$T/sub.$i" & pids="$pids $!"; done
    bench -s "$URL/task-output/$TASK" -p "http://127.0.0.1:$DOOR/" -n 1 -l 20000 -b 1 -W 8 >/dev/null 2>>"$T/bench.log" &
    for i in $(seq 51 100); do curl -sN -H 'Accept: text/event-stream' "$URL/v1/tasks/$TASK/log" >"$T/sub.$i" & pids="$pids $!"; done
    # shellcheck disable=SC2086 # a list
    wait $pids
    task_over
    curl -s "$URL/v1/tasks/$TASK/log?format=text" >"$T/raw.log"
    for i in $(seq 100); do
        awk '/^event: /{e = $2} /^data: / && e == "log" {print substr($0, 7)}' "$T/sub.$i" | cmp -s - "$T/raw.log" || bad=$((bad + 1))
    done
    echo "# $1 orion: $(wc -l <"$T/raw.log") lines, $bad of 100 subscribers got anything else"
    [ $bad = 0 ] || exit 1
}

orion_once() {
    local name subs lines per rate window
    orion_up "run$1"
    while read -r name subs lines per rate window; do
        orion_case "$1" "$name" "$subs" "$lines" "$per" "$rate" "$window"
    done < <(cases)
    if [ "$CASES" = '.*' ]; then
        orion_calm "$1" 0
        orion_calm "$1" 500
        orion_calm "$1" 10000
        orion_exact "$1"
    fi
    orion_down
    [ "$CASES" = '.*' ] || return 0
    orion_idle "$1" 1000
    orion_idle "$1" 10000
}

for rep in $(seq "$REPS"); do
    orion_once "$rep"
    [ "$ONLY" = orion ] || { peer_once "$rep" nchan 27480; peer_once "$rep" bettersse 27481; }
done
python3 bench/fanout_table.py "$RAW" bench/results/fanout.tsv "$(git rev-parse --short HEAD 2>/dev/null || echo -)"
