#!/bin/bash
# kill -9 of each process in turn while a build runs, then `orion lab restart NAME` and nothing else: the task ends
# Completed within 60 s with a complete log, at its first attempt: the next agent process adopts the dead one's runner.
. "$(dirname "$0")/../lib.sh"

repo=$(repo_makefile slow <<'MAKE'
all:
	@for i in $$(seq 1 400); do echo "line $$i of the build"; sleep 0.02; done; echo done
MAKE
)
lab_up lab --repo "slow=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }

running() { task_is "$1" running; }
has_lines() { [ "$(curl -s -H 'Accept: text/plain' "$URL/v1/tasks/$1/log" | grep -c 'of the build')" -gt "$2" ]; }
completed() { [ "$(curl -s "$URL/task-status/$1" | jq -r .status)" = Completed ]; }
expected=$(for i in $(seq 1 400); do echo "line $i of the build"; done; echo done)

for part in gateway scheduler logsink-1 postgres agent-1; do
    id=$("$ORION" submit slow)
    wait_for 20 has_lines "$id" 20 || ok 1 "$part: the build gets going"
    old=$(lab_pid $part)
    kill -9 "$old"
    "$ORION" lab restart $part --dir "$LAB" >"$T/restart" 2>&1; ok $? "$part: restarted after kill -9" "$(cat "$T/restart")"
    [ "$(lab_pid $part)" != "$old" ]; ok $? "$part: has a new pid file"
    start=$SECONDS
    wait_for 60 completed "$id"; ok $? "$part: the task is Completed $((SECONDS - start)) s later" "$(curl -s "$URL/v1/tasks/$id")"
    wait_for 20 log_complete "$id"; ok $? "$part: the log is complete" "$(curl -s "$URL/v1/tasks/$id")"
    is "$("$ORION" logs "$id" | grep -v '^orion: ')" "$expected" "$part: every line once and in order"
    is "$(lab_sql "SELECT attempt FROM orion.task WHERE id = '$id'")" 1 "$part: the first attempt did it"
    is "$(violations)" 0 "$part: no invariant is violated"
done
sanitizers_quiet
plan_done
