#!/bin/bash
# The same asked for twice: joined when it names a commit, answered again when it carries a key; and a newer submission
# of a merge request that ends the older ones.
. "$(dirname "$0")/../lib.sh"

mkdir -m 777 "$T/w"
repo=$(repo_makefile builds <<'MAKE'
hold:
	@touch $(W)/$(ORION_TASK_ID); while [ ! -e $(W)/$(GATE) ]; do sleep 0.05; done
.DEFAULT:
	@echo $@
MAKE
)
commit=$(git -C "$repo" rev-parse HEAD)
lab_up lab --slots 2 --repo "builds=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }
submit() { "$ORION" submit builds "$@" 2>"$T/err"; }
gated() { submit hold --env "W=$T/w" --env "GATE=$1" "${@:2}"; }
runs() { test -e "$T/w/$1"; }
task() { curl -s "$URL/v1/tasks/$1" | jq -r "$2"; }
# call METHOD PATH KEY BODY: $code, $body; headers in $T/head
call() {
    body=$(curl -s -D "$T/head" -w '\n%{http_code}' -X "$1" "$URL$2" -H 'Content-Type: application/json' ${3:+-H "Idempotency-Key: $3"} ${4:+-d "$4"})
    code=${body##*$'\n'}
    body=${body%$'\n'*}
}
replayed() { grep -qi '^idempotent-replayed: true' "$T/head"; }

# join
one=$(gated dedup --ref "$commit")
wait_for 30 runs "$one"; ok $? "a build of a commit runs"
two=$(gated dedup --ref "$commit")
is "$two" "$one" "the same commit again joins it"
is "$(cat "$T/err")" "orion: joined task $one, which builds the same" "and says so"
call POST /v1/tasks "" "{\"repo\":\"builds\",\"target\":\"hold\",\"ref\":\"$commit\",\"env\":{\"W\":\"$T/w\",\"GATE\":\"dedup\"}}"
is "$code" 200 "by the API: 200"
is "$(jq -c '[.id, .joined]' <<<"$body")" "[\"$one\",true]" "with the task and joined: true"
with_key="{\"repo\":\"builds\",\"target\":\"hold\",\"ref\":\"$commit\",\"env\":{\"W\":\"$T/w\",\"GATE\":\"dedup\"}}"
for time in first second; do   # the second time the key alone answers
    call POST /v1/tasks key-joined "$with_key"
    is "$code $(jq -c '[.id, .joined]' <<<"$body")" "200 [\"$one\",true]" "with a key, the $time time: 200 and joined: true"
done
forced=$(gated dedup --ref "$commit" --force)
[ -n "$forced" ] && [ "$forced" != "$one" ]; ok $? "--force makes a task of its own"
other=$(submit other --ref "$commit")
[ -n "$other" ] && [ "$other" != "$one" ]; ok $? "another target is another task"
branch=$(gated dedup --ref main)
[ "$branch" != "$one" ] && [ "$(gated dedup --ref main)" != "$branch" ]; ok $? "a branch is never joined: it moves"
is "$(lab_sql "SELECT count(*) FROM orion.task WHERE ref = '$commit' AND target = 'hold'")" 2 "SQL knows two tasks"
touch "$T/w/dedup"
wait_for 30 task_is "$one" succeeded
again=$(gated dedup --ref "$commit")
[ "$again" != "$one" ]; ok $? "what has ended is not joined"
timeout 60 "$ORION" run builds hold --ref "$commit" --env "W=$T/w" --env GATE=dedup >/dev/null 2>&1; is $? 0 "orion run follows what it joined or made"

# keys
call POST /v1/tasks key-1 '{"repo":"builds","target":"k"}'
is "$code" 201 "a submission with a key"
id=$(jq -r .id <<<"$body")
call POST /v1/tasks key-1 '{"repo":"builds","target":"k"}'
is "$(jq -r .id <<<"$body")" "$id" "the same key and body: the same task"
replayed; ok $? "marked as replayed" "$(cat "$T/head")"
call POST /v1/tasks key-1 '{"repo":"builds","target":"other"}'
is "$code" 422 "the same key, another body: 422"
is "$(lab_sql "SELECT count(*) FROM orion.task WHERE target IN ('k') OR (target = 'other' AND id <> '$other')")" 1 "one task came of it"
held=$(gated keys)
wait_for 30 runs "$held"
call POST "/v1/tasks/$held/cancel" key-2 '{"reason":"enough"}'
# the agent may have ended it before the answer is written: 200 then
like "$code" "20[02]" "a cancel with a key"
replayed; is $? 1 "is not replayed the first time"
call POST "/v1/tasks/$held/cancel" key-2 '{"reason":"enough"}'
like "$code" '20[02]' "and again"
replayed; ok $? "marked as replayed" "$(cat "$T/head")"
call POST "/v1/tasks/$held/cancel" key-2 '{"reason":"something else"}'
is "$code" 422 "with another body: 422"
call POST "/v1/tasks/$id/cancel" key-2 '{"reason":"enough"}'
is "$code" 422 "for another task: 422"
call POST /v1/queue/pause key-3; is "$code" 200 "a pause with a key" "$body"
call POST /v1/queue/resume key-4; is "$code" 200 "and a resume"
call POST /v1/queue/pause key-3
replayed; ok $? "the pause again is replayed" "$(cat "$T/head")"
is "$("$ORION" queue --json | jq .paused)" false "and does not pause again"
call POST /v1/queue/resume key-3; is "$code" 422 "the key of a pause on a resume: 422"
call POST /v1/projects/default/pause key-3; is "$code" 422 "or on a project: 422"
for path in "/v1/groups/g" "/v1/projects/p"; do
    what='{"capacity":2}' && [ "$path" = /v1/projects/p ] && what='{"weight":2}'
    call PUT "$path" "key$path" "$what"; like "$code" '20[01]' "PUT $path with a key" "$body"
    call PUT "$path" "key$path" "$what"; replayed; ok $? "PUT $path again is replayed"
    call PUT "$path" "key$path" "${what/2/3}"; is "$code" 422 "PUT $path with another body: 422"
done

# supersede: the older ones of a merge request
"$ORION" queue pause >/dev/null
old=$(submit x --mr 5)
newer_other=$(submit y --mr 5)
new=$(submit x --mr 5)
is "$(task "$old" '.state + " " + .cause')" "superseded policy" "a newer submission ends the older one that is queued"
like "$(task "$old" .message)" "$new" "and is named by it"
is "$(task_state "$newer_other")" queued "another target is not touched"
kept=$(submit x --mr 6)
submit x --mr 6 --supersede off >/dev/null
is "$(task_state "$kept")" queued "--supersede off ends nothing"
"$ORION" project set default --supersede off >/dev/null; ok $? "a project's policy is set"
submit x --mr 6 >/dev/null
is "$(task_state "$kept")" queued "and holds for submissions that say nothing"
"$ORION" queue resume >/dev/null
drained() { [ "$(lab_sql 'SELECT count(*) FROM orion.task WHERE ended_at IS NULL')" = 0 ]; }
wait_for 60 drained; ok $? "the rest is built"
running=$(gated mr7 --mr 7)
wait_for 30 runs "$running"
gated mr7 --mr 7 --supersede queued >/dev/null
is "$(task_state "$running")" running "queued: what runs goes on"
"$ORION" project set default --supersede running >/dev/null
last=$(gated mr7 --mr 7)
wait_for 20 task_is "$running" superseded; ok $? "running: it is stopped too" "$(curl -s "$URL/v1/tasks/$running")"
is "$(task "$running" '.attempts[0].stopping')" supersede "its attempt says why"
wait_for 20 log_complete "$running"; ok $? "its log is complete"
touch "$T/w/mr7"
wait_for 30 task_is "$last" succeeded; ok $? "the newest is built"
is "$(lab_sql "SELECT string_agg(state, ' ' ORDER BY id) FROM orion.task WHERE mr = '7'")" "superseded superseded succeeded" "alone"
"$ORION" project set default --supersede sometimes 2>/dev/null; is $? 2 "an unknown policy is refused"
is "$(violations)" 0 "no invariant is violated"
sanitizers_quiet
plan_done
