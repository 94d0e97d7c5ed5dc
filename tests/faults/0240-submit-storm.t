#!/bin/bash
# Hundreds of clients submit at once, each repeating its call with its Idempotency-Key until it is answered, while the
# gateway, the scheduler and PostgreSQL are killed at random moments and started again. After every round: as many tasks
# as distinct keys, each ended once; as many attempts as were started; every answer true.
#
#   ROUNDS (20), SUBMITS (500) of a round, SEED
#
# Gateway, scheduler, sinks, PostgreSQL and HTTP are the real ones. One task in twenty is built by the lab's real
# agents with git and make; 10,000 such builds would take longer than a test may, so the others go to
# tests/faults/storm_agents: the real agent's session over the real gateway, with played builds.
. "$(dirname "$0")/../lib.sh"

ROUNDS=${ROUNDS:-20}
SUBMITS=${SUBMITS:-500}
STORM_AGENTS=${STORM_AGENTS:-$ORION_BUILD/tests/faults/storm_agents}
HERE=$(cd "$(dirname "$0")" && pwd)
RANDOM=${SEED:=$$}
echo "# seed $SEED"

repo=$(repo_makefile tiny <<'MAKE'
one two:
	@echo start $$ORION_TASK_ID $$ORION_ATTEMPT >>$$LEDGER
MAKE
)
LEDGER=$T/ledger
: >"$LEDGER" && chmod 666 "$LEDGER"
export ORION_AGENT_LABELS=real
lab_up lab --agents 2 --slots 2 --sinks 2 --repo "tiny=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }

"$STORM_AGENTS" "$URL" 4 64 20 storm "$LEDGER" >"$T/agents.out" 2>"$T/agents.err" &
AGENTS=$!
CLIENT=
ended() {
    [ -z "$AGENTS$CLIENT" ] || kill -9 ${AGENTS:+"$AGENTS"} ${CLIENT:+"$CLIENT"} 2>/dev/null
    [ "$FAILED" = 0 ] || tail -5 "$T/agents.err" | sed 's/^/# agents: /'
    finish
}
trap ended EXIT
wait_for 20 grep -q ready "$T/agents.out"; ok $? "the agents are welcomed" "$(cat "$T/agents.err")"
lab_sql "CREATE TABLE storm_answer (key text, target text, status int, id uuid, tries int, seen int);
         CREATE TABLE storm_ledger (word text, task uuid, attempt int)"

# --- blows -------------------------------------------------------------------------------------------------------

restart() {
    local part
    for part in "$@"; do
        "$ORION" lab restart "$part" --dir "$LAB" >"$T/restart" 2>&1 ||
            ok 1 "round $round: $part is started again" "$(cat "$T/restart")"
    done
}
blow_gateway() { kill -9 "$(lab_pid gateway)"; restart gateway; }
kill_one() { pid=$(shuf -n 1); [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || true; }
blow_worker() { pgrep -P "$(lab_pid gateway)" | kill_one; }                  # its parent starts another
blow_scheduler() { kill -9 "$(lab_pid scheduler)"; restart scheduler; }
blow_postgres() { kill -QUIT "$(lab_pid postgres)"; restart postgres; }      # what -m immediate does
blow_postmaster() { kill -9 "$(lab_pid postgres)"; restart postgres; }
blow_backend() { pgrep -P "$(lab_pid postgres)" -f 'orion_(scheduler|gateway)' | kill_one; } # PostgreSQL recovers itself
blow_two() { kill -9 "$(lab_pid scheduler)" "$(lab_pid gateway)"; restart scheduler gateway; }
blow_all() {
    kill -9 "$(lab_pid postgres)" "$(lab_pid scheduler)" "$(lab_pid gateway)"
    restart postgres scheduler gateway
}
BLOWS=(gateway worker scheduler postgres postmaster backend two all)

# --- what must be true after every round -------------------------------------------------------------------------

# none NAME SQL: it finds no row. What was found stands in $lies.
none() {
    local found
    found=$(lab_sql "$2 LIMIT 5") && [ -z "$found" ] || lies="$lies$1"$'\n'"$found"$'\n'
}
both_ways() { echo "(($1) EXCEPT ($2)) UNION ALL (($2) EXCEPT ($1))"; }

STARTED="SELECT task_id, number, 1::bigint FROM orion.attempt WHERE started_at IS NOT NULL"
# What the agents noted, with what the farm knows of it.
BEGUN="(SELECT l.task AS task_id, l.attempt, a.assigned_at, a.started_at FROM storm_ledger l
    LEFT JOIN orion.attempt a ON a.task_id = l.task AND a.number = l.attempt WHERE l.word IN ('start', 'again')) s"

check_answers() {
    lies=
    none "every call was answered 201, 200 or 422" "SELECT * FROM storm_answer WHERE status NOT IN (200, 201, 422)"
    none "a key has one task" "SELECT key FROM storm_answer GROUP BY key HAVING count(DISTINCT id) <> 1"
    none "and one body" "SELECT key FROM storm_answer WHERE id IS NOT NULL
        GROUP BY key HAVING count(DISTINCT target) > 1"
    none "another body is refused, the same never" "SELECT a.* FROM storm_answer a JOIN storm_answer b USING (key)
        WHERE a.status = 422 AND b.id IS NOT NULL AND a.target = b.target"
    none "what was answered is there at once" "SELECT * FROM storm_answer WHERE seen <> 200"
    none "distinct keys = tasks" "$(both_ways "SELECT id, target FROM storm_answer WHERE id IS NOT NULL" \
        "SELECT id, target FROM orion.task")"
    none "the keys' rows name them" "SELECT a.* FROM storm_answer a LEFT JOIN orion.idempotency i USING (key)
        WHERE a.id IS NOT NULL AND i.task_id IS DISTINCT FROM a.id"
    ok "${#lies}" "round $round: as many tasks as distinct keys, and every answer is true" "$lies"
}
check_tasks() {
    lies=
    none "every task has succeeded" "SELECT id, state, cause, message FROM orion.task WHERE state <> 'succeeded'"
    none "and ended once" "$(both_ways "SELECT id, 1::bigint FROM orion.task" \
        "SELECT task_id, count(*) FROM orion.event WHERE kind = 'task.ended' GROUP BY 1")"
    none "by one attempt" "SELECT task_id FROM orion.attempt
        GROUP BY 1 HAVING count(*) FILTER (WHERE state = 'succeeded') <> 1"
    none "attempts = assigned events" "$(both_ways "SELECT task_id, number, 1::bigint FROM orion.attempt" \
        "SELECT task_id, attempt, count(*) FROM orion.event
         WHERE kind = 'task.assigned' OR kind = 'task.submitted' AND attempt IS NOT NULL GROUP BY 1, 2")"
    none "started attempts = started events" "$(both_ways "$STARTED" \
        "SELECT task_id, attempt, count(*) FROM orion.event WHERE kind = 'attempt.accepted' GROUP BY 1, 2")"
    none "each was begun once by an agent" "$(both_ways "$STARTED" \
        "SELECT task_id, attempt, count(*) FROM $BEGUN WHERE started_at IS NOT NULL GROUP BY 1, 2")"
    none "agents begin nothing that is not known" "SELECT * FROM $BEGUN WHERE assigned_at IS NULL"
    none "no agent ended: an attempt is lost only when a lease ran out meanwhile" "SELECT * FROM orion.attempt
        WHERE state <> 'succeeded' AND message NOT IN ('the agent was lost', 'the agent did not accept it in time')"
    none "no invariant is violated" "SELECT * FROM orion.invariant_violations"
    ok "${#lies}" "round $round: each task ended once, as many attempts as were started" "$lies"
}

all_ended() { [ "$(lab_sql "SELECT count(*) FROM orion.task WHERE ended_at IS NULL")" = 0 ]; }
ledger_load() {
    lab_sql "TRUNCATE storm_ledger"
    "$ORION" lab psql --dir "$LAB" -Xq -c "\\copy storm_ledger FROM STDIN (DELIMITER ' ')" <"$LEDGER"
}

for round in $(seq "$ROUNDS"); do
    python3 -B "$HERE/storm_client.py" "$URL" "$SUBMITS" "r$round" "$LEDGER" >"$T/answers" 2>"$T/client.err" &
    CLIENT=$!
    blows=
    for _ in 1 2; do
        sleep "0.$((RANDOM % 10))"     # how long the farm works between two blows
        blow=${BLOWS[$((RANDOM % ${#BLOWS[@]}))]}
        blows="$blows $blow"
        "blow_$blow"
    done
    wait $CLIENT
    ok $? "round $round: everything is answered after$blows" "$(cat "$T/client.err")"
    CLIENT=
    wait_for 20 lab_sql "SELECT 1"
    "$ORION" lab psql --dir "$LAB" -Xq -c "\\copy storm_answer FROM STDIN (NULL '')" <"$T/answers"
    wait_for 60 all_ended
    ok $? "round $round: every task ends" "$(lab_sql "SELECT state, count(*) FROM orion.task GROUP BY 1")"
    ledger_load
    check_answers
    check_tasks
    [ "$FAILED" -lt 10 ] || break
done

echo "# $(lab_sql "SELECT format('%s tasks, %s attempts, %s calls, sent %s times', (SELECT count(*) FROM orion.task),
    (SELECT count(*) FROM orion.attempt), count(*), sum(tries)) FROM storm_answer") in $SECONDS s"
sealed() { [ "$(lab_sql "SELECT count(*) FROM orion.attempt WHERE log_state = 'open'")" = 0 ]; }
wait_for 30 sealed; ok $? "all logs are sealed" "$(lab_sql "SELECT log_state, count(*) FROM orion.attempt GROUP BY 1")"
is "$(curl -s "$URL/v1/agents" | jq '[.agents[].busy] | add')" 0 "no slot is held in the end"
kill -TERM "$AGENTS"
wait "$AGENTS"; ok $? "the agents stop" "$(cat "$T/agents.err")"
AGENTS=
sanitizers_quiet
plan_done
