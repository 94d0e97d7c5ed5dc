#!/bin/bash
# An agent is killed (-9) in each phase of an attempt, or told to leave; the next process adopts the runner, and the farm
# sees one attempt whose log has every byte once. At the end no process of any of it is left.
. "$(dirname "$0")/../lib.sh"

# The builds wait for a file in their workspace, and write what the log must be into another.
repo=$(repo_makefile phases <<'MAKE'
all:
	@(echo "this build began"; while [ ! -e go ]; do sleep 0.02; done; seq 1 30000; echo "this build ended") | tee copy
stubborn:
	@trap '' TERM; echo "this build began"; while :; do sleep 0.1; done
MAKE
)
lab_up lab --repo "phases=$repo" --slots 3 || { ok 1 "the lab comes up"; plan_done; exit 1; }

began() { [ "$(curl -s -H 'Accept: text/plain' "$URL/v1/tasks/$1/log" | grep -c 'this build began')" = 1 ]; }
attempts() { lab_sql "SELECT count(*) FROM orion.attempt WHERE task_id = '$1'"; }
workspace() { echo "$LAB/agent-1/work/$1.1"; }
go() { as_lab touch "$(workspace "$1")/go"; }
agent_kill() { kill -9 "$(lab_pid agent-1)"; wait_for 10 agent_gone; }
agent_gone() { ! kill -0 "$(lab_pid agent-1)" 2>/dev/null; }
agent_again() { "$ORION" lab restart agent-1 --dir "$LAB" >"$T/restart" 2>&1; ok $? "$1: the agent is back" "$(cat "$T/restart")"; }
adopted() { [ "$(grep -c "adopted.*$1" "$LAB/log/agent-1.log")" -ge 1 ]; }
# Runners of this lab: their lock is open as descriptor 4.
runners() { for p in /proc/[0-9]*; do case $(readlink "$p/fd/4" 2>/dev/null) in "$LAB"/agent-1/spool/*/lock*) echo "${p#/proc/}" ;; esac; done; }
no_runner() { [ -z "$(runners)" ]; }
nothing_held() { [ -z "$(ls "$LAB/agent-1/spool")" ]; }

# whole NAME ID: it succeeded at the first attempt, and its log is what the build wrote
whole() {
    wait_for 40 task_is "$2" succeeded; ok $? "$1: succeeded" "$(curl -s "$URL/v1/tasks/$2")"
    wait_for 20 log_complete "$2"; ok $? "$1: the log is complete" "$(curl -s "$URL/v1/tasks/$2")"
    is "$(attempts "$2")" 1 "$1: one attempt"
    curl -s -H 'Accept: text/plain' "$URL/v1/tasks/$2/log" | grep -v '^orion: ' >"$T/log.$2"
    cmp "$T/log.$2" "$(workspace "$2")/copy" >"$T/cmp" 2>&1; ok $? "$1: every byte once and in order" "$(cat "$T/cmp")"
}

id=$("$ORION" submit phases)
wait_for 20 began "$id" || ok 1 "running: it begins"
runner=$(runners)
agent_kill
kill -0 "$runner"; ok $? "running: the runner lives on"
agent_again running
is "$(runners)" "$runner" "running: it is still the same runner"
adopted "$id"; ok $? "running: its adoption is told in the log"
go "$id"
whole running "$id"
wait_for 10 no_runner; ok $? "running: no runner is left" "$(runners)"

id=$("$ORION" submit phases)
wait_for 20 began "$id" || ok 1 "ended while away: it begins"
agent_kill
go "$id"
wait_for 20 no_runner; ok $? "ended while away: the runner goes by itself" "$(runners)"
is "$(task_state "$id")" running "ended while away: nobody knows it yet"
agent_again "ended while away"
whole "ended while away" "$id"

# The table of repositories is a pipe nobody writes to: the agent accepts, and is stuck before the first git.
mv "$LAB/agent.yaml" "$LAB/table"
as_lab mkfifo "$LAB/agent.yaml" 2>/dev/null || mkfifo -m 666 "$LAB/agent.yaml"
id=$("$ORION" submit phases)
accepted() { [ -n "$(lab_sql "SELECT 1 FROM orion.event WHERE kind = 'attempt.accepted' AND task_id = '$1'")" ]; }
wait_for 20 accepted "$id"; ok $? "preparing: accepted"
agent_kill
mv "$LAB/table" "$LAB/agent.yaml"
agent_again preparing
wait_for 20 began "$id"; ok $? "preparing: it is prepared again"
go "$id"
whole preparing "$id"

# The farm's log sink is away: the result is told, the log is not shipped when the agent dies.
id=$("$ORION" submit phases)
wait_for 20 began "$id" || ok 1 "log not shipped: it begins"
kill -STOP "$(lab_pid logsink-1)"
go "$id"
wait_for 20 task_is "$id" succeeded; ok $? "log not shipped: the verdict does not wait for the log"
agent_kill
agent_again "log not shipped" # the farm is asked whether it is ready: not for the sink
kill -CONT "$(lab_pid logsink-1)"
whole "log not shipped" "$id"

id=$("$ORION" submit phases stubborn)
wait_for 20 began "$id" || ok 1 "stopping: it begins"
runner=$(runners)
"$ORION" cancel "$id" >/dev/null
told() { grep -qs '^verdict' "$LAB"/agent-1/spool/"$1".1/record; }
wait_for 20 told "$id"; ok $? "stopping: the agent was told"
agent_kill
agent_again stopping
wait_for 30 task_is "$id" cancelled; ok $? "stopping: cancelled" "$(curl -s "$URL/v1/tasks/$id")"
wait_for 20 log_complete "$id"; ok $? "stopping: the log is complete"
is "$(attempts "$id")" 1 "stopping: one attempt"
wait_for 20 no_runner; ok $? "stopping: nothing is left of it" "$(runners)"

wait_for 20 nothing_held; ok $? "the agent holds nothing any more" "$(ls "$LAB/agent-1/spool")"
is "$(violations)" 0 "no invariant is violated"

# Killed, and the lab goes down: its runner and the build go with it.
id=$("$ORION" submit phases)
wait_for 20 began "$id" || ok 1 "down: it begins"
runner=$(runners)
build=$(cat "/proc/$runner/task/$runner/children")
kill -9 "$(lab_pid agent-1)"
"$ORION" lab down --dir "$LAB" >"$T/down" 2>&1; ok $? "down: after kill -9 of an agent" "$(cat "$T/down")"
no_runner; ok $? "down: no runner is left" "$(runners)"
for p in $build; do ! kill -0 "$p" 2>/dev/null; ok $? "down: nor the build"; done

# Told to leave: an upgrade. The agent of this lab is asked by its setting.
lab_up leave --repo "phases=$repo" --set ORION_AGENT_ON_STOP=leave || { ok 1 "the second lab comes up"; plan_done; exit 1; }
id=$("$ORION" submit phases)
wait_for 20 began "$id" || ok 1 "leave: it begins"
runner=$(runners)
agent_again leave
is "$(runners)" "$runner" "leave: the same runner, of the next agent"
go "$id"
whole leave "$id"
wait_for 10 no_runner; ok $? "leave: no runner is left" "$(runners)"
sanitizers_quiet
plan_done
