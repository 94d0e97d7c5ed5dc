#!/bin/bash
# Following a log as server-sent events: names, ids, parts, framing, reconnects from every place, the end, once.
. "$(dirname "$0")/../lib.sh"

gate=$T/gate
repo=$(repo_makefile talk <<MAKE
all:
	@echo first; printf 'half a '; while [ ! -e $gate ]; do sleep 0.05; done; echo line
	@printf 'dos\r\n\n\nprogress 1\rprogress 2\rdone\nnul \000 end\nbad \377 utf\n'
	@printf 'data: not a field\nid: 9.9\n: no comment\nevent: end\n'
	@head -c 50000 /dev/zero | tr '\0' x; echo
	@seq 1 3000; printf 'no newline at the end'
MAKE
)
lab_up lab --repo "talk=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }

# events FILE: one JSON document of a stream's events, in order: name, id, data (what EventSource would give)
events() {
    python3 - "$1" <<'PY'
import json, sys
out, name, ident, data = [], "message", None, []
for line in open(sys.argv[1], encoding="utf-8", newline="\n").read().split("\n"):
    if line == "":
        if data:
            out.append({"name": name, "id": ident, "data": "\n".join(data)})
        name, data = "message", []
        continue
    field, _, value = line.partition(":")
    value = value[1:] if value.startswith(" ") else value
    if field == "event": name = value
    elif field == "id": ident = value
    elif field == "data": data.append(value)
json.dump(out, sys.stdout)
PY
}
# shown FILE: the log that a viewer of these events has
shown() { events "$1" | jq -j '.[] | if .name == "log" or .name == "message" then .data + "\n" elif .name == "part" then .data else empty end'; }
stream() { curl -sN -H 'Accept: text/event-stream' "$@"; }   # of the native form
status() { curl -s -o /dev/null -w '%{http_code}' "$@"; }

id=$("$ORION" submit talk)
stream -D "$T/head" "$URL/v1/tasks/$id/log" >"$T/live" & live=$!
stream "$URL/v1/tasks/$id/log" >"$T/live2" & live2=$!
curl -sN "$URL/task-output/$id" >"$T/seed" & seed=$!
curl -sN "$URL/task-output/$id" >"$T/seed2" & seed2=$!

wait_for 60 grep -q '^event: part' "$T/live"
ok $? "an unfinished line is sent after a moment of quiet"
is "$(events "$T/live" | jq -r 'map(select(.name == "part")) | .[0].data')" "half a " "with what there is of it"
is "$(grep -c 'half a' "$T/seed")" 0 "the seed's form waits for whole lines"
like "$(cat "$T/head")" 'text/event-stream' "the type is text/event-stream"
like "$(tr '[:upper:]' '[:lower:]' <"$T/head")" 'x-accel-buffering: no' "proxies do not hold it back"
like "$(tr '[:upper:]' '[:lower:]' <"$T/head")" 'cache-control: no-cache' "and nobody keeps it"
is "$(head -1 "$T/live")" "retry: 2000" "it says when to come back"
wait_for 25 grep -q '^:$' "$T/live"; ok $? "a comment keeps a quiet stream open"
wait_for 25 grep -q '^:$' "$T/seed"; ok $? "in the seed's form as well"

touch "$gate"
# shellcheck disable=SC2086 # numbers
wait $live $live2 $seed $seed2
wait_for 20 log_complete "$id"
curl -s "$URL/v1/tasks/$id/log?format=text" >"$T/raw"
bytes=$(stat -c %s "$T/raw")
python3 - "$T/raw" >"$T/text" <<'PY'
import re, sys
raw = open(sys.argv[1], "rb").read().replace(b"\0", "\ufffd".encode())
sys.stdout.buffer.write(raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").decode("utf-8", "replace").encode())
PY
shown "$T/live" | cmp - "$T/text"; ok $? "the live viewer has the whole log"
cmp "$T/live2" <(cat "$T/live") >/dev/null || shown "$T/live2" | cmp - "$T/text"; ok $? "and so has the one beside it"
for form in seed seed2; do
    events "$T/$form" | jq -j '.[] | select(.name == "message") | .data' | tr -d '\n' >"$T/plain"
    cmp "$T/plain" <(tr -d '\n' <"$T/text"); ok $? "the seed's form ($form) has every line, from the start"
done

events "$T/live" >"$T/live.json"
is "$(jq -r 'map(.name) | unique | join(" ")' "$T/live.json")" "attempt end log part state" "the names of events"
is "$(jq -r 'map(select(.name == "attempt")) | map(.id + " " + .data) | .[]' "$T/live.json" | jq -Rr 'sub("\"agent\".*"; "")')" '1.0 {"attempt":1,' "the attempt is announced"
is "$(jq -r 'map(select(.name == "end")) | length' "$T/live.json")" 1 "the end comes once"
is "$(jq -r '.[-1].name' "$T/live.json")" end "and last"
is "$(jq -r '.[-1].data | fromjson | [.state, .log_bytes, .log_lines] | join(" ")' "$T/live.json")" \
    "succeeded $bytes $(lab_sql "SELECT log_lines FROM orion.attempt")" "with state, bytes and lines"
is "$(jq -r '.[-1].data | fromjson | .log_head' "$T/live.json")" "$(lab_sql "SELECT encode(log_head, 'hex') FROM orion.attempt")" "and the head of its chain"
is "$(jq -r '[.[] | select(.name == "part" and (.data | length) > 16384)] | length' "$T/live.json")" 0 "no part is longer than 16 KiB"
is "$(jq -r '[.[] | select(.name == "log" or .name == "part") | .id | split(".")[1] | tonumber] | . == (. | sort)' "$T/live.json")" true "ids grow"
is "$(jq -r '.[-2].id' "$T/live.json")" "1.$bytes" "the last one of the log stands at its end"
is "$(jq -r '.[-1] | .name + " " + (.data | fromjson | .status)' <(events "$T/seed"))" "buildResult Completed" "the seed's stream ends with buildResult"
is "$(jq -r 'map(select(.name == "message" and (.id | startswith("1.") | not))) | length' <(events "$T/seed"))" 0 "and has ids"

# Coming back, from many places: exactly the rest.
jq -c '[.[] | select(.name == "log" or .name == "part")]' "$T/live.json" >"$T/log.json"
total=$(jq length "$T/log.json")
bad=0
for i in 0 1 2 3 $((total / 3)) $((total / 2)) $((total - 2)); do
    at=$(jq -r ".[$i].id" "$T/log.json")
    jq -j ".[$((i + 1)):][] | if .name == \"log\" then .data + \"\\n\" else .data end" "$T/log.json" >"$T/want"
    stream -H "Last-Event-ID: $at" "$URL/v1/tasks/$id/log" >"$T/again"
    shown "$T/again" | cmp -s - "$T/want" || bad=$((bad + 1))
    stream "$URL/v1/tasks/$id/log?last_event_id=$at" >"$T/again"
    shown "$T/again" | cmp -s - "$T/want" || bad=$((bad + 1))
done
is $bad 0 "a reconnect gets what lies behind its place and nothing else"
last=$(jq -r '.[-1].id' "$T/live.json")
is "$(status -H "Last-Event-ID: $last" -H 'Accept: text/event-stream' "$URL/v1/tasks/$id/log")" 204 "after the end there is nothing"
is "$(events <(stream -H "Last-Event-ID: 1.$bytes" "$URL/v1/tasks/$id/log") | jq -r 'map(select(.name != "state") | .name) | join(" ")')" end "who missed only the end gets the end"
last=$(events "$T/seed" | jq -r '.[-1].id')
is "$(status -H "Last-Event-ID: $last" "$URL/task-output/$id")" 204 "the same in the seed's form"
is "$(status "$URL/task-output/$id?last_event_id=$last")" 204 "with the id in the address too"
is "$(events <(curl -sN "$URL/task-output/$id?last_event_id=1.$bytes") | jq -r 'map(.name) | join(" ")')" buildResult "and who missed only buildResult gets it"
is "$(curl -sN "$URL/task-output/nonsense")" "data: Task output file not found" "no such log: the seed's line"
is "$(status -H 'Accept: text/event-stream' "$URL/v1/tasks/$id/log?last_event_id=nonsense")" 400 "a place that is none is refused"

# Many at once, that come while it grows: all get the same.
rm "$gate"
id=$("$ORION" submit talk)
pids=
for i in $(seq 30); do stream "$URL/v1/tasks/$id/log" >"$T/many.$i" & pids="$pids $!"; done
wait_for 60 grep -q '^event: part' "$T/many.1"
touch "$gate"
for i in $(seq 31 40); do stream "$URL/v1/tasks/$id/log" >"$T/many.$i" & pids="$pids $!"; done
# shellcheck disable=SC2086 # numbers
wait $pids
wait_for 20 log_complete "$id"
seq 1 3000 | sed 's/^/data: /' >"$T/want"
bad=0
for i in $(seq 40); do
    grep -a '^data: [0-9][0-9]*$' "$T/many.$i" | cmp -s - "$T/want" || bad=$((bad + 1))
    [ "$(grep -c '^event: end' "$T/many.$i")" = 1 ] || bad=$((bad + 1))
done
is $bad 0 "forty viewers have the same log"
sanitizers_quiet
plan_done
