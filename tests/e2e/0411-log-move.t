#!/bin/bash
# A log sink is gone for good in the middle of a build: the log goes on at another one, from the acknowledged place on;
# what only the lost sink has is shown as missing, and is back when the sink is.
. "$(dirname "$0")/../lib.sh"

repo=$(repo_makefile two <<'MAKE'
all:
	@seq -f 'before %05.0f' 1 5000; while [ ! -e "$$GATE" ]; do sleep 0.05; done; seq -f 'after %05.0f' 1 5000
MAKE
)
lab_up farm --sinks 2 --repo "two=$repo" --set ORION_SINK_LOST_AFTER=2s || { ok 1 "the lab comes up"; plan_done; exit 1; }
id=$(curl -s -X POST "$URL/v1/tasks" -H 'Content-Type: application/json' -d "{\"repo\":\"two\",\"env\":{\"GATE\":\"$T/go\"}}" | jq -r .id)
has_begun() { curl -s "$URL/v1/tasks/$id/log?format=text" | grep -q '^before 05000'; }
wait_for 30 has_begun; ok $? "the first part is at the first sink"
sink=$(lab_sql "SELECT sink FROM orion.attempt WHERE task_id = '$id'")
pid=$(lab_pid "log$sink")
sleep 0.5   # the sink's word that it has it reaches the agent
kill -STOP "$pid"
has_moved() { [ "$(lab_sql "SELECT count(*) FROM orion.log_segment WHERE task_id = '$id'")" = 1 ]; }
wait_for 30 has_moved; ok $? "the sink answers no more: a segment is opened"
like "$(lab_sql "SELECT sink || ' ' || from_offset FROM orion.log_segment WHERE task_id = '$id'")" "sink-[12] [0-9]+" "it has a place"
[ "$(lab_sql "SELECT sink FROM orion.log_segment WHERE task_id = '$id'")" != "$sink" ]; ok $? "at the other sink"
is "$(lab_sql "SELECT state FROM orion.log_sink WHERE name = '$sink'")" lost "the first one is lost"
touch "$T/go"
wait_for 30 task_ended "$id"; ok $? "the build ends"
is "$(task_state "$id")" succeeded "well"
wait_for 20 log_complete "$id"; ok $? "and its log is sealed at the new sink"
curl -s "$URL/v1/tasks/$id/log?format=text" >"$T/log"
is "$(grep -c '^after' "$T/log")" 5000 "the second part is there"
like "$(grep missing "$T/log")" "log sink $sink is lost" "the first part is shown as missing, with the reason"
kill -CONT "$pid"
is_whole() { curl -s "$URL/v1/tasks/$id/log?format=text" >"$T/log"; [ "$(grep -c '^before' "$T/log")" = 5000 ] && [ "$(grep -c '^after' "$T/log")" = 5000 ]; }
wait_for 30 is_whole; ok $? "the sink is back: the log is whole"
is "$(stat -c %s "$T/log")" "$(curl -s "$URL/v1/tasks/$id" | jq .attempts[0].log_bytes)" "byte for byte"
is "$(violations)" 0 "no invariant is violated"
sanitizers_quiet
plan_done
