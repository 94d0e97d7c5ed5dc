-- schema.sql - what the schema itself promises, whoever writes.
BEGIN;
SELECT no_plan();
SELECT has_schema('orion');
SELECT has_schema('orion_api_v1');
SELECT tables_are('orion', ARRAY(SELECT relname FROM pg_class WHERE relnamespace = 'orion'::regnamespace AND relkind IN ('r', 'p')
    AND (relispartition OR relname IN ('schema_version', 'leader', 'project', 'agent', 'task', 'attempt', 'log_segment', 'event', 'idempotency'))),
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
SELECT throws_ok($$INSERT INTO orion.leader (only_row, epoch, batch) VALUES (true, 1, 1)$$, '23505', NULL, 'there is one leader row');

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

SELECT table_privs_are('orion', 'task', 'orion_gateway', ARRAY['SELECT'], 'the gateway only reads tasks');
SELECT table_privs_are('orion', 'event', 'orion_scheduler', ARRAY['SELECT', 'INSERT'], 'nobody rewrites the journal');
SELECT table_privs_are('orion', 'leader', 'orion_scheduler', ARRAY['SELECT', 'UPDATE'], 'the scheduler moves the leader row on');
SELECT table_privs_are('orion', 'task', 'orion_report', '{}'::name[], 'reports see no table');
SELECT table_privs_are('orion_api_v1', 'tasks', 'orion_report', ARRAY['SELECT'], 'but the views');
SELECT is_empty($$SELECT c.table_name, c.column_name FROM information_schema.columns c WHERE table_schema = 'orion_api_v1'
    AND col_description(to_regclass(format('orion_api_v1.%I', c.table_name)), c.ordinal_position) IS NULL$$, 'every column of orion_api_v1 has a comment');
SELECT * FROM finish();
ROLLBACK;
