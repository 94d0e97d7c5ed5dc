#!/bin/bash
# Concurrency groups: never more at once than their limit, on whatever agents. And agents that are drained: what they
# build goes on, nothing new comes, until they are resumed.
. "$(dirname "$0")/../lib.sh"

mkdir -m 777 "$T/w"
repo=$(repo_makefile builds <<'MAKE'
hold:
	@touch $(W)/$(ORION_TASK_ID); while [ ! -e $(W)/$(GATE) ]; do sleep 0.05; done
.DEFAULT:
	@echo $@
MAKE
)
lab_up lab --agents 2 --slots 3 --repo "builds=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }
submit() { "$ORION" submit builds "$@"; }
gated() { submit hold --env "W=$T/w" --env "GATE=$1" "${@:2}"; }
task() { curl -s "$URL/v1/tasks/$1" | jq -r "$2"; }
runs() { test -e "$T/w/$1"; }
count() { lab_sql "SELECT count(*) FROM orion.task WHERE state IN ('assigned', 'running') AND concurrency_group = '$1'"; }
count_is() { [ "$(count "$1")" = "$2" ]; }
all_ended() { [ "$(lab_sql "SELECT count(*) FROM orion.task WHERE ended_at IS NULL")" = 0 ]; }

# groups
for i in 1 2 3 4; do gated db --group db; done >"$T/ids"
first=$(head -1 "$T/ids") last=$(tail -1 "$T/ids")
wait_for 30 runs "$first"; ok $? "the first of a group is built"
is "$(count db)" 1 "one at once, unless more is said"
is "$(task_state "$last")" queued "the others wait"
like "$(task "$last" .reason)" 'group db is full: 1 of 1' "and say why"
like "$("$ORION" status "$last")" 'group +db' "orion status shows the group"
free=$(submit x)
wait_for 30 task_is "$free" succeeded; ok $? "others pass by"
like "$("$ORION" group set db 2)" 'db +2' "group set"
wait_for 30 count_is db 2; ok $? "a second one starts at once"
like "$(task "$last" .reason)" 'group db is full: 2 of 2' "two are the limit now"
"$ORION" lab restart scheduler --dir "$LAB" >"$T/out" 2>&1; ok $? "the scheduler is started again" "$(cat "$T/out")"
is "$("$ORION" group --json | jq -c '.groups[] | select(.name == "db") | [.capacity, .queued, .running]')" '[2,2,2]' "the limit is kept"
is "$(count db)" 2 "and held"
touch "$T/w/db"
wait_for 60 all_ended; ok $? "all four are built"
is "$(lab_sql "SELECT max(n) FROM (SELECT (SELECT count(*) FROM orion.attempt b JOIN orion.task u ON u.id = b.task_id WHERE u.concurrency_group = 'db'
    AND b.assigned_at <= a.assigned_at AND b.ended_at > a.assigned_at) AS n FROM orion.attempt a JOIN orion.task t ON t.id = a.task_id
    WHERE t.concurrency_group = 'db') s")" 2 "never more than two at once"
"$ORION" group set db 0 >/dev/null; ok $? "a limit of 0"
none=$(submit x --group db)
like "$(task "$none" .reason)" 'group db is full: 0 of 0' "lets none start"
"$ORION" group remove db >/dev/null; ok $? "group remove"
wait_for 30 task_is "$none" succeeded; ok $? "makes it 1 again"
"$ORION" group set db many 2>/dev/null; is $? 2 "a limit is a number"

# drain
ids=$("$ORION" agents --json | jq -r '.agents | sort_by(.name) | map(.id) | join(" ")')
read -r id1 id2 <<<"$ids"
a=$(gated drain) b=$(gated drain)
wait_for 30 runs "$a" && wait_for 30 runs "$b"; ok $? "two builds run"
is "$(lab_sql "SELECT count(DISTINCT agent_id) FROM orion.attempt WHERE task_id IN ('$a', '$b')")" 2 "one on each agent"
like "$("$ORION" agent drain agent-1)" 'agent-1 +up, draining' "agent drain by name"
is "$("$ORION" agent show "$id1" --json | jq .draining)" true "agent show by id"
for i in 1 2; do submit x; done >"$T/ids"
for i in 1 2; do wait_for 30 task_is "$(sed -n ${i}p "$T/ids")" succeeded; done; ok $? "new tasks are built"
is "$(lab_sql "SELECT count(*) FROM orion.attempt WHERE agent_id = '$id1' AND task_id NOT IN ('$a', '$b') AND assigned_at > (SELECT max(assigned_at)
    FROM orion.attempt WHERE task_id IN ('$a', '$b'))")" 0 "by the other agent"
is "$(task_state "$a") $(task_state "$b")" "running running" "what it builds goes on"
is "$("$ORION" queue --json | jq .slots)" 3 "its slots do not count"
"$ORION" lab restart scheduler --dir "$LAB" >/dev/null 2>&1
is "$("$ORION" agent show agent-1 --json | jq .draining)" true "a drain outlives the scheduler"
"$ORION" agent drain "$id2" >/dev/null
stuck=$(submit x)
like "$(task "$stuck" .reason)" 'draining' "with all agents drained a task says so"
touch "$T/w/drain"
wait_for 30 task_is "$a" succeeded && wait_for 30 task_is "$b" succeeded; ok $? "both builds end"
is "$(task_state "$stuck")" queued "nothing new starts"
"$ORION" agent resume agent-1 >/dev/null
wait_for 30 task_is "$stuck" succeeded; ok $? "until one is resumed"
is "$(task "$stuck" '.attempts[0].agent')" agent-1 "and builds it"
"$ORION" agent drain nobody 2>"$T/err"; is $? 3 "an unknown agent: exit 3"
like "$(cat "$T/err")" 'nobody' "and is named"
"$ORION" agent drain 01985c0a-7d3e-7c41-9a52-3f1b6c2d8e90 2>/dev/null; is $? 3 "by an unknown id too"
is "$(violations)" 0 "no invariant is violated"
sanitizers_quiet
plan_done
