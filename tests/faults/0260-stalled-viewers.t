#!/bin/bash
# Viewers that do not read: no memory for each, no build held up, nothing lost for others, everything when they read again.
#   VIEWERS  200     LONG=1: 1,000 of them, beside a build that writes for ten minutes
. "$(dirname "$0")/../lib.sh"

viewers=${VIEWERS:-200}
lines=40000
pause=
seconds=60
if [ -n "${LONG:-}" ]; then viewers=${VIEWERS:-1000} lines=600000 pause='; sleep 0.95' seconds=1200; fi
gate=$T/gate go=$T/go
repo=$(repo_makefile talk <<MAKE
all:
	@while [ ! -e $gate ]; do sleep 0.05; done
	@i=0; while [ \$\$i -lt $lines ]; do seq -f 'line %.0f of many, and some more text to make it as long as lines are in builds' \$\$((i + 1)) \$\$((i + 1000)); i=\$\$((i + 1000))$pause; done
MAKE
)
lab_up lab --slots 2 --repo "talk=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }
ulimit -n 8192 2>/dev/null

memory_kb() { # of the gateway's workers
    local pid sum=0
    for pid in $(pgrep -P "$(lab_pid gateway)"); do sum=$((sum + $(awk '/^VmRSS/ {print $2}' "/proc/$pid/status"))); done
    echo $sum
}
numbers() { grep -a -o '^data: line [0-9]*' "$1" | cut -c12-; }

id=$("$ORION" submit talk)
python3 "$TEST_TOP/tests/faults/stalled_client.py" "$URL/v1/tasks/$id/log" "$viewers" "$go" >"$T/stalled" 2>&1 & client=$!
wait_for 60 grep -q stalled "$T/stalled"; ok $? "$viewers viewers have asked and do not read"
curl -sN -H 'Accept: text/event-stream' "$URL/v1/tasks/$id/log" >"$T/reader" & reader=$!
wait_for 30 grep -q '^event: attempt' "$T/reader"
before=$(memory_kb)
touch "$gate"
wait_for "$seconds" task_ended "$id"; ok $? "the build is not held up by them"
is "$(task_state "$id")" succeeded "and succeeds"
wait_for 30 log_complete "$id"; ok $? "its log is complete"
wait $reader
numbers "$T/reader" | cmp -s - <(seq $lines); ok $? "a viewer that reads gets every line meanwhile"
# Each would have $((lines * 100)) bytes of events to keep. Rings and pages of the one log are shared.
grown=$(($(memory_kb) - before))
[ $grown -lt 204800 ]; ok $? "the gateway keeps nothing for them (it grew by $grown KB)"
is "$(curl -s -o /dev/null -w '%{http_code}' "$URL/readyz")" 200 "it answers others"

touch "$go"
wait $client
is "$(tail -1 "$T/stalled")" "whole $viewers" "when they read again, they get everything"
sanitizers_quiet
plan_done
