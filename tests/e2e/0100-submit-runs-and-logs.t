#!/bin/bash
# The whole path once: submit -> schedule -> build -> live log -> history, seen from the CLI, HTTP and SQL.
. "$(dirname "$0")/../lib.sh"

repo=$(repo_makefile hello <<'MAKE'
all:
	@echo building; printf 'no newline at the end'
	@echo made > product
fail:
	@echo about to fail >&2; exit 3
MAKE
)
lab_up lab --repo "hello=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }
like "$(cat "$LAB.up")" "ready http://127.0.0.1:$PORT" "up ends at ready with the URL"
like "$(cat "$LAB.up")" "export ORION_URL=http://127.0.0.1:$PORT" "and says what to export"

out=$("$ORION" run hello 2>"$T/err"); rc=$?
is $rc 0 "orion run exits 0 when the build succeeds"
like "$out" 'orion: .*driver make' "the first log line names the driver"
like "$out" 'commit [0-9a-f]{40}' "and the commit"
like "$out" 'make -j[0-9]+' "and the argv"
is "${out##*$'\n'}" "no newline at the end" "the log ends as the build ended it"

id=$("$ORION" submit hello fail)
wait_for 30 task_ended "$id"
is "$(task_state "$id")" failed "a failing build fails"
like "$("$ORION" logs "$id")" 'about to fail' "its log is there afterwards"
"$ORION" run --propagate hello fail >/dev/null 2>&1
is $? 2 "run --propagate exits with make's own code"
"$ORION" run hello fail >/dev/null 2>&1
is $? 1 "run exits 1 for a failed build"

status=$("$ORION" status "$id")
like "$status" 'failed' "status shows the state"
like "$status" "agent-1/work/$id\.1" "and the workspace"
like "$("$ORION" list)" "$id" "list shows the task"
is "$("$ORION" list --json | jq -r '.tasks | length')" 4 "list --json is the API's document"
like "$("$ORION" agents)" 'agent-1' "agents shows the agent"

is "$(lab_sql "SELECT count(*) FROM orion.task WHERE state = 'succeeded' AND exit_code = 0")" 1 "SQL knows the success"
is "$(lab_sql "SELECT DISTINCT exit_code FROM orion.task WHERE state = 'failed'")" 2 "and make's exit code"
wait_for 15 log_complete "$id"; ok $? "the log is sealed as complete"
bytes=$(lab_sql "SELECT log_bytes FROM orion.attempt WHERE task_id = '$id'")
is "$(curl -s -H 'Accept: text/plain' "$URL/v1/tasks/$id/log" | wc -c)" "$bytes" "the raw log has as many bytes as the runner counted"
is "$(violations)" 0 "no invariant is violated"
is "$(lab_sql "SELECT count(*) FROM (SELECT seq - lag(seq) OVER (ORDER BY seq) AS d FROM orion.event) s WHERE d <> 1")" 0 "the journal has no hole"

like "$(curl -s "$URL/api/health")" '"status":"healthy"' "health"
is "$(curl -s -o /dev/null -w '%{http_code}' "$URL/readyz")" 200 "readyz"
sanitizers_quiet
plan_done
