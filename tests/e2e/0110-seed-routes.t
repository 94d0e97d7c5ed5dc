#!/bin/bash
# The seed's own curl commands, word for word: port 8004 on localhost, a repository with a .buckconfig, and a stand-in
# buck2 first in the agents' PATH. In a network namespace of its own, so that the port is ours.
if [ "${IN_NETNS:-}" != 1 ]; then
    export IN_NETNS=1
    if [ "$(id -u)" = 0 ]; then exec unshare -n sh -c 'ip link set lo up; exec "$@"' sh "$0" "$@"
    else exec unshare -Urn sh -c 'ip link set lo up; exec "$@"' sh "$0" "$@"
    fi
fi
. "$(dirname "$0")/../lib.sh"

mkdir -p "$T/bin" "$T/src/buck"
printf '[cells]\n  root = .\n' >"$T/src/buck/.buckconfig"
cat >"$T/bin/buck2" <<'SH'
#!/bin/sh
# Stand-in for buck2: says what it was asked for, slowly enough to be watched, then waits to be let go.
echo "buck2 called with $# arguments: $*"
i=0
while [ ! -e /tmp/orion-test-go ] && [ -e "$ORION_TEST_HOLD" ]; do sleep 0.1; done
for i in 1 2 3; do echo "line $i"; done
echo "BUILD SUCCEEDED"
SH
chmod 755 "$T/bin/buck2"
hold=$T/hold
sed -i "s|\"\$ORION_TEST_HOLD\"|\"$hold\"|; s|\[ ! -e /tmp/orion-test-go \] && ||" "$T/bin/buck2"
repo=$(repo_make buck)

curl_submit() {
    curl -X POST http://localhost:8004/task \
    -H "Content-Type: application/json" \
    -d '{ 
        "repo": "buck2-rust-third-party",
        "target": "root//:rust-third-party",
        "args": [""],
        "mr": "123"
    }'
}

PORT_WANTED=8004 lab_up none --agents 0 --repo "buck2-rust-third-party=$repo" || exit 1
is "$(curl_submit 2>/dev/null)" '{"message":"No clients connected"}' "POST /task without an agent"
is "$(curl -s -o /dev/null -w '%{http_code}' -X POST http://localhost:8004/task -H 'Content-Type: application/json' -d '{"repo":"a","target":"b"}')" 503 "is a 503"
is "$(lab_sql 'SELECT count(*) FROM orion.task')" 0 "and keeps nothing"
like "$(curl -s -X GET http://localhost:8004/mr-task/123)" 'No builds found for the given MR' "/mr-task of an unknown MR"
"$ORION" lab down --dir "$LAB" >/dev/null

PORT_WANTED=8004 lab_up lab --slots 1 --path "$T/bin" --repo "buck2-rust-third-party=$repo" || exit 1
touch "$hold"
answer=$(curl_submit 2>/dev/null)
id=$(jq -r .task_id <<<"$answer")
like "$answer" '^\{"task_id":"[0-9a-f-]{36}","client_id":"[0-9a-f-]{36}"' "POST /task answers task_id and client_id"
queued=$(curl_submit 2>/dev/null)
is "$(jq -r '.status, has("client_id")' <<<"$queued" | xargs)" "queued false" "with the agent busy it queues"
is "$(curl -s "http://localhost:8004/task-status/$(jq -r .task_id <<<"$queued")" | jq -r .status)" Pending "whose status is Pending"
building() { [ "$(curl -s "http://localhost:8004/task-status/$id" | jq -r .status)" = Building ]; }
wait_for 20 building; ok $? "status Building while it runs"

curl -sN "http://localhost:8004/task-output/$id" >"$T/live" &
viewer=$!
wait_for 20 grep -q 'buck2 called with' "$T/live"; ok $? "/task-output streams while the build runs"
grep -q 'BUILD SUCCEEDED' "$T/live"; is $? 1 "before the build has ended"
rm "$hold"
wait_for 30 sh -c "! kill -0 $viewer 2>/dev/null"; ok $? "the stream ends with the build"
like "$(cat "$T/live")" 'data: BUILD SUCCEEDED' "with the last line"
like "$(cat "$T/live")" 'event: buildResult' "and the result"
like "$(cat "$T/live")" 'buck2 called with 2 arguments: build root//:rust-third-party' "empty arguments are dropped"
is "$(grep -c '^data: line ' "$T/live")" 3 "every line once"
completed() { [ "$(curl -s "http://localhost:8004/task-status/$id" | jq -r .status)" = Completed ]; }
wait_for 10 completed
is "$(curl -s "http://localhost:8004/task-status/$id")" '{"status":"Completed","exit_code":0}' "status Completed with exit code 0"
is "$(curl -s -X GET http://localhost:8004/mr-task/123 | jq -r --arg id "$id" '.[] | select(.build_id == $id) | [.exit_code, .repo_name, .target, .arguments, .mr] | join("|")')" \
    "0|buck2-rust-third-party|root//:rust-third-party||123" "/mr-task/123 lists it"
last=$(grep '^id:' "$T/live" | tail -1 | sed 's/^id: *//')
is "$(curl -s -o /dev/null -w '%{http_code}' -H "Last-Event-ID: $last" "http://localhost:8004/task-output/$id")" 204 "a reconnect after the end gets 204"
is "$(curl -s -o /dev/null -w '%{http_code}' http://localhost:8004/task-status/not-a-uuid)" 400 "an invalid id is a 400"
is "$(curl -s http://localhost:8004/task-status/01985c0a-7d3e-7c41-9a52-3f1b6c2d8e90)" '{"status":"NotFound","message":"Build task not found"}' "an unknown one is NotFound"
like "$(curl -s http://localhost:8004/task-output/01985c0a-7d3e-7c41-9a52-3f1b6c2d8e90)" 'data: Task output file not found' "output of an unknown task"
sanitizers_quiet
plan_done
