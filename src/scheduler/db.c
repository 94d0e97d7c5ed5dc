/* db.c - every SQL statement of the scheduler (ARCHITECTURE "Data", "Who may write"; sql/0001_init.sql).
 *
 * One statement per kind of row and batch, its rows as arrays. Lists inside a row travel as array literals; NULL in
 * their place is an empty list. */
#include "scheduler/db.h"

/* By way of float8, which holds milliseconds exactly: numeric costs ten times as much, a million times. */
#define EPOCH_MS(column) "COALESCE((date_part('epoch', " column ") * 1000)::bigint, 0)"
#define TEXT(number) TEXT_OF(number)
#define TEXT_OF(number) #number

/* Tasks that a leader must know before it serves: with an open attempt or a log to seal, just ended ($1: first event looked at,
 * $2: since when), or submitted so shortly ago ($3) that they may come again. */
#define LOADED                                                                                                         \
    "(SELECT task_id FROM orion.attempt WHERE ended_at IS NULL OR log_state = 'open' OR log_wanted"                    \
    " UNION SELECT id FROM orion.task WHERE ended_at IS NULL AND id >= orion.uuid_at($3::timestamptz)"                 \
    " UNION SELECT task_id FROM orion.event WHERE seq > $1::bigint AND kind = 'task.ended' AND at > $2::timestamptz)"

/* In the order in which db_rows.c reads them. */
#define TASK_COLUMNS                                                                                                   \
    "id, project, repo, target, args, ref, mr, driver, labels,"                                                        \
    " CASE WHEN env <> '{}' THEN ARRAY(SELECT key FROM jsonb_each_text(env) ORDER BY key) END,"                        \
    " CASE WHEN env <> '{}' THEN ARRAY(SELECT value FROM jsonb_each_text(env) ORDER BY key) END,"                      \
    " separate_streams, priority, state, commit, cause, message, COALESCE(exit_code, -1), attempt, "                   \
    EPOCH_MS("created_at") ", " EPOCH_MS("started_at") ", " EPOCH_MS("ended_at") ", " EPOCH_MS("not_before")           \
    ", concurrency_group, after, after_condition, timeout_ms, silence_timeout_ms, queue_timeout_ms, tries, retry_on,"  \
    " retry_exit_codes, retry_of"
#define ATTEMPT_COLUMNS                                                                                                \
    "a.task_id, a.number, a.agent_id, a.session, a.state, a.late_state, a.cause, a.message, COALESCE(a.exit_code, -1),"\
    " COALESCE(a.signal, -1), a.commit, a.driver, a.workspace, a.log_state, COALESCE(a.log_bytes, -1),"                \
    " COALESCE(a.log_lines, -1), COALESCE(a.log_chunks, -1), a.log_head, " EPOCH_MS("a.assigned_at") ", "              \
    EPOCH_MS("a.started_at") ", " EPOCH_MS("a.ended_at") ", a.sink, a.stopping, COALESCE(a.log_wanted, false),"        \
    " g.from_offset, g.from_chunk, g.head, g.sink"
/* The newest segment of the log of attempt a, if it ever moved. */
#define SEGMENT_JOIN                                                                                                   \
    " LEFT JOIN LATERAL (SELECT s.from_offset, s.from_chunk, s.head, s.sink FROM orion.log_segment s"                  \
    " WHERE s.task_id = a.task_id AND s.attempt = a.number ORDER BY s.from_offset DESC LIMIT 1) g ON true"

/* Microseconds: to compare with, not to reckon with. */
#define LEADER_AT "(date_part('epoch', at) * 1000000)::bigint"
/* Whose session has the lock $1 of this database. */
#define LOCK_HOLDER                                                                                                    \
    "pg_locks k WHERE k.locktype = 'advisory' AND k.granted AND k.objsubid = 1"                                        \
    " AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database())"                               \
    " AND (k.classid::bigint << 32 | k.objid::bigint) = $1::bigint"

/* New rows: what is not listed is NULL, or an update in the same transaction. */
#define TASK_FIELDS                                                                                                    \
    "id, project, repo, target, COALESCE(args::text[], '{}'), ref, mr, driver, COALESCE(labels::text[], '{}'),"        \
    " separate_streams, state, attempt, created_at"
#define TASK_PARAMS                                                                                                    \
    "$1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],"      \
    " $10::bool[], $11::text[], $12::int[], $13::timestamptz[]"
#define TASK_NAMES                                                                                                     \
    "id, project, repo, target, args, ref, mr, driver, labels, separate_streams, state, attempt, created_at"
/* Behind the name of the table or of its partition (db_month.c). */
#define TASK_UPDATE                                                                                                    \
    " t SET state = u.state, commit = u.commit, cause = u.cause, message = u.message, exit_code = u.exit_code,"        \
    " attempt = u.attempt, started_at = u.started_at, ended_at = u.ended_at, not_before = u.not_before FROM unnest("   \
    "$1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::int[], $8::timestamptz[],"             \
    " $9::timestamptz[], $10::timestamptz[])"                                                                          \
    " AS u(id, state, commit, cause, message, exit_code, attempt, started_at, ended_at, not_before) WHERE t.id = u.id"
#define ATTEMPT_ACCEPT                                                                                                 \
    " t SET session = u.session, state = 'running', started_at = u.started_at"                                         \
    " FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::timestamptz[]) AS u(task_id, number, session, started_at)"  \
    " WHERE t.task_id = u.task_id AND t.number = u.number"
#define ATTEMPT_UPDATE                                                                                                 \
    " t SET session = u.session, state = u.state, late_state = u.late_state, cause = u.cause, message = u.message,"    \
    " exit_code = u.exit_code, signal = u.signal, commit = u.commit, driver = u.driver, workspace = u.workspace,"      \
    " log_state = u.log_state, log_bytes = u.log_bytes, log_lines = u.log_lines, log_chunks = u.log_chunks,"           \
    " log_head = u.log_head, started_at = u.started_at, ended_at = u.ended_at, stopping = u.stopping,"                 \
    " log_wanted = u.log_wanted FROM unnest("                                                                          \
    "$1::uuid[], $2::int[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[], $9::int[],"       \
    " $10::text[], $11::text[], $12::text[], $13::text[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bytea[],"  \
    " $18::timestamptz[], $19::timestamptz[], $20::text[], $21::bool[]) AS u(task_id, number, session, state,"         \
    " late_state, cause, message, exit_code, signal, commit, driver, workspace, log_state, log_bytes, log_lines,"      \
    " log_chunks, log_head, started_at, ended_at, stopping, log_wanted) WHERE t.task_id = u.task_id AND t.number = u.number"

const struct pg_stmt db_stmts[DB_STMTS] = {
    /* A pipeline cannot branch: a fence that is not ours must fail by itself, so it divides by zero. */
    [DB_FENCE] = { "leader_fence",
        "UPDATE orion.leader SET at = clock_timestamp(),"
        " batch = CASE WHEN epoch = $1::bigint AND batch = $2::bigint THEN batch + 1 ELSE 1 / (batch - batch) END" },
    [DB_QUEUE_PUT] = { "queue_put", "UPDATE orion.queue SET paused = $1::bool" },
    [DB_PROJECT_PUT] = { "project_put",
        "INSERT INTO orion.project (name, weight, paused, supersede, log_max_bytes, log_keep_ms)"
        " SELECT * FROM unnest($1::text[], $2::int[], $3::bool[], $4::text[], $5::bigint[], $6::bigint[])"
        " ON CONFLICT (name) DO UPDATE SET weight = excluded.weight, paused = excluded.paused,"
        " supersede = excluded.supersede, log_max_bytes = excluded.log_max_bytes, log_keep_ms = excluded.log_keep_ms" },
    [DB_GROUP_PUT] = { "group_put",
        "INSERT INTO orion.concurrency_group (name, capacity) SELECT * FROM unnest($1::text[], $2::int[])"
        " ON CONFLICT (name) DO UPDATE SET capacity = excluded.capacity" },
    [DB_GROUP_DELETE] = { "group_delete", "DELETE FROM orion.concurrency_group WHERE name = ANY ($1::text[])" },
    [DB_KEY_DELETE] = { "idempotency_delete",
        "DELETE FROM orion.idempotency i USING unnest($1::text[], $2::text[]) AS u(project, key)"
        " WHERE i.project = u.project AND i.key = u.key" },
    [DB_AGENT_PUT] = { "agent_put",
        "INSERT INTO orion.agent (id, name, instance, labels, slots, version, session, state, seen_at, draining, hello)"
        " SELECT id, name, instance, COALESCE(labels::text[], '{}'), slots, version, session, state, seen_at, draining,"
        " hello FROM unnest("
        "$1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::int[], $6::text[], $7::bigint[], $8::text[], $9::timestamptz[],"
        " $10::bool[], $11::bigint[])"
        " AS u(id, name, instance, labels, slots, version, session, state, seen_at, draining, hello)"
        " ON CONFLICT (id) DO UPDATE SET name = excluded.name, instance = excluded.instance, labels = excluded.labels,"
        " slots = excluded.slots, version = excluded.version, session = excluded.session, state = excluded.state,"
        " seen_at = excluded.seen_at, draining = excluded.draining, hello = excluded.hello" },

    [DB_TASK_INSERT] = { "task_insert",
        "INSERT INTO orion.task (" TASK_NAMES ") SELECT " TASK_FIELDS
        " FROM unnest(" TASK_PARAMS ") AS u(" TASK_NAMES ")" },
    [DB_TASK_INSERT_FULL] = { "task_insert_full",
        "INSERT INTO orion.task (" TASK_NAMES ", env, priority, concurrency_group, after, after_condition, timeout_ms,"
        " silence_timeout_ms, queue_timeout_ms, tries, retry_on, retry_exit_codes, retry_of)"
        " SELECT " TASK_FIELDS ", COALESCE(jsonb_object(env::text[]), '{}'), priority, concurrency_group, after::uuid[],"
        " after_condition, timeout_ms, silence_timeout_ms, queue_timeout_ms, tries, retry_on::text[],"
        " retry_exit_codes::int[], retry_of FROM unnest(" TASK_PARAMS ", $14::text[], $15::text[], $16::text[], $17::text[],"
        " $18::text[], $19::bigint[], $20::bigint[], $21::bigint[], $22::int[], $23::text[], $24::text[], $25::uuid[])"
        " AS u(" TASK_NAMES ", env, priority, concurrency_group, after, after_condition, timeout_ms,"
        " silence_timeout_ms, queue_timeout_ms, tries, retry_on, retry_exit_codes, retry_of)" },
    [DB_TASK_UPDATE] = { "task_update", "UPDATE orion.task" TASK_UPDATE },
    [DB_TASK_UPDATE_HERE] = { "task_update_here", "UPDATE orion.task" TASK_UPDATE },
    [DB_ATTEMPT_INSERT] = { "attempt_insert",
        "INSERT INTO orion.attempt (task_id, number, agent_id, session, state, assigned_at, sink)"
        " SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::bigint[], $5::text[], $6::timestamptz[], $7::text[])" },
    [DB_ATTEMPT_ACCEPT] = { "attempt_accept", "UPDATE orion.attempt" ATTEMPT_ACCEPT },
    [DB_ATTEMPT_ACCEPT_HERE] = { "attempt_accept_here", "UPDATE orion.attempt" ATTEMPT_ACCEPT },
    [DB_ATTEMPT_UPDATE] = { "attempt_update", "UPDATE orion.attempt" ATTEMPT_UPDATE },
    [DB_ATTEMPT_UPDATE_HERE] = { "attempt_update_here", "UPDATE orion.attempt" ATTEMPT_UPDATE },
    [DB_SINK_PUT] = { "log_sink_put",
        "INSERT INTO orion.log_sink (name, state, since) SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[])"
        " ON CONFLICT (name) DO UPDATE SET state = excluded.state, since = excluded.since" },
    [DB_SEGMENT_PUT] = { "log_segment_put",
        "INSERT INTO orion.log_segment (task_id, attempt, from_offset, from_chunk, head, sink, created_at)"
        " SELECT * FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[], $5::bytea[], $6::text[],"
        " $7::timestamptz[]) ON CONFLICT (task_id, attempt, from_offset) DO UPDATE SET from_chunk = excluded.from_chunk,"
        " head = excluded.head, sink = excluded.sink, created_at = excluded.created_at" },
    [DB_IDEMPOTENCY_INSERT] = { "idempotency_insert",
        "INSERT INTO orion.idempotency (project, key, body_hash, task_id, created_at, joined)"
        " SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::uuid[], $5::timestamptz[], $6::bool[])" },
    [DB_EVENT_INSERT] = { "event_insert",
        "INSERT INTO orion.event (seq, at, epoch, kind, project, task_id, attempt, agent_id, data)"
        " SELECT seq, at, epoch, kind, project, task_id, attempt, agent_id, jsonb_object(data::text[])"
        " FROM unnest($1::bigint[], $2::timestamptz[], $3::bigint[], $4::text[], $5::text[], $6::uuid[], $7::int[],"
        " $8::uuid[], $9::text[]) AS u(seq, at, epoch, kind, project, task_id, attempt, agent_id, data)" },
    [DB_PARTITION_AT] = { "partition_at", "SELECT suffix, first, behind FROM orion.partition_at(now())" },
    [DB_EVENT_NOTIFY] = { "event_notify", "SELECT pg_notify('orion_event', $1)" },

    /* Rows come in short arrays and partitions by the hour of their id: plans that look up by key are always right, and
     * a page of the queue is the next piece of an index. */
    [DB_SESSION_SETUP] = { "session_setup",
        "SELECT pg_is_in_recovery(), set_config('plan_cache_mode', 'force_generic_plan', false),"
        " set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false),"
        " set_config('enable_bitmapscan', 'off', false), set_config('enable_seqscan', 'off', false),"
        " set_config('jit', 'off', false)" },
    /* Who has the lock, and whether the server is at work for that session: then it is not a silent one. */
    [DB_LEADER_TRY] = { "leader_try",
        "SELECT t.is_ours, l.epoch, l.batch, " LEADER_AT ", h.pid, EXISTS (SELECT FROM pg_stat_activity s"
        " WHERE s.pid = h.pid AND s.state = 'active' AND s.wait_event_type IS DISTINCT FROM 'Client')"
        " FROM (SELECT pg_try_advisory_lock($1::bigint) AS is_ours OFFSET 0) t CROSS JOIN orion.leader l"
        " LEFT JOIN (SELECT k.pid FROM " LOCK_HOLDER ") h ON true" },
    [DB_LEADER_CLAIM] = { "leader_claim",
        "UPDATE orion.leader l SET backend_pid = pg_backend_pid(), at = clock_timestamp()"
        " FROM (SELECT backend_pid FROM orion.leader) AS before"
        " RETURNING l.epoch, l.batch, before.backend_pid, l.backend_pid" },
    [DB_LEADER_TAKE] = { "leader_take",
        "UPDATE orion.leader SET epoch = greatest(epoch, $2::bigint) + 1, batch = 0, name = $1,"
        " backend_pid = pg_backend_pid(), at = clock_timestamp() RETURNING epoch" },
    [DB_LEADER_BEAT] = { "leader_beat",
        "UPDATE orion.leader SET at = clock_timestamp() WHERE epoch = $1::bigint RETURNING epoch" },
    /* Only the session that was seen, and only if the row has not moved since. */
    [DB_LEADER_DEPOSE] = { "leader_depose",
        "SELECT pg_terminate_backend(k.pid) FROM " LOCK_HOLDER " AND k.pid = $2::int"
        " AND EXISTS (SELECT FROM orion.leader WHERE epoch = $3::bigint AND batch = $4::bigint AND " LEADER_AT " = $5::bigint)" },
    [DB_MAKE_PARTITIONS] = { "make_partitions",
        "SELECT orion.make_partitions(now(), 12, (SELECT COALESCE(max(seq), 0) FROM orion.event))" },

    [DB_EVENT_LAST] = { "event_last", "SELECT seq, " EPOCH_MS("at") " FROM orion.event ORDER BY seq DESC LIMIT 1" },
    [DB_QUEUE_LOAD] = { "queue_load", "SELECT paused FROM orion.queue" },
    [DB_PROJECT_LOAD] = { "project_load", "SELECT name, weight, paused, supersede, log_max_bytes, log_keep_ms FROM orion.project" },
    [DB_GROUP_LOAD] = { "group_load", "SELECT name, capacity FROM orion.concurrency_group" },
    [DB_SINK_LOAD] = { "log_sink_load", "SELECT name, state, " EPOCH_MS("since") " FROM orion.log_sink" },
    [DB_AGENT_LOAD] = { "agent_load",
        "SELECT id, instance, name, version, labels, slots, session, state = 'up', " EPOCH_MS("seen_at")
        ", draining, hello FROM orion.agent" },
    [DB_TASK_LOAD] = { "task_load", "SELECT " TASK_COLUMNS " FROM orion.task WHERE id IN " LOADED },
    [DB_ATTEMPT_LOAD] = { "attempt_load",
        "SELECT " ATTEMPT_COLUMNS " FROM orion.attempt a" SEGMENT_JOIN " WHERE a.task_id IN " LOADED " ORDER BY a.task_id, a.number" },
    [DB_TASK_PAGE] = { "task_page",
        "SELECT " TASK_COLUMNS " FROM orion.task WHERE ended_at IS NULL AND id > $1::uuid ORDER BY id"
        " LIMIT " TEXT(DB_PAGE) },
    [DB_AWAITED_PAGE] = { "awaited_page",
        "SELECT " TASK_COLUMNS " FROM orion.task WHERE ended_at IS NOT NULL AND id > $1::uuid AND id IN"
        " (SELECT unnest(w.after) FROM orion.task w WHERE w.ended_at IS NULL AND w.state = 'waiting')"
        " ORDER BY id LIMIT " TEXT(DB_PAGE) },
    [DB_TASK_RECALL] = { "task_recall", "SELECT " TASK_COLUMNS " FROM orion.task WHERE id = ANY ($1::uuid[])" },
    [DB_ATTEMPT_PAGE] = { "attempt_page",
        "SELECT " ATTEMPT_COLUMNS " FROM unnest($1::uuid[]) AS u(id) JOIN orion.attempt a ON a.task_id = u.id" SEGMENT_JOIN
        " ORDER BY a.task_id, a.number" },
    [DB_IDEMPOTENCY_PAGE] = { "idempotency_page",
        "SELECT i.project, i.key, i.body_hash, i.task_id, " EPOCH_MS("i.created_at") ", t.state, i.joined"
        " FROM (SELECT * FROM orion.idempotency WHERE (project, key) > ($1::text, $2::text) ORDER BY project, key"
        " LIMIT " TEXT(DB_PAGE) ") AS i LEFT JOIN orion.task t ON t.id = i.task_id ORDER BY i.project, i.key" },
    [DB_TASK_FIND] = { "task_find", "SELECT state FROM orion.task WHERE id = $1::uuid" },
};

const struct db_month_stmt db_month_stmts[DB_MONTH_STMTS] = {
    { DB_TASK_UPDATE_HERE, "UPDATE orion.task", TASK_UPDATE },
    { DB_ATTEMPT_ACCEPT_HERE, "UPDATE orion.attempt", ATTEMPT_ACCEPT },
    { DB_ATTEMPT_UPDATE_HERE, "UPDATE orion.attempt", ATTEMPT_UPDATE },
};
