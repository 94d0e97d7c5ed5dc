/* db.c - every SQL statement of the scheduler (ARCHITECTURE "Data", "Who may write"; sql/0001_init.sql).
 *
 * One statement per kind of row and batch, its rows as arrays. Lists inside a row travel as array literals. */
#include "scheduler/db.h"

#define EPOCH_MS(column) "COALESCE((extract(epoch FROM " column ") * 1000)::bigint, 0)"

/* Tasks that a core must know: open, just ended ($1: last event, $2: since when), or with an open attempt or log. */
#define LOADED                                                                                                         \
    "(SELECT id FROM orion.task WHERE ended_at IS NULL"                                                                \
    " UNION SELECT task_id FROM orion.attempt WHERE ended_at IS NULL OR log_state = 'open'"                            \
    " UNION SELECT task_id FROM orion.event WHERE seq > $1::bigint AND kind = 'task.ended' AND at > $2::timestamptz)"

const struct pg_stmt db_stmts[DB_STMTS] = {
    /* A pipeline cannot branch: a fence that moves no row must fail by itself. */
    [DB_FENCE] = { "leader_fence",
        "WITH moved AS (UPDATE orion.leader SET batch = batch + 1, at = clock_timestamp()"
        " WHERE epoch = $1::bigint AND batch = $2::bigint RETURNING 1) SELECT 1 / count(*) FROM moved" },
    [DB_KEY_DELETE] = { "idempotency_delete",
        "DELETE FROM orion.idempotency i USING unnest($1::text[], $2::text[]) AS u(project, key)"
        " WHERE i.project = u.project AND i.key = u.key" },
    [DB_AGENT_PUT] = { "agent_put",
        "INSERT INTO orion.agent (id, name, instance, labels, slots, version, session, state, seen_at)"
        " SELECT id, name, instance, labels::text[], slots, version, session, state, seen_at FROM unnest("
        "$1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::int[], $6::text[], $7::bigint[], $8::text[], $9::timestamptz[])"
        " AS u(id, name, instance, labels, slots, version, session, state, seen_at)"
        " ON CONFLICT (id) DO UPDATE SET name = excluded.name, instance = excluded.instance, labels = excluded.labels,"
        " slots = excluded.slots, version = excluded.version, session = excluded.session, state = excluded.state,"
        " seen_at = excluded.seen_at" },
    [DB_TASK_INSERT] = { "task_insert",
        "INSERT INTO orion.task (id, project, repo, target, args, ref, mr, driver, labels, env, separate_streams,"
        " state, commit, cause, message, exit_code, attempt, created_at, started_at, ended_at)"
        " SELECT id, project, repo, target, args::text[], ref, mr, driver, labels::text[],"
        " jsonb_object(env_keys::text[], env_values::text[]), separate_streams, state, commit, cause, message,"
        " exit_code, attempt, created_at, started_at, ended_at FROM unnest("
        "$1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],"
        " $10::text[], $11::text[], $12::bool[], $13::text[], $14::text[], $15::text[], $16::text[], $17::int[],"
        " $18::int[], $19::timestamptz[], $20::timestamptz[], $21::timestamptz[])"
        " AS u(id, project, repo, target, args, ref, mr, driver, labels, env_keys, env_values, separate_streams,"
        " state, commit, cause, message, exit_code, attempt, created_at, started_at, ended_at)" },
    [DB_TASK_UPDATE] = { "task_update",
        "UPDATE orion.task t SET state = u.state, commit = u.commit, cause = u.cause, message = u.message,"
        " exit_code = u.exit_code, attempt = u.attempt, started_at = u.started_at, ended_at = u.ended_at FROM unnest("
        "$1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::int[], $8::timestamptz[],"
        " $9::timestamptz[]) AS u(id, state, commit, cause, message, exit_code, attempt, started_at, ended_at)"
        " WHERE t.id = u.id" },
    [DB_ATTEMPT_INSERT] = { "attempt_insert",
        "INSERT INTO orion.attempt (task_id, number, agent_id, assigned_at, session, state, late_state, cause, message,"
        " exit_code, signal, commit, driver, workspace, log_state, log_bytes, log_lines, log_chunks, log_head,"
        " started_at, ended_at)"
        " SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::timestamptz[], $5::bigint[], $6::text[],"
        " $7::text[], $8::text[], $9::text[], $10::int[], $11::int[], $12::text[], $13::text[], $14::text[],"
        " $15::text[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bytea[], $20::timestamptz[], $21::timestamptz[])" },
    [DB_ATTEMPT_UPDATE] = { "attempt_update",
        "UPDATE orion.attempt t SET session = u.session, state = u.state, late_state = u.late_state, cause = u.cause,"
        " message = u.message, exit_code = u.exit_code, signal = u.signal, commit = u.commit, driver = u.driver,"
        " workspace = u.workspace, log_state = u.log_state, log_bytes = u.log_bytes, log_lines = u.log_lines,"
        " log_chunks = u.log_chunks, log_head = u.log_head, started_at = u.started_at, ended_at = u.ended_at"
        " FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[],"
        " $9::int[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bigint[], $15::bigint[], $16::bigint[],"
        " $17::bytea[], $18::timestamptz[], $19::timestamptz[]) AS u(task_id, number, session, state, late_state,"
        " cause, message, exit_code, signal, commit, driver, workspace, log_state, log_bytes, log_lines, log_chunks,"
        " log_head, started_at, ended_at) WHERE t.task_id = u.task_id AND t.number = u.number" },
    [DB_ATTEMPT_LATE] = { "attempt_late",
        "UPDATE orion.attempt t SET late_state = u.state FROM unnest($1::uuid[], $2::int[], $3::text[])"
        " AS u(task_id, number, state) WHERE t.task_id = u.task_id AND t.number = u.number AND t.state = 'lost'"
        " AND t.late_state IS NULL" },
    [DB_LOG_SEGMENT_INSERT] = { "log_segment_insert",
        "INSERT INTO orion.log_segment (task_id, attempt, sink, from_offset)"
        " SELECT *, 0 FROM unnest($1::uuid[], $2::int[], $3::text[])" },
    [DB_IDEMPOTENCY_INSERT] = { "idempotency_insert",
        "INSERT INTO orion.idempotency (project, key, body_hash, task_id, created_at)"
        " SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::uuid[], $5::timestamptz[])" },
    [DB_EVENT_INSERT] = { "event_insert",
        "INSERT INTO orion.event (seq, at, epoch, kind, project, task_id, attempt, agent_id, data)"
        " SELECT seq, at, epoch, kind, project, task_id, attempt, agent_id, jsonb_object(data_keys::text[], data_values::text[])"
        " FROM unnest($1::bigint[], $2::timestamptz[], $3::bigint[], $4::text[], $5::text[], $6::uuid[], $7::int[],"
        " $8::uuid[], $9::text[], $10::text[])"
        " AS u(seq, at, epoch, kind, project, task_id, attempt, agent_id, data_keys, data_values)" },
    [DB_EVENT_NOTIFY] = { "event_notify", "SELECT pg_notify('orion_event', $1)" },

    /* Rows come in short arrays and partitions by the hour of their id: plans that look up by key are always right. */
    [DB_SESSION_SETUP] = { "session_setup",
        "SELECT pg_is_in_recovery(), set_config('plan_cache_mode', 'force_generic_plan', false),"
        " set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false)" },
    [DB_LEADER_TRY] = { "leader_try", "SELECT pg_try_advisory_lock($1::bigint), epoch FROM orion.leader" },
    [DB_LEADER_CLAIM] = { "leader_claim",
        "UPDATE orion.leader SET backend_pid = pg_backend_pid() RETURNING epoch, batch" },
    [DB_LEADER_TAKE] = { "leader_take",
        "UPDATE orion.leader SET epoch = epoch + 1, batch = 0, name = $1, backend_pid = pg_backend_pid(),"
        " at = clock_timestamp() RETURNING epoch" },
    [DB_MAKE_PARTITIONS] = { "make_partitions",
        "SELECT orion.make_partitions(now(), 12, (SELECT COALESCE(max(seq), 0) FROM orion.event))" },

    [DB_EVENT_LAST] = { "event_last", "SELECT seq, " EPOCH_MS("at") " FROM orion.event ORDER BY seq DESC LIMIT 1" },
    [DB_AGENT_LOAD] = { "agent_load",
        "SELECT id, instance, name, version, labels, slots, session, state = 'up', " EPOCH_MS("seen_at") " FROM orion.agent" },
    [DB_IDEMPOTENCY_LOAD] = { "idempotency_load",
        "SELECT i.project, i.key, i.body_hash, i.task_id, " EPOCH_MS("i.created_at") ", t.state"
        " FROM orion.idempotency i LEFT JOIN orion.task t ON t.id = i.task_id ORDER BY i.created_at" },
    [DB_TASK_LOAD] = { "task_load",
        "SELECT id, project, repo, target, args, ref, mr, driver, labels,"
        " ARRAY(SELECT key FROM jsonb_each_text(env) ORDER BY key), ARRAY(SELECT value FROM jsonb_each_text(env) ORDER BY key),"
        " separate_streams, state, commit, cause, message, COALESCE(exit_code, -1), attempt, " EPOCH_MS("created_at")
        ", " EPOCH_MS("started_at") ", " EPOCH_MS("ended_at") " FROM orion.task WHERE id IN " LOADED },
    [DB_ATTEMPT_LOAD] = { "attempt_load",
        "SELECT task_id, number, agent_id, session, state, late_state, cause, message, COALESCE(exit_code, -1),"
        " COALESCE(signal, -1), commit, driver, workspace, log_state, COALESCE(log_bytes, -1), COALESCE(log_lines, -1),"
        " COALESCE(log_chunks, -1), log_head, " EPOCH_MS("assigned_at") ", " EPOCH_MS("started_at") ", " EPOCH_MS("ended_at")
        " FROM orion.attempt WHERE task_id IN " LOADED " ORDER BY task_id, number" },
    [DB_LOG_SEGMENT_LOAD] = { "log_segment_load",
        "SELECT task_id, attempt, sink FROM orion.log_segment WHERE task_id IN " LOADED " ORDER BY task_id, attempt, from_offset" },
    [DB_TASK_FIND] = { "task_find", "SELECT state FROM orion.task WHERE id = $1::uuid" },
};
