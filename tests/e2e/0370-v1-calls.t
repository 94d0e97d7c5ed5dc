#!/bin/bash
# The calls of /v1 that change something, as programs make them: bodies that may be left out, keys on every one of them,
# answers that are the thing as it is now, and mistakes that are named.
. "$(dirname "$0")/../lib.sh"

repo=$(repo_makefile builds <<'MAKE'
all:
	@echo fine
bad:
	@exit 3
MAKE
)
lab_up lab --slots 1 --repo "builds=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }
none=01985c0a-7d3e-7c41-9a52-3f1b6c2d8e90
# call METHOD PATH [CURL-OPTION]...: $code, $body; headers in $T/head
call() {
    body=$(curl -s -D "$T/head" -w '\n%{http_code}' -X "$1" "$URL$2" "${@:3}")
    code=${body##*$'\n'}
    body=${body%$'\n'*}
}
json() { call "$1" "$2" -H 'Content-Type: application/json' -d "$3" "${@:4}"; }
replayed() { grep -qi '^idempotent-replayed: true' "$T/head"; }
# refused CODE FIELD BODY NAME: POST /v1/tasks
refused() { json POST /v1/tasks "$3"; is "$code $(jq -r .field <<<"$body")" "$1 $2" "$4"; }

# mistakes
refused 400 priority '{"repo":"builds","priority":"urgent"}' "a priority that is none"
refused 400 'after[0]' '{"repo":"builds","after":["x"]}' "an id that is none"
refused 400 'after[1]' "{\"repo\":\"builds\",\"after\":[\"$none\",\"$none\"]}" "an id that comes twice"
refused 400 after_condition '{"repo":"builds","after_condition":"any"}' "a condition for nothing"
refused 400 timeout_s '{"repo":"builds","timeout_s":0}' "no time at all"
refused 400 tries '{"repo":"builds","tries":0}' "no try at all"
refused 400 'retry_on[1]' '{"repo":"builds","retry_on":["agent","none"]}' "none beside a cause"
refused 400 'retry_exit_codes[0]' '{"repo":"builds","retry_exit_codes":[256]}' "an exit code that is none"
refused 400 supersede '{"repo":"builds","supersede":"all"}' "a policy that is none"
refused 422 after "{\"repo\":\"builds\",\"after\":[\"$none\"]}" "a task that is none"
is "$(lab_sql 'SELECT count(*) FROM orion.task')" 0 "nothing of it was kept"

# what is asked for is what is shown, when it is kept and afterwards
call POST /v1/queue/pause
is "$code $(jq -c .paused <<<"$body")" "200 true" "the queue is paused, without a body"
json POST /v1/tasks '{"repo":"builds","target":"bad","priority":"high","concurrency_group":"g","timeout_s":60,"tries":2,
    "retry_on":["none"],"retry_exit_codes":[75]}'
is "$code" 201 "a submission with everything"
id=$(jq -r .id <<<"$body")
shown='[.priority,.concurrency_group,.timeout_s,.tries,.retry_on,.retry_exit_codes]'
is "$(jq -c "$shown" <<<"$body")" '["high","g",60,2,["none"],[75]]' "is answered with everything"
call GET "/v1/tasks/$id"
is "$(jq -c "$shown" <<<"$body")" '["high","g",60,2,["none"],[75]]' "and read back so"
like "$(jq -r .reason <<<"$body")" paused "it waits because of the pause"
is "$(jq -r .position <<<"$body")" 1 "as the first"
call GET /v1/groups
is "$(jq -c '.groups[] | [.name,.capacity,.queued]' <<<"$body")" '["g",1,1]' "a group is there once a task names it"
call GET /v1/queue
is "$(jq -c '[.queued,.running,(.oldest != null)]' <<<"$body")" '[1,0,true]' "the queue is counted"

# a retry
call POST "/v1/tasks/$id/retry"
is "$code" 409 "a task that is open is not retried"
call POST /v1/queue/resume
wait_for 30 task_is "$id" failed
call POST "/v1/tasks/$id/retry" -H 'Idempotency-Key: again'
is "$code $(jq -r .retry_of <<<"$body")" "201 $id" "one that has ended is"
again=$(jq -r .id <<<"$body")
is "$(jq -c "$shown" <<<"$body")" '["high","g",60,2,["none"],[75]]' "with everything it asked for"
call POST "/v1/tasks/$id/retry" -H 'Idempotency-Key: again'
is "$code $(jq -r .id <<<"$body")" "201 $again" "the same call again is the same task"
replayed; ok $? "marked as replayed"
call POST "/v1/tasks/$again/retry" -H 'Idempotency-Key: again'
like "$code" '409|422' "the key of a retry on another task is refused"
call POST "/v1/tasks/$none/retry"; is "$code" 404 "a task that is not there is not retried"
call POST "/v1/tasks/$id/cancel"
is "$code $(jq -r .state <<<"$body")" "200 failed" "cancelling what has ended, without a body"
call POST "/v1/tasks/$none/cancel"; is "$code" 404 "or what is not there"

# what has ended is waited for no more; its state is in the rows
wait_for 30 task_is "$again" failed
json POST /v1/tasks "{\"repo\":\"builds\",\"after\":[\"$id\"],\"after_condition\":\"finished\"}"
is "$code" 201 "a task may wait for one that has ended"
wait_for 30 task_is "$(jq -r .id <<<"$body")" succeeded; ok $? "and is built at once"
json POST /v1/tasks "{\"repo\":\"builds\",\"after\":[\"$id\"]}"
is "$code $(jq -r '.state + " " + .cause' <<<"$body")" "201 cancelled policy" "one that asks for success is cancelled"
like "$(jq -r .message <<<"$body")" "$id" "and says for whose sake"

# things
agent=$(curl -s "$URL/v1/agents" | jq -r '.agents[0].id')
call POST "/v1/agents/$agent/drain" -H 'Idempotency-Key: d'
is "$code $(jq -c .draining <<<"$body")" "200 true" "an agent drains"
call POST "/v1/agents/$agent/drain" -H 'Idempotency-Key: d'; replayed; ok $? "again it is a replay"
call POST "/v1/agents/$agent/resume"; is "$code $(jq -c .draining <<<"$body")" "200 false" "and is back"
call GET "/v1/agents/$agent"; is "$(jq -r .id <<<"$body")" "$agent" "one agent is read"
call POST "/v1/agents/$none/drain"; is "$code" 404 "an agent that is not there does not drain"
json PUT /v1/projects/web '{"weight":3,"supersede":"off"}'
is "$code $(jq -c '[.name,.weight,.supersede,.paused]' <<<"$body")" '200 ["web",3,"off",false]' "a project is set"
call POST /v1/projects/web/pause; is "$(jq -c '[.weight,.paused]' <<<"$body")" '[3,true]' "and paused"
call GET /v1/projects/web; is "$(jq -c '[.weight,.paused]' <<<"$body")" '[3,true]' "and read"
call GET /v1/projects/nope; is "$code" 404 "a project that is not there"
json PUT /v1/projects/web '{"weight":0}'; is "$code $(jq -r .field <<<"$body")" "400 weight" "a weight of nothing"
json PUT /v1/groups/deploy '{"capacity":2}'; is "$(jq -c '[.name,.capacity]' <<<"$body")" '["deploy",2]' "a group is set"
call DELETE /v1/groups/deploy; is "$code $(jq -c .capacity <<<"$body")" "200 1" "and back to one"
call GET /v1/groups; is "$(jq -c .groups <<<"$body")" '[]' "and gone"

# who may call: no page of another origin, which a browser names
call POST /v1/queue/pause -H 'Origin: http://elsewhere.example'
is "$code" 415 "a web page without JSON is refused"
call POST /v1/queue/pause -d x=1; is "$code" 415 "and so is a form"
json POST /v1/queue/pause '{"x":1}'; is "$code" 400 "and a body that means nothing"
json POST /v1/queue/pause '{}'; is "$code" 200 "an empty object is as good as nothing"
call PUT /v1/queue; is "$code" 405 "a method that is not served"
like "$(cat "$T/head")" 'Allow: GET, HEAD' "with those that are"
missing=
curl -s "$URL/" >"$T/root"
for path in $(sed -n 's/.*HTTP_[A-Z]*, "\(\/v1[^"]*\)".*/\1/p' "$TEST_TOP/src/gateway/routes.c" | sort -u); do
    grep -qF -- "$path" "$T/root" || missing="$missing $path"
done
is "$missing" "" "GET / names every path of /v1"
is "$(violations)" 0 "no invariant is violated"
sanitizers_quiet
plan_done
