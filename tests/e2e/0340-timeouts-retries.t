#!/bin/bash
# Limits of time, and what is tried again: by exit code with growing pauses and a bound; a build that takes agents with
# it is put aside while others are built.
. "$(dirname "$0")/../lib.sh"

mkdir -m 777 "$T/w"
repo=$(repo_makefile builds <<'MAKE'
hold:
	@touch $(W)/$(GATE).held; while [ ! -e $(W)/$(GATE) ]; do sleep 0.05; done
endless:
	@echo $$$$ >$(W)/endless; while echo tick; do sleep 0.1; done
silent:
	@echo last words; echo $$$$ >$(W)/silent; sleep 1000
third:
	@echo x >>$(W)/third; [ $$(wc -l <$(W)/third) -ge 3 ]
never:
	@false
killer:
	@p=$$$$; until [ "$$(cat /proc/$$p/comm)" = orion-agent ]; do p=$$(awk '/^PPid/ { print $$2 }' /proc/$$p/status); done; \
	echo $$p >>$(W)/killed; kill -9 $$p; sleep 1000
.DEFAULT:
	@echo $@
MAKE
)
lab_up lab --agents 5 --slots 1 --set ORION_LEASE=4s --set ORION_RETRY_DELAY=500ms --repo "builds=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }
like "$(cat "$LAB/lab.conf")" 'set=ORION_LEASE=4s' "a lab keeps the settings it was given"
submit() { "$ORION" submit builds "$@" --env "W=$T/w" 2>"$T/err"; }
task() { curl -s "$URL/v1/tasks/$1" | jq -r "$2"; }
gone() { ! [ -d "/proc/$(cat "$1")" ]; }

# limits of time
wall=$(submit endless --build-timeout 2s)
silent=$(submit silent --silence-timeout 2s)
like "$("$ORION" status "$wall")" 'build limit +2.0 s' "orion status shows the limit"
wait_for 30 task_is "$wall" timed_out; ok $? "a build that goes on for too long is timed out" "$(curl -s "$URL/v1/tasks/$wall")"
is "$(task "$wall" '.cause + " " + .attempts[0].state')" "policy timed_out" "cause policy, the attempt too"
like "$(task "$wall" .message)" '2 s' "and a message"
wait_for 10 gone "$T/w/endless"; ok $? "its process is gone"
wait_for 30 task_is "$silent" timed_out; ok $? "a build that says nothing for too long is timed out" "$(curl -s "$URL/v1/tasks/$silent")"
like "$(task "$silent" .message)" 'output|silen' "and a message"
wait_for 10 gone "$T/w/silent"; ok $? "its process is gone"
is "$(task "$wall" '.attempts | length') $(task "$silent" '.attempts | length')" "1 1" "neither is tried again"
wait_for 20 log_complete "$wall" && wait_for 20 log_complete "$silent"; ok $? "their logs are complete"
like "$("$ORION" logs "$silent")" 'last words' "with the last words"
talking=$(submit endless --silence-timeout 2s --build-timeout 4s)
"$ORION" queue pause >/dev/null
queue=$(submit x --queue-timeout 1s)
wait_for 20 task_is "$queue" timed_out; ok $? "a task that is not started in time is timed out"
like "$(task "$queue" '.cause + " " + .message')" 'policy .*queue' "and says so"
"$ORION" queue resume >/dev/null
after=$(submit x --queue-timeout 1s)
wait_for 30 task_is "$after" succeeded; ok $? "one that starts in time is not"
wait_for 30 task_is "$talking" timed_out
like "$(task "$talking" .message)" '4 s' "output keeps silence away: it was the other limit"
for bad in "--build-timeout 0" "--silence-timeout 100ms" "--queue-timeout soon" "--tries 0" "--retry-exit-code 0"; do
    # shellcheck disable=SC2086 # two words
    submit x $bad; is $? 2 "$bad is refused"
done
submit x --retry-on luck; is $? 2 "--retry-on luck is refused"

# tried again
third=$(submit third --retry-exit-code 2 --tries 5)
never=$(submit never --retry-exit-code 2 --tries 2)
once=$(submit never)
other=$(submit never --retry-exit-code 75)
backing_off() { grep -qzE 'state +waiting.*not before +20' <<<"$("$ORION" status "$third")"; }
wait_for 30 backing_off; ok $? "after a failure it waits for a while, and orion status says until when"
wait_for 60 task_is "$third" succeeded; ok $? "an exit code that is to be tried again is" "$(curl -s "$URL/v1/tasks/$third")"
is "$(task "$third" '.attempts | map(.state) | join(" ")')" "failed failed succeeded" "until it succeeds"
is "$(lab_sql "SELECT bool_and(b.assigned_at - a.ended_at >= interval '500 ms' * (2 ^ (a.number - 1))) FROM orion.attempt a JOIN orion.attempt b
    ON b.task_id = a.task_id AND b.number = a.number + 1 WHERE a.task_id = '$third'")" t "with pauses that double"
is "$(lab_sql "SELECT bool_and(b.assigned_at - a.ended_at < interval '500 ms' * (2 ^ (a.number - 1)) + interval '2 s') FROM orion.attempt a JOIN orion.attempt b
    ON b.task_id = a.task_id AND b.number = a.number + 1 WHERE a.task_id = '$third'")" t "and are not much longer than that"
wait_for 30 task_is "$never" failed; ok $? "what always fails"
is "$(task "$never" '.attempts | length')" 2 "is tried as often as it may"
wait_for 30 task_is "$once" failed && wait_for 30 task_is "$other" failed
is "$(task "$once" '.attempts | length') $(task "$other" '.attempts | length')" "1 1" "other exit codes are not tried again"

# a person's retry
retry=$("$ORION" retry "$once"); ok $? "orion retry"
[ -n "$retry" ] && [ "$retry" != "$once" ]; ok $? "makes a new task"
is "$(task "$retry" '.retry_of + .target')" "${once}never" "that names the old one and builds the same"
wait_for 30 task_is "$retry" failed
held=$(submit hold --env GATE=go)
wait_for 30 test -e "$T/w/go.held"
"$ORION" retry "$held" 2>"$T/err"; is $? 2 "a task that is open is not retried"
"$ORION" retry 01985c0a-7d3e-7c41-9a52-3f1b6c2d8e90 2>/dev/null; is $? 3 "nor one that does not exist"

# a build that kills its agents: one is left for others, and one that another build holds all the while
killer=$(submit killer --tries 10)
builds=0
for _ in $(seq 1 200); do
    ! task_is "$killer" lost || break
    one=$(submit x) && wait_for 30 task_is "$one" succeeded && builds=$((builds + 1))
done
is "$(task "$killer" '.state + " " + .cause')" "lost quarantine" "a build that took three agents with it is quarantined" "$(curl -s "$URL/v1/tasks/$killer")"
is "$(lab_sql "SELECT count(DISTINCT agent_id) FROM orion.attempt WHERE task_id = '$killer' AND state = 'lost'")" 3 "three of them"
[ $builds -ge 1 ]; ok $? "other tasks were built meanwhile ($builds)"
touch "$T/w/go"
wait_for 30 task_is "$held" succeeded; ok $? "the build that went on all the while ends"
is "$(task "$held" '.attempts | length')" 1 "with its first attempt"
is "$(violations)" 0 "no invariant is violated"
sanitizers_quiet
plan_done
