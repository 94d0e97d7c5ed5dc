#!/bin/bash
# A project with 10,000 queued tasks does not hold up another's: its first task gets the next free slot, and with more
# tasks it gets its share. Said by the order of the journal, never by time.
. "$(dirname "$0")/../lib.sh"
repo=$(repo_makefile tiny <<'MAKE'
all:
	@true
%:
	@true
MAKE
)
SLOTS=2
lab_up lab --agents 1 --slots $SLOTS --repo "tiny=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }

ASSIGNED="(kind = 'task.assigned' OR (kind = 'task.submitted' AND attempt IS NOT NULL))"
queued() { lab_sql "SELECT count(*) FROM orion.task WHERE project = '$1' AND state = 'queued'"; }
submit() { curl -s -X POST "$URL/v1/tasks" -H 'Content-Type: application/json' -d "{\"repo\":\"tiny\",\"project\":\"$1\"}" | jq -r .id; }
post() { curl -s -o /dev/null -w '%{http_code}' -X POST "$URL/v1/$1"; }
# Assignments between a task's submission and its own.
passed_by() {
    lab_sql "SELECT count(*) FROM orion.event WHERE $ASSIGNED
        AND seq > (SELECT seq FROM orion.event WHERE task_id = '$1' AND kind = 'task.submitted')
        AND seq < (SELECT min(seq) FROM orion.event WHERE task_id = '$1' AND $ASSIGNED)"
}

"$ORION_BUILD/bench/dispatch" -A 0 -n 10000 -p crowd -R tiny "$URL" >"$T/crowd.json"
ok $? "a project submits 10,000 tasks" "$(cat "$T/crowd.json")"
for project in first second third; do
    id=$(submit $project)
    wait_for 60 task_ended "$id"; ok $? "project $project: its only task ends"
    is "$(task_state "$id")" succeeded "and succeeds"
    passed=$(passed_by "$id")
    ok "$([ "${passed:-99}" -le $SLOTS ]; echo $?)" "project $project: $passed assignments came before it, not more than there are slots"
done
ok "$([ "$(queued crowd)" -gt 5000 ]; echo $?)" "the crowd still waits ($(queued crowd))"

# Half of the slots for each of two projects of the same weight, whatever their queues' lengths.
is "$(post queue/pause)" 200 "the queue is paused"
for _ in $(seq 20); do submit team >/dev/null; done
is "$(queued team)" 20 "another project's twenty tasks wait"
mark=$(lab_sql 'SELECT max(seq) FROM orion.event')
is "$(post queue/resume)" 200 "the queue goes on"
team_ended() { [ "$(lab_sql "SELECT count(*) FROM orion.task WHERE project = 'team' AND ended_at IS NOT NULL")" = 20 ]; }
wait_for 120 team_ended; ok $? "the twenty tasks end"
share=$(lab_sql "SELECT count(*) FILTER (WHERE project = 'team') FROM
    (SELECT project FROM orion.event WHERE $ASSIGNED AND seq > $mark ORDER BY seq LIMIT 20) s")
ok "$([ "$share" -ge 8 ] && [ "$share" -le 12 ]; echo $?)" "about half of the next twenty assignments are its ($share)"
is "$(violations)" 0 "no invariant is violated"
sanitizers_quiet
plan_done
