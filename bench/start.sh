#!/bin/bash
# start.sh - from submit to start: 8 agents x 2 slots, 200 tiny tasks, 5 runs on a fresh lab each.
#
#   bench/start.sh [RUNS [TASKS]]       ORION_BUILD: a build without sanitizers (default: build/dev)
#
# Per task: `start` is the agent's acceptance as committed minus the submission's arrival, `queued` the part before its
# attempt was assigned, both from SQL in milliseconds. Submissions come from 8 clients, one after the other each; `idle`
# marks the first 16, for which a slot is free whatever the speed. Prints median, min and max over the runs; raw rows go
# to bench/results/start.tsv.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-5}
tasks=${2:-200}
export ORION_BUILD=${ORION_BUILD:-$PWD/build/dev}
. tests/lib.sh
set +e
repo=$(repo_makefile tiny <<'MAKE'
all:
	@true
MAKE
) 2>/dev/null
mkdir -p bench/results
rows=bench/results/start.tsv
printf 'run\ttask\tqueued_ms\tstart_ms\tidle\n' >"$rows"
for run in $(seq "$runs"); do
    lab_up "run$run" --agents 8 --slots 2 --repo "tiny=$repo" || exit 1
    # one build first: mirrors are made and caches are warm
    for _ in 1 2 3 4 5 6 7 8; do "$ORION" run tiny >/dev/null 2>&1 & pids="${pids:-} $!"; done
    # shellcheck disable=SC2086 # a list of words
    wait $pids
    pids=
    mark=$(lab_sql 'SELECT max(seq) FROM orion.event')
    begin=$(date +%s.%N)
    # shellcheck disable=SC2016 # for the inner shell
    seq "$tasks" | xargs -P 8 -I{} curl -s -o /dev/null -X POST "$URL/v1/tasks" -H 'Content-Type: application/json' -d '{"repo":"tiny"}'
    all_done() { [ "$(lab_sql "SELECT count(*) FROM orion.task t JOIN orion.event e ON e.task_id = t.id AND e.kind = 'task.submitted' AND e.seq > $mark WHERE t.ended_at IS NOT NULL")" = "$tasks" ]; }
    wait_for 120 all_done || { echo "run $run: not all ended" >&2; exit 1; }
    secs=$(echo "$(date +%s.%N) - $begin" | bc 2>/dev/null || python3 -c "import time; print(time.time() - $begin)")
    lab_sql "SELECT $run, t.id, round(extract(epoch FROM a.assigned_at - t.created_at) * 1000, 3),
               round(extract(epoch FROM a.started_at - t.created_at) * 1000, 3), row_number() OVER (ORDER BY t.id) <= 16
        FROM orion.task t JOIN orion.attempt a ON a.task_id = t.id AND a.number = 1
        JOIN orion.event e ON e.task_id = t.id AND e.kind = 'task.submitted' AND e.seq > $mark ORDER BY t.id" | tr '|' '\t' >>"$rows"
    bad=$(lab_sql "SELECT count(*) FROM orion.task WHERE state <> 'succeeded'")
    twice=$(lab_sql "SELECT count(*) FROM (SELECT task_id FROM orion.attempt GROUP BY 1 HAVING count(*) > 1) s")
    printf 'run %d: %d tasks in %.2f s, %s not succeeded, %s with a second attempt, %s violations\n' "$run" "$tasks" "$secs" "$bad" "$twice" "$(violations)"
    "$ORION" lab down --dir "$LAB" >/dev/null
done
python3 - "$rows" <<'PY'
import csv, statistics, sys
runs = {}
for r in csv.DictReader(open(sys.argv[1]), delimiter="\t"):
    runs.setdefault(r["run"], []).append((float(r["queued_ms"]), float(r["start_ms"]), r["idle"] == "t"))
def pct(v, p): v = sorted(v); return v[min(len(v) - 1, int(len(v) * p))]
def line(name, pick):
    for p in (.5, .99):
        v = [pct(pick(rows), p) for rows in runs.values()]
        print(f"{name} p{int(p * 100)}: median {statistics.median(v):.2f} ms (min {min(v):.2f}, max {max(v):.2f}, {len(v)} runs)")
line("assigned -> started", lambda rows: [s - q for q, s, _ in rows])
line("submit -> start, idle slots", lambda rows: [s for _, s, i in rows if i])
line("submit -> start, all", lambda rows: [s for _, s, _ in rows])
PY
