#!/bin/bash
# 8 agents x 2 slots, 200 tiny tasks submitted by 8 clients at once: every one ends once.
. "$(dirname "$0")/../lib.sh"
repo=$(repo_makefile tiny <<'MAKE'
all:
	@echo $$ORION_TASK_ID
MAKE
)
lab_up lab --agents 8 --slots 2 --repo "tiny=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }
seq 200 | xargs -P 8 -I{} curl -s -X POST "$URL/v1/tasks" -H 'Content-Type: application/json' -d '{"repo":"tiny","mr":"{}"}' -w '\n' | jq -r .id | sort >"$T/ids"
is "$(sort -u "$T/ids" | wc -l)" 200 "200 submissions, 200 ids"
ended() { [ "$(lab_sql 'SELECT count(*) FROM orion.task WHERE ended_at IS NOT NULL')" = 200 ]; }
wait_for 120 ended; ok $? "every task ends" "$(lab_sql 'SELECT state, count(*) FROM orion.task GROUP BY 1')"
is "$(lab_sql "SELECT state || count(*) FROM orion.task GROUP BY state")" succeeded200 "and succeeds"
is "$(lab_sql 'SELECT count(*) FROM orion.attempt')" 200 "each in one attempt"
is "$(lab_sql "SELECT count(*) FROM (SELECT task_id FROM orion.event WHERE kind = 'task.ended' GROUP BY 1 HAVING count(*) <> 1) s")" 0 "no task ended twice"
is "$(lab_sql "SELECT id FROM orion.task ORDER BY 1" | cmp -s - "$T/ids" && echo same)" same "the ids are those that were answered"
is "$(lab_sql 'SELECT count(DISTINCT agent_id) FROM orion.attempt')" 8 "all agents had a part"
sealed() { [ "$(lab_sql "SELECT count(*) FROM orion.attempt WHERE log_state <> 'complete'")" = 0 ]; }
wait_for 30 sealed; ok $? "every log is complete" "$(lab_sql 'SELECT log_state, count(*) FROM orion.attempt GROUP BY 1')"
wrong=0
while read -r id; do [ "$(curl -s -H 'Accept: text/plain' "$URL/v1/tasks/$id/log" | tail -1)" = "$id" ] || wrong=$((wrong + 1)); done < <(shuf -n 40 "$T/ids")
is $wrong 0 "forty logs picked at random are their own tasks'"
is "$(violations)" 0 "no invariant is violated"
sanitizers_quiet
plan_done
