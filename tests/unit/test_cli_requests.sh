#!/bin/bash
# test_cli_requests.sh - what each verb of `orion` sends, to a server that only notes requests: method, path, body, one
# idempotency key for all its tries; and what it makes of the answers.
#
#   ORION_BUILD    build tree with the programs (default: the tree of the test)
. "$(dirname "$0")/../lib.sh"

cat >"$T/server.py" <<'PY'
# Answers what the file `answer` says (STATUS BODY), or 503 for the first `away` requests; notes each in `requests`.
import http.server, os, sys
folder = sys.argv[1]
class Handler(http.server.BaseHTTPRequestHandler):
    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        with open(f"{folder}/requests", "a") as f:
            f.write(f"{self.command} {self.path} {self.headers.get('Idempotency-Key') or '-'} {body}\n")
        away = int(open(f"{folder}/away").read())
        status, _, text = open(f"{folder}/answer").read().partition(" ")
        if away:
            open(f"{folder}/away", "w").write(str(away - 1))
            status, text = 503, '{"type":"about:blank","title":"away","status":503,"detail":"not now"}'
        elif self.command == "GET" and self.path == "/v1/agents":
            status, text = 200, open(f"{folder}/agents").read()
        self.send_response(int(status))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())
    do_GET = do_POST = do_PUT = do_DELETE = serve
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(f"{folder}/port.new", "w") as f:
    f.write(str(server.server_port))
os.rename(f"{folder}/port.new", f"{folder}/port")
server.serve_forever()
PY
echo 0 >"$T/away"
python3 "$T/server.py" "$T" &
server=$!
stop() {
    local status=$?
    kill $server
    (exit $status)
    finish
}
trap stop EXIT
wait_for 20 test -s "$T/port" || { ok 1 "the server is up"; exit 1; }
ORION_URL=http://127.0.0.1:$(cat "$T/port")
export ORION_URL

id=01985c0a-7d3e-7c41-9a52-3f1b6c2d8e90
agent=01985c0a-7d3e-7c41-9a52-3f1b6c2d8e91
task() { echo "{\"id\":\"$id\",\"project\":\"default\",\"repo\":\"r\",\"args\":[],\"state\":\"$1\",\"created_at\":\"2026-11-21T00:00:00.000Z\",\"attempt\":0${2:-}}"; }
agent_named() { echo "{\"id\":\"$1\",\"name\":\"$2\",\"labels\":[],\"state\":\"up\",\"slots\":1,\"busy\":0,\"version\":\"1\",\"seen_at\":\"2026-11-21T00:00:00.000Z\",\"draining\":true}"; }
echo "{\"agents\":[$(agent_named $agent one),$(agent_named $id two),$(agent_named $agent two)]}" >"$T/agents"
project='{"name":"a b","weight":3,"paused":false,"supersede":"off","waiting":1,"queued":2,"running":3}'
group='{"name":"g/h","capacity":2,"queued":0,"running":0}'
queue='{"paused":true,"waiting":1,"queued":2,"running":3,"slots":4}'
problem() { echo "{\"type\":\"about:blank\",\"title\":\"no\",\"status\":$1,\"detail\":\"$2\"}"; }

# sends ANSWER WORDS...: $out, $rc, and $sent: the requests without their keys
sends() {
    printf %s "$1" >"$T/answer"
    : >"$T/requests"
    out=$("$ORION" "${@:2}" 2>"$T/err"); rc=$?
    sent=$(sed -E 's/ orion-cli-[0-9a-f-]{36} / KEY /' "$T/requests")
}

sends "200 $queue" queue
is "$sent" "GET /v1/queue - " "queue shows"
like "$out" $'queue +paused\nwaiting +1\nqueued +2\nrunning +3\nslots +4' "in words"
sends "200 $queue" queue --json
is "$out" "$queue" "or as the document"
for verb in pause resume; do
    sends "200 $queue" queue $verb
    is "$sent" "POST /v1/queue/$verb KEY {}" "queue $verb"
done
sends "200 {\"projects\":[$project]}" project
is "$sent" "GET /v1/projects - " "project lists"
like "$out" 'a b +open +3 +off +1 +2 +3 +- +-$' "a row each"
sends "200 $project" project show 'a b'
is "$sent" "GET /v1/projects/a%20b - " "project show: the name is escaped"
sends "200 $project" project set 'a b' --weight 3 --supersede off
is "$sent" 'PUT /v1/projects/a%20b KEY {"weight":3,"supersede":"off"}' "project set"
sends "200 $project" project set x --supersede off
is "$sent" 'PUT /v1/projects/x KEY {"supersede":"off"}' "project set sends only what was said"
sends "200 $project" project set x --log-max 100M --log-keep 30d
is "$sent" 'PUT /v1/projects/x KEY {"log_max_bytes":104857600,"log_keep_s":2592000}' "project set --log-max --log-keep"
sends "200 $project" project set x --log-max 0
is "$sent" 'PUT /v1/projects/x KEY {"log_max_bytes":0}' "0 is said, too"
for verb in pause resume; do
    sends "200 $project" project $verb x
    is "$sent" "POST /v1/projects/x/$verb KEY {}" "project $verb"
done
sends "200 {\"groups\":[$group]}" group list
is "$sent" "GET /v1/groups - " "group list"
sends "200 $group" group set g/h 2
is "$sent" 'PUT /v1/groups/g%2Fh KEY {"capacity":2}' "group set"
sends "200 " group remove g
is "$sent $rc" 'DELETE /v1/groups/g KEY {} 0' "group remove; an empty answer is one"
sends "200 $(agent_named $agent one)" agent drain one
is "$(tail -1 <<<"$sent")" "POST /v1/agents/$agent/drain KEY {}" "agent drain finds the id"
like "$out" 'one +up, draining' "and shows it"
sends "200 $(agent_named $agent one)" agent resume $agent
is "$sent" "POST /v1/agents/$agent/resume KEY {}" "an id is taken as it is"
sends "200 {}" agent show nobody
is "$rc" 3 "an unknown name: exit 3"
sends "200 {}" agent drain two
is "$rc" 2 "two of the same name: exit 2"
like "$(cat "$T/err")" "$id, $agent" "and their ids"

sends "202 $(task running)" cancel $id --reason 'no "more"'
is "$sent" "POST /v1/tasks/$id/cancel KEY {\"reason\":\"no \\\"more\\\"\"}" "cancel with a reason"
is "$out" "$id stopping" "says stopping"
sends "200 $(task cancelled)" cancel $id $id --wait --json
is "$(jq -c 'map(.state)' <<<"$out")" '["cancelled","cancelled"]' "several: an array"
is "$(awk '{ print $3 }' "$T/requests" | sort -u | wc -l)" 2 "each with a key of its own"
sends "404 $(problem 404 'no such task')" cancel $id $id --json
is "$out $rc" "[] 3" "none found: an empty array, exit 3"
sends "201 $(task queued)" retry $id
is "$sent $out" "POST /v1/tasks/$id/retry KEY {} $id" "retry prints the new id"
sends "409 $(problem 409 'it has not ended')" retry $id
is "$rc" 2 "retry of an open task: exit 2"
like "$(cat "$T/err")" 'it has not ended' "with the server's words"
sends "200 $(task queued ',"joined":true')" submit r
is "$out" "$id" "submit prints the id of what it joined"
is "$(cat "$T/err")" "orion: joined task $id, which builds the same" "and says so"
sends "201 $(task waiting ',"priority":"high","concurrency_group":"g","after":["'$agent'"],"after_condition":"any","timeout_s":90,"silence_timeout_s":5,"queue_timeout_s":3600,"tries":4,"retry_on":["agent"],"retry_exit_codes":[75,1],"retry_of":"'$agent'","not_before":"2026-11-21T00:00:00.000Z","reason":"waits for it","position":7')" status $id
for line in 'reason +waits for it' 'position +7' 'not before +20' 'priority +high' 'group +g' "after +$agent" 'condition +any' \
    'build limit +1m 30s' 'silence +5.0 s' 'queue limit +1h 00m' 'tries +4' 'retry on +agent' 'retry codes +75 1' "retry of +$agent"; do
    like "$out" "$line" "status: $line"
done

# away for a moment: the same request with the same key until it is answered
echo 3 >"$T/away"
sends "200 $queue" queue pause
is "$rc $(wc -l <"$T/requests") $(sort -u "$T/requests" | wc -l)" "0 4 1" "a change is sent again, unchanged, while the server is away"
echo 1000 >"$T/away"
sends "200 $queue" queue pause --timeout 300ms
is "$rc" 5 "for as long as it may: exit 5"
like "$(cat "$T/err")" 'not now' "with the server's words"
echo 0 >"$T/away"
sends "422 $(problem 422 'weight: no')" project set x --weight 3; is $rc 2 "422: exit 2"
sends "403 $(problem 403 'not yours')" project pause x; is $rc 4 "403: exit 4"
sends "404 $(problem 404 'no such project')" project resume x; is $rc 3 "404: exit 3"
sends "500 " project resume x; is $rc 1 "500: exit 1"
for words in "queue pause now" "project set x" "project show" "group set g" "group set g -1" "group set g x" "agent drain" "cancel" "retry" \
    "project set x --weight 1001" "project set x --log-max 1Q" "project set x --log-keep 1y" "queue stop"; do
    # shellcheck disable=SC2086 # words
    sends "200 {}" $words
    is "$rc|$sent" "2|" "orion $words is wrong usage, and nothing is sent"
done
ORION_URL=http://127.0.0.1:1 "$ORION" queue resume --timeout 100ms 2>/dev/null; is $? 5 "nobody there: exit 5"
plan_done
