#!/bin/bash
# The real scheduler and a real PostgreSQL, killed again and again while tasks go through: nothing is lost, nothing
# happens twice. A gateway, an agent and a sink are played by tests/faults/scheduler_bus over the real bus.
#
#   SCHEDULER, SCHEDULER_BUS   the programs (default: those of the build tree)
. "$(dirname "$0")/../lib.sh"

SCHEDULER=${SCHEDULER:-$ORION_BUILD/src/scheduler/orion-scheduler}
SCHEDULER_BUS=${SCHEDULER_BUS:-$ORION_BUILD/tests/faults/scheduler_bus}
PGBIN=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
TASKS=${TASKS:-3000}
ROUNDS=${ROUNDS:-12}
SOCK=ipc://$T/scheduler.sock
SCHED=

chmod 777 "$T"
pg() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups env HOME="$T" "$@"; else "$@"; fi; }
pg_up() { pg "$PGBIN/pg_ctl" -D "$T/pg" -o "-c listen_addresses='' -k $T" -l "$T/pg.log" -w start >/dev/null; }
sql() { psql -h "$T" -U "$PGUSER" -XqAt "${2:-orion}" -c "$1"; }
PGUSER=$(if [ "$(id -u)" = 0 ]; then echo postgres; else id -un; fi)
sched_up() {
    "$SCHEDULER" --config /dev/null --listen "$SOCK" --lease 5s --accept-deadline 2s --name "$1" \
        --database "postgresql:///orion?host=$T&user=orion_scheduler" 2>>"$T/scheduler.log" &
    SCHED=$!
}
ended() {
    [ -z "$SCHED" ] || kill -9 "$SCHED" 2>/dev/null
    pg "$PGBIN/pg_ctl" -D "$T/pg" -m immediate stop >/dev/null 2>&1
    [ "$FAILED" = 0 ] || { tail -40 "$T/scheduler.log"; tail -5 "$T/pg.log"; } | sed 's/^/# /'
    finish
}
trap ended EXIT

pg "$PGBIN/initdb" -A trust -D "$T/pg" >/dev/null && pg_up && sql "CREATE DATABASE orion" postgres &&
    for file in "$TEST_TOP"/sql/0*.sql; do psql -h "$T" -U "$PGUSER" -Xq1 -v ON_ERROR_STOP=1 -f "$file" orion >/dev/null || break; done
ok $? "a database"

sched_up first
"$SCHEDULER_BUS" "$SOCK" 200 4 30 >"$T/calm"
ok $? "200 tasks go through undisturbed" "$(cat "$T/calm")"
echo "# $(tail -1 "$T/calm")"
is "$(sql "SELECT count(*) FROM orion.event WHERE kind = 'attempt.accepted'")" 200 "each was started once"

"$SCHEDULER_BUS" "$SOCK" "$TASKS" 8 180 >"$T/wild" &
BUS=$!
for round in $(seq "$ROUNDS"); do
    sleep "0.$((RANDOM % 8 + 1))"     # how long the farm works between two blows
    kill -0 $BUS 2>/dev/null || break
    case $((RANDOM % 4)) in
    0) kill -9 "$SCHED"; wait "$SCHED" 2>/dev/null; sched_up "after-$round" ;;
    1) pg "$PGBIN/pg_ctl" -D "$T/pg" -m immediate stop >/dev/null; pg_up ;;
    2) sql "SELECT pg_terminate_backend(backend_pid) FROM orion.leader" >/dev/null ;;
    3) before=$SCHED; sched_up "standby-$round"; kill -9 "$before"; wait "$before" 2>/dev/null ;;
    esac
done
wait $BUS
ok $? "$TASKS tasks go through $round blows" "$(cat "$T/wild")"
echo "# $(tr '\n' ' ' <"$T/wild")"
all=$((TASKS + 200))
is "$(sql "SELECT count(*) FROM orion.task")" $all "as many tasks as were asked for"
is "$(sql "SELECT state, count(*) FROM orion.task GROUP BY 1")" "succeeded|$all" "all succeeded"
is "$(sql "SELECT count(*) FROM orion.attempt WHERE state = 'succeeded'")" $all "each by one attempt"
is "$(sql "SELECT count(*) FROM orion.attempt WHERE log_state = 'open'")" 0 "all logs are sealed"
is "$(sql "SELECT max(seq) - count(*) FROM orion.event")" 0 "the journal has no hole"
is "$(sql "SELECT count(*) FROM orion.invariant_violations")" 0 "no invariant is violated"

# A batch that SQL refuses costs its one bad input: a trigger plays the constraint nobody thought of.
sql "CREATE FUNCTION orion.hate() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
       IF NEW.id::text LIKE '%7' THEN RAISE EXCEPTION 'no sevens' USING ERRCODE = '23514'; END IF; RETURN NEW; END \$\$;
     CREATE TRIGGER hate BEFORE INSERT ON orion.task FOR EACH ROW EXECUTE FUNCTION orion.hate()"
"$SCHEDULER_BUS" "$SOCK" 300 8 60 --may-refuse >"$T/refused"
ok $? "the others go through when SQL refuses some tasks" "$(cat "$T/refused")"
is "$(sql "SELECT count(*) FROM orion.task WHERE ended_at IS NULL")" 0 "nothing is left open"
refused=$(sed -n 's/^refused //p' "$T/refused")
ok "$([ "${refused:-0}" -gt 0 ]; echo $?)" "some were refused ($refused)"
is "$(sql "SELECT count(*) FROM orion.task")" $((all + 300 - ${refused:-0})) "and are not there"
is "$(sql "SELECT count(*) FROM orion.invariant_violations")" 0 "no invariant is violated"
sql "DROP TRIGGER hate ON orion.task"

# So does a fact of an agent: it is acknowledged, and its attempt is given up.
sql "CREATE FUNCTION orion.hate_facts() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
       IF NEW.task_id::text LIKE '%7' AND NEW.commit IS NOT NULL THEN RAISE EXCEPTION 'no sevens' USING ERRCODE = '23514'; END IF;
       RETURN NEW; END \$\$;
     CREATE TRIGGER hate_facts BEFORE UPDATE ON orion.attempt FOR EACH ROW EXECUTE FUNCTION orion.hate_facts()"
"$SCHEDULER_BUS" "$SOCK" 300 8 90 >"$T/facts"
ok $? "all results are acknowledged when SQL refuses some facts" "$(cat "$T/facts")"
given_up=$(sql "SELECT count(*) FROM orion.attempt WHERE state = 'failed' AND cause = 'infrastructure'")
ok "$([ "$given_up" -gt 0 ]; echo $?)" "attempts whose facts cannot be stored are given up ($given_up)"
is "$(sql "SELECT count(*) FROM orion.invariant_violations")" 0 "no invariant is violated"

kill -TERM "$SCHED"
wait "$SCHED"
is $? 0 "it stops when asked to"
SCHED=
ok "$(grep -qE 'Sanitizer|runtime error' "$T/scheduler.log"; [ $? = 1 ]; echo $?)" "no sanitizer report"
plan_done
