-- schema.sql - what the schema itself promises, whoever writes.
BEGIN;
SELECT no_plan();
SELECT has_schema('orion');
SELECT has_schema('orion_api_v1');
SELECT tables_are('orion', ARRAY(SELECT relname FROM pg_class WHERE relnamespace = 'orion'::regnamespace AND relkind IN ('r', 'p')
    AND (relispartition OR relname IN ('schema_version', 'leader', 'project', 'agent', 'task', 'attempt', 'log_segment', 'event', 'idempotency', 'concurrency_group', 'queue', 'log_sink'))),
    'no table that nobody planned');

SELECT is_partitioned('orion', t, t || ' is partitioned') FROM unnest(ARRAY['task', 'attempt', 'log_segment', 'event']) t;
SELECT is(orion.uuid_at(to_timestamp(1)), '00000000-03e8-0000-0000-000000000000'::uuid, 'uuid_at is the smallest UUIDv7 of its millisecond');
SELECT is(orion.make_partitions(now(), 12, 0), 0, 'make_partitions is idempotent');
SELECT cmp_ok(orion.make_partitions(now() + interval '2 months', 12, 25000000), '>', 0, 'and makes what is missing');
INSERT INTO orion.task (id, project, repo, state, created_at) VALUES (orion.uuid_at(now()), 'default', 'r', 'queued', now());
SELECT is((SELECT relname::text FROM orion.task t JOIN pg_class c ON c.oid = t.tableoid), 'task_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM'), 'a task of today is in this month''s partition');
SELECT throws_ok($$INSERT INTO orion.task (id, project, repo, state, created_at) VALUES (gen_random_uuid(), 'default', 'r', 'nonsense', now())$$, '23514', NULL, 'an unknown state is refused');
SELECT throws_ok($$INSERT INTO orion.task (id, project, repo, state, created_at) SELECT id, project, repo, state, created_at FROM orion.task$$, '23505', NULL, 'an id is unique');
INSERT INTO orion.idempotency (project, key, body_hash, task_id) VALUES ('default', 'k', '\x00', gen_random_uuid());
SELECT throws_ok($$INSERT INTO orion.idempotency (project, key, body_hash, task_id) VALUES ('default', 'k', '\x01', gen_random_uuid())$$, '23505', NULL, 'an idempotency key is unique');
INSERT INTO orion.idempotency (project, key, body_hash) VALUES ('default', 'of a change', '\x00');
SELECT pass('a key may name no task');
SELECT throws_ok($$INSERT INTO orion.leader (only_row, epoch, batch) VALUES (true, 1, 1)$$, '23505', NULL, 'there is one leader row');

SELECT throws_ok(format('UPDATE orion.task SET %I = %L', c, 'nonsense'), '23514', NULL, 'task.' || c || ' takes known words only')
    FROM unnest(ARRAY['state', 'cause', 'priority', 'after_condition']) c;
INSERT INTO orion.attempt (task_id, number, agent_id, session, state, assigned_at) SELECT id, 1, gen_random_uuid(), 1, 'assigned', now() FROM orion.task;
SELECT throws_ok(format('UPDATE orion.attempt SET %I = %L', c, 'nonsense'), '23514', NULL, 'attempt.' || c || ' takes known words only')
    FROM unnest(ARRAY['state', 'late_state', 'cause', 'log_state', 'stopping']) c;
DELETE FROM orion.attempt;
SELECT is((SELECT priority::text FROM orion.task), 'normal', 'a task is normal unless it says otherwise');
SELECT throws_ok(format('INSERT INTO orion.concurrency_group VALUES (%L, %s)', name, capacity), '23514', NULL, what)
    FROM (VALUES ('', 1, 'a group has a name'), (repeat('g', 129), 1, 'of 128 letters at most'), ('g', -1, 'and no less than no capacity')) v(name, capacity, what);
SELECT throws_ok(format('INSERT INTO orion.project (name, weight) VALUES (%L, %s)', 'p', w), '23514', NULL, 'a weight of ' || w || ' is refused')
    FROM unnest(ARRAY[0, 1001]) w;
SELECT throws_ok($$INSERT INTO orion.project (name, supersede) VALUES ('p', 'all')$$, '23514', NULL, 'an unknown supersede is refused');
SELECT throws_ok(format('INSERT INTO orion.project (name, %s) VALUES (%L, 0)', c, 'p'), '23514', NULL, c || ' is NULL or more than nothing')
    FROM unnest(ARRAY['log_max_bytes', 'log_keep_ms']) c;
SELECT throws_ok($$INSERT INTO orion.log_sink VALUES ('sink-1', 'asleep', now())$$, '23514', NULL, 'an unknown state of a sink is refused');
SELECT throws_ok($$INSERT INTO orion.log_sink VALUES ('', 'up', now())$$, '23514', NULL, 'a sink has a name');
SELECT throws_ok('INSERT INTO orion.queue DEFAULT VALUES', '23505', NULL, 'there is one queue');

SELECT is((SELECT suffix FROM orion.partition_at(now())), to_char(now() AT TIME ZONE 'UTC', '_YYYY_MM'), 'partition_at finds the month');
SELECT is((SELECT first <= id AND id < behind FROM orion.partition_at(now()), orion.task), true, 'and its bounds');
SELECT is((SELECT suffix FROM orion.partition_at('2040-01-01')), NULL, 'a month that has no partition is not found');
SELECT is((SELECT count(*) FROM generate_series(-1, 12) i, orion.partition_at(date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + make_interval(months => i)) p
    WHERE p.suffix IS NOT NULL), 14::bigint, 'all that were made are found');
SET LOCAL timezone = 'Europe/Berlin';
SELECT is(orion.make_partitions('2041-03-15', 0, 0), 6, 'partitions made by a session elsewhere');
SELECT is((SELECT suffix FROM orion.partition_at('2041-03-31 23:30+00')), '_2041_03', 'are months of UTC, summer time or not');
RESET timezone;
CREATE TABLE orion.task_2042_01 PARTITION OF orion.task FOR VALUES FROM (orion.uuid_at('2042-01-02')) TO (orion.uuid_at('2042-02-01'));
CREATE TABLE orion.attempt_2042_01 PARTITION OF orion.attempt FOR VALUES FROM (orion.uuid_at('2042-01-01')) TO (orion.uuid_at('2042-02-01'));
SELECT is((SELECT suffix FROM orion.partition_at('2042-01-10')), NULL, 'a partition with other bounds is not taken for a month');
CREATE TEMP VIEW found AS SELECT current_setting('test.found') AS suffix;
SET LOCAL ROLE orion_scheduler;
DO $$ BEGIN PERFORM set_config('test.found', (SELECT suffix FROM orion.partition_at(now())), true); END $$;
RESET ROLE;
SELECT matches((SELECT suffix FROM found), '^_[0-9]{4}_', 'the scheduler finds it');
SET LOCAL ROLE orion_gateway;
DO $$ BEGIN PERFORM set_config('test.found', (SELECT suffix FROM orion.partition_at(now())), true); END $$;
RESET ROLE;
SELECT is((SELECT suffix FROM found), '', 'who may not change it does not');

SELECT is_empty('SELECT * FROM orion.invariant_violations', 'no violation to begin with');
SAVEPOINT planted;
INSERT INTO orion.task (id, project, repo, state, created_at) VALUES ('ffffffff-0000-7000-8000-000000000000', 'default', 'r', 'queued', now());
SELECT is((SELECT count(*) FROM orion.invariant_violations WHERE rule = 'default_partition'), 1::bigint, 'a row in a default partition is seen');
ROLLBACK TO planted;
UPDATE orion.task SET ended_at = now();
SELECT is((SELECT count(*) FROM orion.invariant_violations WHERE rule = 'ended_state'), 1::bigint, 'an end without a terminal state is seen');
ROLLBACK TO planted;
INSERT INTO orion.attempt (task_id, number, agent_id, session, state, assigned_at)
    SELECT id, n, gen_random_uuid(), 1, 'running', now() FROM orion.task, generate_series(1, 2) n;
SELECT is((SELECT count(*) FROM orion.invariant_violations WHERE rule = 'one_open_attempt'), 1::bigint, 'two open attempts of one task are seen');
ROLLBACK TO planted;
INSERT INTO orion.event (seq, at, epoch, kind) SELECT (SELECT coalesce(max(seq), 0) FROM orion.event) + n, now(), 1, 'x' FROM unnest(ARRAY[1, 3]) n;
SELECT is((SELECT count(*) FROM orion.invariant_violations WHERE rule = 'event_hole'), 1::bigint, 'a hole in the journal is seen');
ROLLBACK TO planted;
UPDATE orion.task SET state = 'running';
SELECT is((SELECT count(*) FROM orion.invariant_violations WHERE rule = 'task_without_attempt'), 1::bigint, 'a running task without an attempt is seen');
ROLLBACK TO planted;
INSERT INTO orion.attempt (task_id, number, agent_id, session, state, assigned_at) SELECT id, 1, gen_random_uuid(), 1, 'running', now() FROM orion.task;
SELECT is((SELECT count(*) FROM orion.invariant_violations WHERE rule = 'open_attempt_of_idle_task'), 1::bigint, 'an attempt of a queued task is seen');
ROLLBACK TO planted;
INSERT INTO orion.attempt (task_id, number, agent_id, session, state, assigned_at, ended_at)
    SELECT id, n, gen_random_uuid(), 1, 'succeeded', now(), now() FROM orion.task, generate_series(1, 2) n;
SELECT is((SELECT count(*) FROM orion.invariant_violations WHERE rule = 'two_verdicts'), 1::bigint, 'two successes of one task are seen');
ROLLBACK TO planted;
INSERT INTO orion.event (seq, at, epoch, kind, task_id)
    SELECT (SELECT coalesce(max(seq), 0) FROM orion.event) + n, now(), 1, 'task.ended', id FROM orion.task, generate_series(1, 2) n;
SELECT is((SELECT count(*) FROM orion.invariant_violations WHERE rule = 'one_end'), 1::bigint, 'two ends of one task are seen');
ROLLBACK TO planted;
UPDATE orion.task SET state = 'failed', ended_at = now();
SELECT is((SELECT count(*) FROM orion.invariant_violations WHERE rule = 'end_without_event'), 1::bigint, 'an end without its event is seen');
ROLLBACK TO planted;

INSERT INTO orion.attempt (task_id, number, agent_id, session, state, assigned_at, ended_at, sink, log_state, log_chunks)
    SELECT id, 1, gen_random_uuid(), 1, 'lost', now(), now(), 'sink-1', 'gap', 3 FROM orion.task;
INSERT INTO orion.log_segment SELECT id, 1, 0, 'sink-2', 0, '\x00', now() FROM orion.task;
INSERT INTO orion.log_segment SELECT id, 1, 70, 'sink-3', 2, '\x00', now() FROM orion.task;
SELECT is_empty('SELECT * FROM orion.invariant_violations WHERE rule IN (''segment_order'', ''segment_without_attempt'')', 'a log may move twice');
INSERT INTO orion.log_sink VALUES ('sink-1', 'lost', now());
SELECT is((SELECT log_lost FROM orion_api_v1.attempts), false, 'a lost sink that got nothing of a log has lost nothing of it');
INSERT INTO orion.log_sink VALUES ('sink-2', 'down', now());
SELECT is((SELECT log_lost FROM orion_api_v1.attempts), false, 'one that is down may come back soon');
UPDATE orion.log_sink SET state = 'lost' WHERE name = 'sink-2';
SELECT is((SELECT log_lost FROM orion_api_v1.attempts), true, 'one that is lost has a part of it');
UPDATE orion.attempt SET log_chunks = 0;
SELECT is((SELECT log_lost FROM orion_api_v1.attempts), false, 'nothing is missing of an empty log');
UPDATE orion.attempt SET log_chunks = 3, log_wanted = true;
SELECT is_empty('SELECT * FROM orion.invariant_violations WHERE rule LIKE ''%log%''', 'a gap may be wanted');
SELECT is((SELECT count(*) FROM orion_api_v1.log_segments), 2::bigint, 'reports see the segments');
SAVEPOINT logs;
UPDATE orion.log_segment SET from_chunk = 9 WHERE from_offset = 0;
SELECT is((SELECT count(*) FROM orion.invariant_violations WHERE rule = 'segment_order'), 2::bigint, 'segments out of order are seen');
ROLLBACK TO logs;
INSERT INTO orion.log_segment SELECT id, 7, 0, 'sink-2', 0, '\x00', now() FROM orion.task;
SELECT is((SELECT count(*) FROM orion.invariant_violations WHERE rule = 'segment_without_attempt'), 1::bigint, 'a segment of no attempt is seen');
ROLLBACK TO logs;
UPDATE orion.attempt SET log_state = 'open';
SELECT is((SELECT count(*) FROM orion.invariant_violations WHERE rule = 'wanted_log_is_no_gap'), 1::bigint, 'a wanted log that is no gap is seen');
ROLLBACK TO logs;
UPDATE orion.attempt SET log_state = 'complete', log_wanted = NULL;
SELECT is((SELECT count(*) FROM orion.invariant_violations WHERE rule = 'complete_without_totals'), 1::bigint, 'a complete log without totals is seen');
ROLLBACK TO logs;
UPDATE orion.attempt SET state = 'running', ended_at = NULL;
SELECT is((SELECT count(*) FROM orion.invariant_violations WHERE rule = 'sealed_before_its_end'), 1::bigint, 'a log that is sealed before its end is seen');
ROLLBACK TO planted;

SELECT table_privs_are('orion', 'task', 'orion_gateway', ARRAY['SELECT'], 'the gateway only reads tasks');
SELECT table_privs_are('orion', 'event', 'orion_scheduler', ARRAY['SELECT', 'INSERT'], 'nobody rewrites the journal');
SELECT table_privs_are('orion', 'leader', 'orion_scheduler', ARRAY['SELECT', 'UPDATE'], 'the scheduler moves the leader row on');
SELECT table_privs_are('orion', 'task' || suffix, 'orion_scheduler', ARRAY['SELECT', 'UPDATE'], 'and changes the rows of now in their partition') FROM orion.partition_at(now());
SELECT table_privs_are('orion', 'concurrency_group', 'orion_scheduler', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'], 'groups come and go');
SELECT table_privs_are('orion', 'queue', 'orion_scheduler', ARRAY['SELECT', 'UPDATE'], 'the queue stays');
SELECT table_privs_are('orion', t, 'orion_gateway', ARRAY['SELECT'], 'the gateway only reads ' || t) FROM unnest(ARRAY['concurrency_group', 'queue', 'log_sink']) t;
SELECT table_privs_are('orion', t, 'orion_scheduler', ARRAY['SELECT', 'INSERT', 'UPDATE'], 'the scheduler writes ' || t) FROM unnest(ARRAY['log_sink', 'log_segment']) t;
SELECT table_privs_are('orion_api_v1', v, 'orion_report', ARRAY['SELECT'], 'reports see ' || v) FROM unnest(ARRAY['projects', 'groups', 'queue', 'log_sinks', 'log_segments']) v;
SELECT table_privs_are('orion', 'task', 'orion_report', '{}'::name[], 'reports see no table');
SELECT table_privs_are('orion_api_v1', 'tasks', 'orion_report', ARRAY['SELECT'], 'but the views');
SELECT is_empty($$SELECT c.table_name, c.column_name FROM information_schema.columns c WHERE table_schema = 'orion_api_v1'
    AND col_description(to_regclass(format('orion_api_v1.%I', c.table_name)), c.ordinal_position) IS NULL$$, 'every column of orion_api_v1 has a comment');
SELECT * FROM finish();
ROLLBACK;
