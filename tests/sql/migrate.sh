#!/bin/bash
# migrate.sh - a database of the first release, with rows, becomes one of today: nothing is lost, old readers still read.
. "$(dirname "$0")/../lib.sh"
lab_up lab --agents 0 >/dev/null || { ok 1 "the lab comes up"; plan_done; exit 1; }
old() { "$ORION" lab psql --dir "$LAB" -d old -XqAt -v ON_ERROR_STOP=1 "$@"; }
lab_sql 'CREATE DATABASE old'
old -1 -f - <"$TEST_TOP/sql/0001_init.sql" >/dev/null; ok $? "the first schema"
old -f - <<'SQL'
INSERT INTO orion.task (id, project, repo, state, cause, attempt, created_at, started_at, ended_at)
    VALUES (orion.uuid_at(now()), 'default', 'r', 'succeeded', 'build', 1, now(), now(), now());
INSERT INTO orion.attempt (task_id, number, agent_id, session, state, cause, log_state, assigned_at, ended_at)
    SELECT id, 1, gen_random_uuid(), 1, 'succeeded', 'build', 'complete', now(), now() FROM orion.task;
INSERT INTO orion.log_segment (task_id, attempt, from_offset, sink)
    SELECT id, 1, o, 'sink-' || o FROM orion.task, unnest(ARRAY[0, 70]) o;
SQL
ok $? "with a task, an attempt and its log in two pieces"
for file in "$TEST_TOP"/sql/0*.sql; do
    case $file in
    */0001_*) continue ;;
    */0003_*) old -c "INSERT INTO orion.idempotency (project, key, body_hash) VALUES ('default', 'k', '\x00')" ;;
    esac
    old -1 -f - <"$file" >/dev/null; ok $? "$(basename "$file") applies"
done
is "$(old -c "SELECT t.state, a.state, a.sink, t.priority FROM orion.task t JOIN orion.attempt a ON a.task_id = t.id")" \
    "succeeded|succeeded|sink-0|normal" "the rows are there, the log's first sink in its attempt"
is "$(old -c 'SELECT from_offset, sink FROM orion.log_segment')" "70|sink-70" "later pieces stay where they were"
is "$(old -c "SELECT log_wanted IS NULL, log_lost FROM orion.attempt JOIN orion_api_v1.attempts USING (task_id, number)")" "t|f" \
    "nothing more is wanted of old logs"
is "$(old -c "SELECT joined FROM orion.idempotency")" f "old keys made their tasks"
is "$(old -c "SELECT log_max_bytes IS NULL, log_keep_ms IS NULL FROM orion_api_v1.projects")" "t|t" "projects have no limits"
is "$(old -c "SELECT count(*) FROM orion_api_v1.tasks WHERE state = 'succeeded' AND cause <> state")" 1 "the views go on"
is "$(old -c "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid")" "" "every index is valid"
for table in task attempt; do
    is "$(old -c "SELECT count(*) FROM pg_index WHERE indrelid = 'orion.$table'::regclass AND indpred IS NOT NULL")" \
        "$([ $table = task ] && echo 2 || echo 1)" "$table has its partial indexes"
done
"$ORION" lab down --dir "$LAB" >/dev/null
plan_done
