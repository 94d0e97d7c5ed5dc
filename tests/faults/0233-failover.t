#!/bin/bash
# The database fails over: the primary is killed while tasks go through, its synchronous replica is promoted. With both
# hosts in the settings the farm goes on by itself, and nothing that was answered is lost.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/farm.sh"

TASKS=${TASKS:-2000}
BUS=$ORION_BUILD/tests/faults/scheduler_bus

pg_new db "wal_level = replica" && pg_up db && orion_db db && pg_replica twin db
ok $? "a database with a replica"
sql db "ALTER SYSTEM SET synchronous_standby_names = 'twin'" && sql db "SELECT pg_reload_conf()" >/dev/null
is_sync() { [ "$(sql db "SELECT sync_state FROM pg_stat_replication")" = sync ]; }
wait_for 20 is_sync; ok $? "which is synchronous"

both() { echo "postgresql:///orion?host=$T/db.s,$T/twin.s&user=$1&target_session_attrs=read-write"; }
sched_up one "$(both orion_scheduler)" --accept-deadline 2s
wait_for 20 said one leading; ok $? "a scheduler leads"
gateway_up "$(both orion_gateway)" one
kept=
let_in() { kept=$(submit '{"repo": "repo", "labels": ["nobody"]}'); }
wait_for 20 let_in; ok $? "a task is submitted over HTTP"

"$BUS" "ipc://$T/one.sock" "$TASKS" 8 50 >"$T/bus" 2>&1 &
WORK=$!
some() { [ "$(sql db "SELECT count(*) FROM orion.task WHERE ended_at IS NOT NULL")" -gt 100 ]; }
wait_for 20 some; ok $? "tasks go through"
pg_kill db
start=$(now_ms)
as_pg "$PGBIN/pg_ctl" -D "$T/twin" -w promote >/dev/null; ok $? "the primary is killed, its replica promoted"
before=$(sql twin "SELECT count(*) FROM orion.task")
moves() { [ "$(sql twin "SELECT count(*) FROM orion.task")" -gt "$before" ]; }
wait_for 20 moves; ok $? "the farm goes on $(($(now_ms) - start)) ms later"
wait $WORK; ok $? "and finishes its $TASKS tasks" "$(cat "$T/bus")"
echo "# $(tr '\n' ' ' <"$T/bus")"
is "$(sql twin "SELECT state, count(*) FROM orion.task GROUP BY 1 ORDER BY 1" | tr '\n' ' ')" "queued|1 succeeded|$TASKS " "every task is there, each ended once"
is "$(curl -s -m 10 "$URL/v1/tasks/$kept" | jq -r .state)" queued "the gateway reads from the new primary"
submit '{"repo": "repo", "labels": ["nobody"]}' >/dev/null; ok $? "and takes submissions"
is "$(sql twin "SELECT max(seq) - count(*) FROM orion.event")" 0 "the journal has no hole"
is "$(sql twin "SELECT count(*) FROM orion.invariant_violations")" 0 "no invariant is violated"
farm_down; ok $? "everybody ends when asked to"
sanitizers_quiet
plan_done
