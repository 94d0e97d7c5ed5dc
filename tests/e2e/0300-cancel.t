#!/bin/bash
# Cancel in every state: the task ends once and says so, nothing of its build is left, its log is whole; whatever it
# races with.
. "$(dirname "$0")/../lib.sh"

mkdir -m 777 "$T/w"
repo=$(repo_makefile builds <<'MAKE'
hold:
	@echo holding; touch $(W)/$(ORION_TASK_ID); while [ ! -e $(W)/go ]; do sleep 0.05; done
tree:
	@for i in $$(seq 1 500); do echo line $$i; done; \
	sleep 1000 & echo $$! >>$(W)/pids; setsid sh -c 'echo $$$$ >>$(W)/pids; exec sleep 1000' & \
	echo $$$$ >>$(W)/pids; while [ $$(wc -l <$(W)/pids) -lt 3 ]; do sleep 0.05; done; touch $(W)/tree; sleep 1000
stubborn:
	@trap '' TERM; echo $$$$ >$(W)/stubborn; while :; do sleep 0.1; done
late:
	@curl -s -o /dev/null --noproxy '*' -X POST $(URL)/v1/tasks/$$ORION_TASK_ID/cancel -H 'Content-Type: application/json' -d '{}'
race:
	@curl -s -o /dev/null --noproxy '*' -X POST $(URL)/v1/tasks/$$ORION_TASK_ID/cancel -H 'Content-Type: application/json' -d '{}' & \
	i=0; while [ $$i -lt $(STEPS) ]; do i=$$((i + 1)); done
MAKE
)
lab_up lab --slots 1 --set ORION_STOP_DEADLINE=1s --repo "builds=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }
submit() { "$ORION" submit builds "$@" --env "W=$T/w" --env "URL=$URL"; }
gone() { local p; for p in "$@"; do [ -d "/proc/$p" ] && [ "$(awk '/State/ { print $2 }' "/proc/$p/status" 2>/dev/null)" != Z ] && return 1; done; return 0; }
task() { curl -s "$URL/v1/tasks/$1" | jq -r "$2"; }

# what has not begun
hold=$(submit hold)
wait_for 30 test -e "$T/w/$hold"; ok $? "a build holds the slot"
queued=$(submit hold)
waiting=$(submit hold --after "$queued")
is "$(task_state "$queued") $(task_state "$waiting")" "queued waiting" "one task is queued, one waits for it"
is "$("$ORION" cancel "$waiting")" "$waiting cancelled" "a waiting task is cancelled at once"
is "$("$ORION" cancel "$queued" --reason "not needed any more")" "$queued cancelled" "a queued one too"
is "$(task "$queued" '.state + " " + .cause')" "cancelled policy" "its cause is policy"
like "$(task "$queued" .message)" 'not needed any more' "its message is the reason"
is "$(lab_sql "SELECT count(*) FROM orion.attempt WHERE task_id IN ('$queued', '$waiting')")" 0 "neither had an attempt"
touch "$T/w/go"
wait_for 30 task_is "$hold" succeeded; ok $? "what held the slot goes on to its end"

# what has ended
is "$("$ORION" cancel "$hold")" "$hold succeeded" "cancelling an ended task says how it ended"
is "$(task_state "$hold")" succeeded "and changes nothing"
is "$(curl -s -o /dev/null -w '%{http_code}' -X POST "$URL/v1/tasks/$hold/cancel" -H 'Content-Type: application/json' -d '{}')" 200 "the API answers 200"
is "$("$ORION" cancel "$queued" "$hold" --json | jq -r 'map(.state) | join(" ")')" "cancelled succeeded" "several at once, as one document"
"$ORION" cancel 01985c0a-7d3e-7c41-9a52-3f1b6c2d8e90 2>/dev/null; is $? 3 "an unknown id: exit 3"
"$ORION" cancel nonsense 2>/dev/null; is $? 2 "no id: exit 2"

# what runs: the whole tree of processes, and the log up to the end
tree=$(submit tree)
wait_for 30 test -e "$T/w/tree"; ok $? "a build with children in other sessions runs"
out=$("$ORION" cancel "$tree")
like "$out" "^$tree (stopping|cancelled)$" "cancel returns while it is being stopped"
is "$("$ORION" cancel "$tree" --wait)" "$tree cancelled" "--wait returns when it has ended"
# shellcheck disable=SC2046 # a list
wait_for 10 gone $(cat "$T/w/pids"); ok $? "no process of it is left"
wait_for 20 log_complete "$tree"; ok $? "its log is complete"
is "$("$ORION" logs "$tree" | grep -c '^line ')" 500 "with every line"
is "$(task "$tree" '.attempts[0].state + " " + .attempts[0].stopping + " " + .cause')" "cancelled cancel policy" "the attempt says why"
is "$(task "$tree" '.attempts[0].log_bytes')" "$(curl -s -H 'Accept: text/plain' "$URL/v1/tasks/$tree/log" | wc -c)" "and how many bytes there are"

# a build that ignores TERM: the task ends at the stop deadline, the slot is free when the process is gone
stubborn=$(submit stubborn)
wait_for 30 test -s "$T/w/stubborn"; ok $? "a build that ignores TERM runs"
next=$(submit hold)
is "$("$ORION" cancel "$stubborn" --wait)" "$stubborn cancelled" "it is cancelled all the same"
wait_for 30 task_is "$next" succeeded; ok $? "the next one has the slot then" "$(curl -s "$URL/v1/tasks/$next")"
gone "$(cat "$T/w/stubborn")"; ok $? "and the process is gone"
is "$(lab_sql "SELECT n.assigned_at >= s.ended_at FROM orion.attempt n, orion.attempt s WHERE n.task_id = '$next' AND s.task_id = '$stubborn'")" t \
    "the slot was taken until then"

# what is assigned: the agent has not said anything yet
agent=$(lab_pid agent-1)
kill -STOP "$agent"
assigned=$(submit tree)
wait_for 10 task_is "$assigned" assigned; ok $? "a task is assigned to an agent that does not answer"
out=$("$ORION" cancel "$assigned")
kill -CONT "$agent"
like "$out" "^$assigned (stopping|cancelled)$" "it can be cancelled"
wait_for 20 task_is "$assigned" cancelled; ok $? "and ends cancelled"
is "$("$ORION" run builds hold --env "W=$T/w" 2>/dev/null | tail -1)" holding "the slot is free again"

# orion run of what is cancelled
rm "$T/w/go"
"$ORION" run builds hold --env "W=$T/w" >/dev/null 2>"$T/err" &
run=$!
running() { id=$(sed -n 's/^orion: task //p' "$T/err") && [ -n "$id" ] && [ -e "$T/w/$id" ]; }
wait_for 30 running; ok $? "orion run follows a build"
"$ORION" cancel "$id" >/dev/null
wait $run; is $? 6 "which is cancelled: it exits 6"

# thirty builds that are cancelled as they end, each a little later
for i in $(seq 1 15); do submit race --env "STEPS=$((i * 1000))"; submit late; done >"$T/races"
ended() { [ "$(lab_sql "SELECT count(*) FROM orion.task WHERE target IN ('race', 'late') AND ended_at IS NOT NULL")" = 30 ]; }
wait_for 90 ended; ok $? "thirty builds that cancel themselves end" "$(lab_sql "SELECT state, count(*) FROM orion.task GROUP BY 1")"
lab_sql "SELECT target, state, count(*) FROM orion.task WHERE target IN ('race', 'late') GROUP BY 1, 2 ORDER BY 1, 2" | sed 's/^/# /'
is "$(lab_sql "SELECT count(*) FROM orion.task WHERE target IN ('race', 'late') AND state NOT IN ('succeeded', 'cancelled')")" 0 "succeeded or cancelled"
settled() { [ "$(lab_sql "SELECT count(*) FROM orion.attempt WHERE ended_at IS NULL OR log_state <> 'complete'")" = 0 ]; }
wait_for 30 settled; ok $? "every attempt is over and every log complete" "$(lab_sql "SELECT task_id, state, log_state FROM orion.attempt WHERE ended_at IS NULL OR log_state <> 'complete'")"
is "$(lab_sql "SELECT count(*) FROM (SELECT task_id FROM orion.event WHERE kind = 'task.ended' GROUP BY 1 HAVING count(*) <> 1) s")" 0 "no task ended twice"
is "$(lab_sql "SELECT count(*) FROM orion.task t JOIN orion.attempt a ON a.task_id = t.id WHERE a.late_state IS NULL AND t.state <> a.state")" 0 \
    "task and attempt agree"
is "$(violations)" 0 "no invariant is violated"
sanitizers_quiet
plan_done
