#!/bin/bash
# One slot, many who want it: classes of priority, shares of projects, pauses that outlive the scheduler, and the
# sentence that says why a task waits.
. "$(dirname "$0")/../lib.sh"

mkdir -m 777 "$T/w"
repo=$(repo_makefile builds <<'MAKE'
hold:
	@touch $(W)/$(GATE).held; while [ ! -e $(W)/$(GATE) ]; do sleep 0.05; done
.DEFAULT:
	@echo $@
MAKE
)
lab_up lab --slots 1 --repo "builds=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }
submit() { "$ORION" submit builds "$@"; }
# hold GATE: the slot is taken until open GATE
hold() { submit hold --project holder --env "W=$T/w" --env "GATE=$1" >/dev/null; wait_for 30 test -e "$T/w/$1.held"; }
open() { touch "$T/w/$1"; }
reason() { curl -s "$URL/v1/tasks/$1" | jq -r '.reason // ""'; }
all_ended() { [ "$(lab_sql "SELECT count(*) FROM orion.task WHERE ended_at IS NULL")" = 0 ]; }
# starts PROJECT,...: the targets in the order in which they were given to the agent
starts() { lab_sql "SELECT t.target FROM orion.attempt a JOIN orion.task t ON t.id = a.task_id WHERE t.project = ANY (string_to_array('$1', ',')) ORDER BY a.assigned_at" | xargs; }

# classes
hold one; ok $? "a build holds the only slot"
for class in low normal high critical; do submit "$class-1" --project classes --priority "$class"; done >"$T/ids"
submit normal-2 --project classes >>"$T/ids"
like "$(reason "$(tail -1 "$T/ids")")" 'slots? .*busy.*position 4 in project classes' "the last of its class knows its place"
is "$(curl -s "$URL/v1/tasks/$(tail -1 "$T/ids")" | jq .position)" 4 "as a number too"
like "$("$ORION" status "$(head -1 "$T/ids")")" 'position +5' "orion status shows it"
like "$("$ORION" status "$(head -1 "$T/ids")")" 'priority +low' "and the class"
like "$("$ORION" list --project classes)" 'critical' "orion list shows the class"
open one
wait_for 60 all_ended; ok $? "all of them are built"
is "$(starts classes)" "critical-1 high-1 normal-1 normal-2 low-1" "by class, then by age"
is "$(lab_sql "SELECT priority FROM orion.task WHERE target = 'high-1'")" high "SQL knows the class"
"$ORION" submit builds x --priority urgent 2>"$T/err"; is $? 2 "an unknown class is refused"
like "$(cat "$T/err")" 'priority' "and the field named"

# two projects with the same weight take turns, however long one's queue is
hold two
for i in 1 2 3 4 5 6; do submit "a$i" --project a; done >/dev/null
for i in 1 2 3; do submit "b$i" --project b; done >"$T/ids"
like "$(reason "$(head -1 "$T/ids")")" 'position 1 in project b' "another project's first task is not behind them"
open two
wait_for 60 all_ended
like "$(starts a,b | tr -d 0-9)" '^(a b a b a b|b a b a b a) a a a$' "two projects take turns"

# weights
"$ORION" project set heavy --weight 3 >/dev/null; ok $? "project set --weight"
"$ORION" project set light --weight 1 >/dev/null
hold three
for i in 1 2 3 4 5 6 7 8; do submit "h$i" --project heavy; done >/dev/null
for i in 1 2 3 4; do submit "l$i" --project light; done >/dev/null
open three
wait_for 60 all_ended
is "$(starts heavy,light | cut -d' ' -f1-8 | tr -d '0-9 ' | grep -o h | wc -l)" 6 "weight 3 has three of four slots"
echo "# $(starts heavy,light)"
like "$("$ORION" project)" 'heavy +open +3' "orion project lists the weight"
is "$("$ORION" project show heavy --json | jq -c '[.name, .weight, .paused]')" '["heavy",3,false]' "orion project show --json"
"$ORION" project show nobody 2>/dev/null; is $? 3 "an unknown project: exit 3"
"$ORION" project set heavy --weight 0 2>/dev/null; is $? 2 "no weight 0"

# pauses
like "$("$ORION" queue pause)" 'queue +paused' "queue pause"
queued=$(submit q1 --project a)
like "$(reason "$queued")" 'queue is paused' "a task says that the queue is paused"
like "$("$ORION" project pause b)" 'b +paused' "project pause"
"$ORION" lab restart scheduler --dir "$LAB" >"$T/out" 2>&1; ok $? "the scheduler is started again" "$(cat "$T/out")"
is "$("$ORION" queue show --json | jq -c '[.paused, .queued, .running, .slots]')" '[true,1,0,1]' "the queue is still paused"
is "$("$ORION" project show b --json | jq .paused)" true "so is the project"
paused=$(submit p1 --project b)
is "$(task_state "$paused")" queued "nothing starts"
like "$("$ORION" queue resume)" 'queue +open' "queue resume"
wait_for 30 task_is "$queued" succeeded; ok $? "what waited is built"
is "$(task_state "$paused")" queued "but not the paused project's"
like "$(reason "$paused")" 'project b is paused' "which says so"
like "$("$ORION" status "$paused")" 'project b is paused' "in orion status too"
"$ORION" project resume b >/dev/null
wait_for 30 task_is "$paused" succeeded; ok $? "until it is resumed"

# nobody can build it
none=$(submit n1 --label nosuch=thing)
like "$(reason "$none")" 'label nosuch=thing' "a label that no agent has is named"
"$ORION" cancel "$none" >/dev/null
is "$(curl -s "$URL/v1/tasks/$none" | jq 'has("reason")')" false "an ended task has no reason to wait"
is "$(violations)" 0 "no invariant is violated"
sanitizers_quiet
plan_done
