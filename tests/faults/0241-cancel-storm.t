#!/bin/bash
# Hundreds of builds, each cancelled at a random moment of its life (waiting, queued, assigned, running, at its end,
# after it), while the scheduler, one agent, and now and then the gateway or PostgreSQL are killed and started again: each
# task has exactly one end, nothing is left of what was cancelled, what succeeded ran to its end, and no slot is held.
#
#   TASKS (300), BLOWS (8), SEED
. "$(dirname "$0")/../lib.sh"

TASKS=${TASKS:-300}
BLOWS=${BLOWS:-8}
HERE=$(cd "$(dirname "$0")" && pwd)
RANDOM=${SEED:=$$}
echo "# seed $SEED"

MARKS=$T/marks
mkdir "$MARKS" && chmod 777 "$MARKS"
# Each build leaves a process behind, in a session of its own; it is nobody's when the build has ended.
repo=$(repo_makefile marks <<'MAKE'
BEGIN = touch $(MARKS)/begin.$$ORION_TASK_ID.$$ORION_ATTEMPT; setsid sleep 500 >/dev/null 2>&1 &
END = touch $(MARKS)/end.$$ORION_TASK_ID.$$ORION_ATTEMPT
build:
	@$(BEGIN) sleep $(DURATION)
	@$(END)
stubborn:
	@trap '' TERM; $(BEGIN) for i in 1 2 3 4; do sleep $(DURATION); done; $(END)
MAKE
)
lab_up lab --agents 3 --slots 4 --sinks 2 --repo "marks=$repo" --set ORION_LOG_GRACE=3s || { ok 1 "the lab comes up"; plan_done; exit 1; }
ended() { [ -z "${CLIENT:-}" ] || kill "$CLIENT" 2>/dev/null; finish; }
trap ended EXIT

python3 -B "$HERE/cancel_client.py" "$URL" "$TASKS" "$MARKS" >"$T/answers" 2>"$T/client.err" &
CLIENT=$!
PARTS=(scheduler scheduler scheduler agent-2 agent-2 gateway postgres)
for _ in $(seq "$BLOWS"); do
    sleep "$((RANDOM % 3)).$((RANDOM % 10))"     # how long the farm works between two blows
    kill -0 $CLIENT 2>/dev/null || break
    part=${PARTS[$((RANDOM % ${#PARTS[@]}))]}
    kill -9 "$(lab_pid "$part")"
    sleep "0.$((RANDOM % 5))"                    # and how long it does without
    "$ORION" lab restart "$part" --dir "$LAB" >"$T/restart" 2>&1 ||
        ok 1 "$part is started again" "$(cat "$T/restart")"
done
wait $CLIENT
ok $? "everything is answered" "$(cat "$T/client.err")"
CLIENT=

# --- each task ended once, as it was told ------------------------------------------------------------------------

none() { # NAME SQL
    local found
    found=$(lab_sql "$2 LIMIT 5") && [ -z "$found" ]
    ok $? "$1" "$found"
}
TERMINAL="('succeeded', 'failed', 'cancelled', 'superseded', 'timed_out', 'lost')"
OPEN="FROM orion.task t LEFT JOIN orion.attempt a ON a.task_id = t.id
    WHERE t.ended_at IS NULL OR a.task_id IS NOT NULL AND a.ended_at IS NULL"
all_ended() { [ "$(lab_sql "SELECT count(*) $OPEN")" = 0 ]; }
wait_for 90 all_ended
ok $? "every task and every attempt ends" "$(lab_sql "SELECT t.id, t.state, a.number, a.state, a.stopping $OPEN")"
lab_sql "CREATE TABLE cancel_answer (id uuid, moment text, status int, state text);
         CREATE TABLE cancel_mark (word text, id uuid, attempt int)"
"$ORION" lab psql --dir "$LAB" -Xq -c "\\copy cancel_answer FROM STDIN (NULL '')" <"$T/answers"
(cd "$MARKS" && find . -type f) | sed 's|^\./||; s|\.| |g' |
    "$ORION" lab psql --dir "$LAB" -Xq -c "\\copy cancel_mark FROM STDIN (DELIMITER ' ')"
is "$(lab_sql "SELECT count(t), count(a) FROM orion.task t FULL JOIN cancel_answer a USING (id)")" "$TASKS|$TASKS" \
    "as many tasks as were submitted"
none "they are cancelled or have succeeded" "SELECT id, state, cause, message FROM orion.task
    WHERE state NOT IN ('cancelled', 'succeeded')"
none "every cancel is answered 200 or 202" "SELECT * FROM cancel_answer WHERE status NOT IN (200, 202)"
none "200 says how it ended, 202 that it will" "SELECT * FROM cancel_answer WHERE (status = 200) <> (state IN $TERMINAL)"
none "an end that was told stays" "SELECT a.*, t.state FROM cancel_answer a JOIN orion.task t USING (id)
    WHERE a.status = 200 AND a.state <> t.state"
none "no task ended twice" "SELECT task_id FROM orion.event WHERE kind = 'task.ended' GROUP BY 1 HAVING count(*) <> 1"
none "nothing is tried again after a cancel" "SELECT task_id, e.kind FROM orion.event c JOIN orion.event e USING (task_id)
    WHERE c.kind = 'task.cancel' AND e.seq > c.seq AND e.kind IN ('task.assigned', 'task.requeued')"
none "what nobody cancelled was cancelled for what it waited for" "SELECT t.id, t.message
    FROM orion.task t JOIN cancel_answer a USING (id) WHERE t.state = 'cancelled' AND a.status IS NULL AND t.after IS NULL"

# --- and the processes agree -------------------------------------------------------------------------------------

none "what succeeded ran to its end" "SELECT task_id, number FROM orion.attempt a WHERE state = 'succeeded'
    AND NOT EXISTS (SELECT FROM cancel_mark m WHERE m.word = 'end' AND m.id = a.task_id AND m.attempt = a.number)"
none "by one attempt, and what was cancelled by none" "SELECT t.id, t.state FROM orion.task t
    LEFT JOIN orion.attempt a ON a.task_id = t.id AND a.state = 'succeeded'
    GROUP BY 1, 2 HAVING count(a) <> (t.state = 'succeeded')::int"
none "nothing ran that was not accepted" "SELECT m.* FROM cancel_mark m
    LEFT JOIN orion.attempt a ON a.task_id = m.id AND a.number = m.attempt WHERE a.started_at IS NULL"
builds() { cat /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -aFx "MARKS=$MARKS"; }
no_builds() { [ -z "$(builds)" ]; }
wait_for 20 no_builds; ok $? "no process of any build is left" "$(grep -alF "MARKS=$MARKS" /proc/[0-9]*/cmdline 2>/dev/null)"
sealed() { [ "$(lab_sql "SELECT count(*) FROM orion.attempt WHERE log_state = 'open'")" = 0 ]; }
wait_for 90 sealed
ok $? "every log is sealed" "$(lab_sql "SELECT task_id, number, state, sink, log_bytes, ended_at FROM orion.attempt
    WHERE log_state = 'open'")"
HOLES="FROM orion.attempt WHERE log_state <> 'complete' AND state <> 'lost'" # also those that came behind the grace
complete() { [ "$(lab_sql "SELECT count(*) $HOLES")" = 0 ]; }
wait_for 30 complete
ok $? "and complete: a killed agent's runners live on" "$(lab_sql "SELECT task_id, number, state, cause, log_state $HOLES")"
is "$(violations)" 0 "no invariant is violated"

# --- the slots are free ------------------------------------------------------------------------------------------

is "$(curl -s "$URL/v1/agents" | jq -r '.agents | sort_by(.name)[] | "\(.name) \(.state) \(.busy)"' | xargs)" \
    "agent-1 up 0 agent-2 up 0 agent-3 up 0" "no slot is held"
for _ in $(seq 12); do "$ORION" submit marks --project last --env "MARKS=$MARKS" --env DURATION=60 >/dev/null; done
twelve() { [ "$(lab_sql "SELECT count(*) FROM orion.task WHERE state = 'running' AND project = 'last'")" = 12 ]; }
wait_for 30 twelve
ok $? "and all twelve can be used at once" "$(lab_sql "SELECT state, count(*) FROM orion.task WHERE project = 'last' GROUP BY 1")"

# --- a log that is sealed while the database is away -------------------------------------------------------------
# The scheduler stopped asking when the sink answered, also when it could not keep the answer: open for ever.

sinks() { kill "-$1" "$(lab_pid logsink-1)" "$(lab_pid logsink-2)"; }
LOST="FROM orion.attempt a JOIN orion.task t ON t.id = a.task_id WHERE t.project = 'last' AND a.state = 'lost'"
four_lost() { [ "$(lab_sql "SELECT count(*) $LOST")" = 4 ]; }
# The agent's host is gone with all that the agent held: its runners, then what they left.
runners() { for p in /proc/[0-9]*; do case $(readlink "$p/fd/4" 2>/dev/null) in "$LAB"/agent-2/spool/*/lock*) echo "${p#/proc/}" ;; esac; done; }
no_runners() { [ -z "$(runners)" ]; }
sinks STOP
kill -9 "$(lab_pid agent-2)"
# shellcheck disable=SC2046 # a list of pids
kill $(runners)
wait_for 20 no_runners; ok $? "an agent and its runners end" "$(runners)"
rm -rf "$LAB"/agent-2/spool/*
"$ORION" lab restart agent-2 --dir "$LAB" >"$T/restart" 2>&1
wait_for 20 four_lost; ok $? "an agent comes back without its builds" "$(cat "$T/restart")"
is "$(lab_sql "SELECT count(*) $LOST AND a.log_state = 'open'")" 4 "their logs are open while the sinks stand still"
kill -9 "$(lab_pid postgres)"
sleep 2          # for the scheduler to take no more facts
sinks CONT
sleep 4          # and for the sinks to be found again, to be asked and to answer
"$ORION" lab restart postgres --dir "$LAB" >"$T/restart" 2>&1; ok $? "PostgreSQL is back" "$(cat "$T/restart")"
four_sealed() { [ "$(lab_sql "SELECT count(*) $LOST AND a.log_state = 'gap'")" = 4 ]; }
wait_for 20 four_sealed; ok $? "their logs are sealed" "$(lab_sql "SELECT a.task_id, a.log_state, a.ended_at $LOST")"
echo "# $(lab_sql "SELECT string_agg(moment || ' ' || state || ' ' || n, ', ') FROM
    (SELECT a.moment, t.state, count(*) AS n FROM cancel_answer a JOIN orion.task t USING (id) GROUP BY 1, 2 ORDER BY 1, 2) s") in $SECONDS s"
sanitizers_quiet
plan_done
