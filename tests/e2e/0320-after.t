#!/bin/bash
# Tasks that wait for tasks: conditions, chains, ends that rule them out, ids that do not exist.
. "$(dirname "$0")/../lib.sh"

mkdir -m 777 "$T/w"
repo=$(repo_makefile builds <<'MAKE'
hold:
	@touch $(W)/$(GATE).held; while [ ! -e $(W)/$(GATE) ]; do sleep 0.05; done
holdfail:
	@touch $(W)/$(GATE).held; while [ ! -e $(W)/$(GATE) ]; do sleep 0.05; done; false
.DEFAULT:
	@echo $@
MAKE
)
lab_up lab --slots 2 --repo "builds=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }
submit() { "$ORION" submit builds "$@"; }
gated() { submit "$1" --env "W=$T/w" --env "GATE=$2"; wait_for 30 test -e "$T/w/$2.held"; }
task() { curl -s "$URL/v1/tasks/$1" | jq -r "$2"; }
none=01985c0a-7d3e-7c41-9a52-3f1b6c2d8e90

# while it is open
good=$(gated hold good)
bad=$(gated holdfail bad)
on_good=$(submit x --after "$good")
on_both=$(submit x --after "$good" --after "$bad" --after-condition finished)
on_bad=$(submit x --after "$bad")
on_on_bad=$(submit x --after "$on_bad")
any=$(submit x --after "$on_on_bad" --after-condition any)
finished=$(submit x --after "$on_on_bad" --after-condition finished)
is "$(for t in "$on_good" "$on_both" "$on_bad" "$on_on_bad" "$any" "$finished"; do task_state "$t"; done | sort -u)" waiting "all of them wait"
like "$(task "$on_good" .reason)" "waits for task $good \(running\)" "and say for what"
like "$(task "$on_both" .reason)" "and 1 more" "or for how many more"
like "$("$ORION" status "$on_both")" "after +$good $bad"$'\n'"condition +finished" "orion status shows both and the condition"
is "$(lab_sql "SELECT count(*) FROM orion.attempt WHERE ended_at IS NULL")" 2 "waiting holds no slot"
is "$("$ORION" queue show --json | jq -c '[.waiting, .queued, .running]')" '[6,0,2]' "orion queue counts them"
touch "$T/w/good"
wait_for 30 task_is "$on_good" succeeded; ok $? "after its success the one behind it is built"
is "$(lab_sql "SELECT a.assigned_at >= g.ended_at FROM orion.attempt a, orion.task g WHERE a.task_id = '$on_good' AND g.id = '$good'")" t "not before"
is "$(task_state "$on_both")" waiting "one of two is not enough"
touch "$T/w/bad"
wait_for 30 task_is "$on_both" succeeded; ok $? "finished: a failure will do"
wait_for 30 task_is "$on_bad" cancelled; ok $? "succeeded: a failure will not"
is "$(task "$on_bad" '.cause')" policy "cause policy"
like "$(task "$on_bad" .message)" "task $bad.*failed" "the message names the task and its end"
wait_for 10 task_is "$on_on_bad" cancelled; ok $? "and so on along the chain"
like "$(task "$on_on_bad" .message)" "task $on_bad.*cancelled" "each names the one before it"
wait_for 10 task_is "$finished" cancelled; ok $? "finished: a cancelled one will not do"
wait_for 30 task_is "$any" succeeded; ok $? "any: it will"
is "$(lab_sql "SELECT count(*) FROM orion.attempt WHERE task_id IN ('$on_bad', '$on_on_bad', '$finished')")" 0 "what was ruled out had no attempt"

# when it has ended already
late=$(submit x --after "$good" --after "$bad" --after-condition finished)
wait_for 30 task_is "$late" succeeded; ok $? "ended as it shall: it is built at once"
late=$(submit x --after "$good" --after "$bad")
wait_for 10 task_is "$late" cancelled; ok $? "ended otherwise: it is cancelled at once"
like "$(task "$late" .message)" "$bad" "and names which"

# over a restart of the scheduler
gate=$(gated hold gate)
kept=$(submit x --after "$gate")
"$ORION" lab restart scheduler --dir "$LAB" >"$T/out" 2>&1; ok $? "the scheduler is started again" "$(cat "$T/out")"
is "$(task_state "$kept")" waiting "it still waits"
touch "$T/w/gate"
wait_for 30 task_is "$kept" succeeded; ok $? "and is built afterwards"

# a long chain, ended from its head
first=$(gated hold chain)
last=$first
for _ in $(seq 1 25); do last=$(submit x --project chain --after "$last"); done
"$ORION" cancel "$first" --wait >/dev/null
wait_for 10 task_is "$last" cancelled; ok $? "a chain of 25 falls when its head is cancelled"
is "$(lab_sql "SELECT count(*) FROM orion.task WHERE project = 'chain' AND state = 'cancelled'")" 25 "all of it"

# what cannot be waited for
submit x --after "$none" 2>"$T/err"; is $? 2 "an unknown id is refused"
like "$(cat "$T/err")" "$none" "and named"
answer=$(curl -s -w '\n%{http_code}' -X POST "$URL/v1/tasks" -H 'Content-Type: application/json' -d "{\"repo\":\"builds\",\"after\":[\"$good\",\"$none\"]}")
is "${answer##*$'\n'}" 422 "by the API: 422"
like "$answer" '"after' "which names the field"
submit x --after nonsense 2>/dev/null; is $? 2 "what is no id is refused"
submit x --after "$good" --after-condition sometimes 2>/dev/null; is $? 2 "an unknown condition too"
is "$(violations)" 0 "no invariant is violated"
sanitizers_quiet
plan_done
