#!/bin/bash
# Three log sinks, one of them gone for good while builds write: their logs go on elsewhere, verdicts come in time, the
# rows and the API say what is lost; it comes back, and everything is whole again. And what projects say of their logs.
. "$(dirname "$0")/../lib.sh"

repo=$(repo_makefile halves <<MAKE
all:
	@for i in \$\$(seq 1 200); do echo "first \$\$i"; done
	@while [ ! -e $T/go/now ]; do sleep 0.05; done
	@for i in \$\$(seq 1 200); do echo "second \$\$i"; done
MAKE
)
mkdir "$T/go" && chmod 755 "$T/go"
lab_up lab --sinks 3 --agents 3 --slots 4 --repo "halves=$repo" --set ORION_SINK_LOST_AFTER=2s --set ORION_LOG_GRACE=5s ||
    { ok 1 "the lab comes up"; plan_done; exit 1; }

sql_is() { [ "$(lab_sql "$1")" = "$2" ]; }
states() { lab_sql "SELECT string_agg(name || '=' || state, ' ' ORDER BY name) FROM orion_api_v1.log_sinks"; }
first_half() { [ "$(curl -s -H 'Accept: text/plain' "$URL/v1/tasks/$1/log" | grep -c '^first')" = 200 ]; }
log_lost() { curl -s "$URL/v1/tasks/$1" | jq -r '.attempts[-1].log_lost // false'; }
text() { curl -s -m 20 -H 'Accept: text/plain' "$URL/v1/tasks/$1/log" | grep -v '^orion: '; }
expected=$(for half in first second; do for i in $(seq 1 200); do echo "$half $i"; done; done)

wait_for 20 sql_is "SELECT count(*) FROM orion.log_sink WHERE state = 'up'" 3; ok $? "three sinks are up" "$(states)"

# --- one is gone -------------------------------------------------------------------------------------------------------
tasks=()
for _ in $(seq 9); do tasks+=("$("$ORION" submit halves)"); done
for id in "${tasks[@]}"; do wait_for 20 first_half "$id" || ok 1 "the first half of $id is there"; done
gone=$(lab_sql "SELECT sink FROM orion.attempt GROUP BY sink ORDER BY count(*) DESC LIMIT 1")
mapfile -t moved < <(lab_sql "SELECT task_id FROM orion.attempt WHERE sink = '$gone'")
mapfile -t stayed < <(lab_sql "SELECT task_id FROM orion.attempt WHERE sink <> '$gone'")
[ ${#stayed[@]} -gt 0 ]; ok $? "logs are spread: ${#moved[@]} of 9 are on $gone"
kill -9 "$(lab_pid "log$gone")"
wait_for 20 sql_is "SELECT state FROM orion.log_sink WHERE name = '$gone'" lost; ok $? "$gone is lost" "$(states)"
is "$(lab_sql "SELECT string_agg(kind, ' ' ORDER BY seq) FROM orion.event WHERE data ->> 'name' = '$gone' AND kind <> 'sink.up'")" \
    "sink.down sink.lost" "the journal says how"
wait_for 20 sql_is "SELECT count(*) FROM orion.log_segment" "${#moved[@]}"; ok $? "every open log of it has moved" "$(lab_sql 'SELECT * FROM orion.log_segment')"
is "$(lab_sql "SELECT count(*) FROM orion.log_segment s JOIN orion.attempt a ON a.task_id = s.task_id AND a.number = s.attempt
    JOIN orion.log_sink l ON l.name = s.sink WHERE a.sink = '$gone' AND l.state = 'up'")" "${#moved[@]}" \
    "to sinks that are up"
is "$(lab_sql "SELECT count(*) FROM orion.event WHERE kind = 'log.moved'")" "${#moved[@]}" "each once"
for _ in $(seq 3); do tasks+=("$("$ORION" submit halves)"); done
is "$(lab_sql "SELECT count(*) FROM orion.attempt WHERE sink = '$gone'")" "${#moved[@]}" "nothing new is given to it"

# --- verdicts and logs without it ----------------------------------------------------------------------------------------
touch "$T/go/now"
start=$SECONDS
for id in "${tasks[@]}"; do wait_for 30 task_ended "$id" || ok 1 "$id ends"; done
[ $((SECONDS - start)) -le 20 ]; ok $? "all tasks end in time ($((SECONDS - start)) s)"
is "$(lab_sql "SELECT string_agg(DISTINCT state, ' ') FROM orion.task")" succeeded "as they should"
wait_for 20 sql_is "SELECT count(*) FROM orion.attempt WHERE log_state = 'complete'" 12; ok $? "the logs are complete where they are now" \
    "$(lab_sql "SELECT task_id, sink, log_state, log_wanted FROM orion.attempt WHERE log_state <> 'complete'")"
is "$(log_lost "${moved[0]}")" true "the API says that a part is lost"
is "$(log_lost "${stayed[0]}")" false "of this one, and not of another"
is "$(lab_sql "SELECT count(*) FROM orion_api_v1.attempts WHERE log_lost")" "${#moved[@]}" "so does SQL"
[ "$(text "${stayed[0]}")" = "$expected" ]; ok $? "a log that was not there is whole"
out=$(text "${moved[0]}")
like "$out" "log sink $gone is lost" "a log that was there says what is missing"
is "$(grep -c '^second' <<<"$out")" 200 "and has the rest"

# --- it comes back --------------------------------------------------------------------------------------------------------
"$ORION" lab restart "log$gone" --dir "$LAB" >"$T/restart" 2>&1; ok $? "$gone is started again" "$(cat "$T/restart")"
wait_for 20 sql_is "SELECT state FROM orion.log_sink WHERE name = '$gone'" up; ok $? "and is up" "$(states)"
is "$(log_lost "${moved[0]}")" false "nothing is lost any more"
whole() { [ "$(text "$1")" = "$expected" ]; }
wait_for 20 whole "${moved[0]}"; ok $? "the log is whole again, from two sinks" "$(text "${moved[0]}" | head -3)"

# --- unsealed when its sink goes ----------------------------------------------------------------------------------------
rm "$T/go/now"
kill -9 "$(lab_pid "log$gone")"
on=''
while [ "$on" != "$gone" ]; do   # placed there before anybody has noticed
    id=$("$ORION" submit halves)
    on=$(lab_sql "SELECT sink FROM orion.attempt WHERE task_id = '$id'")
    [ "$(lab_sql "SELECT state FROM orion.log_sink WHERE name = '$gone'")" = up ] || break
done
touch "$T/go/now"
wait_for 20 task_ended "$id"; ok $? "a task on a sink that has just died ends all the same"
wait_for 30 log_complete "$id"; ok $? "its log moves with what there was and is complete" "$(curl -s "$URL/v1/tasks/$id")"
[ "$(text "$id")" = "$expected" ]; ok $? "and whole"
"$ORION" lab restart "log$gone" --dir "$LAB" >/dev/null 2>&1
wait_for 20 sql_is "SELECT count(*) FROM orion.log_sink WHERE state = 'up'" 3; ok $? "three sinks are up again"
wait_for 20 sql_is "SELECT count(*) FROM orion.attempt WHERE log_state <> 'complete'" 0; ok $? "every log is complete" \
    "$(lab_sql "SELECT task_id, sink, log_state, log_wanted FROM orion.attempt WHERE log_state <> 'complete'")"

# --- what projects say ------------------------------------------------------------------------------------------------------
out=$("$ORION" project set default --log-max 100M --log-keep 30d 2>&1); ok $? "a project limits its logs" "$out"
like "$out" '100M +30d' "and it is shown"
is "$(lab_sql "SELECT log_max_bytes, log_keep_ms FROM orion_api_v1.projects WHERE name = 'default'")" "104857600|2592000000" "SQL sees it"
is "$(curl -s "$URL/v1/projects/default" | jq -c '[.log_max_bytes, .log_keep_s]')" '[104857600,2592000]' "the API too"
like "$("$ORION" project list)" '100M +30d' "and the list"
out=$(curl -s -X PUT -H 'Content-Type: application/json' "$URL/v1/projects/default" -d '{"log_max_bytes":0}')
is "$(jq -c '[.log_max_bytes, .log_keep_s]' <<<"$out")" '[null,2592000]' "0 is no limit; what is not said stays"
"$ORION" project set default --log-keep 0 >/dev/null
is "$(lab_sql "SELECT log_max_bytes IS NULL, log_keep_ms IS NULL FROM orion.project WHERE name = 'default'")" "t|t" "nothing is left of either"
"$ORION" project set default --log-max 10Q >/dev/null 2>"$T/err"; is $? 2 "a size that is none is refused"
like "$(cat "$T/err")" 'not a size: 10Q' "in words"
is "$(curl -s -o /dev/null -w '%{http_code}' -X PUT -H 'Content-Type: application/json' "$URL/v1/projects/default" -d '{"log_max_bytes":-1}')" 400 "so is one by HTTP"

is "$(violations)" 0 "no invariant is violated"
sanitizers_quiet
plan_done
