#!/bin/bash
# ingest.sh - durable lines per second from builds through agent and gateway to a log sink, everything on this machine,
# the builds that write included; fsync on.
#
#   bench/ingest.sh [BUILDS]...     how many builds write at the same time (default: 1 100 1000)
#   ORION_BUILD   a build without sanitizers (default: build/dev)          REPS   3
#   LINES         of all builds of a run together (default: 8000000)       SIZE   64 bytes each
#
# A lab of its own for each number of builds. The builds of a run are all started first and wait at a gate; the clock
# runs from the gate's opening to the commit that says of the last log that it is complete, as the database has it. A
# run counts only when every log is complete and has as many lines as were written. The floors, in the same run: the
# same lines to a file with fdatasync every MiB, and through a pipe. Prints medians with least and most, and processor
# seconds per million lines; rows are added to bench/results/ingest.tsv.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- 1 100 1000
REPS=${REPS:-3}
LINES=${LINES:-8000000}
SIZE=${SIZE:-64}
export ORION_BUILD=${ORION_BUILD:-$PWD/build/dev}
INGEST=$ORION_BUILD/bench/ingest
. tests/lib.sh
set +e
REV=$(git rev-parse --short HEAD)$(git diff --quiet HEAD || echo +)
ROWS=bench/results/ingest.tsv
mkdir -p bench/results
[ -s $ROWS ] || printf 'rev\tbuilds\trep\tlines\tsize\tlines_per_s\tmb_per_s\tcpu_agents\tcpu_gateway\tcpu_sink\tcpu_other\tcpu_builds\tfile_mb_per_s\tpipe_mb_per_s\n' >$ROWS
FIRST=$(wc -l <$ROWS)

agents_of() { # BUILDS: how many agents, and slots of each
    if [ "$1" -ge 500 ]; then echo "10 $(($1 / 10))"; elif [ "$1" -ge 20 ]; then echo "4 $(($1 / 4))"; else echo "1 $1"; fi
}
pids_of() { # NAME-PATTERN
    local f
    for f in "$LAB"/pid/$1.pid; do head -1 "$f"; done | paste -sd,
}
usage() {
    "$INGEST" usage "agents=$(pids_of 'agent*')" "gateway=$(pids_of gateway)" "sink=$(pids_of 'logsink*')" \
        "other=$(pids_of scheduler),$(pids_of postgres)"
}

farm_up() { # BUILDS
    local repo agents slots
    read -r agents slots < <(agents_of "$1")
    touch "$T/gate" "$T/cpu"
    chmod 666 "$T/gate" "$T/cpu"
    mkdir -p "$T/src/lines"
    printf 'all:\n\t@%s lines -g %s -u %s -s %s -n %s\n' "$INGEST" "$T/gate" "$T/cpu" "$SIZE" $((LINES / $1)) >"$T/src/lines/Makefile"
    repo=$(rm -rf "$T/repo" "$T/src/lines/.git"; repo_make lines 2>/dev/null)
    lab_up "builds$1" --agents "$agents" --slots "$slots" --repo "lines=$repo" || exit 1
}

all_wait() { # they wait for the gate's lock: as many as there are builds
    [ "$(grep -c " FLOCK .*READ .*:$(stat -c %i "$T/gate") " < <(grep -- '->' /proc/locks))" -ge "$1" ]
}
all_complete() { [ "$(lab_sql "SELECT count(*) FROM orion.attempt WHERE log_state <> 'open'")" -ge "$1" ]; }

floors() { # bytes per second: file, pipe
    local n=$((LINES < 4000000 ? LINES : 4000000))
    "$INGEST" file -s "$SIZE" -n "$n" "$T/floor"
    rm -f "$T/floor"
    "$INGEST" lines -s "$SIZE" -n "$n" | "$INGEST" drain
}

run() { # BUILDS REPEAT
    local each=$((LINES / $1)) before after mark opened file pipe
    read -r file pipe < <(floors | paste -sd' ')
    : >"$T/cpu"
    exec 9>"$T/gate" && flock -x 9
    mark=$(lab_sql 'SELECT count(*) FROM orion.attempt')
    seq "$1" | xargs -P 4 -n 25 sh -c 'for i; do curl -s -o /dev/null -X POST "$0/v1/tasks" -H "Content-Type: application/json" -d "{\"repo\":\"lines\"}"; done' "$URL"
    wait_for 120 all_wait "$1" || { echo "the builds did not start" >&2; return 1; }
    sleep 1   # what was printed so far is acknowledged
    before=$(usage)
    opened=$(date +%s.%N)
    flock -u 9
    wait_for 240 all_complete $((mark + $1)) || { echo "the logs did not end" >&2; return 1; }
    after=$(usage)
    # two lines of every log are the agent's, and a few may say that the build had to wait
    lab_sql "SELECT count(*) FILTER (WHERE a.log_state = 'complete' AND a.log_lines BETWEEN $each + 2 AND $each + 32
                    AND a.log_bytes BETWEEN ${each}::bigint * $SIZE + 1 AND ${each}::bigint * $SIZE + 4000), count(*),
                extract(epoch FROM max(e.at)) - $opened
        FROM orion.attempt a JOIN orion.event e ON e.task_id = a.task_id AND e.kind = 'log.sealed'
        WHERE e.at > to_timestamp($opened)" |
        python3 -c '
import json, sys
rev, builds, rep, each, size, file, pipe, before, after, cpu = sys.argv[1:]
good, seen, secs = sys.stdin.read().split("|")
builds, each, size, secs = int(builds), int(each), int(size), float(secs)
if int(good) != builds or int(seen) != builds:
    sys.exit(f"{good} of {seen} logs are complete with all their lines; {builds} builds wrote")
n = builds * each
before, after = json.loads(before), json.loads(after)
wrote = sum(map(int, open(cpu))) / 1e6
used = {k: after[k] - before[k] for k in after}
used["agents"] -= wrote
per = lambda s: f"{s / n * 1e6:.3f}"
print(rev, builds, rep, n, size, f"{n / secs:.0f}", f"{n * size / secs / 1e6:.1f}", *(per(used[k]) for k in ("agents", "gateway", "sink", "other")),
      per(wrote), f"{float(file) / 1e6:.1f}", f"{float(pipe) / 1e6:.1f}", sep="\t")
' "$REV" "$1" "$2" "$each" "$SIZE" "$file" "$pipe" "$before" "$after" "$T/cpu" | tee -a $ROWS
    [ "${PIPESTATUS[1]}" = 0 ]
}

for builds; do
    farm_up "$builds"
    for rep in $(seq "$REPS"); do run "$builds" "$rep" || exit 1; done
    "$ORION" lab down --dir "$LAB" >/dev/null
done
tail -n +$((FIRST + 1)) $ROWS | python3 -c '
import statistics, sys
rows = [line.split("\t") for line in sys.stdin.read().splitlines()]
def cell(v): return f"{statistics.median(v):,.2f} ({min(v):,.2f}-{max(v):,.2f})"
for builds in dict.fromkeys(r[1] for r in rows):
    mine = [r for r in rows if r[1] == builds]
    col = lambda i: [float(r[i]) for r in mine]
    rate = statistics.median(col(5))
    print(f"\n{builds} builds, lines of {mine[0][4]} bytes, {len(mine)} runs: median (least-most)")
    print(f"  durable lines/s      {rate:,.0f} ({min(col(5)):,.0f}-{max(col(5)):,.0f})")
    print(f"  MB/s                 {cell(col(6))}")
    print(f"  file with fdatasync  {cell(col(12))} MB/s; ingest is {statistics.median(a / b for a, b in zip(col(6), col(12))):.3f} of it")
    print(f"  pipe                 {cell(col(13))} MB/s; ingest is {statistics.median(a / b for a, b in zip(col(6), col(13))):.3f} of it")
    print("  CPU s per million lines: " + ", ".join(f"{n} {cell(col(i))}" for n, i in (("agents and runners", 7), ("gateway", 8), ("sink", 9), ("scheduler and database", 10), ("the builds", 11))))
'
