#!/bin/bash
# A leader without a standby is stopped for longer than a lease, and wakes up: its agents were there all the time, so no
# lease runs out, no connection ends, and the build that runs goes on. (They say hello once more: it was out of sight.)
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/farm.sh"

pg_new db && pg_up db && orion_db db
ok $? "a database"
repo=$(repo_makefile long <<'MAKE'
all:
	@echo begun; while [ ! -e $$GATE ]; do sleep 0.1; done; echo let go
MAKE
)
printf 'repositories:\n  - name: long\n    url: %s\n' "$repo" >"$T/agent.yaml"
sched_up one "$(dsn db orion_scheduler)" --lease 2s
wait_for 20 said one leading; ok $? "a scheduler leads"
sink_up one
gateway_up "$(dsn db orion_gateway)" one
agent_up --slots 1
running() { task_is "$1" running; }
succeeded() { task_is "$1" succeeded; }
let_in() { id=$(submit "{\"repo\": \"long\", \"env\": {\"GATE\": \"$T/gate\"}}"); }
wait_for 20 let_in && wait_for 20 running "$id"; ok $? "a build runs"

kill -STOP "${PIDS[one]}"
sleep 7      # more than three leases, and than a gateway may be silent
kill -CONT "${PIDS[one]}"
start=$(now_ms)
other=$(submit '{"repo": "nothing", "labels": ["nobody"]}')
[ -n "$other" ]; ok $? "a submission is answered $(($(now_ms) - start)) ms after it was woken"
# More than a lease later, whatever would have run out has done so.
over() { [ $(($(now_ms) - start)) -gt 4000 ]; }
wait_for 20 over
is "$(sql db "SELECT count(*) FROM orion.event WHERE kind IN ('agent.gone', 'agent.lost', 'attempt.ended')")" 0 "nothing was lost"
is "$(sql db "SELECT state FROM orion.agent")" up "the agent is up"
! grep -q 'agent disconnected' "$T/log/gateway.log"; ok $? "on the connection that it had" "$(grep 'agent ' "$T/log/gateway.log")"
touch "$T/gate"
wait_for 20 succeeded "$id"; ok $? "the build ends well" "$(curl -s "$URL/v1/tasks/$id")"
is "$(sql db "SELECT attempt FROM orion.task WHERE id = '$id'")" 1 "in its first attempt"
is "$(sql db "SELECT epoch FROM orion.leader")" 1 "the same leadership goes on"
is "$(sql db "SELECT count(*) FROM orion.invariant_violations")" 0 "no invariant is violated"
farm_down; ok $? "everybody ends when asked to"
sanitizers_quiet
plan_done
