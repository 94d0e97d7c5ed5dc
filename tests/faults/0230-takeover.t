#!/bin/bash
# Two schedulers, one database, 10,000 open tasks. The standby takes over in less than 5 s when the leader is killed, in
# less than 10 s when it is stopped; a build goes on through both. The stopped leader wakes up and can do nothing: its
# session is over, and whoever heard of the new leader drops what it says.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/farm.sh"

QUEUED=${QUEUED:-9000}
RUNNING=${RUNNING:-1000}

pg_new db "shared_buffers = 64MB" && pg_up db && orion_db db
ok $? "a database"
sql db "
INSERT INTO orion.agent (id, name, instance, labels, slots, session, state, seen_at)
    VALUES ('00000000-0000-4000-8000-0000000000a1', 'ghost', '00000000-0000-4000-8000-0000000000a2', '{ghost}', 4096, 1, 'up', now());
INSERT INTO orion.task (id, project, repo, labels, state, attempt, created_at, started_at)
    SELECT overlay(orion.uuid_at(now())::text PLACING '7000-8000-' || lpad(to_hex(i), 12, '0') FROM 15)::uuid,
        'default', 'nothing', '{ghost}', CASE WHEN i <= $RUNNING THEN 'running' ELSE 'queued' END, (i <= $RUNNING)::int, now(),
        CASE WHEN i <= $RUNNING THEN now() END FROM generate_series(1, $RUNNING + $QUEUED) i;
INSERT INTO orion.attempt (task_id, number, agent_id, session, state, sink, assigned_at, started_at)
    SELECT id, 1, '00000000-0000-4000-8000-0000000000a1', 1, 'running', 'sink-1', now(), now() FROM orion.task WHERE state = 'running'"
is "$(sql db "SELECT count(*) FROM orion.task WHERE ended_at IS NULL")" $((RUNNING + QUEUED)) "open tasks"

repo=$(repo_makefile long <<'MAKE'
all:
	@echo begun; while [ ! -e $$GATE ]; do sleep 0.1; done; echo let go
MAKE
)
printf 'repositories:\n  - name: long\n    url: %s\n' "$repo" >"$T/agent.yaml"
mkdir "$T/gates" && chmod 755 "$T/gates"

DSN=$(dsn db orion_scheduler)
leader() { sql db "SELECT name FROM orion.leader"; }
leads() { said "$1" leading && [ "$(leader)" = "$1" ]; }
epoch() { sql db "SELECT epoch FROM orion.leader"; }
running() { task_is "$1" running; }
succeeded() { task_is "$1" succeeded; }
sched_up one "$DSN" --lease 10m
wait_for 20 leads one; ok $? "the first scheduler leads"
sched_up two "$DSN" --lease 10m
wait_for 20 said two "standing by"; ok $? "the second stands by"
sink_up one two
gateway_up "$(dsn db orion_gateway)" one two
agent_up --slots 2
first=
let_in() { first=$(submit "{\"repo\": \"long\", \"env\": {\"GATE\": \"$T/gates/1\"}}"); }
wait_for 20 let_in; ok $? "a build is asked for"
wait_for 20 running "$first"; ok $? "and runs"

# takeover OLD NEW SIGNAL LIMIT_MS: from the signal to a submission that is answered
takeover() {
    local old=$1 new=$2 signal=$3 limit=$4 epoch start took id
    epoch=$(epoch)
    start=$(now_ms)
    kill "-$signal" "${PIDS[$old]}"
    id=$(submit '{"repo": "nothing", "labels": ["ghost"]}')
    took=$(($(now_ms) - start))
    [ -n "$id" ] && [ "$took" -lt "$limit" ]
    ok $? "$signal: a submission is answered $took ms later (less than $limit)" "$(cat "$T/submitted")"
    is "$(leader) $(epoch)" "$new $((epoch + 1))" "$signal: the other one leads the next epoch"
    is "$(sql db "SELECT state FROM orion.task WHERE id = '$id'")" queued "$signal: and has kept it"
}

takeover one two KILL 5000
wait "${PIDS[one]}" 2>/dev/null
unset "PIDS[one]"
wait_for 20 said two "queue loaded"; ok $? "the queue is loaded behind it"
touch "$T/gates/1"
wait_for 20 succeeded "$first"; ok $? "the build ends well" "$(curl -s "$URL/v1/tasks/$first")"
is "$(sql db "SELECT attempt FROM orion.task WHERE id = '$first'")" 1 "in its first attempt"
wait_for 20 log_complete "$first"; ok $? "with its log"

sched_up one "$DSN" --lease 10m
wait_for 20 said one "standing by"; ok $? "the killed one stands by now"
second=$(submit "{\"repo\": \"long\", \"env\": {\"GATE\": \"$T/gates/2\"}}")
wait_for 20 running "$second"; ok $? "another build runs"
before=$(epoch)
takeover two one STOP 10000
said one "its database session is ended"; ok $? "the standby says what it did"

# What the stopped one has not read yet and what it will do first: all of it is void.
gateway_lines=$(grep -c '"\?leader"\?' "$T/log/gateway.log")
lost_before=$(times_said two "leadership lost")
kill -CONT "${PIDS[two]}"
finds_out() { [ "$(times_said two "leadership lost")" -gt "$lost_before" ]; }
wait_for 20 finds_out; ok $? "the woken leader finds out that it leads no more"
standing_again() { [ "$(times_said two "standing by")" -ge 2 ]; }
wait_for 20 standing_again; ok $? "and stands by"
is "$(sql db "SELECT count(*) FROM orion.event e WHERE epoch = $before AND seq > (SELECT min(seq) FROM orion.event WHERE epoch > $before)")" \
    0 "it has written nothing"
is "$(leader) $(epoch)" "one $((before + 1))" "the new leader leads on"
is "$(grep -c '"\?leader"\?' "$T/log/gateway.log")" "$gateway_lines" "the gateway has not followed it"
start=$(now_ms)
id=$(submit '{"repo": "nothing", "labels": ["ghost"]}')
ok $? "submissions are answered ($(($(now_ms) - start)) ms)"
touch "$T/gates/2"
wait_for 20 succeeded "$second"; ok $? "the build that ran through it ends well" "$(curl -s "$URL/v1/tasks/$second")"
is "$(sql db "SELECT attempt FROM orion.task WHERE id = '$second'")" 1 "in its first attempt"
is "$(sql db "SELECT count(*) FROM orion.task WHERE state = 'running' AND repo = 'nothing'")" "$RUNNING" "whatever ran before still does"
is "$(sql db "SELECT max(seq) - count(*) FROM orion.event")" 0 "the journal has no hole"
is "$(sql db "SELECT count(*) FROM orion.invariant_violations")" 0 "no invariant is violated"
farm_down; ok $? "everybody ends when asked to"
sanitizers_quiet
plan_done
